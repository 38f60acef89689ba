//! The access rules, through gRPC on the real daemon's socket, with callers that are other users.
//! To be run as root, which alone can become somebody else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use expd_client::{
    Client, ClientError, Credentials, Event, EventStream, Explain, Explanation, LinkEvent,
    LinkState, Listen, RunInstance, RunningInstance, Secret, Subject, SubscriptionState,
};
use expd_domain::{Alphabet, BroadcastId, Channel, ChannelId, Payload};
use expd_test_support::process::{Daemon, Home};
use expd_test_support::{DEADLINE, eventually};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

/// Root may do everything; nobody may use one channel.
const RULES: &str = r#"
[[access]]
uid = 0
allow = ["listen", "broadcast", "respond", "request", "status", "admin"]
[[access]]
user = "nobody"
allow = ["listen", "broadcast", "respond", "status"]
channels = ["menu"]
"#;

const BUSY: &str = "another NextEvent waits";

/// A program that does what it is told, line by line, as another user.
struct Other {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Other {
    fn new(home: &Home, identity: &[&str]) -> Self {
        let root = Command::new("id").arg("-u").output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&root.stdout).trim(),
            "0",
            "these tests become other users: run them as root"
        );
        // The checkout may lie where other users cannot look.
        let program = home.folder.path().join("other");
        if !program.exists() {
            // By a process of its own: a child that another test begins at that moment would hold
            // the copy open for writing, and it could not be run.
            let copied = Command::new("cp")
                .arg(std::env::current_exe().unwrap())
                .arg(&program)
                .status();
            assert!(copied.unwrap().success());
        }
        let mut child = Command::new("setpriv")
            .args(identity)
            .arg(program)
            .args([
                "--exact",
                "played_as_another_user",
                "--ignored",
                "--nocapture",
            ])
            .env("EXPD_SOCKET", home.socket())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            orders: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn nobody(home: &Home) -> Self {
        Self::new(home, &["--reuid=65534", "--regid=65534", "--clear-groups"])
    }

    fn told(&mut self, order: &str) -> String {
        self.tell(order);
        self.answer()
    }

