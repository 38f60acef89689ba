//! All subscriptions of a page: their cursors, and the positions that the page has confirmed.

use std::collections::HashMap;

use futures_util::stream::SelectAll;
use futures_util::{FutureExt as _, StreamExt as _};

use super::subscription::{Events, Subscription};
use crate::router::{Delivery, Ended, Listener, Resume};
use expd_domain::{Channel, NameSet};

/// Maximum number of channels of one page.
pub(super) const MAX_CHANNELS: usize = 1000;

/// Events of one subscription, by its number.
pub(super) type ReadEvents = (usize, Result<Vec<Delivery>, Ended>);

#[derive(Default)]
pub(super) struct Subscriptions {
    /// By their numbers.
    all: Vec<Subscription>,
    numbers: HashMap<Channel, usize>,
    events: SelectAll<Events>,
    /// The fence that was sent, and the subscriptions that it covers, each with its position.
    fenced: Option<(u64, Vec<(usize, u64)>)>,
}

impl Subscriptions {
    pub fn is_full(&self) -> bool {
        self.all.len() >= MAX_CHANNELS
    }

    pub fn get(&self, number: usize) -> Option<&Subscription> {
        self.all.get(number)
    }

    pub fn get_mut(&mut self, number: usize) -> Option<&mut Subscription> {
        self.all.get_mut(number)
    }

    /// Number of the subscription to a channel.
    pub fn number(&self, channel: &Channel) -> Option<usize> {
        self.numbers.get(channel).copied()
    }

    pub fn add(&mut self, subscription: Subscription, listener: Listener) {
        let number = self.all.len();
        self.numbers.insert(subscription.channel.clone(), number);
        self.all.push(subscription);
        self.events.push(Events {
            number,
            listener,
            ended: false,
        });
    }

    /// Waits until one of them has events; forever if there is none.
    pub async fn next(&mut self) -> ReadEvents {
        match self.events.next().await {
            Some(batch) => batch,
            None => std::future::pending().await,
        }
    }

    /// Events of one of them, if there are some already.
    pub fn next_ready(&mut self) -> Option<ReadEvents> {
        self.events.next().now_or_never().flatten()
    }

    /// True if events were delivered that no fence covers.
    pub fn is_unfenced(&self) -> bool {
        self.all.iter().any(|subscription| subscription.unfenced)
    }

    /// True while a fence is awaited.
    pub fn is_fenced(&self) -> bool {
        self.fenced.is_some()
    }

    /// Records a fence that covers everything that was delivered. A fence that is still awaited
    /// becomes part of it.
    pub fn fence(&mut self, fence: u64) {
        let awaited = self.fenced.take();
        let mut about = awaited.map(|(_, about)| about).unwrap_or_default();
        for (number, subscription) in self.all.iter_mut().enumerate() {
            if std::mem::take(&mut subscription.unfenced) {
                about.retain(|(other, _)| *other != number);
                about.push((number, subscription.given));
            }
        }
        self.fenced = Some((fence, about));
    }

    /// Positions that a fence confirms; none if a later one is awaited.
    pub fn confirm(&mut self, fence: u64) -> Option<Vec<(Channel, Resume)>> {
        let (_, about) = self.fenced.take_if(|(asked, _)| *asked <= fence)?;
        let positions = about.into_iter().filter_map(|(number, given)| {
            let (channel, mut position) = self.get(number)?.position();
            position.after = given;
            Some((channel, position))
        });
        Some(positions.collect())
    }

    /// Sets the events that may be received now; false if a channel is no longer allowed at all.
    pub fn set_events(&mut self, heard: impl Fn(&Channel) -> Option<NameSet>) -> bool {
        for events in &mut self.events {
            let Some(subscription) = self.all.get(events.number) else {
                continue;
            };
            let Some(heard) = heard(&subscription.channel) else {
                return false;
            };
            events.listener.set_events(heard);
        }
        true
    }
}
