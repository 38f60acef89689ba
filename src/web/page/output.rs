//! Output to a page: its channels' events, and fences that confirm them.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::Page;
use crate::router::{Delivery, Ended, Event};
use crate::web::end::End;
use crate::web::hold::Hold;
use crate::web::packet;
use crate::web::subscription::Subscription;
use crate::web::subscriptions::ReadEvents;
use expd_domain::{GapReason, SubscriptionState};
use expd_server::engine::{Packet, SocketEvent};
use expd_server::network_events;

/// Interval of fences while a page is being written to: after an abrupt end, at most the events of
/// this time are delivered twice.
const FENCE_INTERVAL: Duration = Duration::from_secs(1);

/// Maximum number of packets in one write.
const MAX_WRITE: usize = 256;

/// Time for a page to confirm its events before it is closed because some are missing.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

impl Page {
    pub(super) async fn write_outbox(&mut self) -> Result<(), End> {
        if self.outbox.is_empty() || self.hold.is_some() || !self.task.socket.is_writable() {
            return Ok(());
        }
        let packets = std::mem::take(&mut self.outbox);
        self.write(packets).await
    }

    /// Writes what some channels have received.
    pub(super) async fn deliver(&mut self, first: ReadEvents) -> Result<(), End> {
        let mut packets = std::mem::take(&mut self.outbox);
        let mut delivered = 0;
        let mut next = Some(first);
        let mut end = Ok(());
        while let Some((number, batch)) = next {
            end = match batch {
                Ok(events) => self.encode(number, events, &mut packets, &mut delivered),
                Err(Ended::Stopping) => Err(End::Stopping),
                Err(ended) => Err(End::Listener(ended)),
            };
            if end.is_err() || packets.len() >= MAX_WRITE {
                break;
            }
            next = self.subscriptions.next_ready();
        }
        let mut written = Ok(());
        if !packets.is_empty() {
            written = self.write(packets).await;
        }
        if written.is_ok() {
            self.task.open.info.add_delivered(delivered);
        }
        // Missing events are reported even if the socket has ended meanwhile.
        end.and(written)
    }

    /// Encodes a channel's events, up to one that cannot be reported over the open socket.
    fn encode(
        &mut self,
        number: usize,
        events: Vec<Delivery>,
        packets: &mut Vec<Packet>,
        delivered: &mut u64,
    ) -> Result<(), End> {
        let decode = self.task.state.decode;
        let (was_offline, opened) = (self.task.begun.was_offline, self.opened);
        let Some(subscription) = self.subscriptions.get_mut(number) else {
            return Ok(());
        };
        for delivery in events {
            if let Some(missed) = subscription.missed(&delivery.event) {
                // The page said `offline` before this socket: it knows of events that are missing
                // before the first broadcast, and of no others.
                let is_told = was_offline && missed <= opened;
                if !is_told || subscription.delivered > 0 {
                    let is_restart = is_restart(&delivery.event);
                    if is_restart {
                        // Nothing of this log was delivered yet: its events come next time.
                        subscription.given = delivery.sequence;
                    }
                    if is_told || is_restart {
                        // The next socket continues here: events that the page did not receive from
                        // this one fall into its offline time.
                        let position = std::iter::once(subscription.position());
                        self.task.login.received(self.task.begun.socket, position);
                    }
                    return Err(End::Missed);
                }
            }
            match delivery.event {
                Event::Subscription(SubscriptionState::Confirmed, _) => {
                    confirm(subscription, packets);
                }
                Event::Subscription(..) | Event::Gap(_) => {}
                Event::Broadcast(record) => {
                    confirm(subscription, packets);
                    subscription.delivered += 1;
                    if let Some(packet) = packet::broadcast(&record, &subscription.id, decode) {
                        packets.push(packet);
                        *delivered += 1;
                    }
                }
            }
            subscription.given = delivery.sequence;
            subscription.unfenced = true;
        }
        Ok(())
    }

    /// Lets the page confirm its events before it is closed because some are missing. Otherwise the
    /// earlier ones would arrive after `online` and hide the gap.
    pub(super) async fn take_leave(&mut self, end: &End) {
        if self.hold.is_some() {
            return;
        }
        let stopping = self.task.state.stopping.clone();
        let leaving = timeout(LEAVE_TIMEOUT, async {
            // Up to a gap, after which nothing more is delivered.
            if matches!(end, End::CloudAway) {
                self.write_rest().await.ok();
            }
            self.confirm_all().await
        });
        tokio::select! {
            biased;
            () = stopping.cancelled() => {}
            // The socket is closed in any case.
            _ = leaving => {}
        }
    }

    /// Writes what the channels' logs hold.
    async fn write_rest(&mut self) -> Result<(), End> {
        while self.task.socket.is_writable()
            && let Some(batch) = self.subscriptions.next_ready()
        {
            self.deliver(batch).await?;
        }
        Ok(())
    }

    /// Waits until the page has confirmed its events.
    async fn confirm_all(&mut self) -> Result<(), End> {
        if self.subscriptions.is_unfenced() {
            self.fence();
        }
        while self.subscriptions.is_fenced() {
            match self.task.socket.next().await {
                SocketEvent::Received(fence) => self.on_received(fence),
                SocketEvent::Closed(closed) => return Err(closed.into()),
                _ => {}
            }
        }
        Ok(())
    }

    async fn write(&mut self, packets: Vec<Packet>) -> Result<(), End> {
        self.task.socket.write(packets).await?;
        if !self.task.socket.is_websocket() {
            // The client's next poll confirms it.
            self.fence();
        }
        Ok(())
    }

    /// Asks the client to confirm what it was given.
    pub(super) fn fence(&mut self) {
        self.next_fence = Instant::now() + FENCE_INTERVAL;
        let fence = self.task.socket.fence();
        self.subscriptions.fence(fence);
    }

    pub(super) fn on_received(&mut self, fence: u64) {
        let Some(positions) = self.subscriptions.confirm(fence) else {
            return;
        };
        let socket = self.task.begun.socket;
        self.task.login.received(socket, positions.into_iter());
        self.hold.iter_mut().for_each(Hold::end_wait);
    }

    /// Writes nothing more from now on.
    pub(super) fn begin_hold(&mut self, waiting: oneshot::Sender<()>) {
        match &mut self.hold {
            Some(hold) => hold.refresh(waiting),
            None => self.hold = Some(Hold::new(waiting)),
        }
        if !self.subscriptions.is_unfenced() && !self.subscriptions.is_fenced() {
            self.hold.iter_mut().for_each(Hold::end_wait);
        } else if self.task.socket.is_websocket() {
            self.fence();
        }
    }
}

/// Tells the page that it is subscribed, once.
fn confirm(subscription: &mut Subscription, packets: &mut Vec<Packet>) {
    if !subscription.confirmed {
        subscription.confirmed = true;
        packets.push(network_events::subscribed(&[&subscription.id]));
    }
}

/// True for the gap at the start of a log that replaced another one.
fn is_restart(event: &Event) -> bool {
    matches!(event, Event::Gap(gap) if gap.reason == GapReason::Restarted)
}
