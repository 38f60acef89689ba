//! The task of one live socket: subscribes to what the page asks for, writes what its channels
//! receive, and notes what the page has received.
//!
//! Nothing is queued for a page: its cursors wait in the channels' logs until its transport takes
//! more. A page that does not read is cut off, and continues from its position when it comes back.

mod output;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::caller::PageCaller;
use super::end::End;
use super::hold::Hold;
use super::logins::{Begun, Login, PageCommand};
use super::state::WebState;
use super::subscription::Subscription;
use super::subscriptions::{MAX_CHANNELS, Subscriptions};
use crate::access::Action;
use crate::moment::Moment;
use crate::pages::OpenPage;
use crate::router::{ListenSpec, RouterError};
use expd_domain::channel_id::MAX_ID_BYTES;
use expd_domain::{ChannelId, LinkState};
use expd_server::engine::{EngineSocket, Packet, SocketEvent};
use expd_server::error::ApiError;
use expd_server::network_events::{self, RefusedSubscription};

/// A page to run.
pub(super) struct PageTask {
    pub state: Arc<WebState>,
    pub caller: PageCaller,
    pub login: Arc<Login>,
    pub begun: Begun,
    pub commands: mpsc::Receiver<PageCommand>,
    pub socket: EngineSocket,
    pub open: OpenPage,
}

struct Page {
    task: PageTask,
    opened: Moment,
    subscriptions: Subscriptions,
    /// Packets other than broadcasts. They answer what a page sends; a page that does not read them
    /// is ended by its heartbeat.
    outbox: Vec<Packet>,
    next_fence: Instant,
    /// Its token was refreshed: nothing more is written.
    hold: Option<Hold>,
}

impl PageTask {
    /// Serves the page to its end.
    pub async fn run(self) {
        let mut page = Page {
            task: self,
            opened: Moment::now(),
            subscriptions: Subscriptions::default(),
            outbox: Vec::new(),
            next_fence: Instant::now(),
            hold: None,
        };
        let end = page.serve().await;
        if end.has_missed() {
            // Before `take_leave`: its token may be refreshed meanwhile.
            page.task.login.miss(page.task.begun.socket);
            page.take_leave(&end).await;
        }
        page.finish(&end);
    }
}

