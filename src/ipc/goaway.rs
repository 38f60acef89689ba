//! Refusal of a connection as HTTP/2 frames, before any server has it.

/// RFC 9113, section 7: the peer uses more than its share.
const ENHANCE_YOUR_CALM: u32 = 0xb;

const SETTINGS: u8 = 0x4;
const GOAWAY: u8 = 0x7;

/// Limit on the reason, in bytes.
const LONGEST: usize = 512;

/// The frames that refuse a connection: empty SETTINGS, and GOAWAY with the reason as debug data.
pub(super) fn frames(reason: &str) -> Vec<u8> {
    let reason = reason.as_bytes();
    let reason = reason.get(..LONGEST).unwrap_or(reason);
    let mut frames = head(0, SETTINGS).to_vec();
    // No stream was processed.
    let last_stream = [0; 4];
    frames.extend(head(8 + reason.len(), GOAWAY));
    frames.extend(last_stream);
    frames.extend(ENHANCE_YOUR_CALM.to_be_bytes());
    frames.extend(reason);
    frames
}

fn head(length: usize, kind: u8) -> [u8; 9] {
    // Frames here are at most a few hundred bytes long.
    let [.., a, b] = length.to_be_bytes();
    [0, a, b, kind, 0, 0, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_settings_and_a_goaway_with_its_reason() {
        let frames = frames("too many");
        assert_eq!(frames[..9], [0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]);
        assert_eq!(frames[9..18], [0, 0, 16, GOAWAY, 0, 0, 0, 0, 0]);
        assert_eq!(frames[18..26], [0, 0, 0, 0, 0, 0, 0, 0xb]);
        assert_eq!(&frames[26..], b"too many");
        assert_eq!(super::frames(&"x".repeat(9000)).len(), 26 + LONGEST);
    }
}
