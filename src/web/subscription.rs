//! A page's subscription to one channel: a cursor into its log, and how far the page has been
//! given.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;

use crate::router::{Delivery, Ended, Listener, Resume};
use expd_domain::{Channel, ChannelId};

/// One channel of a page.
pub(super) struct Subscription {
    pub channel: Channel,
    /// The channel's ID as the page spelled it last.
    pub id: ChannelId,
    pub log_id: String,
    /// Position up to which the page was given.
    pub given: u64,
    /// The page has been told that it is subscribed.
    pub confirmed: bool,
    /// It goes on where the login has been before.
    pub resumed: bool,
    /// Given to the page since the last mark.
    pub unmarked: bool,
}

impl Subscription {
    pub fn position(&self) -> (Channel, Resume) {
        let resume = Resume {
            log_id: self.log_id.clone(),
            after: self.given,
        };
        (self.channel.clone(), resume)
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
