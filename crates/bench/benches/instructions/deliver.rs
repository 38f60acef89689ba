//! From the channel's log to the bodies of a hundred streams.

use std::time::Duration;

use super::callgrind::counted;
use super::world::{Streams, World};

/// Listeners of one channel.
pub const STREAMS: u32 = 100;

/// Broadcasts that arrive while no stream is read.
pub const BURST: u32 = 250;

/// Broadcasts that arrive one by one.
pub const ROUNDS: u32 = 50;

/// The time between two broadcasts.
const PACE: Duration = Duration::from_millis(20);

/// All streams read what gathered.
pub fn burst() {
    let world = World::new();
    let mut streams = Streams::new(&world, STREAMS);
    world.report([world.broadcasts(BURST)]);
    let mut bytes = 0;
    counted(&mut || bytes = streams.read(&world));
    assert_whole(bytes, BURST);
}

/// All streams are woken for each broadcast, and read it.
pub fn paced() {
    let world = World::new();
    let mut streams = Streams::new(&world, STREAMS);
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        world.pass(PACE);
        let mut report = Some(world.broadcasts(1));
        counted(&mut || {
            world.report(report.take());
            bytes += streams.read(&world);
        });
    }
    assert_whole(bytes, ROUNDS);
}

/// A count of less than the whole work would look like an improvement.
fn assert_whole(bytes: usize, broadcasts: u32) {
    let least = super::world::TEXT * (STREAMS * broadcasts) as usize;
    assert!(bytes > least, "only {bytes} bytes were delivered");
}