    fn tell(&mut self, order: &str) {
        writeln!(self.orders, "{order}").unwrap();
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(
                self.answers.read_line(&mut line).unwrap(),
                0,
                "it ended instead of an answer"
            );
            // The test harness says things of its own, and leaves its line open.
            if let Some((_, answer)) = line.split_once("answer: ") {
                return answer.trim_end().to_owned();
            }
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// One who calls, and what streams it has open.
struct Actor {
    client: Client,
    stream: Option<EventStream>,
    watch: Option<BoxStream<'static, Result<LinkEvent, ClientError>>>,
    run: Option<RunningInstance>,
}

impl Actor {
    async fn connect(socket: &Path) -> Self {
        let client = Client::connect(Some(socket.to_owned())).await.unwrap();
        Self {
            client,
            stream: None,
            watch: None,
            run: None,
        }
    }

    async fn does(&mut self, order: &str) -> String {
        let done = tokio::time::timeout(DEADLINE, self.try_to(order)).await;
        match done.expect("it should not take this long") {
            Ok(text) => text,
            Err(error) => format!("refused: {error}").replace('\n', " "),
        }
    }

    async fn try_to(&mut self, order: &str) -> Result<String, ClientError> {
        let words: Vec<&str> = order.split(' ').collect();
        let client = &self.client;
        let channel = Channel::new(words[1]);
        let wait = Some(Duration::from_millis(1));
        let null = Payload::null();
        Ok(match words[0] {
            "broadcast" => {
                client.broadcast("", &channel, "e", &null, wait).await?;
                "done".to_owned()
            }
            "respond" => {
                let id = ChannelId::encode("demo", &channel, Alphabet::UrlSafe);
                client
                    .respond("", &BroadcastId::new("x"), &id, &null)
                    .await?;
                "done".to_owned()
            }
            "request" => {
                let answer = client
                    .request("", "GET", words[1], BTreeMap::new(), None)
                    .await?;
                format!("status {}", answer.status)
            }
            "identity" => client.identity("").await?.kind.to_string(),
            "status" => {
                let status = client.status().await?;
                let instance = &status.instances[0];
                let names = instance.channels.iter().map(|c| c.channel.name.clone());
                let listeners = instance.listeners.iter().map(|l| l.channel.name.clone());
                let text = |names: Vec<String>| names.join(",");
                format!(
                    "channels {} listeners {}",
                    text(names.collect()),
                    text(listeners.collect())
                )
            }
            "open" => {
                let mut listen = Listen::to(channel);
                listen.context = words[2].to_owned();
                client.open(&listen).await?
            }
            "next" => {
                client.next(words[1], Duration::from_millis(1)).await?;
                "done".to_owned()
            }
            "wait" => {
                // Whoever looks whether this waits has the listener for a moment.
                loop {
                    let wait = client.next(words[1], Duration::from_secs(3600)).await;
                    if !matches!(&wait, Err(error) if error.to_string().contains(BUSY)) {
                        break wait.map(|_| "done".to_owned())?;
                    }
                }
            }
            "cancel" => {
                client.cancel(words[1]).await?;
                "done".to_owned()
            }
            "clear" => client.clear_context(words[1]).await?.to_string(),
            "listen" => {
                let mut stream = client.listen(&Listen::to(channel)).await?;
                // What is broadcast from the confirmation on is heard.
                loop {
                    let event = stream.next().await.unwrap()?.event;
                    if matches!(event, Event::Subscription(s) if s.state == SubscriptionState::Confirmed)
                    {
                        break;
                    }
                }
                self.stream = Some(stream);
                "done".to_owned()
            }
            "watch" => {
                let mut watch = Box::pin(client.watch_status().await?);
                let state = watch.next().await.unwrap()?.state;
                self.watch = Some(watch);
                format!("{state:?}")
            }
            // Until the stream ends: nothing happens on the link.
            "watched" => loop {
                self.watch.as_mut().unwrap().next().await.unwrap()?;
            },
            "hear" => loop {
                let event = self.stream.as_mut().unwrap().next().await.unwrap()?;
                if let Event::Broadcast(broadcast) = event.event {
                    break broadcast.name;
                }
            },
            _ => return self.try_with_instances(&words).await,
        })
    }

    /// Orders about instances other than the default one.
    async fn try_with_instances(&mut self, words: &[&str]) -> Result<String, ClientError> {
        let client = &self.client;
        Ok(match words[0] {
            "run" => {
                let mut running = client.run_instance(&pairing(words[1])).await?;
                let state = running.next().await.unwrap()?.state;
                self.run = Some(running);
                format!(
                    "runs, {}",
                    if state == LinkState::Refused {
                        "refused"
                    } else {
                        "well"
                    }
                )
            }
            "end" => {
                self.run = None;
                "done".to_owned()
            }
            // Until the stream ends.
            "ran" => loop {
                self.run.as_mut().unwrap().next().await.unwrap()?;
            },
            "on" => {
                // Open a listener on another instance than the default one.
                let mut listen = Listen::to(Channel::new("menu"));
                listen.instance = words[1].to_owned();
                "shared".clone_into(&mut listen.context);
                client.open(&listen).await?
            }
            "who" => client.identity(words[1]).await?.kind.to_string(),
            "explain" => {
                let subject = match words[3].split_once(':') {
                    Some(("uid", uid)) => Subject::User(uid.parse().unwrap()),
                    Some(("pid", pid)) => Subject::Process(pid.parse().unwrap()),
                    _ => Subject::Myself,
                };
                let about = words[2];
                let path = about.starts_with('/');
                let question = Explain {
                    verb: words[1].to_owned(),
                    channel: Some(Channel::new(about)).filter(|_| !path && about != "-"),
                    path: if path { about } else { "" }.to_owned(),
                    subject,
                    ..Explain::default()
                };
                let answer = client.explain(&question).await?;
                format!(
                    "{} by {:?}: {}",
                    answer.allowed,
                    names(&answer),
                    answer.reason
                )
            }
            "names" => {
                let status = client.status().await?;
                let names = status.instances.into_iter().map(|it| it.instance);
                names.collect::<Vec<_>>().join(",")
            }
            other => panic!("{other}"),
        })
    }
}

fn names(answer: &Explanation) -> Vec<&str> {
    answer.rules.iter().map(|it| &*it.rule).collect()
}

/// A device that waits to be paired, which any network takes.
fn pairing(name: &str) -> RunInstance {
    let credentials = Credentials::Device {
        uuid: String::new(),
        secret: Secret::new(""),
        allow_pairing: true,
    };
    RunInstance::new(name, credentials)
}

#[test]
#[ignore = "played by the other tests, as another user"]
fn played_as_another_user() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let socket = std::env::var_os("EXPD_SOCKET").unwrap();
    let mut actor = runtime.block_on(Actor::connect(Path::new(&socket)));
    for order in std::io::stdin().lines() {
        println!("answer: {}", runtime.block_on(actor.does(&order.unwrap())));
    }
}

#[tokio::test]
async fn a_user_may_do_what_a_rule_allows_and_is_told_of_the_rest() {
    let home = Home::new(RULES);
    let _daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    assert_eq!(root.does("listen secret").await, "done");
    assert_eq!(root.does("open menu -").await.len(), 32);
    assert_eq!(nobody.told("broadcast menu"), "done");
    assert_eq!(nobody.told("listen menu"), "done");
    assert_eq!(nobody.told("status -"), "channels menu listeners menu,menu");
    assert_eq!(nobody.told("identity -"), "device");
    assert_eq!(
        root.does("status -").await,
        "channels menu,secret listeners secret,menu,menu"
    );
    let refused = nobody.told("broadcast other");
    for part in [
        "uid 65534 (nobody)",
        "may not broadcast on channel \"other\" of instance \"default\"",
        "[[access]]",
        "add \"broadcast\"",
        "systemctl reload",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    for order in [
        "listen other",
        "open other -",
        "respond other",
        "request /api/devices",
    ] {
        let said = nobody.told(order);
        assert!(
            said.starts_with("refused") && said.contains("[[access]]"),
            "{order}: {said}"
        );
    }
    // Beyond the rules it is EXP that answers.
    let said = nobody.told("respond menu");
    assert!(!said.contains("[[access]]"), "{said}");
    assert_eq!(root.does("request /api/devices").await, "status 200");
}

#[tokio::test]
async fn listeners_are_their_users_own() {
    let home = Home::new(RULES);
    let _daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    let first = root.does("open menu shared").await;
    let second = root.does("open other shared").await;
    let third = nobody.told("open menu shared");
    for (order, listener) in [("next", &first), ("cancel", &first), ("cancel", &second)] {
        let said = nobody.told(&format!("{order} {listener}"));
        assert!(said.contains("no listener has the ID"), "{order}: {said}");
    }
    assert!(nobody.told("cancel L99").contains("no listener has the ID"));
    assert_eq!(nobody.told(&format!("next {third}")), "done");
    // Its own alone; those of root stay.
    assert_eq!(nobody.told("clear shared"), "1");
    assert_eq!(root.does(&format!("next {first}")).await, "done");
    // An administrator may end anybody's.
    let fourth = nobody.told("open menu shared");
    assert_eq!(root.does(&format!("next {fourth}")).await, "done");
    assert_eq!(root.does("clear shared").await, "3");
}

#[tokio::test]
async fn without_rules_everybody_who_can_connect_may_do_everything() {
    let home = Home::new("");
    let _daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    let listener = root.does("open menu shared").await;
    assert_eq!(nobody.told(&format!("next {listener}")), "done");
    assert_eq!(nobody.told("broadcast other"), "done");
    assert_eq!(nobody.told("request /api/devices"), "status 200");
    assert_eq!(nobody.told("clear shared"), "1");
}

#[tokio::test]
async fn a_group_counts_as_the_process_has_it() {
    let home = Home::new("[[access]]\ngroup = \"daemon\"\nallow = [\"request\"]\n");
    let _daemon = home.start();
    let daemon = Command::new("getent")
        .args(["group", "daemon"])
        .output()
        .unwrap();
    let line = String::from_utf8(daemon.stdout).unwrap();
    let gid = line.split(':').nth(2).unwrap();
    let groups = format!("--groups=4242,{gid}");
    let mut member = Other::new(&home, &["--reuid=65534", "--regid=65534", &groups]);
    assert_eq!(member.told("request /api/devices"), "status 200");
    // `request` does not include the verbs that have a name.
    let said = member.told("request /api/networks/current/broadcasts");
    assert!(said.contains("[[access]]"), "{said}");
    // Nobody is told to ask for a right to paths that are the daemon's own.
    let said = member.told("request /api/auth/token");
    assert!(
        said.contains("the daemon's own") && !said.contains("[[access]]"),
        "{said}"
    );
    let primary = format!("--regid={gid}");
    let mut primary = Other::new(&home, &["--reuid=65534", &primary, "--clear-groups"]);
    assert_eq!(primary.told("request /api/devices"), "status 200");
    let mut stranger = Other::nobody(&home);
    assert!(
        stranger
            .told("request /api/devices")
            .contains("may not send API requests")
    );
}

#[tokio::test]
async fn a_reload_gives_and_takes_rights_even_of_open_streams() {
    let home = Home::new(RULES);
    let mut daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    assert_eq!(nobody.told("listen menu"), "done");
    assert_eq!(root.does("open menu -").await.len(), 32);
    assert_eq!(root.does("broadcast menu").await, "done");
    assert_eq!(nobody.told("hear -"), "e");
    home.write(
        &RULES
            .replace(
                r#"allow = ["listen", "broadcast", "respond", "status"]"#,
                r#"allow = ["request"]"#,
            )
            .replace(r#"channels = ["menu"]"#, ""),
    );
    daemon.signal("HUP");
    daemon.said("the settings were read again");
    assert_eq!(nobody.told("request /api/devices"), "status 200");
    assert_eq!(root.does("broadcast menu").await, "done");
    let said = nobody.told("hear -");
    assert!(
        said.contains("may not listen on channel \"menu\""),
        "{said}"
    );
}

#[tokio::test]
async fn a_reload_ends_quiet_streams_that_lose_their_right_at_once() {
    let home = Home::new(RULES);
    let mut daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    assert_eq!(nobody.told("listen menu"), "done");
    assert_eq!(nobody.told("watch -"), "Online");
    assert_eq!(root.does("watch -").await, "Online");
    assert_eq!(root.does("status -").await, "channels menu listeners menu");
    home.write(&RULES.replace(
        r#"allow = ["listen", "broadcast", "respond", "status"]"#,
        r#"allow = ["respond"]"#,
    ));
    daemon.signal("HUP");
    // Nothing is broadcast, and the link stands still.
    let said = nobody.told("hear -");
    assert!(
        said.contains("may not listen on channel \"menu\""),
        "{said}"
    );
    let said = nobody.told("watched -");
    assert!(
        said.contains("may not see the status on instance \"default\""),
        "{said}"
    );
    assert_eq!(root.does("status -").await, "channels menu listeners ");
    // Who keeps the right keeps the stream, and who gains it sees what there is.
    assert!(nobody.told("watch -").starts_with("refused"));
    home.write(RULES);
    daemon.signal("HUP");
    daemon.said("the settings were read again");
    daemon.said("the settings were read again");
    assert_eq!(nobody.told("watch -"), "Online");
    let watch = root.watch.as_mut().unwrap();
    // Nothing came of the reload: the daemon's end is what comes next.
    daemon.signal("TERM");
    let next = tokio::time::timeout(DEADLINE, watch.next()).await.unwrap();
    let ended = next.map(|event| event.map_err(|error| error.to_string()));
    assert!(
        !matches!(&ended, Some(Ok(_))) && !format!("{ended:?}").contains("may not see"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_reload_ends_a_call_that_waits_for_an_event_and_loses_its_right() {
    let home = Home::new(RULES);
    let daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    assert_eq!(nobody.told("listen menu"), "done");
    let id = nobody.told("open menu -");
    let next = format!("next {id}");
    // That the channel is confirmed, with which it begins.
    assert_eq!(nobody.told(&next), "done");
    nobody.tell(&format!("wait {id}"));
    let waits = async { while !root.does(&next).await.contains(BUSY) {} };
    tokio::time::timeout(DEADLINE, waits).await.unwrap();
    home.write(&RULES.replace(
        r#"allow = ["listen", "broadcast", "respond", "status"]"#,
        r#"allow = ["respond"]"#,
    ));
    daemon.signal("HUP");
    let said = nobody.answer();
    assert!(
        said.contains("may not listen on channel \"menu\""),
        "{said}"
    );
}

#[tokio::test]
async fn a_mistake_in_the_settings_keeps_the_old_ones() {
    let home = Home::new(&format!("log = \"debug\"\n{RULES}"));
    let mut daemon = home.start();
    let mut nobody = Other::nobody(&home);
    home.write("logg = \"info\"\nlisten = 7\n");
    daemon.signal("HUP");
    daemon.said("daemon.logg: unknown key; did you mean daemon.log?");
    daemon.said("daemon.listen: must be a text");
    daemon.said("stay as they were");
    assert!(nobody.told("broadcast other").contains("[[access]]"));
    home.write(&format!(
        "log = \"info\"\nlisten = \"127.0.0.1:0\"\ndrain_timeout = \"1s\"\n{RULES}"
    ));
    daemon.signal("HUP");
    let said = daemon.said("that apply after a restart");
    assert!(
        said.ends_with(": daemon.drain_timeout, daemon.listen"),
        "{said}"
    );
}

#[tokio::test]
async fn metrics_are_served_to_whoever_asks() {
    let home = Home::new("metrics = \"127.0.0.1:0\"\n");
    let mut daemon = start_with_metrics(&home);
    let address = daemon.1.clone();
    let mut root = Actor::connect(&home.socket()).await;
    assert_eq!(root.does("listen menu").await, "done");
    assert_eq!(root.does("broadcast menu").await, "done");
    assert_eq!(root.does("hear -").await, "e");
    let page = get(&address, "/metrics");
    let (head, text) = page.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    for line in [
        "# TYPE expd_broadcasts_sent_total counter",
        "expd_broadcasts_sent_total{exp_instance=\"default\"} 1",
        "expd_deliveries_total{exp_instance=\"default\"} 1",
        "expd_link_state{exp_instance=\"default\",state=\"online\"} 1",
        "expd_link_state{exp_instance=\"default\",state=\"offline\"} 0",
        "expd_listeners{exp_instance=\"default\"} 1",
        "expd_channels_confirmed{exp_instance=\"default\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    for name in [
        "expd_log_bytes",
        "expd_token_expiry_timestamp_seconds",
        "process_resident_memory_bytes",
        "process_open_fds",
    ] {
        let value = text.lines().find(|l| l.starts_with(name)).unwrap();
        let value: f64 = value.rsplit_once(' ').unwrap().1.parse().unwrap();
        assert!(value > 0.0, "{name}: {value}");
    }
    assert!(get(&address, "/").starts_with("HTTP/1.1 404"));
    // The port is taken now.
    let second = Home::new(&format!("metrics = \"{address}\"\n"));
    let mut command = second.command(&[]);
    command.arg("--socket").arg(second.socket());
    let mut second = Daemon::spawn(&mut command);
    assert_eq!(second.ended().code(), Some(1));
    let said = second.heard();
    assert!(
        said.contains(&format!(
            "cannot serve metrics on {address} (daemon.metrics)"
        )),
        "{said}"
    );
    daemon.0.signal("TERM");
    assert!(daemon.0.ended().success());
}

/// Starts the daemon; the address of its metrics comes with it.
fn start_with_metrics(home: &Home) -> (Daemon, String) {
    let mut command = home.command(&[]);
    command.arg("--socket").arg(home.socket());
    let mut daemon = Daemon::spawn(&mut command);
    daemon.said("serving on");
    let line = daemon.said("metrics at http://");
    let address = line.split("http://").nth(1).unwrap();
    (daemon, address.trim_end_matches("/metrics").to_owned())
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn an_instance_that_a_user_runs_is_nobody_elses() {
    for rules in [
        "",
        "[[access]]\nallow = [\"run\", \"listen\", \"request\", \"status\", \"admin\"]\n",
    ] {
        let home = Home::new(rules);
        let mut daemon = home.start();
        let mut root = Actor::connect(&home.socket()).await;
        let mut nobody = Other::nobody(&home);
        assert_eq!(nobody.told("run mine"), "runs, well");
        assert_eq!(nobody.told("names -"), "default,mine");
        let listener = nobody.told("on mine");
        assert_eq!(listener.len(), 32, "{listener}");
        // To root, and to an administrator, it does not exist.
        assert_eq!(root.does("names -").await, "default");
        let none = root.does("who none").await;
        assert_eq!(root.does("who mine").await, none.replace("none", "mine"));
        for order in ["next", "cancel"] {
            let said = root.does(&format!("{order} {listener}")).await;
            assert!(said.contains("no listener has the ID"), "{said}");
        }
        assert_eq!(root.does("clear shared").await, "0");
        // Nor is its name taken for others.
        assert_eq!(root.does("run mine").await, "runs, well");
        let own = root.does("on mine").await;
        assert_eq!(root.does("clear shared").await, "1");
        assert!(
            root.does(&format!("next {own}"))
                .await
                .contains("no listener")
        );
        assert_eq!(nobody.told(&format!("next {listener}")), "done");
        // A reload leaves instances alone.
        daemon.signal("HUP");
        daemon.said("the settings were read again");
        assert_eq!(nobody.told(&format!("next {listener}")), "done");
        assert_eq!(root.does("end -").await, "done");
        assert_eq!(nobody.told("names -"), "default,mine");
        assert_eq!(nobody.told("clear shared"), "1");
        assert_eq!(nobody.told("end -"), "done");
        eventually("it is gone", async || match nobody.told("names -") {
            names if names == "default" => Ok(()),
            names => Err(names),
        })
        .await;
        // Nothing of it was stored.
        assert!(
            !home
                .folder
                .path()
                .join("state/mine.credentials.json")
                .exists()
        );
    }
}

#[tokio::test]
async fn running_an_identity_needs_its_right_under_its_name() {
    const RIGHTS: &str = r#"
[[access]]
uid = 0
allow = ["listen", "status", "admin"]
[[access]]
user = "nobody"
allow = ["run", "listen", "status"]
channels = ["menu"]
instances = ["mine"]
"#;
    let home = Home::new(RIGHTS);
    let daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    let said = root.does("run mine").await;
    assert!(said.contains("may not run an identity"), "{said}");
    let said = nobody.told("run other");
    assert!(
        said.contains("may not run an identity on instance \"other\"")
            && said.contains("[[access]]"),
        "{said}"
    );
    assert_eq!(nobody.told("run mine"), "runs, well");
    assert_eq!(nobody.told("names -"), "mine");
    assert_eq!(nobody.told("on mine").len(), 32);
    // Its other rights are those of the rules.
    let said = nobody.told("broadcast menu");
    assert!(said.contains("may not broadcast"), "{said}");
    home.write(&RIGHTS.replace(r#""run", "#, "").replace("mine", "default"));
    daemon.signal("HUP");
    let said = nobody.told("ran -");
    assert!(said.contains("may not run an identity"), "{said}");
}

#[tokio::test]
async fn over_tcp_nobody_runs_an_identity() {
    let home = Home::new("listen = \"127.0.0.1:0\"\n");
    let mut daemon = home.start();
    let line = daemon.said("listening on 127.0.0.1:");
    let address = line
        .split_whitespace()
        .find(|word| word.starts_with("127.0.0.1:"));
    let url = format!("http://{}", address.unwrap());
    let transport = tonic::transport::Endpoint::from_shared(url).unwrap();
    let transport = transport.connect().await.unwrap();
    let mut client = expd_proto::daemon_client::DaemonClient::new(transport);
    let request = expd_proto::RunInstanceRequest {
        name: "mine".to_owned(),
        credentials: Some(expd_proto::Credentials {
            kind: Some(expd_proto::credentials::Kind::Device(
                expd_proto::DeviceCredentials {
                    allow_pairing: true,
                    ..expd_proto::DeviceCredentials::default()
                },
            )),
        }),
        ..expd_proto::RunInstanceRequest::default()
    };
    let refused = client.run_instance(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    assert!(refused.message().contains("Unix socket"), "{refused}");
}

#[tokio::test]
async fn the_deciding_rule_is_told_to_its_user_and_to_administrators() {
    let home = Home::new(&format!(
        "{RULES}
[[access]]
group = \"daemon\"
allow = [\"broadcast\", \"request\"]
[[access]]
unit = \"docker-*.scope\"
allow = [\"run\"]
"
    ));
    let _daemon = home.start();
    let mut root = Actor::connect(&home.socket()).await;
    let mut nobody = Other::nobody(&home);
    // What is said is what is done.
    let mine = nobody.told("explain broadcast menu -");
    assert!(mine.starts_with("true by [\"access[1]\"]: allowed by access[1] (user = nobody, channels = \"menu\", allow = "), "{mine}");
    assert_eq!(nobody.told("broadcast menu"), "done");
    let refused = nobody.told("explain broadcast other -");
    for part in [
        "false by []: refused: uid 65534 (nobody)",
        "add \"broadcast\" to a rule",
        "for this caller there is access[1] (user = nobody",
    ] {
        assert!(refused.contains(part), "{refused}");
    }
    // A user may ask about all of its programs, and about nobody else's.
    let pid = nobody.child.id();
    for (about, allowed) in [
        (format!("pid:{pid}"), true),
        ("uid:65534".to_owned(), true),
        ("uid:0".to_owned(), false),
        ("uid:1".to_owned(), false),
        (format!("pid:{}", std::process::id()), false),
        // Not even that there is none.
        ("pid:2147483647".to_owned(), false),
    ] {
        let answer = nobody.told(&format!("explain listen menu {about}"));
        let expected = if allowed { "true" } else { "refused: " };
        assert!(answer.starts_with(expected), "{about}: {answer}");
        assert_eq!(answer.contains("may not administer"), !allowed, "{answer}");
        let answer = root.does(&format!("explain listen menu {about}")).await;
        assert_eq!(
            answer.contains("no process"),
            about.ends_with("7483647"),
            "{answer}"
        );
    }
    // Groups: of the account of a user, and of the process as it runs.
    let mut other = Other::new(&home, &["--reuid=9", "--regid=9", "--groups=1"]);
    let pid = other.child.id();
    // Once it answers, it has its user and groups.
    assert!(other.told("broadcast x").starts_with("done"));
    for (question, allowed) in [
        (
            format!("explain broadcast x pid:{pid}"),
            "true by [\"access[2]\"]",
        ),
        (
            "explain broadcast x uid:1".to_owned(),
            "true by [\"access[2]\"]",
        ),
        ("explain broadcast x uid:9".to_owned(), "false by []"),
        (
            "explain request /api/devices uid:1".to_owned(),
            "true by [\"access[2]\"]",
        ),
        // It broadcasts, too.
        (
            "explain request /api/networks/current/broadcasts uid:0".to_owned(),
            "true by [\"access[0]\", \"access[0]\", \"access[0]\"]: allowed: request by access[0]",
        ),
        (
            "explain request /api/networks/current/broadcasts uid:1".to_owned(),
            "false by []: refused: uid 1 (daemon) in no unit may not respond",
        ),
        (
            "explain request /api/auth/token uid:0".to_owned(),
            "false by []: refused: ",
        ),
        (
            "explain admin - uid:0".to_owned(),
            "true by [\"access[0]\"]",
        ),
        (
            "explain status - uid:65534".to_owned(),
            "true by [\"access[1]\"]",
        ),
        ("explain listen - -".to_owned(), "refused: "),
        ("explain fly - -".to_owned(), "refused: "),
    ] {
        let answer = root.does(&question).await;
        assert!(answer.starts_with(allowed), "{question}: {answer}");
    }
    // One whom no rule is for may ask.
    let mut stranger = Other::new(&home, &["--reuid=9", "--regid=9", "--clear-groups"]);
    let answer = stranger.told("explain listen menu -");
    assert!(answer.ends_with("no rule is for this caller"), "{answer}");
}

#[tokio::test]
async fn without_rules_everybody_may_and_may_ask() {
    let home = Home::new("");
    let _daemon = home.start();
    let mut nobody = Other::nobody(&home);
    let answer = nobody.told("explain admin menu uid:0");
    assert!(
        answer.starts_with("true by []: allowed: there are no access rules"),
        "{answer}"
    );
}
