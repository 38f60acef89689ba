//! State of the daemon. Each type serializes as in the contract's JSON mapping, with counts as
//! numbers.

mod from_wire;

use serde::Serialize;

use crate::error::ClientError;
use crate::event::{ChannelFields, Time};
use expd_domain::{Channel, IdentityKind, LinkState};
use expd_proto as proto;

/// State of the daemon: a snapshot, or several if it takes several pages.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// Start of the daemon.
    pub started_at: Option<Time>,
    /// The configured identities, `default` first, then those that the caller's user runs.
    pub instances: Vec<InstanceStatus>,
    /// Mistakes in the settings of instances that could not be created.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settings_mistakes: Vec<String>,
    /// Live sockets of web pages, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub web_pages: Vec<WebPageStatus>,
    /// Apps whose pages have connected since the daemon started, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub web_apps: Vec<WebAppStatus>,
    /// Refusals because of a reached limit, the latest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limit_hits: Vec<LimitHit>,
}

/// Refusals of one program by one limit, since the daemon started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitHit {
    /// The limit's key below `daemon.limits` in the settings.
    pub limit: String,
    /// The user: its ID, or `owner`, `tcp`, `app:NAME`, `others`.
    pub user: String,
    /// The process ID; 0 if several are counted together, or it is unknown.
    pub pid: u32,
    /// The process's user; meaningful if `pid` is not 0.
    pub uid: u32,
    /// Number of refusals.
    pub count: u64,
    /// Time of the last one.
    pub last_at: Option<Time>,
}

/// One live socket of a web page.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebPageStatus {
    /// Name of its app in the settings.
    pub app: String,
    /// Its origin, as the browser sends it.
    pub origin: String,
    /// The instance that it shares.
    pub instance: String,
    /// Time when the socket was opened.
    pub since: Option<Time>,
    /// Generation of Engine.IO.
    pub protocol: u32,
    /// True over a WebSocket, false over long polling.
    pub websocket: bool,
    /// Number of channels that it listens on.
    pub channels: u32,
    /// Number of events in their logs that it has not received yet.
    pub behind: u64,
    /// Number of delivered broadcasts.
    pub delivered: u64,
}

/// Counts of one app's pages since the daemon started.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebAppStatus {
    /// Its name in the settings.
    pub app: String,
    /// The instance that its pages share.
    pub instance: String,
    /// Live sockets opened.
    pub opened: u64,
    /// Broadcasts delivered, summed over pages.
    pub delivered: u64,
    /// Sockets closed because the page did not read, or because an event could not be delivered.
    pub cut: u64,
    /// Handshakes refused because EXP was unavailable, or because events had been missed.
    pub refused: u64,
    /// The same counts by origin.
    pub origins: Vec<WebOriginStatus>,
}

/// Counts of the pages of one app from one origin since the daemon started.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebOriginStatus {
    /// The origin, as the browser sends it.
    pub origin: String,
    /// Live sockets opened.
    pub opened: u64,
    /// Broadcasts delivered, summed over pages.
    pub delivered: u64,
    /// Sockets closed because the page did not read, or because an event could not be delivered.
    pub cut: u64,
    /// Handshakes refused because EXP was unavailable, or because events had been missed.
    pub refused: u64,
}

/// State of an identity.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// Name of the instance.
    pub instance: String,
    /// The configured API host.
    pub host: String,
    /// `None` before the first login.
    pub identity: Option<Identity>,
    /// Its connection to EXP.
    pub link: LinkStatus,
    /// Channels that are subscribed or wanted.
    pub channels: Vec<ChannelStatus>,
    /// Open listeners.
    pub listeners: Vec<ListenerStatus>,
    /// Counts since the daemon started.
    pub counters: Counters,
    /// Number of broadcasts that wait for a connection.
    pub waiting_broadcasts: u32,
    /// True for an identity that a program runs
    /// ([`Client::run_instance`](crate::Client::run_instance)).
    pub transient: bool,
    /// Reason why the pairing's credentials are not stored yet; a restart would lose them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsaved_credentials: Option<String>,
}

