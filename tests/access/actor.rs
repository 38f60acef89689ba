//! Callers that do what they are told: in this process, and as other users in processes of their
//! own.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use expd_client::{
    Client, ClientError, Credentials, Event, EventStream, Explain, Explanation, LinkEvent,
    LinkState, Listen, RunInstance, RunningInstance, Secret, Subject, SubscriptionState,
};
use expd_domain::{Alphabet, BroadcastId, Channel, ChannelId, Payload};
use expd_test_support::DEADLINE;
use expd_test_support::lines::Lines;
use expd_test_support::process::Home;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

pub const BUSY: &str = "another NextEvent waits";

/// A program that does what it is told, line by line, as another user.
pub struct Other {
    pub child: Child,
    orders: ChildStdin,
    answers: Lines,
}

impl Other {
    pub fn new(home: &Home, identity: &[&str]) -> Self {
        let mut before = vec!["setpriv"];
        before.extend(identity);
        Self::played(home, &before, &[])
    }

    /// One that is begun by a program with its arguments, in an environment.
    pub fn played(home: &Home, before: &[&str], environment: &[(&str, &str)]) -> Self {
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
        let mut child = Command::new(before[0])
            .args(&before[1..])
            .arg(program)
            .args([
                "--exact",
                "played_as_another_user",
                "--ignored",
                "--nocapture",
            ])
            .env("EXPD_SOCKET", home.socket())
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            orders: child.stdin.take().unwrap(),
            answers: Lines::of(child.stdout.take().unwrap()),
            child,
        }
    }

    pub fn nobody(home: &Home) -> Self {
        Self::new(home, &["--reuid=65534", "--regid=65534", "--clear-groups"])
    }

    pub fn told(&mut self, order: &str) -> String {
        self.tell(order);
        self.answer()
    }

    pub fn tell(&mut self, order: &str) {
        writeln!(self.orders, "{order}").unwrap();
    }

    pub fn answer(&mut self) -> String {
        // The test harness says things of its own, and leaves its line open.
        let line = self.answers.until("answer: ").pop().unwrap();
        let (_, answer) = line.split_once("answer: ").unwrap();
        answer.trim_end().to_owned()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// One who calls, and what streams it has open.
pub struct Actor {
    pub client: Client,
    stream: Option<EventStream>,
    pub watch: Option<BoxStream<'static, Result<LinkEvent, ClientError>>>,
    run: Option<RunningInstance>,
}

impl Actor {
    pub async fn connect(socket: &Path) -> Self {
        let client = Client::connect(Some(socket.to_owned())).await.unwrap();
        Self {
            client,
            stream: None,
            watch: None,
            run: None,
        }
    }

    pub async fn does(&mut self, order: &str) -> String {
        let done = tokio::time::timeout(DEADLINE, self.try_to(order)).await;
        match done.expect("it should not take this long") {
            Ok(text) => text,
            Err(error) => format!("refused: {error}").replace('\n', " "),
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm an order")]
    async fn try_to(&mut self, order: &str) -> Result<String, ClientError> {
        let words: Vec<&str> = order.split(' ').collect();
        let client = &self.client;
        let channel = channel(words[1]);
        let third = words.get(2).copied();
        let wait = Some(Duration::from_millis(1));
        let null = Payload::null();
        Ok(match words[0] {
            "broadcast" => {
                let event = third.unwrap_or("e");
                client.broadcast("", &channel, event, &null, wait).await?;
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
                    .request("", third.unwrap_or("GET"), words[1], BTreeMap::new(), None)
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
                words
                    .get(3)
                    .copied()
                    .unwrap_or_default()
                    .clone_into(&mut listen.name);
                client.open(&listen).await?
            }
            "next" => {
                client.next(words[1], Duration::from_millis(1)).await?;
                "done".to_owned()
            }
            // The name of the next broadcast.
            "take" => loop {
                let next = client.next(words[1], Duration::from_secs(60)).await?;
                if let Some(Event::Broadcast(broadcast)) = next.map(|next| next.event) {
                    break broadcast.name;
                }
            },
            "fetch" => {
                client.fetch("", words[1], BTreeMap::new(), 0).await?;
                "done".to_owned()
            }
            "url" => client.content_url("", words[1], "").await?,
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
                let mut listen = Listen::to(channel);
                third.unwrap_or_default().clone_into(&mut listen.name);
                let mut stream = client.listen(&listen).await?;
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
            "reload" => format!("{:?}", client.reload().await?),
            "who" => client.identity(words[1]).await?.kind.to_string(),
            "explain" => {
                let subject = match words[3].split_once(':') {
                    Some(("uid", uid)) => Subject::User(uid.parse().unwrap()),
                    Some(("pid", pid)) => Subject::Process(pid.parse().unwrap()),
                    Some(("token", name)) => Subject::Token(name.to_owned()),
                    Some(("app", name)) => Subject::App(name.to_owned()),
                    _ => Subject::Myself,
                };
                let about = words[2];
                let path = about.starts_with('/');
                let more = words.get(4).copied().unwrap_or_default();
                let question = Explain {
                    verb: words[1].to_owned(),
                    channel: Some(channel(about)).filter(|_| !path && about != "-"),
                    name: if path { "" } else { more }.to_owned(),
                    method: if path { more } else { "" }.to_owned(),
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

/// A channel by its name, with a flag behind a `+`.
fn channel(text: &str) -> Channel {
    match text.split_once('+') {
        Some((name, "system")) => Channel::new(name).system(),
        Some((name, "consumer")) => Channel::new(name).consumer(),
        _ => Channel::new(text),
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
