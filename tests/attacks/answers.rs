//! Answers that nobody reads are bounded, and end.

use std::io::Write as _;
use std::time::Duration;

use expd_proto as proto;
use flate2::Compression;
use flate2::write::GzEncoder;
use h2::RecvStream;
use tokio::time::{sleep, timeout};

use crate::attacked_daemon::{ALONE, APP, AttackedDaemon};
use expd_test_support::cloud::{Cloud, Reply, login_here};
use expd_test_support::http2::{Http2, framed, is_root};
use expd_test_support::{DEADLINE, eventually, eventually_within};

const MB: usize = 1_000_000;

/// One user's share, as the README says it: half of `daemon.limits.max_call_bytes`.
const SHARE: usize = 64 << 20;

/// Memory beyond the share that nobody accounts for: tasks and tables, and freed pages that the
/// allocator keeps for a tenth of a second.
const UNACCOUNTED: usize = SHARE / 4;

/// Time in which a call is answered that waits for memory behind hundreds of others of its user.
const PATIENCE: Duration = DEADLINE.saturating_mul(3);

/// Time in which an answer that nobody reads ends by itself; the daemon gives it 30 s.
const UNREAD_ENDS: Duration = Duration::from_secs(60);

/// Bytes of each answer.
const LARGE: usize = 900_000;

/// A daemon whose network answers each request for data with `answer`.
async fn attacked(answer: Reply) -> (AttackedDaemon, Cloud) {
    let cloud = Cloud::start(move |request, _| {
        if request.is_login() {
            login_here(request)
        } else if request.path.starts_with("/api/data/") {
            answer.clone()
        } else {
            Reply::new(404, "")
        }
    })
    .await;
    let settings = format!(
        "[instances.default]\nhost = \"{}\"\n[instances.default.credentials]\ntype = \"device\"\nuuid = \"device-1\"\nsecret = \"s\"\n",
        cloud.url
    );
    (AttackedDaemon::start_apart(&settings).await, cloud)
}

fn get() -> proto::ApiRequest {
    proto::ApiRequest {
        method: "GET".to_owned(),
        path: "/api/data/group/key".to_owned(),
        ..Default::default()
    }
}

/// Asks for answers behind a window of zero. Returns those that wait, and how many were refused.
async fn unread(attacked: &AttackedDaemon, requests: usize) -> (Http2, Vec<RecvStream>, usize) {
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(0);
    let mut client = attacked.http2(APP, &builder).await;
    let message = framed(&get());
    let mut answers = Vec::new();
    for _ in 0..requests {
        let (response, mut stream) = client.post("/expd.v1.Api/Request").await;
        stream.send_data(message.clone(), true).unwrap();
        answers.push(response);
    }
    let mut bodies = Vec::new();
    let mut refused = 0;
    for answer in answers {
        let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
        match tonic::Status::from_header_map(answer.headers()) {
            Some(status) => {
                assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status:?}");
                refused += 1;
            }
            None => bodies.push(answer.into_body()),
        }
    }
    (client, bodies, refused)
}

/// Reads the daemon's memory until it is dropped.
struct Highest {
    reading: tokio::task::JoinSet<usize>,
    stop: tokio_util::sync::CancellationToken,
}

impl Highest {
    fn of(attacked: &AttackedDaemon) -> Self {
        let stop = tokio_util::sync::CancellationToken::new();
        let stopped = stop.clone();
        let memory = attacked.memory_reader();
        let mut reading = tokio::task::JoinSet::new();
        reading.spawn(async move {
            let mut highest = memory();
            while !stopped.is_cancelled() {
                highest = highest.max(memory());
                sleep(Duration::from_millis(2)).await;
            }
            highest
        });
        Self { reading, stop }
    }