/// Identity that an instance is logged in as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Type of the credentials.
    #[serde(rename = "type")]
    pub kind: IdentityKind,
    /// Empty for a device that is not paired.
    pub uuid: String,
    /// Empty if EXP omits it.
    pub organization: String,
    /// Code that an operator types; in pairing mode only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairing_code: Option<String>,
    /// False for a device in pairing mode.
    pub paired: bool,
    /// Expiry of the token, which the daemon refreshes earlier.
    pub expires_at: Option<Time>,
    /// A user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// A user's role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Members of EXP's identity without a field above, as the JSON text of an object; empty if
    /// there are none, and always in a status.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rest: String,
    /// Members of EXP's login response that are missing or unusable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// State of the connection between an instance and EXP.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkStatus {
    /// Current state.
    pub state: LinkState,
    /// Start of that state.
    pub since: Option<Time>,
    /// Failed attempts since the connection was last up.
    pub attempt: u32,
    /// Error of the last attempt; empty if it succeeded.
    pub last_error: String,
    /// Time of the next attempt.
    pub next_try: Option<Time>,
    /// The Engine.IO generation in use; 0 while not connected.
    pub protocol: u32,
    /// Expiry of the session's token.
    pub token_expires_at: Option<Time>,
}

/// A change of a link's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkEvent {
    /// Name of the instance.
    pub instance: String,
    /// The new state.
    pub state: LinkState,
    /// Start of that state.
    pub since: Option<Time>,
    /// Reason, for people; may be empty.
    pub reason: String,
}

/// The four truths about a subscription: wanted, asked, confirmed, last broadcast.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelStatus {
    /// The channel.
    #[serde(with = "ChannelFields")]
    pub channel: Channel,
    /// Its ID on the network.
    pub channel_id: String,
    /// Time since which listeners want the channel.
    pub wanted_since: Option<Time>,
    /// Last request to subscribe, on the current connection.
    pub asked_at: Option<Time>,
    /// EXP's last confirmation, on the current connection.
    pub confirmed_at: Option<Time>,
    /// Arrival of the last broadcast.
    pub last_broadcast_at: Option<Time>,
    /// Number of listeners.
    pub listeners: u32,
    /// Number of events in the log.
    pub log_events: u32,
    /// Size of the log in bytes.
    pub log_bytes: u64,
    /// Sequence number of the newest event.
    pub log_sequence: u64,
    /// EXP's message if it refuses the channel on the current connection.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub refusal: String,
}

/// An open listener.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// ID of the listener.
    pub id: String,
    /// Channel that it listens on.
    #[serde(with = "ChannelFields")]
    pub channel: Channel,
    /// Name of the events that it receives; empty for all.
    pub name: String,
    /// Its context; empty for none.
    pub context: String,
    /// Process ID of the peer; 0 over TCP.
    pub pid: u32,
    /// User ID of the peer.
    pub uid: u32,
    /// Number of events that it has not received yet.
    pub behind: u64,
    /// Number of broadcasts delivered.
    pub delivered: u64,
    /// Number of missed events that its gaps reported.
    pub missed: u64,
}

/// Counts since the daemon started.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // The contract's `Counters` explains them.
pub struct Counters {
    pub connects: u64,
    pub disconnects: u64,
    pub logins: u64,
    pub refreshes: u64,
    pub broadcasts_received: u64,
    pub duplicates: u64,
    pub deliveries: u64,
    pub gaps: u64,
    pub broadcasts_sent: u64,
    pub broadcasts_failed: u64,
    pub responses_sent: u64,
    pub responses_failed: u64,
    pub unexpected_messages: u64,
}

/// The pages of a status, merged as they arrive.
#[derive(Default)]
pub(crate) struct Pages(Status);

impl Pages {
    /// Adds the next page.
    pub(crate) fn add(&mut self, page: proto::Status) -> Result<(), ClientError> {
        let page = Status::from_wire(page)?;
        let before = std::mem::replace(&mut self.0, page);
        // The first page has all of them.
        self.0.web_pages.splice(..0, before.web_pages);
        self.0.web_apps.splice(..0, before.web_apps);
        self.0.limit_hits.splice(..0, before.limit_hits);
        let mut earlier = before.instances;
        for instance in &mut self.0.instances {
            // The newest page has the current state; channels and listeners are spread over all
            // pages.
            let same = earlier
                .iter_mut()
                .find(|it| it.instance == instance.instance);
            if let Some(before) = same {
                instance.channels.splice(..0, before.channels.drain(..));
                instance.listeners.splice(..0, before.listeners.drain(..));
            }
        }
        Ok(())
    }

    /// The whole status, channels sorted by name.
    pub(crate) fn whole(mut self) -> Status {
        for instance in &mut self.0.instances {
            (instance.channels).sort_by(|a, b| a.channel.cmp(&b.channel));
        }
        self.0
    }
}

impl Status {
    /// Number of cut sockets of a page's app and origin since the daemon started.
    #[must_use]
    pub fn cut_of(&self, page: &WebPageStatus) -> u64 {
        let of_app = self.web_apps.iter().filter(|app| app.app == page.app);
        let origins = of_app.flat_map(|app| &app.origins);
        let same = origins.filter(|origin| origin.origin == page.origin);
        same.map(|origin| origin.cut).sum()
    }
}
