//! Cost of the frames that a client sends.
//!
//! A frame's cost depends on its kind rather than its size: a SETTINGS frame of 15 bytes that
//! changes the initial window, or a GOAWAY, makes the HTTP/2 library visit every open stream of the
//! connection. The estimates here are microseconds of an optimized build; they bound the frames
//! passed on before their true cost is measured.

use super::rate_limit::TokenBucket;

/// Length of a client's preface (RFC 9113, section 3.4).
const PREFACE: usize = 24;

/// Length of a frame header.
const HEAD: usize = 9;

/// Offset of the frame's kind in it.
const KIND: usize = 3;

/// The kind that begins a call.
const HEADERS: u8 = 1;

/// Calls passed on before other ready tasks run. The answers of such a slice are written together.
pub(super) const CALLS_AT_ONCE: usize = 8;

/// Estimated cost passed on in one read, in microseconds.
const MAX_PASSED_COST: u32 = 2000;

/// Position in a client's bytes.
#[derive(Debug)]
enum Position {
    /// In the preface, with this many bytes missing.
    Preface(usize),
    /// In a frame header, with this many bytes received.
    Head([u8; HEAD], usize),
    /// In a frame's payload, with this many bytes missing.
    Payload(usize),
}

/// Follows the frames of one connection.
#[derive(Debug)]
pub(super) struct Meter {
    position: Position,
    /// The client's first frame has arrived.
    has_begun: bool,
    /// Calls passed on in this slice.
    calls_passed: usize,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self {
            position: Position::Preface(PREFACE),
            has_begun: false,
            calls_passed: 0,
        }
    }

    /// True once the client has sent its preface and a frame.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// True once the slice has as many calls as it may have.
    pub(super) fn has_passed_slice(&self) -> bool {
        self.calls_passed >= CALLS_AT_ONCE
    }

    /// Begins the next slice.
    pub(super) fn begin_slice(&mut self) {
        self.calls_passed = 0;
    }

    /// Charges the received frames to the bucket, on a connection with `calls` open calls. Returns
    /// the number of bytes to pass on now: at least one frame, and then up to the frame at which
    /// the bucket is empty, the cost of one read is reached, or another call would begin after
    /// those of one slice.
    pub(super) fn count(
        &mut self,
        received: &[u8],
        calls: usize,
        bucket: &mut TokenBucket,
    ) -> usize {
        let mut rest = received;
        let (mut frames, mut passed_cost) = (0, 0);
        while let Some((first, after)) = rest.split_first() {
            match &mut self.position {
                Position::Preface(left) | Position::Payload(left) => {
                    let taken = rest.len().min(*left);
                    *left -= taken;
                    rest = rest.get(taken..).unwrap_or_default();
                    if *left == 0 {
                        self.position = Position::Head([0; HEAD], 0);
                    }
                }
                // It is this connection's turn: tokens that others spent since then do not stop its
                // next frame.
                Position::Head(_, 0)
                    if frames > 0
                        && (passed_cost > MAX_PASSED_COST
                            || bucket.wait_time().is_some()
                            || self.calls_passed >= CALLS_AT_ONCE
                                && rest.get(KIND) == Some(&HEADERS)) =>
                {
                    break;
                }
                Position::Head(head, received) => {
                    if let Some(byte) = head.get_mut(*received) {
                        *byte = *first;
                    }
                    *received += 1;
                    rest = after;
                    if *received == HEAD {
                        let [a, b, c, kind, flags, ..] = *head;
                        let length = u32::from_be_bytes([0, a, b, c]);
                        let cost = cost(kind, flags, length, calls);
                        frames += 1;
                        self.calls_passed += usize::from(kind == HEADERS);
                        passed_cost += cost;
                        bucket.charge(cost);
                        self.has_begun = true;
                        self.position = match usize::try_from(length) {
                            Ok(length @ 1..) => Position::Payload(length),
                            _ => Position::Head([0; HEAD], 0),
                        };
                    }
                }
            }
        }
        received.len() - rest.len()
    }
}

/// Estimated cost of a frame in microseconds, on a connection with `calls` open calls.
fn cost(kind: u8, flags: u8, length: u32, calls: usize) -> u32 {
    const DATA: u8 = 0;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const GOAWAY: u8 = 7;
    const WINDOW_UPDATE: u8 = 8;
    const CONTINUATION: u8 = 9;
    const ACK: u8 = 1;
    let calls = u32::try_from(calls).unwrap_or(u32::MAX / 2);
    match kind {
        DATA => 1 + length / 4096,
        // Begins a call, whose task is measured separately.
        HEADERS => 10 + length / 1024,
        CONTINUATION => 2 + length / 1024,
        SETTINGS | PING if flags & ACK != 0 => 1,
        // The library visits every stream for these.
        SETTINGS | GOAWAY => 5 + calls / 8,
        RST_STREAM | PING => 2,
        WINDOW_UPDATE => 1 + calls / 256,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rate_limit::RateLimit;
    use super::*;

    fn frame(kind: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![0, 0, u8::try_from(payload).unwrap(), kind, 0, 0, 0, 0, 1];
        frame.extend(std::iter::repeat_n(7, payload));
        frame
    }

    #[tokio::test(start_paused = true)]
    async fn all_goes_through_in_pieces_of_any_size() {
        let frames = [frame(4, 6), frame(1, 100), frame(0, 0), frame(0, 255)].concat();
        let sent = [vec![b'P'; PREFACE], frames].concat();
        for size in [1, 2, 7, 9, 24, 1000] {
            let (mut meter, rate_limit) = (Meter::new(), RateLimit::new(false));
            for piece in sent.chunks(size) {
                assert_eq!(meter.count(piece, 0, &mut rate_limit.bucket()), piece.len());
            }
            assert!(meter.has_begun());
            assert!(
                matches!(meter.position, Position::Head(_, 0)),
                "{:?}",
                meter.position
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_settings_is_cut_between_two_frames_and_goes_on_later() {
        let (mut meter, rate_limit) = (Meter::new(), RateLimit::new(false));
        meter.count(&[b'P'; PREFACE], 0, &mut rate_limit.bucket());
        let flood = frame(4, 6).repeat(2000);
        let taken = meter.count(&flood, 1024, &mut rate_limit.bucket());
        assert!(taken < flood.len() && taken % 15 == 0, "{taken}");
        rate_limit.charge(std::time::Duration::from_millis(40));
        assert_eq!(
            meter.count(&flood[taken..], 1024, &mut rate_limit.bucket()),
            15
        );
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert!(meter.count(&flood[taken + 15..], 1024, &mut rate_limit.bucket()) > 15);
    }
}
