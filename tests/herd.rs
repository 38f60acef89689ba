//! A thousand daemons whose network restarts come back spread out: the real sessions and links,
//! against the real network.
//!
//! With `UPDATE=1` it draws `docs/herd.svg`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a test fails by panicking, and counts in thousands"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use expd::config::settings::InstanceSettings;
use expd::config::{ChannelIdSpelling, Credentials, ProtocolChoice, Settings, TransportChoice};
use expd::daemon::{self, Listeners, ServeParts};
use expd::ipc::{self, Listener, SocketPath};
use expd_domain::Secret;
use expd_hub::{CountersSnapshot, Hub, HubDevice, HubSettings, operator};
use expd_test_support::ports;
use plotters::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Number of daemons.
const FLEET: usize = 1000;

/// Time that the network is down.
const DOWN: Duration = Duration::from_secs(12);

/// Time within which all are back: the longest wait after an outage of that length, a login, and a
/// slow machine.
const BACK: Duration = Duration::from_secs(30);

/// In no tenth of a second may more than this part of the fleet come.
const MOST_AT_ONCE: f64 = 0.12;

/// `Retry-After` of a busy network.
const RETRY_AFTER: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_daemons_do_not_come_back_in_step() {
    let mut network = Network::new().await;
    network.start().await;
    let stop = CancellationToken::new();
    let settings = fleet(network.settings.listen);
    let folder = tempfile::tempdir().unwrap();
    let place = SocketPath::named(folder.path().join("socket"));
    let mut listeners = Listeners::default();
    listeners.add(Listener::unix(ipc::bind(&place, 0o600, None).unwrap()).unwrap());
    let mut daemons = JoinSet::new();
    let stopped = stop.clone();
    // Each of its instances has a session and a link of its own, as each of a thousand daemons has.
    daemons.spawn(async move {
        daemon::serve(ServeParts::new(&settings, listeners, stopped), |_| {}).await
    });
    network.until_all_are_connected().await;

    network.stop().await;
    sleep(DOWN).await;
    // Tokens end with the key that signed them, so that everybody has to log in, too.
    network.settings.token_key = Some(Secret::new("another one"));
    network.start().await;
    let (logins, connects) = network.until_all_are_connected().await;
    report("logins", &logins);
    report("connects", &connects);
    if std::env::var_os("UPDATE").is_some() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/herd.svg");
        draw(&file, &logins, &connects);
    }

    network.stop().await;
    let asked = busy(network.settings.listen, RETRY_AFTER + RETRY_AFTER / 2).await;
    // The first time each comes when it would; the second time no sooner than it was told to, and
    // not all at the same moment.
    let tenths = usize::try_from(RETRY_AFTER.as_millis() / 100).unwrap();
    let first: u64 = asked[..tenths].iter().sum();
    assert!(
        first <= FLEET as u64 * 102 / 100,
        "{first} requests within {RETRY_AFTER:?}: {asked:?}"
    );
    spread("after a Retry-After", &asked[tenths..]);

    stop.cancel();
    timeout(BACK, daemons.join_next())
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .unwrap();
}

/// Prints how many came in each tenth of a second, and checks that they did not come together.
fn report(what: &str, tenths: &[u64]) {
    spread(what, tenths);
    let all: u64 = tenths.iter().sum();
    assert!(all >= FLEET as u64, "{all} {what}");
    assert!(
        all <= FLEET as u64 * 11 / 10,
        "{all} {what} of {FLEET}: a storm"
    );
}

fn spread(what: &str, tenths: &[u64]) {
    let most = *tenths.iter().max().unwrap();
    eprintln!("{what}, in tenths of a second: {tenths:?}");
    assert!(
        most as f64 <= FLEET as f64 * MOST_AT_ONCE,
        "{most} {what} at once: {tenths:?}"
    );
}

fn name(number: usize) -> String {
    format!("screen-{number}")
}

fn fleet(network: SocketAddr) -> Settings {
    let mut settings = Settings::default();
    for number in 0..FLEET {
        let credentials = Credentials::Device {
            uuid: Some(name(number)),
            secret: Some(Secret::new(name(number))),
            allow_pairing: false,
        };
        let mut instance = InstanceSettings::new(format!("http://{network}"), credentials);
        instance.transport = TransportChoice::Websocket;
        instance.protocol = ProtocolChoice::V4;
        instance.channel_id = ChannelIdSpelling::UrlSafe;
        settings.instances.insert(name(number), instance);
    }
    settings
}

