//! HTTP/2 frames at the daemon's gRPC server: whatever one program sends after the preface, nothing
//! panics, and another program that connects meanwhile is answered within a bounded number of
//! steps.
//!
//! ```sh
//! RUSTC_BOOTSTRAP=1 cargo fuzz run http2_frames -- -max_total_time=600
//! ```
#![no_main]

mod daemon;
mod frames;

use std::pin::pin;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tokio::net::UnixStream;
use tokio::time::sleep;

use daemon::Daemon;

/// Steps of the runtime's clock within which the honest program must be answered.
const STEPS: usize = 10_000;

/// One step: a timer's resolution. On a busy machine each takes longer, for both programs alike.
const STEP: Duration = Duration::from_millis(1);

/// Steps that the daemon has for the frames before the honest program connects.
const HEAD_START: usize = 8;

fuzz_target!(init: frames::assert_every_method(), |data: &[u8]| {
    let [how, rest @ ..] = data else {
        return;
    };
    let bytes = frames::connection(*how, rest);
    let reads = how & 8 == 0;
    let piece = if how & 16 == 0 { usize::MAX } else { 7 };
    Daemon::with(|daemon| {
        daemon.runtime.block_on(async {
            let hostile = UnixStream::connect(&daemon.socket)
                .await
                .expect("not let in");
            send(&hostile, &bytes, piece, reads).await;
            let mut answered = pin!(daemon.answers_honest_calls());
            for _ in 0..STEPS {
                tokio::select! {
                    biased;
                    () = &mut answered => return,
                    () = sleep(STEP) => if reads { drain(&hostile) },
                }
            }
            panic!("no answer within {STEPS} steps");
        });
    });
});

/// Sends until the daemon stops reading.
async fn send(stream: &UnixStream, bytes: &[u8], piece: usize, reads: bool) {
    let mut left = HEAD_START;
    for mut piece in bytes.chunks(piece) {
        while !piece.is_empty() {
            match stream.try_write(piece) {
                Ok(written) => piece = &piece[written..],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && left > 0 => {
                    left -= 1;
                    sleep(STEP).await;
                }
                // The daemon closed it because of its input, or stopped reading.
                Err(_) => return,
            }
        }
        if reads {
            drain(stream);
        }
        tokio::task::yield_now().await;
    }
    for _ in 0..left {
        sleep(STEP).await;
    }
}

/// Reads everything that the daemon has sent.
fn drain(stream: &UnixStream) {
    let mut bytes = [0; 16 << 10];
    while matches!(stream.try_read(&mut bytes), Ok(1..)) {}
}
