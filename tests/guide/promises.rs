//! The library's further promises: it comes back, tells each gap, leaves what waits in the daemon,
//! and ends without a trace.

use std::path::{Path, PathBuf};
use std::time::Duration;

use expd_client::{Channel, Gap, GapReason, InstanceEvent, Listener, Received, json};
use expd_test_support::network::Network;
use expd_test_support::world::{World, device};
use expd_test_support::{eventually, in_time};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::{WAIT, at, heard, next_event, screen, start};

/// Text of a payload, so that the sockets hold few of them.
const FILLER: usize = 400;

/// A world whose daemon's logs hold so many events.
async fn world_with_log(log_events: usize) -> World {
    let mut world = World::dark(&[("default", device())], |_| {}).await;
    let limits = &mut world.daemon.settings.daemon.limits;
    limits.log_events = log_events;
    limits.log_bytes = 32 << 20;
    // A busy machine takes its time to send them.
    limits.log_age = Duration::from_secs(600);
    world.network.start_again().await;
    world.daemon.start_again();
    world
}

/// Sends so many numbered events on the channel `menu`, several at a time.
async fn send_many(network: &Network, count: u64) {
    const AT_ONCE: u64 = 8;
    let mut senders = JoinSet::new();
    for first in 0..AT_ONCE {
        let sender = network.sender();
        senders.spawn(async move {
            let (menu, filler) = (Channel::new("menu"), "x".repeat(FILLER));
            for n in (first..count).step_by(usize::try_from(AT_ONCE).unwrap()) {
                let payload = format!(r#"[{n},"{filler}"]"#);
                sender.send_json(&menu, "n", &payload).await;
            }
        });
    }
    while let Some(sent) = senders.join_next().await {
        sent.unwrap();
    }
}

/// Waits until the daemon has dealt with so many events for its only listener, and returns how many
/// of them it still holds.
async fn behind(world: &World, count: u64) -> u64 {
    eventually("the stream stands still", async || {
        let listener = world.daemon.status().await.instances[0].listeners.remove(0);
        let all = listener.delivered + listener.behind + listener.missed;
        (all == count)
            .then_some(listener.behind)
            .ok_or(format!("{listener:?}"))
    })
    .await
}

async fn gap(listener: &mut Listener) -> Gap {
    match in_time("a gap", listener.next()).await.unwrap() {
        Some(Received::Gap(gap)) => gap,
        other => panic!("not a gap: {other:?}"),
    }
}

/// A socket in front of the daemon's, whose connections can be cut.
struct Wire {
    folder: tempfile::TempDir,
    connections: tokio::sync::mpsc::Sender<()>,
    _accepting: JoinSet<()>,
}

impl Wire {
    fn to(daemon: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let (daemon, mut accepting) = (daemon.to_owned(), JoinSet::new());
        let (connections, mut cut) = tokio::sync::mpsc::channel(1);
        accepting.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let (mut app, _) = accepted.unwrap();
                        let mut daemon = UnixStream::connect(&daemon).await.unwrap();
                        open.spawn(async move {
                            // It ends with either side.
                            tokio::io::copy_bidirectional(&mut app, &mut daemon).await.ok();
                        });
                    }
                    Some(()) = cut.recv() => open.shutdown().await,
                }
            }
        });
        Self {
            folder,
            connections,
            _accepting: accepting,
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    async fn cut(&self) {
        self.connections.send(()).await.unwrap();
    }
}