impl Page {
    async fn serve(&mut self) -> End {
        match self.try_serve().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn try_serve(&mut self) -> Result<std::convert::Infallible, End> {
        let mut policy = self.task.state.access.clone();
        let mut apps = self.task.state.apps.changes();
        let mut link = self.task.caller.bridge.link.clone();
        let stopping = self.task.state.stopping.clone();
        loop {
            self.write_outbox().await?;
            let writable = self.hold.is_none() && self.task.socket.is_writable();
            let fences = !self.subscriptions.is_fenced()
                && self.task.socket.is_websocket()
                && self.subscriptions.is_unfenced();
            let next_fence = self.next_fence;
            let overdue = Hold::overdue(self.hold.as_ref());
            tokio::select! {
                biased;
                command = self.task.commands.recv() => match command {
                    Some(PageCommand::Hold(done)) => self.begin_hold(done),
                    Some(PageCommand::Replaced) | None => return Err(End::Replaced),
                },
                event = self.task.socket.next() => self.on_socket(event).await?,
                () = stopping.cancelled() => return Err(End::Stopping),
                changed = link.changed() => {
                    // Fails if a reload has removed or replaced the instance.
                    if changed.is_err() || link.borrow_and_update().state != LinkState::Online {
                        return Err(End::CloudAway);
                    }
                }
                Ok(()) = policy.changed() => self.check_rights()?,
                Ok(()) = apps.changed() => self.check_app()?,
                batch = self.subscriptions.next(), if writable => self.deliver(batch).await?,
                () = sleep_until(next_fence), if fences => self.fence(),
                () = overdue => return Err(End::Kept),
            }
        }
    }

    async fn on_socket(&mut self, event: SocketEvent) -> Result<(), End> {
        match event {
            SocketEvent::Closed(closed) => return Err(closed.into()),
            SocketEvent::Writable => {
                let websocket = self.task.socket.is_websocket();
                self.task
                    .open
                    .info
                    .websocket
                    .store(websocket, Ordering::Relaxed);
            }
            SocketEvent::Received(fence) => self.on_received(fence),
            SocketEvent::Event(name, argument) if name == "subscribe" => {
                self.subscribe(argument).await;
            }
            SocketEvent::Reopened => self.reset(),
            // The network defines no other event, and nobody receives an app's own.
            SocketEvent::Event(..) | SocketEvent::Connected | SocketEvent::Refused => {}
        }
        Ok(())
    }

    /// Forgets the page's subscriptions, as if it had opened another socket. Events that it has not
    /// confirmed are delivered again.
    fn reset(&mut self) {
        self.subscriptions = Subscriptions::default();
        self.outbox.clear();
        self.hold = None;
        self.task.open.info.forget_listeners();
    }

    /// Subscribes to a list of channel IDs.
    async fn subscribe(&mut self, argument: Option<Box<RawValue>>) {
        let ids = argument.and_then(|list| serde_json::from_str::<Vec<ChannelId>>(list.get()).ok());
        let Some(ids) = ids else {
            let malformed = ApiError::bad_request(
                "network.subscribe.malformed",
                "subscribe takes a list of channel IDs",
            );
            self.refuse(vec![(ChannelId::from_wire(""), malformed)]);
            return;
        };
        let mut refused = Vec::new();
        let mut known = Vec::new();
        for id in ids {
            match self.subscribe_to(&id).await {
                Ok(Some(number)) => known.push(number),
                Ok(None) => {}
                Err(error) => refused.push((id, error)),
            }
        }
        let known = known
            .into_iter()
            .filter_map(|number| self.subscriptions.get(number));
        let known: Vec<&ChannelId> = known.map(|subscription| &subscription.id).collect();
        if !known.is_empty() {
            let packet = network_events::subscribed(&known);
            self.outbox.push(packet);
        }
        self.refuse(refused);
    }

    /// Subscribes to a channel. Returns its number if the page is already subscribed.
    async fn subscribe_to(&mut self, id: &ChannelId) -> Result<Option<usize>, ApiError> {
        if id.as_str().len() > MAX_ID_BYTES {
            return Err(ApiError::bad_request(
                "network.channel.invalid",
                format!("a channel ID has at most {MAX_ID_BYTES} bytes"),
            ));
        }
        let state = self.task.state.clone();
        let caller = &self.task.caller;
        let channel = caller.channel(id)?;
        let events = caller.allow_listening(&state, &channel)?;
        if let Some(number) = self.subscriptions.number(&channel)
            && let Some(subscription) = self.subscriptions.get_mut(number)
        {
            // The latest spelling counts.
            subscription.id = id.clone();
            return Ok(subscription.confirmed.then_some(number));
        }
        if self.subscriptions.is_full() {
            let message = format!("a page may subscribe to {MAX_CHANNELS} channels");
            return Err(ApiError::full("network.subscriptions.full", message));
        }
        let mut spec = ListenSpec {
            events,
            resume: self.task.login.position(&channel),
            page: Some(caller.web_page(&state)),
            ..ListenSpec::new(channel.clone())
        };
        let mut opened = caller.bridge.listen(spec.clone()).await;
        if let Err(crate::bridge::BridgeError::Router(RouterError::ResumeAhead { .. })) = opened {
            // A log was lost and its ID kept, which should not happen: resumes as from any other
            // log.
            spec.resume = Some(crate::router::Resume {
                log_id: String::new(),
                after: 0,
            });
            opened = caller.bridge.listen(spec.clone()).await;
        }
        let listener = opened.map_err(|error| caller.failed(error, Some(&channel)))?;
        let info = listener.info().clone();
        let subscription = Subscription {
            channel,
            id: id.clone(),
            log_id: listener.log_id().to_owned(),
            given: info.position.load(Ordering::Relaxed),
            confirmed: false,
            resumed: spec.resume.is_some(),
            unfenced: false,
            delivered: 0,
        };
        if spec.resume.is_none() {
            let position = std::iter::once(subscription.position());
            self.task.login.received(self.task.begun.socket, position);
        }
        self.subscriptions.add(subscription, listener);
        self.task.open.info.listen(info);
        Ok(None)
    }

    fn refuse(&mut self, refused: Vec<(ChannelId, ApiError)>) {
        if refused.is_empty() {
            return;
        }
        let refused: Vec<_> = refused
            .into_iter()
            .map(|(channel, error)| RefusedSubscription {
                channel,
                code: error.code,
                message: error.message,
            })
            .collect();
        self.outbox.push(network_events::subscribe_error(&refused));
    }

    /// Checks the rights again under a new policy, which may let other events through.
    fn check_rights(&mut self) -> Result<(), End> {
        let policy = self.task.state.policy();
        let rights = policy.rights(&self.task.caller.caller);
        let instance = &self.task.caller.bridge.name;
        let are_allowed = self.subscriptions.set_events(|channel| {
            let may_listen = rights.permits(instance, &Action::Listen(channel, None));
            may_listen.then(|| rights.heard_events(instance, channel))
        });
        if are_allowed {
            Ok(())
        } else {
            Err(End::RightTaken)
        }
    }

    fn check_app(&self) -> Result<(), End> {
        let caller = &self.task.caller;
        let now = self.task.state.apps.by_name(&caller.app.name);
        let same = now.is_some_and(|now| {
            now.uuid == caller.app.uuid
                && now.api_key == caller.app.api_key
                && now.instance == caller.app.instance
                && now.origins.iter().any(|origin| **origin == *caller.origin)
        });
        if same { Ok(()) } else { Err(End::AppChanged) }
    }

    fn finish(self, end: &End) {
        let PageTask {
            state,
            caller,
            login,
            begun,
            open,
            ..
        } = self.task;
        login.end(begun.socket);
        if end.is_cut() {
            state.pages.count_cut(&caller.app.name, &caller.origin);
        }
        end.report(&caller, open.info.behind());
    }
}
