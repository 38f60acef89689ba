//! A page's subscription to one channel: a cursor into its log, and the position that was
//! delivered.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;

use crate::moment::Moment;
use crate::router::{Delivery, Ended, Event, Listener, Resume};
use expd_domain::{Channel, ChannelId, SubscriptionState};

/// One channel of a page.
pub(super) struct Subscription {
    pub channel: Channel,
    /// The channel's ID as the page spelled it last.
    pub id: ChannelId,
    pub log_id: String,
    /// Position up to which events were delivered to the page.
    pub given: u64,
    /// The page has been told that it is subscribed.
    pub confirmed: bool,
    /// It continues from a position of the login.
    pub resumed: bool,
    /// Events were delivered since the last fence.
    pub unfenced: bool,
    /// Number of broadcasts delivered over this socket.
    pub delivered: u64,
}

impl Subscription {
    pub fn position(&self) -> (Channel, Resume) {
        let resume = Resume {
            log_id: self.log_id.clone(),
            after: self.given,
        };
        (self.channel.clone(), resume)
    }

    /// The time up to which broadcasts may be missing, if an event reports that some are. Those
    /// from before the page's subscription do not count.
    pub fn missed(&self, event: &Event) -> Option<Moment> {
        match event {
            Event::Gap(gap) if self.resumed || self.confirmed => Some(gap.to),
            Event::Subscription(state, since)
                if self.confirmed && *state != SubscriptionState::Confirmed =>
            {
                Some(*since)
            }
            Event::Broadcast(_) | Event::Gap(_) | Event::Subscription(..) => None,
        }
    }
}

/// Events of one subscription, by its number in the page.
pub(super) struct Events {
    pub number: usize,
    pub listener: Listener,
    pub ended: bool,
}

impl Stream for Events {
    type Item = (usize, Result<Vec<Delivery>, Ended>);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        loop {
            let mut events = Vec::new();
            match self.listener.poll_read(context, &mut events) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(ended)) => {
                    self.ended = true;
                    return Poll::Ready(Some((self.number, Err(ended))));
                }
                // None of them was for this listener.
                Poll::Ready(Ok(())) if events.is_empty() => {}
                Poll::Ready(Ok(())) => return Poll::Ready(Some((self.number, Ok(events)))),
            }
        }
    }
}
