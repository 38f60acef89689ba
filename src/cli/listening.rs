//! The state of a listening command for people: an outage is told once, with its reason, and its
//! end once. Short ones are not told at all; their gaps are.

use std::time::Duration;

use tokio::time::Instant;

use super::ages::rough;
use super::output::{GOOD, WARN, printable, styled};
use expd_client::{LinkEvent, LinkState, SubscriptionState};

/// Time that the network may take before it is said to be missing.
const GRACE: Duration = Duration::from_secs(1);

/// Time that the reason may take beyond that, while the daemon has just begun to connect.
const REASON: Duration = Duration::from_secs(4);

/// The channels that are listened on, as one state.
pub(super) struct Listening {
    confirmed: Vec<bool>,
    /// The daemon is not there.
    daemon_gone: bool,
    /// Beginning of the present outage, or of the command.
    since: Instant,
    /// The outage in progress; none while every channel is confirmed.
    outage: Option<Outage>,
    /// False until every channel was confirmed once.
    has_listened: bool,
    /// True to say that it listens, too.
    says_start: bool,
    /// The newest state of the instance's link.
    link: Option<LinkEvent>,
}

/// An outage, and what was said of it.
#[derive(Default)]
struct Outage {
    told_of_daemon: bool,
    told_of_network: bool,
}

impl Listening {
    /// The start: nothing is confirmed yet.
    pub(super) fn new(channels: usize, says_start: bool) -> Self {
        Self {
            confirmed: vec![false; channels],
            daemon_gone: false,
            since: Instant::now(),
            outage: Some(Outage::default()),
            has_listened: false,
            says_start,
            link: None,
        }
    }

    /// Takes the state of a channel's subscription. Returns what is to be said.
    pub(super) fn subscription(
        &mut self,
        index: usize,
        state: SubscriptionState,
    ) -> Option<String> {
        let is_confirmed = state == SubscriptionState::Confirmed;
        if let Some(confirmed) = self.confirmed.get_mut(index) {
            *confirmed = is_confirmed;
        }
        if !is_confirmed {
            self.begin();
            return None;
        }
        if !self.confirmed.iter().all(|confirmed| *confirmed) {
            return None;
        }
        let outage = self.outage.take()?;
        let took = rough(self.since.elapsed());
        if !std::mem::replace(&mut self.has_listened, true) {
            let what = match self.confirmed.len() {
                1 => "the channel".to_owned(),
                channels => format!("the {channels} channels"),
            };
            let line = format!("listening: EXP has confirmed {what}");
            return self.says_start.then(|| styled(GOOD, line));
        }
        let told = outage.told_of_daemon || outage.told_of_network;
        told.then(|| styled(GOOD, format!("listening again, after {took}")))
    }

    /// Takes the loss of the daemon. Returns what is to be said.
    pub(super) fn disconnected(&mut self, index: usize, reason: &str) -> Option<String> {
        if let Some(confirmed) = self.confirmed.get_mut(index) {
            *confirmed = false;
        }
        self.begin();
        self.daemon_gone = true;
        self.link = None;
        let outage = self.outage.as_mut()?;
        if std::mem::replace(&mut outage.told_of_daemon, true) {
            return None;
        }
        let line = format!("the daemon is gone: {}; waiting for it", printable(reason));
        Some(styled(WARN, line))
    }

    /// The daemon is back.
    pub(super) fn reconnected(&mut self) {
        self.daemon_gone = false;
    }

    /// Takes the state of the instance's link.
    pub(super) fn link(&mut self, event: LinkEvent) {
        self.link = Some(event);
    }

    /// When [`Self::tell`] is due.
    pub(super) fn due(&self) -> Option<Instant> {
        let outage = self.outage.as_ref()?;
        if outage.told_of_network || self.daemon_gone {
            return None;
        }
        let has_reason = self
            .link
            .as_ref()
            .is_none_or(|link| link.state != LinkState::Connecting || !link.reason.is_empty());
        Some(self.since + if has_reason { GRACE } else { GRACE + REASON })
    }

    /// Words about an outage that has gone on.
    pub(super) fn tell(&mut self) -> Option<String> {
        let reason = self.reason();
        let waits = self.confirmed.iter().filter(|confirmed| !**confirmed);
        let what = match (waits.count(), self.confirmed.len()) {
            (_, 1) => "the channel".to_owned(),
            (pending, all) => format!("{pending} of {all} channels"),
        };
        self.outage.as_mut()?.told_of_network = true;
        Some(styled(
            WARN,
            format!(
                "pending: EXP has not confirmed {what}{}",
                printable(&reason)
            ),
        ))
    }

    /// Awaited state; none while it listens.
    pub(super) fn waiting_for(&self) -> Option<String> {
        self.outage.as_ref()?;
        Some(if self.daemon_gone {
            "waiting for the daemon".to_owned()
        } else {
            format!("waiting for EXP to confirm{}", self.reason())
        })
    }

    fn reason(&self) -> String {
        let Some(link) = &self.link else {
            return String::new();
        };
        match (link.state, link.reason.as_str()) {
            (LinkState::Online, _) => ": expd is online and has asked for it".to_owned(),
            (state, "") => format!(": expd is {}", state.explain()),
            (state, reason) => format!(": expd is {}, {reason}", state.explain()),
        }
    }

    fn begin(&mut self) {
        if self.outage.is_none() {
            self.outage = Some(Outage::default());
            self.since = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SubscriptionState::{Confirmed, Pending};

    fn offline(reason: &str) -> LinkEvent {
        LinkEvent {
            instance: "default".to_owned(),
            state: LinkState::Offline,
            since: None,
            reason: reason.to_owned(),
        }
    }

    fn plain(line: Option<String>) -> Option<String> {
        line.map(|line| anstream::adapter::strip_str(&line).to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_told_once_with_its_reason_and_so_is_its_end() {
        let mut listening = Listening::new(2, true);
        assert_eq!(listening.subscription(0, Confirmed), None);
        let first = plain(listening.subscription(1, Confirmed));
        assert_eq!(
            first.as_deref(),
            Some("listening: EXP has confirmed the 2 channels")
        );
        assert!(listening.due().is_none());

        for channel in [0, 1] {
            assert_eq!(listening.subscription(channel, Pending), None);
        }
        listening.link(offline("no route"));
        assert_eq!(listening.due(), Some(Instant::now() + GRACE));
        tokio::time::advance(Duration::from_secs(12)).await;
        let told = plain(listening.tell());
        assert_eq!(
            told.as_deref(),
            Some("pending: EXP has not confirmed 2 of 2 channels: expd is offline, no route")
        );
        assert!(listening.due().is_none(), "it is told once");
        let gone = plain(listening.disconnected(0, "closed"));
        assert!(gone.unwrap().starts_with("the daemon is gone: closed"));
        assert_eq!(listening.disconnected(1, "closed"), None);
        listening.reconnected();
        assert_eq!(listening.subscription(0, Confirmed), None);
        let again = plain(listening.subscription(1, Confirmed));
        assert_eq!(again.as_deref(), Some("listening again, after 12s"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_blip_is_not_told() {
        let mut listening = Listening::new(1, true);
        listening.subscription(0, Confirmed);
        listening.subscription(0, Pending);
        assert_eq!(listening.subscription(0, Confirmed), None);
        assert!(listening.waiting_for().is_none());
    }
}
