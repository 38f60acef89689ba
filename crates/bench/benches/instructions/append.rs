//! From the link's report into the channel's log.

use super::callgrind::counted;
use super::world::World;

/// Broadcasts in one report.
const REPORT: u32 = 50;

const REPORTS: u32 = 20;

/// Number of all broadcasts.
pub const BROADCASTS: u32 = REPORT * REPORTS;

/// Each broadcast evicts an old one, as usual on a busy channel.
pub fn run() {
    let world = World::new();
    let _subscribed = world.listen();
    world.report((0..30).map(|_| world.broadcasts(REPORT)));
    let mut reports: Vec<_> = (0..REPORTS).map(|_| world.broadcasts(REPORT)).collect();
    counted(&mut || world.report(reports.drain(..)));
}