    async fn ends(mut self) -> usize {
        self.stop.cancel();
        self.reading.join_next().await.unwrap().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_behind_a_closed_window_hold_no_more_than_a_share_and_end() {
    let large = format!("\"{}\"", "x".repeat(LARGE));
    hold_no_more_than_a_share_and_end(Reply::new(200, large)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_of_unknown_length_hold_no_more_than_a_share_and_end() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let large = format!("\"{}\"", "x".repeat(LARGE));
    let chunked = format!("{head}{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    hold_no_more_than_a_share_and_end(Reply::Raw(chunked)).await;
}

/// Asks for 300 of these answers behind a window of zero.
async fn hold_no_more_than_a_share_and_end(answer: Reply) {
    if !is_root() {
        return;
    }
    let alone = ALONE.lock().await;
    let (attacked, _cloud) = attacked(answer).await;
    let before = attacked.memory();
    let highest = Highest::of(&attacked);
    let watch = attacked.watch().await;
    let (_client, bodies, refused) = unread(&attacked, 300).await;
    let highest = highest.ends().await.saturating_sub(before);
    eprintln!(
        "{} answers wait, {refused} refused, at most {} MB more",
        bodies.len(),
        highest / MB
    );
    assert!(refused > 0);
    assert!(highest <= SHARE + UNACCOUNTED, "{} MB more", highest / MB);
    attacked.root_gets_in().await;
    watch.ends_well().await;
    // From here on the daemon waits, which disturbs no other test.
    drop(alone);

    // Those that nobody reads end by themselves.
    for mut body in bodies {
        let ended = timeout(UNREAD_ENDS, body.data()).await;
        let ended = ended.expect("an answer waits for ever").unwrap();
        assert!(ended.is_err_and(|error| error.is_reset()), "no reset came");
    }
    eventually("their memory is given back", async || {
        let kept = attacked.memory().saturating_sub(before);
        let is_little = kept <= 30 * MB;
        is_little
            .then_some(())
            .ok_or_else(|| format!("{} MB are kept", kept / MB))
    })
    .await;
}

/// A connection that has carried large answers reads up to 408 KiB at a time, before anybody sees
/// the next answer.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_ahead_on_used_connections_is_within_the_share() {
    if !is_root() {
        return;
    }
    let _alone = ALONE.lock().await;
    let (attacked, _cloud) = attacked(Reply::new(200, format!("\"{}\"", "x".repeat(LARGE)))).await;
    let before = attacked.memory();
    let highest = Highest::of(&attacked);
    let watch = attacked.watch().await;
    let mut callers = tokio::task::JoinSet::new();
    let stop = tokio_util::sync::CancellationToken::new();
    for _ in 0..4 {
        let api = attacked.api(APP).await.max_decoding_message_size(4 << 20);
        for _ in 0..75 {
            let (mut api, stop) = (api.clone(), stop.clone());
            callers.spawn(async move {
                while !stop.is_cancelled() {
                    if let Err(status) = api.request(get()).await {
                        assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status:?}");
                    }
                }
            });
        }
    }
    sleep(Duration::from_secs(5)).await;
    // Nobody reads any more what these would have been given room for.
    stop.cancel();
    let (_client, _bodies, _) = unread(&attacked, 300).await;
    let highest = highest.ends().await.saturating_sub(before);
    eprintln!("at most {} MB more", highest / MB);
    assert!(highest <= SHARE + UNACCOUNTED, "{} MB more", highest / MB);
    callers.abort_all();
    watch.ends_well().await;
}

/// Memory that one stream of content may take.
const CONTENT: usize = 4 * MB;

/// An endless answer of these bytes, with these fields in its head.
fn endless(fields: &str, piece: Vec<u8>) -> Reply {
    Reply::Bytes {
        head: format!("HTTP/1.1 200 OK\r\n{fields}\r\n"),
        piece: piece.into(),
        times: usize::MAX,
    }
}

/// A member of a gzip file that is a thousand times as large once it is decoded.
fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 10 * MB]).unwrap();
    encoder.finish().unwrap()
}

fn content() -> proto::FetchRequest {
    proto::FetchRequest {
        path: "/api/data/group/key".to_owned(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn content_without_end_takes_four_megabytes_plain_or_as_a_bomb() {
    if !is_root() {
        return;
    }
    let _alone = ALONE.lock().await;
    for (what, answer) in [
        ("plain", endless("", vec![7; 256 << 10])),
        ("a bomb", endless("content-encoding: gzip\r\n", bomb())),
    ] {
        let (attacked, _cloud) = attacked(answer).await;
        let mut api = attacked.api(APP).await;
        // What the first call of all takes, and any other after it, is not the content's.
        drop(api.fetch(content()).await.unwrap());
        let before = attacked.memory();
        let highest = Highest::of(&attacked);
        let watch = attacked.watch().await;
        let mut chunks = api.fetch(content()).await.unwrap().into_inner();
        let mut bytes = 0;
        while bytes < 100 * MB {
            let chunk = chunks.message().await.unwrap().unwrap();
            if let Some(proto::fetch_chunk::Form::Data(data)) = chunk.form {
                bytes += data.len();
            }
        }
        let highest = highest.ends().await.saturating_sub(before);
        eprintln!("{what}: at most {} kB more", highest / 1000);
        assert!(highest <= CONTENT, "{what}: {highest} bytes more");
        watch.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_a_bomb_is_refused_at_the_bound_on_answers() {
    if !is_root() {
        return;
    }
    let _alone = ALONE.lock().await;
    let (attacked, _cloud) = attacked(endless("content-encoding: gzip\r\n", bomb())).await;
    let before = attacked.memory();
    let highest = Highest::of(&attacked);
    let watch = attacked.watch().await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let mut api = attacked.api(APP).await;
        callers.spawn(async move { api.request(get()).await.unwrap_err() });
    }
    while let Some(status) = callers.join_next().await {
        let status = status.unwrap();
        assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status:?}");
    }
    let highest = highest.ends().await.saturating_sub(before);
    eprintln!("at most {} MB more", highest / MB);
    assert!(highest <= SHARE + UNACCOUNTED, "{} MB more", highest / MB);
    watch.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_nobody_reads_takes_its_users_share_and_ends() {
    if !is_root() {
        return;
    }
    let alone = ALONE.lock().await;
    let (attacked, cloud) = attacked(endless("", vec![7; 256 << 10])).await;
    let before = attacked.memory();
    let highest = Highest::of(&attacked);
    let watch = attacked.watch().await;
    let mut client = attacked.http2(APP, &h2::client::Builder::new()).await;
    let mut answers = Vec::new();
    for _ in 0..60 {
        let (response, mut stream) = client.post("/expd.v1.Api/Fetch").await;
        stream.send_data(framed(&content()), true).unwrap();
        answers.push(response);
    }
    let mut bodies = Vec::new();
    for answer in answers {
        let answer = timeout(DEADLINE, answer).await.unwrap().unwrap();
        if tonic::Status::from_header_map(answer.headers()).is_none() {
            bodies.push(answer.into_body());
        }
    }
    let highest = highest.ends().await.saturating_sub(before);
    eprintln!("{} wait, at most {} MB more", bodies.len(), highest / MB);
    assert!(highest <= SHARE + UNACCOUNTED, "{} MB more", highest / MB);
    attacked.root_gets_in().await;
    watch.ends_well().await;
    drop(alone);

    // Those that nobody reads end by themselves, and with them the network's answers.
    eventually_within(UNREAD_ENDS, "their connections end", async || {
        let open = cloud.connections();
        (open <= 3)
            .then_some(())
            .ok_or_else(|| format!("{open} go on"))
    })
    .await;
}
