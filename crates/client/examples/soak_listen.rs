//! The Rust program of the soak (`tests/soak`): listens on a channel through all outages and
//! prints what it received and what it may have missed, one JSON document a line. With the position
//! of an earlier run it continues there. An empty SOCKET is the default one. SIGTERM ends it
//! with 0.
//!
//!     soak_listen SOCKET CHANNEL [LOG_ID AFTER]

use std::error::Error;
use std::time::Duration;

use expd_client::{ClientError, Exp, Listener, Position, Received, json};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(socket), Some(channel)) = (arguments.next(), arguments.next()) else {
        return Err("usage: soak_listen SOCKET CHANNEL [LOG_ID AFTER]".into());
    };
    let resume = match (arguments.next(), arguments.next()) {
        (Some(log_id), Some(after)) => Some(Position {
            log_id,
            after: after.parse()?,
        }),
        _ => None,
    };
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        heard = hear(&socket, &channel, resume) => Ok(heard?),
        _ = terminated.recv() => Ok(()),
    }
}

async fn hear(socket: &str, channel: &str, resume: Option<Position>) -> Result<(), ClientError> {
    let mut listener = open(socket, channel, resume).await?;
    println!("{}", json!({"ready": true}));
    while let Some(received) = listener.next().await? {
        match received {
            Received::Broadcast(it) => {
                let position = listener.position();
                let position = position.map(|it| json!({"logId": it.log_id, "after": it.after}));
                println!(
                    r#"{{"heard":{},"position":{}}}"#,
                    it.payload.as_str(),
                    json!(position)
                );
            }
            Received::Gap(gap) => {
                let time = |time: Option<expd_client::Time>| time.map(|time| time.to_string());
                println!(
                    "{}",
                    json!({"gap": {
                        "reason": gap.reason.as_str(),
                        "missed": gap.missed,
                        "from": time(gap.from),
                        "to": time(gap.to),
                    }})
                );
            }
            _ => {}
        }
    }
    Ok(())
}

/// Waits for the daemon and the network to appear; afterwards the listener reconnects by itself.
async fn open(
    socket: &str,
    channel: &str,
    resume: Option<Position>,
) -> Result<Listener, ClientError> {
    loop {
        let opened = async {
            let options = match socket {
                "" => Exp::options(),
                _ => Exp::options().socket(socket),
            };
            let exp = options.start().await?;
            let channel = exp.channel(channel);
            let listener = channel.listen_all();
            match resume.clone() {
                Some(position) => listener.resume(position).await,
                None => listener.await,
            }
        };
        match opened.await {
            Err(error)
                if error.is_transient() || matches!(error, ClientError::NotConfirmed { .. }) =>
            {
                eprintln!("{error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            opened => return opened,
        }
    }
}