#[tokio::test]
async fn a_restart_of_the_daemon_is_a_gap_and_an_own_identity_comes_back_by_itself() {
    let mut world = World::new().await;
    let exp = screen(&world).start().await.unwrap();
    let menu = exp.channel("menu");
    let mut listener = menu.listen("hi").await.unwrap();
    let mut events = exp.events();
    while next_event(&mut events).await != InstanceEvent::Online {}
    world.daemon.stop().await;
    world.daemon.start_again();
    let received = in_time("a gap", listener.next()).await.unwrap();
    let Some(Received::Gap(gap)) = received else {
        panic!("not a gap: {received:?}");
    };
    assert_eq!(gap.reason, GapReason::Restarted);
    let event = next_event(&mut events).await;
    assert!(matches!(event, InstanceEvent::Offline(_)), "{event:?}");
    while next_event(&mut events).await != InstanceEvent::Online {}
    let payload = eventually("a broadcast arrives", async || {
        let sent = menu.broadcast("hi", json!(7)).when_connected(WAIT).await;
        sent.map_err(|error| error.to_string())?;
        match listener.wait(WAIT).await.unwrap() {
            Some(Received::Broadcast(hi)) => Ok(hi.payload.clone()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(payload.as_str(), "7");
}

#[tokio::test]
async fn a_connection_that_breaks_loses_nothing_and_is_no_gap() {
    const COUNT: u64 = 300;
    let world = World::new().await;
    let wire = Wire::to(&world.socket());
    let exp = at(&world).socket(wire.socket()).start().await.unwrap();
    let mut listener = exp.channel("menu").listen("n").await.unwrap();
    let (sender, menu) = (world.network.sender(), Channel::new("menu"));
    let mut sending = JoinSet::new();
    sending.spawn(async move {
        for n in 0..COUNT {
            sender.send(&menu, "n", n).await;
        }
    });
    for n in 0..COUNT {
        // Whatever else comes, as a gap, fails.
        assert_eq!(heard(&mut listener).await.payload.as_str(), n.to_string());
        if n % 100 == 50 {
            wire.cut().await;
        }
    }
}

#[tokio::test]
async fn an_outage_of_the_network_is_a_gap_with_its_span() {
    let mut world = World::new().await;
    let exp = start(&world).await;
    let mut listener = exp.channel("menu").listen("hi").await.unwrap();
    world.network.stop().await;
    world.network.start_again().await;
    let gap = gap(&mut listener).await;
    assert_eq!((gap.reason, gap.missed), (GapReason::Offline, None));
    assert!(gap.from.unwrap() <= gap.to.unwrap(), "{gap:?}");
}

#[tokio::test]
async fn a_program_slower_than_the_log_is_told_how_much_it_missed() {
    const COUNT: u64 = 3000;
    let world = world_with_log(8).await;
    let exp = start(&world).await;
    let mut slow = exp.channel("menu").listen("n").await.unwrap();
    send_many(&world.network, COUNT).await;
    let (mut heard, mut missed) = (0, 0);
    while heard + missed < COUNT {
        match in_time("the next", slow.next()).await.unwrap().unwrap() {
            Received::Broadcast(_) => heard += 1,
            Received::Gap(gap) => {
                assert_eq!(gap.reason, GapReason::Overflow);
                missed += gap.missed.unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(missed > 0);
    assert_eq!(heard + missed, COUNT);
}

#[tokio::test]
async fn ten_thousand_broadcasts_that_a_slow_program_has_not_taken_wait_in_the_daemon() {
    const COUNT: u64 = 10_000;
    let world = world_with_log(20_000).await;
    let exp = start(&world).await;
    let mut slow = exp.channel("menu").listen("n").await.unwrap();
    send_many(&world.network, COUNT).await;
    // 128 KiB are on this side, and what the socket between holds: some 800 of them.
    let behind = behind(&world, COUNT).await;
    assert!(behind > COUNT - 1000, "only {behind} wait in the daemon");
    let mut numbers = Vec::new();
    for _ in 0..COUNT {
        let (n, _): (u64, String) = heard(&mut slow).await.payload.decode().unwrap();
        numbers.push(n);
    }
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..COUNT), "each once");
    assert!(slow.wait(Duration::ZERO).await.unwrap().is_none());
}

#[tokio::test]
async fn after_the_last_handle_no_task_is_left_and_the_daemon_knows() {
    let world = World::new().await;
    let (daemons, own) = (at(&world), screen(&world));
    // A runtime of the program's own: the world's has tasks.
    let program = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(async {
            for options in [daemons, own] {
                let exp = options.start().await.unwrap();
                let mut events = exp.events();
                next_event(&mut events).await;
                let mut listener = exp.channel("menu").listen("hi").await.unwrap();
                assert!(listener.wait(Duration::ZERO).await.unwrap().is_none());
            }
            let metrics = tokio::runtime::Handle::current().metrics();
            eventually("no task is left", async || {
                let left = metrics.num_alive_tasks();
                (left == 0).then_some(()).ok_or(left.to_string())
            })
            .await;
        });
    });
    program.await.unwrap();
    eventually("the daemon knows", async || {
        let status = world.daemon.status().await;
        let [default] = &*status.instances else {
            return Err(format!("{:?}", status.instances));
        };
        let listeners = &default.listeners;
        listeners
            .is_empty()
            .then_some(())
            .ok_or(format!("{listeners:?}"))
    })
    .await;
}