/// Key that the operator proves itself with.
fn operator_key() -> Secret {
    Secret::new("operator key")
}

/// The network, which can be stopped and started again in the same place.
struct Network {
    settings: HubSettings,
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl Network {
    async fn new() -> Self {
        let mut settings = HubSettings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            devices: (0..FLEET)
                .map(|number| HubDevice {
                    uuid: name(number),
                    secret: Secret::new(name(number)),
                })
                .collect(),
            token_key: Some(Secret::new("token key")),
            operator_key: Some(operator_key()),
            ..HubSettings::default()
        };
        settings.listen = Hub::bind(&settings).await.unwrap().local_addr();
        Self {
            settings,
            stop: CancellationToken::new(),
            task: JoinSet::new(),
        }
    }

    async fn start(&mut self) {
        let hub = ports::bind(&self.settings).await;
        self.stop = CancellationToken::new();
        let stop = self.stop.clone();
        self.task
            .spawn(async move { hub.serve(stop).await.unwrap() });
    }

    async fn stop(&mut self) {
        self.stop.cancel();
        timeout(BACK, self.task.join_next()).await.unwrap();
    }

    /// Logins and connects in each tenth of a second until all are there.
    async fn until_all_are_connected(&self) -> (Vec<u64>, Vec<u64>) {
        let (mut logins, mut connects) = (Vec::new(), Vec::new());
        let mut before = CountersSnapshot::default();
        let begun = Instant::now();
        let mut tenths = interval(Duration::from_millis(100));
        tenths.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while before.connections < FLEET as u64 {
            assert!(
                begun.elapsed() < BACK,
                "{} are back after {BACK:?}",
                before.connections
            );
            tenths.tick().await;
            let url = format!("http://{}", self.settings.listen);
            let now = operator::counters(&url, Some(&operator_key()))
                .await
                .unwrap();
            logins.push(now.logins - before.logins);
            connects.push(now.connections_total - before.connections_total);
            before = now;
        }
        (logins, connects)
    }
}

/// A server that is too busy for so long: how many requests it had in each tenth of a second.
async fn busy(address: SocketAddr, lasts: Duration) -> Vec<u64> {
    let listener = ports::listen(address).await;
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut answers = JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let counted = counted.clone();
            answers.spawn(async move {
                let mut request = [0; 4096];
                if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                let after = RETRY_AFTER.as_secs();
                let answer = format!(
                    "HTTP/1.1 503 Busy\r\nRetry-After: {after}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
                // Whoever has gone meanwhile needs no answer.
                stream.write_all(answer.as_bytes()).await.ok();
            });
            while answers.try_join_next().is_some() {}
        }
    });
    let mut tenths = interval(Duration::from_millis(100));
    tenths.tick().await;
    let mut asked = Vec::new();
    while asked.len() < usize::try_from(lasts.as_millis() / 100).unwrap() {
        tenths.tick().await;
        asked.push(count.swap(0, Ordering::Relaxed));
    }
    asked
}

/// Both as bars over the time since the network came back, beside a fleet that waits without
/// jitter.
fn draw(file: &Path, logins: &[u64], connects: &[u64]) {
    let area = SVGBackend::new(file, (720, 420)).into_drawing_area();
    area.fill(&WHITE).unwrap();
    let last = logins.len().max(connects.len()) as f64 / 10.0;
    let most = *logins.iter().chain(connects).max().unwrap() as f64;
    let mut chart = ChartBuilder::on(&area)
        .caption(
            format!(
                "{FLEET} daemons after their network was away for {} s",
                DOWN.as_secs()
            ),
            ("sans-serif", 18),
        )
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..last, 0.0..most * 1.2)
        .unwrap();
    chart
        .configure_mesh()
        .x_desc("seconds since the network is back")
        .y_desc("in a tenth of a second")
        .light_line_style(WHITE)
        .draw()
        .unwrap();
    for (index, (what, tenths)) in [("logins", logins), ("connects", connects)]
        .into_iter()
        .enumerate()
    {
        let color = Palette99::pick(index).to_rgba();
        let points = tenths
            .iter()
            .enumerate()
            .map(|(tenth, count)| (tenth as f64 / 10.0, *count as f64));
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)))
            .unwrap()
            .label(what)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .draw()
        .unwrap();
    area.present().unwrap();
}
