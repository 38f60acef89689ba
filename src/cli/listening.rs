//! State of a listening command, for people: an outage is reported once, with its reason, and its
//! end once. Short outages are not reported; their gaps are.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::ages::rough;
use super::output::{GOOD, WARN, printable, styled};
use super::pending::{Pending, Reason};
use expd_client::{LinkEvent, LinkState, SubscriptionState};

/// Delay before a missing network is reported.
const GRACE: Duration = Duration::from_secs(1);

/// Further delay while the daemon is connecting and has no reason yet.
const REASON: Duration = Duration::from_secs(4);

/// Interval between checks of channels that are still not confirmed.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Loss of the connection to the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DaemonLoss {
    /// The daemon is stopping in an orderly way.
    Stopping,
    /// Any other loss, with its reason.
    Broken(String),
}

impl fmt::Display for DaemonLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopping => "the daemon is stopping",
            Self::Broken(reason) => reason,
        })
    }
}

/// Common state of the channels of a command.
pub(super) struct Listening {
    confirmed: Vec<bool>,
    /// The connection to the daemon is lost.
    daemon_gone: bool,
    loss_reason: String,
    /// Start of the current outage, or of the command.
    since: Instant,
    /// The outage in progress; none while every channel is confirmed.
    outage: Option<Outage>,
    /// False until every channel was confirmed once.
    has_listened: bool,
    /// Also report when listening starts.
    reports_start: bool,
    /// Latest state of the instance's link.
    link: Option<LinkEvent>,
    /// EXP's messages about refused channels.
    refusals: Vec<String>,
    /// The daemon's message while it refuses a listener because of a limit.
    over_limit: Option<String>,
}

/// An outage, and what is reported of it.
#[derive(Default)]
struct Outage {
    daemon_reported: bool,
    network_reported: bool,
    /// Last reason that was reported to scripts.
    last_reported: Option<Pending>,
    /// Time of the next check of the channels.
    look_at: Option<Instant>,
}

impl Listening {
    /// The initial state: no channel is confirmed.
    pub(super) fn new(channels: usize, reports_start: bool) -> Self {
        Self {
            confirmed: vec![false; channels],
            daemon_gone: false,
            loss_reason: String::new(),
            since: Instant::now(),
            outage: Some(Outage::default()),
            has_listened: false,
            reports_start,
            link: None,
            refusals: Vec::new(),
            over_limit: None,
        }
    }

