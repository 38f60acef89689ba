//! Recently received broadcasts, so that duplicates are delivered once.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

use expd_domain::{BroadcastId, Channel};

/// Bound on remembered broadcasts. A duplicate comes on another spelling of the channel right after
/// the first copy, or on the new socket while a connection is replaced, which takes seconds.
const REMEMBERED: usize = 32_768;

/// The latest broadcasts, as hashes with a random key, so that collisions cannot be made on
/// purpose; by chance two of 32,768 collide once in 10^10 replacements.
#[derive(Debug, Default)]
pub(super) struct Recent {
    hasher: RandomState,
    order: VecDeque<u64>,
    known: HashSet<u64>,
}

impl Recent {
    /// True if the broadcast came before. One without an ID cannot be told from others.
    pub fn knows(&self, channel: &Channel, id: &BroadcastId) -> bool {
        !id.as_str().is_empty() && self.known.contains(&self.hasher.hash_one((channel, id)))
    }

    /// Remembers a broadcast; false if it came before. One without an ID cannot be told from
    /// others and is always new.
    pub fn is_new(&mut self, channel: &Channel, id: &BroadcastId) -> bool {
        if id.as_str().is_empty() {
            return true;
        }
        let hash = self.hasher.hash_one((channel, id));
        if !self.known.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_copy_is_known_and_another_channel_is_another_broadcast() {
        let mut recent = Recent::default();
        let (a, b) = (Channel::new("a"), Channel::new("b"));
        let id = BroadcastId::new("1");
        assert!(recent.is_new(&a, &id));
        assert!(!recent.is_new(&a, &id));
        assert!(recent.is_new(&b, &id));
        let none = BroadcastId::new("");
        assert!(recent.is_new(&a, &none) && recent.is_new(&a, &none));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut recent = Recent::default();
        let a = Channel::new("a");
        for n in 0..REMEMBERED * 2 {
            assert!(recent.is_new(&a, &BroadcastId::new(n.to_string())));
        }
        assert_eq!(recent.known.len(), REMEMBERED);
    }
}
