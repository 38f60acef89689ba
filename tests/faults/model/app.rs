//! An app and its listener, over all its lives.

use std::time::{Duration, SystemTime};

use expd_client::{Client, Listen, ListenerStatus, Overflow, SubscriptionState};

use tokio::time::Instant;

use super::dice::Dice;
use super::ear::Ear;
use super::fleet::{Fleet, Member};
use super::{AT_ONCE, CHANNELS, HEAVY, LOG_AGE, LOG_EVENTS, NAMES, RECOVERY, channel};
use expd_test_support::daemon::Daemon;
use expd_test_support::judge::{Life, Logs, Note, Rules, Said, Sent, Sum, check_shape, judge};

/// Half of what the daemon waits for the next question to a listener in pull form.
const LONGEST_STALL: Duration = Duration::from_secs(30);

pub struct App {
    pub channel: usize,
    /// Its instance.
    pub member: usize,
    pub name: Option<&'static str>,
    /// In pull form, with this pause after each event.
    pause: Option<Duration>,
    max_age: Option<Duration>,
    overflow: Overflow,
    stalled: bool,
    stalled_at: Instant,
    client: Option<Client>,
    ear: Option<Ear>,
    /// Those that are over.
    pub lives: Vec<Life>,
}

impl App {
    pub fn new(dice: &mut Dice) -> Self {
        Self {
            channel: dice.below(CHANNELS),
            member: dice.below(Fleet::devices().len()),
            name: [None, Some(NAMES[0]), None][dice.below(3)],
            pause: dice.one_in(3).then(|| dice.millis(0, 120)),
            max_age: dice.one_in(6).then(|| dice.millis(300, 4000)),
            overflow: if dice.one_in(6) {
                Overflow::Cancel
            } else {
                Overflow::Skip
            },
            stalled: false,
            stalled_at: Instant::now(),
            client: None,
            ear: None,
            lives: Vec::new(),
        }
    }

    pub fn kind(&self) -> String {
        let form = if self.pause.is_some() {
            "pulled"
        } else {
            "streamed"
        };
        let age = if self.max_age.is_some() {
            ", max_age"
        } else {
            ""
        };
        format!("{form}, {:?}{age}", self.overflow)
    }

    pub fn what(&self) -> String {
        format!(
            "channel {}, name {:?}, instance {}, {}, {} lives",
            self.channel,
            self.name,
            Fleet::devices()[self.member],
            self.kind(),
            self.lives.len() + usize::from(self.ear.is_some()),
        )
    }

    /// Opens its listener, after what it has heard so far.
    pub async fn come_back(&mut self, daemon: &Daemon) {
        let client = daemon.client().await;
        let listen = Listen {
            instance: Fleet::devices()[self.member].to_owned(),
            name: self.name.unwrap_or_default().to_owned(),
            max_age: self.max_age,
            overflow: self.overflow,
            resume: self.lives.iter().rev().find_map(Life::position),
            ..Listen::to(channel(self.channel))
        };
        self.ear = Some(Ear::open(&client, &listen, self.pause).await.unwrap());
        self.client = Some(client);
        self.stalled = false;
    }

    /// Ends; what came after this was not dealt with.
    pub async fn leave(&mut self) {
        let Some(ear) = self.ear.take() else {
            return;
        };
        self.lives.push(ear.life());
        let pulled = ear.pulled().map(str::to_owned);
        drop(ear);
        if let (Some(client), Some(id)) = (self.client.take(), pulled) {
            // It may have ended already.
            client.cancel(&id).await.ok();
        }
    }

    /// The daemon has stopped, and every stream with it.
    pub fn outlive_the_daemon(&mut self) {
        if let Some(ear) = self.ear.take() {
            let mut life = ear.life();
            let told = [
                "Unavailable",
                "NotReachable",
                "ConnectionLost",
                "no listener has the ID",
            ];
            let ended = life.ended.as_ref();
            if ended.is_some_and(|end| told.iter().any(|told| end.contains(told))) {
                life.ended = None;
            }
            self.lives.push(life);
        }
        self.client = None;
    }