    /// Applies a state of a channel's subscription. Returns the note to print.
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
            return self.reports_start.then(|| styled(GOOD, line));
        }
        let is_reported = outage.daemon_reported || outage.network_reported;
        is_reported.then(|| styled(GOOD, format!("listening again, after {took}")))
    }

    /// Applies the loss of the daemon. Returns the note to print.
    pub(super) fn disconnected(&mut self, index: usize, loss: &DaemonLoss) -> Option<String> {
        if let Some(confirmed) = self.confirmed.get_mut(index) {
            *confirmed = false;
        }
        self.begin();
        self.daemon_gone = true;
        self.loss_reason = loss.to_string();
        self.link = None;
        self.refusals.clear();
        let outage = self.outage.as_mut()?;
        if std::mem::replace(&mut outage.daemon_reported, true) {
            return None;
        }
        let line = match loss {
            DaemonLoss::Stopping => format!("{loss}; waiting for it"),
            DaemonLoss::Broken(reason) => {
                format!("the daemon is gone: {}; waiting for it", printable(reason))
            }
        };
        Some(styled(WARN, line))
    }

    /// Applies the return of the daemon.
    pub(super) fn reconnected(&mut self) {
        self.daemon_gone = false;
        self.over_limit = None;
    }

    /// Applies a refusal because of a limit; the listener is requested again.
    pub(super) fn over_limit(&mut self, index: usize, reason: &str) {
        if let Some(confirmed) = self.confirmed.get_mut(index) {
            *confirmed = false;
        }
        self.begin();
        self.over_limit = Some(reason.to_owned());
    }

    /// Applies EXP's messages about refused channels. Returns the note to print if the refusals are
    /// new.
    pub(super) fn refused(&mut self, refusals: Vec<String>) -> Option<String> {
        let is_news = self.refusals.is_empty() && !refusals.is_empty();
        self.refusals = refusals;
        let was_reported = self.outage.as_ref()?.network_reported;
        if is_news && was_reported {
            return self.report();
        }
        None
    }

    /// Applies a state of the instance's link.
    pub(super) fn link(&mut self, event: LinkEvent) {
        self.link = Some(event);
    }

    /// Time when [`Self::report`] is due.
    pub(super) fn due(&self) -> Option<Instant> {
        let outage = self.outage.as_ref()?;
        if self.daemon_gone {
            return None;
        }
        if outage.network_reported {
            return outage.look_at;
        }
        let has_reason = self
            .link
            .as_ref()
            .is_none_or(|link| link.state != LinkState::Connecting || !link.reason.is_empty());
        Some(self.since + if has_reason { GRACE } else { GRACE + REASON })
    }

    /// True if a refusal by EXP may be the reason.
    pub(super) fn may_be_refused(&self) -> bool {
        let is_online = |link: &LinkEvent| link.state == LinkState::Online;
        self.over_limit.is_none() && !self.daemon_gone && self.link.as_ref().is_some_and(is_online)
    }

    /// The note about a lasting outage, unless it is reported already.
    pub(super) fn report_once(&mut self) -> Option<String> {
        let outage = self.outage.as_mut()?;
        if outage.network_reported {
            outage.look_at = Some(Instant::now() + LOOK_AGAIN);
            return None;
        }
        self.report()
    }

    /// The note about a lasting outage.
    fn report(&mut self) -> Option<String> {
        let reason = self.reason();
        let look_at = Instant::now() + LOOK_AGAIN;
        let waits = self.confirmed.iter().filter(|confirmed| !**confirmed);
        let what = match (waits.count(), self.confirmed.len()) {
            (_, 1) => "the channel".to_owned(),
            (pending, all) => format!("{pending} of {all} channels"),
        };
        let outage = self.outage.as_mut()?;
        outage.network_reported = true;
        outage.look_at = Some(look_at);
        Some(styled(
            WARN,
            format!("pending: EXP has not confirmed {what}{reason}"),
        ))
    }

    /// Text about the awaited state; none while listening.
    pub(super) fn waiting_for(&self) -> Option<String> {
        self.outage.as_ref()?;
        Some(if self.daemon_gone {
            "waiting for the daemon".to_owned()
        } else {
            format!("waiting for EXP to confirm{}", self.reason())
        })
    }

    /// The reason for scripts, unless it is reported already. Connection attempts during an outage
    /// of the link are not reported.
    pub(super) fn take_unreported(&mut self) -> Option<Pending> {
        let pending = self.pending();
        let outage = self.outage.as_mut()?;
        if !outage.daemon_reported && !outage.network_reported {
            return None;
        }
        let is_known = outage.last_reported.as_ref().is_some_and(|last| {
            last.is_like(&pending)
                || (last.reason == Reason::Offline && pending.reason == Reason::Connecting)
        });
        if is_known {
            return None;
        }
        outage.last_reported = Some(pending.clone());
        Some(pending)
    }

    pub(super) fn is_confirmed(&self, index: usize) -> bool {
        self.confirmed.get(index).copied().unwrap_or(false)
    }

    /// The reason, as far as known.
    fn pending(&self) -> Pending {
        if self.daemon_gone {
            return Pending::new(Reason::NoDaemon, self.loss_reason.as_str());
        }
        match &self.over_limit {
            Some(limit) => Pending::new(Reason::OverLimit, limit),
            None => Pending::of(self.link.as_ref(), &self.refusals),
        }
    }

    fn reason(&self) -> String {
        match self.pending().to_string() {
            reason if reason.is_empty() => reason,
            reason => format!(": {reason}"),
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
        let told = plain(listening.report());
        assert_eq!(
            told.as_deref(),
            Some("pending: EXP has not confirmed 2 of 2 channels: expd is offline, no route")
        );
        assert_eq!(listening.due(), Some(Instant::now() + LOOK_AGAIN));
        let for_scripts = listening.take_unreported().unwrap();
        assert_eq!(
            (for_scripts.reason, &*for_scripts.detail),
            (Reason::Offline, "no route")
        );
        assert_eq!(listening.take_unreported(), None, "it is told once");
        let closed = DaemonLoss::Broken("closed".to_owned());
        let gone = plain(listening.disconnected(0, &closed));
        assert!(gone.unwrap().starts_with("the daemon is gone: closed"));
        assert_eq!(listening.disconnected(1, &closed), None);
        let mut stopped = Listening::new(1, true);
        let said = plain(stopped.disconnected(0, &DaemonLoss::Stopping)).unwrap();
        assert_eq!(said, "the daemon is stopping; waiting for it");
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
