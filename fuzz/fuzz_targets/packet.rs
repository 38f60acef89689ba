//! Packets from a server, in either generation: no panic, no packet above the limit, payloads
//! passed on verbatim, no packet's text in an error about it, and what this side frames can be read
//! again.
//!
//! ```sh
//! RUSTC_BOOTSTRAP=1 cargo fuzz run packet -- -max_total_time=600
//! ```
#![no_main]

use expd_domain::Generation;
use expd_wire::socket::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [kind, rest @ ..] = data else {
        return;
    };
    let text = || std::str::from_utf8(rest).ok();
    match kind % 5 {
        0 => fuzzing::body(Generation::V3, rest),
        1 => fuzzing::body(Generation::V4, rest),
        2 => text().into_iter().for_each(fuzzing::packet),
        3 => text().into_iter().for_each(fuzzing::event),
        // A payload inside an otherwise valid broadcast.
        _ => text().into_iter().for_each(|payload| {
            fuzzing::event(&format!(
                r#"["broadcast",{{"id":"1","name":"n","channel":"c","payload":{payload}}}]"#
            ));
        }),
    }
});