    pub fn stall(&mut self) {
        self.stalled = !self.stalled;
        self.stalled_at = Instant::now();
        if let Some(ear) = &self.ear {
            ear.stall(self.stalled);
        }
    }

    /// Returns true once it has stalled for so long that the daemon would soon remove a listener in
    /// pull form, since nobody asks for its events.
    pub fn has_slept(&self, now: Instant) -> bool {
        self.stalled && now.saturating_duration_since(self.stalled_at) > LONGEST_STALL
    }

    pub fn wake(&mut self) {
        if self.stalled {
            self.stall();
        }
    }

    /// Returns true if it reads and its channel was last reported as confirmed.
    pub fn is_well(&self) -> bool {
        let state = self.ear.as_ref().and_then(|ear| ear.life().state());
        !self.stalled && state == Some(SubscriptionState::Confirmed)
    }

    pub async fn hears(&self, good: impl Fn(&Life) -> bool) {
        if let Some(ear) = &self.ear {
            ear.hears(good).await;
        }
    }

    pub fn tail(&self) -> Vec<Note> {
        let mut notes = self.ear.as_ref().map(Ear::life).unwrap_or_default().notes;
        notes.split_off(notes.len().saturating_sub(12))
    }

    /// Compares the daemon's figures of this listener with what it heard.
    pub fn check_figures(&self, listeners: &[&ListenerStatus]) -> Result<(), String> {
        let Some(life) = self.ear.as_ref().map(Ear::life) else {
            return Ok(());
        };
        if life.ended.is_some() {
            return Ok(());
        }
        let id = listener_id(&life);
        let status = listeners.iter().find(|l| Some(&l.id) == id.as_ref());
        let status = status.ok_or_else(|| format!("{} is not in the status", self.what()))?;
        let missed: u64 = life.gaps().filter_map(|(_, gap)| gap.missed).sum();
        // It may not have passed over yet what is not for it.
        let behind = if self.name.is_some() {
            status.behind
        } else {
            0
        };
        let heard = (life.delivered(), missed, behind);
        let told = (status.delivered, status.missed, status.behind);
        if heard == told {
            return Ok(());
        }
        Err(format!(
            "{}: delivered, missed and behind are {heard:?}, the status says {told:?}",
            self.what()
        ))
    }

    pub fn observe(&self, logs: &mut Logs) -> Result<(), String> {
        let log = self.log();
        self.lives
            .iter()
            .try_for_each(|life| logs.observe(log, life))
    }

    /// Holds its lives against what was sent until then, and against each other's.
    pub fn judge(
        &self,
        sent: &[Sent],
        logs: &Logs,
        member: &Member,
        until: Option<SystemTime>,
    ) -> Result<Sum, String> {
        let mut until = until;
        for life in &self.lives {
            match &life.ended {
                Some(end) if self.overflow == Overflow::Cancel && exhausted(end) => until = None,
                Some(end) => return Err(format!("the stream ended: {end}")),
                None => {}
            }
            logs.check(self.log(), self.name, life)?;
        }
        let rules = Rules {
            filtered: self.name.is_some(),
            max_age: self.max_age,
            log_events: (self.channel != HEAVY).then_some(LOG_EVENTS as u64),
            log_age: LOG_AGE,
            recovery: RECOVERY,
            lingers: if member.calm { AT_ONCE } else { RECOVERY },
        };
        check_shape(&self.lives, &rules, &member.troubles)?;
        judge(self.name, &self.lives, sent, until)
    }

    /// A number for its channel on its instance.
    fn log(&self) -> usize {
        self.member * CHANNELS + self.channel
    }
}

fn exhausted(end: &str) -> bool {
    end.contains("ResourceExhausted")
}

fn listener_id(life: &Life) -> Option<String> {
    life.notes.first().and_then(|first| match &first.said {
        Said::Subscription { listener_id, .. } => Some(listener_id.clone()),
        _ => None,
    })
}
