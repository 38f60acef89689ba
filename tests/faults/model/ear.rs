//! An app that listens: it writes down what it hears, may stall, and may end and come back.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use expd_client::{Client, ClientError, Listen, ListenEvent};
use futures_util::StreamExt as _;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use expd_test_support::judge::{Life, Note};

/// Time that one pull waits for an event.
const ASK: Duration = Duration::from_secs(1);

pub struct Ear {
    life: Arc<Mutex<Life>>,
    news: Arc<Notify>,
    stalled: watch::Sender<bool>,
    /// The listener's ID, in pull form.
    pulled: Option<String>,
    _task: JoinSet<()>,
}

impl Ear {
    /// A stream, or a listener in pull form that takes `pause` over each event.
    pub async fn open(
        client: &Client,
        listen: &Listen,
        pause: Option<Duration>,
    ) -> Result<Self, ClientError> {
        let life = Arc::new(Mutex::new(Life {
            resume: listen.resume.clone(),
            ..Life::default()
        }));
        let mut ear = Self {
            life: life.clone(),
            news: Arc::default(),
            stalled: watch::Sender::new(false),
            pulled: None,
            _task: JoinSet::new(),
        };
        let (news, mut stalled) = (ear.news.clone(), ear.stalled.subscribe());
        let take = move |event: Result<Option<ListenEvent>, String>| {
            let mut life = life.lock().unwrap();
            let ended = match event {
                Ok(Some(event)) => {
                    life.notes.push(Note::of(&event, SystemTime::now()));
                    false
                }
                Ok(None) => false,
                Err(why) => {
                    life.ended = Some(why);
                    true
                }
            };
            news.notify_one();
            ended
        };
        let mut task = JoinSet::new();
        if let Some(pause) = pause {
            let (id, client) = (client.open(listen).await?, client.clone());
            ear.pulled = Some(id.clone());
            task.spawn(async move {
                loop {
                    stalled.wait_for(|stalled| !stalled).await.ok();
                    let event = client.next(&id, ASK).await;
                    let silent = matches!(event, Ok(None));
                    if take(event.map_err(|error| format!("{error:?}"))) {
                        return;
                    }
                    if !silent {
                        tokio::time::sleep(pause).await;
                    }
                }
            });
        } else {
            let mut stream = client.listen(listen).await?;
            task.spawn(async move {
                loop {
                    stalled.wait_for(|stalled| !stalled).await.ok();
                    let event = match stream.next().await {
                        Some(event) => event.map(Some).map_err(|error| format!("{error:?}")),
                        None => Err("it ended without a word".to_owned()),
                    };
                    if take(event) {
                        return;
                    }
                }
            });
        }
        Ok(Self { _task: task, ..ear })
    }

    /// Reads no more, or goes on reading.
    pub fn stall(&self, stalled: bool) {
        self.stalled.send_replace(stalled);
    }

    /// The listener's ID, in pull form.
    pub fn pulled(&self) -> Option<&str> {
        self.pulled.as_deref()
    }

    /// Everything so far.
    pub fn life(&self) -> Life {
        self.life.lock().unwrap().clone()
    }

    /// Waits until what was heard is as wanted.
    pub async fn hears(&self, good: impl Fn(&Life) -> bool) {
        while !good(&self.life.lock().unwrap()) {
            self.news.notified().await;
        }
    }
}
