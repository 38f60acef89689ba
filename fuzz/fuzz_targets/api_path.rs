//! Paths of EXP's API from apps: no panic, a short refusal, and an accepted path is classified the
//! same by every server on the way, however often it decodes and whatever it ignores.
//!
//! ```sh
//! RUSTC_BOOTSTRAP=1 cargo fuzz run api_path -- -dict=fuzz/api_path.dict -max_total_time=600
//! ```
#![no_main]

use expd_domain::quoted::is_hidden;
use expd_domain::{ApiPath, PathClass};
use libfuzzer_sys::fuzz_target;
use percent_encoding::{percent_decode, percent_decode_str};

fuzz_target!(|text: &str| {
    match ApiPath::parse(text) {
        Ok(path) => accepted(text, &path),
        // A refusal quotes at most 64 characters, all escaped in the worst case.
        Err(error) => {
            let said = error.to_string();
            assert!(said.len() < 64 * 12 + 256 && !said.contains(is_hidden));
        }
    }
});

fn accepted(text: &str, path: &ApiPath) {
    // It is sent as written, except what a request line cannot hold.
    let written = text.split('?').next().unwrap_or_default();
    let sendable = |byte: &u8| (b'!'..=b'~').contains(byte);
    assert!(path.as_str().as_bytes().iter().all(sendable));
    assert!(percent_decode_str(path.as_str()).eq(percent_decode_str(written)));
    for decodings in 0..6 {
        for way in 0..16 {
            let read = read(path.as_str(), decodings, way);
            assert_eq!(read, Some(path.class()), "{text:?} {decodings} {way}");
        }
    }
}

/// The class that a server sees that decodes this often; `None` for a path outside `/api/`. The
/// bits of `way` say whether it treats backslashes as slashes, cuts parameters, merges slashes, and
/// ignores case.
fn read(path: &str, decodings: usize, way: usize) -> Option<PathClass> {
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..decodings {
        bytes = percent_decode(&bytes).collect();
    }
    assert!(bytes.iter().all(|byte| *byte >= b' ' && *byte != 0x7f));
    let slashes: &[char] = if way & 1 == 0 { &['/'] } else { &['/', '\\'] };
    let (cut, merge, fold) = (way & 2 != 0, way & 4 != 0, way & 8 != 0);
    let text = String::from_utf8_lossy(&bytes);
    let mut segments: Vec<String> = Vec::new();
    for segment in text.split(slashes).skip(1) {
        let segment = match segment.split_once(';') {
            Some((before, _)) if cut => before,
            _ => segment,
        };
        match segment {
            ".." => drop(segments.pop()),
            "." => {}
            "" if merge => {}
            _ if fold => segments.push(segment.to_lowercase()),
            _ => segments.push(segment.to_owned()),
        }
    }
    let mut segments = segments.iter().map(String::as_str);
    if segments.next() != Some("api") {
        return None;
    }
    Some(match segments.next() {
        Some("auth") => PathClass::Logins,
        Some("networks") => PathClass::Network,
        _ => PathClass::Resources,
    })
}
