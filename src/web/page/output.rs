//! Output to a page: its channels' events, and marks that confirm them.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::Page;
use crate::router::{Delivery, Ended, Event};
use crate::web::end::End;
use crate::web::hold::Hold;
use crate::web::packet;
use crate::web::subscription::Subscription;
use crate::web::subscriptions::Batch;
use expd_domain::{GapReason, SubscriptionState};
use expd_server::engine::{Packet, SocketEvent};
use expd_server::network_events;

/// Interval of marks while a page is being written to: after an abrupt end, it is given at most
/// what came in that time once more.
const MARK_INTERVAL: Duration = Duration::from_secs(1);

/// Packets that are written at once.
const MAX_WRITE: usize = 256;

/// Time that a page has to confirm what it was given, before it is closed because something is
/// missing.
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
    pub(super) async fn deliver(&mut self, first: Batch) -> Result<(), End> {
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
        // What is missing is told, though the socket may have ended meanwhile.
        end.and(written)
    }

    /// The packets of a channel's events, up to one that cannot be told over the open socket.
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
                // The page said `offline` before this socket: it knows of what is missing before
                // the first broadcast, and of no other.
                let is_told = was_offline && missed <= opened;
                if !is_told || subscription.delivered > 0 {
                    let is_restart = is_restart(&delivery.event);
                    if is_restart {
                        // Nothing of this log was given yet: what it holds comes next time.
                        subscription.given = delivery.sequence;
                    }
                    if is_told || is_restart {
                        // The next socket goes on here: what the page has not received of this one
                        // lies in the time when it is offline.
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
            subscription.unmarked = true;
        }
        Ok(())
    }

    /// Lets the page confirm what it was given, before it is closed because something is missing:
    /// what came before that would come after `online` otherwise, and hide it.
    pub(super) async fn take_leave(&mut self, end: &End) {
        if self.hold.is_some() {
            return;
        }
        let stopping = self.task.state.stopping.clone();
        let leaving = timeout(LEAVE_TIMEOUT, async {
            // Up to a gap: behind one nothing more is given.
            if matches!(end, End::CloudAway) {
                self.write_rest().await.ok();
            }
            self.confirm_all().await
        });
        tokio::select! {
            biased;
            () = stopping.cancelled() => {}
            // It is closed in any case.
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

    /// Waits until the page has received what it was given.
    async fn confirm_all(&mut self) -> Result<(), End> {
        if self.subscriptions.is_unmarked() {
            self.mark();
        }
        while self.subscriptions.is_marked() {
            match self.task.socket.next().await {
                SocketEvent::Received(mark) => self.on_received(mark),
                SocketEvent::Closed(closed) => return Err(closed.into()),
                _ => {}
            }
        }
        Ok(())
    }

    async fn write(&mut self, packets: Vec<Packet>) -> Result<(), End> {
        self.task.socket.write(packets).await?;
        if !self.task.socket.is_websocket() {
            // The next poll confirms it.
            self.mark();
        }
        Ok(())
    }

    /// Asks the client to confirm what it was given.
    pub(super) fn mark(&mut self) {
        self.next_mark = Instant::now() + MARK_INTERVAL;
        let mark = self.task.socket.fence();
        self.subscriptions.mark(mark);
    }

    pub(super) fn on_received(&mut self, mark: u64) {
        let Some(positions) = self.subscriptions.confirm(mark) else {
            return;
        };
        let socket = self.task.begun.socket;
        self.task.login.received(socket, positions.into_iter());
        self.hold.iter_mut().for_each(Hold::end_wait);
    }

    /// Writes nothing more from here on.
    pub(super) fn begin_hold(&mut self, waiting: oneshot::Sender<()>) {
        match &mut self.hold {
            Some(hold) => hold.refresh(waiting),
            None => self.hold = Some(Hold::new(waiting)),
        }
        if !self.subscriptions.is_unmarked() && !self.subscriptions.is_marked() {
            self.hold.iter_mut().for_each(Hold::end_wait);
        } else if self.task.socket.is_websocket() {
            self.mark();
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

/// True for the gap at the beginning of a log that took the place of another one.
fn is_restart(event: &Event) -> bool {
    matches!(event, Event::Gap(gap) if gap.reason == GapReason::Restarted)
}
