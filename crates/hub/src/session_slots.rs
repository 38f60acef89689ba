//! Shares of open live sockets: of identities, and of clients without a login.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use super::error::ApiError;
use expd_server::address::Address;
use expd_server::lock::lock;

/// Maximum number of open sockets of identities: in total, and of one.
pub(super) const MAX_SOCKETS: usize = 4096;
const MAX_SOCKETS_OF_IDENTITY: usize = MAX_SOCKETS / 2;

/// Maximum number of sockets without a login: in total and of one address, for each of the two
/// classes.
const MAX_ANONYMOUS: usize = 256;
const ANONYMOUS_PER_ADDRESS: usize = 40;

/// Class of a live socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum SocketClass {
    LoggedIn,
    /// A device that waits to be paired.
    AwaitingPairing,
    /// Without a valid token: refused with a reason, then closed.
    Refused,
}

/// Owner that a socket counts towards.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum SessionOwner {
    /// A logged-in identity.
    Identity(Arc<str>),
    /// Anonymous clients of one address.
    Address(SocketClass, Address),
}

impl SessionOwner {
    fn limits(&self) -> (usize, usize) {
        match self {
            Self::Identity(_) => (MAX_SOCKETS, MAX_SOCKETS_OF_IDENTITY),
            Self::Address(..) => (MAX_ANONYMOUS, ANONYMOUS_PER_ADDRESS),
        }
    }

    pub(super) fn class(&self) -> SocketClass {
        match self {
            Self::Identity(_) => SocketClass::LoggedIn,
            Self::Address(class, _) => *class,
        }
    }
}

#[derive(Default)]
pub(super) struct SessionSlots(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    by_owner: HashMap<SessionOwner, usize>,
    by_class: HashMap<SocketClass, usize>,
}

/// Slot of one socket, released on drop.
pub(super) struct SessionSlot {
    slots: Weak<SessionSlots>,
    owner: SessionOwner,
}

impl Drop for SessionSlot {
    fn drop(&mut self) {
        if let Some(slots) = self.slots.upgrade() {
            lock(&slots.0).release(&self.owner);
        }
    }
}

impl SessionSlots {
    /// Gives a slot to a socket.
    ///
    /// # Errors
    /// The owner, or the class, is at its limit.
    pub(super) fn take(self: &Arc<Self>, owner: SessionOwner) -> Result<SessionSlot, ApiError> {
        let inner = &mut *lock(&self.0);
        let (all, each) = owner.limits();
        let of_class = inner.by_class.entry(owner.class()).or_default();
        let of_owner = inner.by_owner.get(&owner).copied().unwrap_or(0);
        if *of_class >= all || of_owner >= each {
            return Err(ApiError::busy(
                "network.sockets.tooMany",
                "too many sockets are open; close some, or try again later",
            ));
        }
        *of_class += 1;
        inner.by_owner.insert(owner.clone(), of_owner + 1);
        Ok(SessionSlot {
            slots: Arc::downgrade(self),
            owner,
        })
    }
}

impl Inner {
    fn release(&mut self, owner: &SessionOwner) {
        if let Some(count) = self.by_class.get_mut(&owner.class()) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = self.by_owner.get_mut(owner) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_owner.remove(owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anonymous(ip: [u8; 4]) -> SessionOwner {
        SessionOwner::Address(
            SocketClass::Refused,
            Address::from(std::net::SocketAddr::from((ip, 1))),
        )
    }

    #[test]
    fn an_address_has_a_share_and_so_have_all() {
        let slots = Arc::new(SessionSlots::default());
        let take_all = |owner: &SessionOwner| {
            let taken = std::iter::from_fn(|| slots.take(owner.clone()).ok());
            taken.collect::<Vec<_>>()
        };
        let here = anonymous([10, 0, 0, 1]);
        let mut held = take_all(&here);
        assert_eq!(held.len(), ANONYMOUS_PER_ADDRESS);
        for last in 2..=7 {
            held.extend(take_all(&anonymous([10, 0, 0, last])));
        }
        assert_eq!(held.len(), MAX_ANONYMOUS);
        let identity = SessionOwner::Identity("device:a".into());
        assert_eq!(take_all(&identity).len(), MAX_SOCKETS_OF_IDENTITY);
        held.clear();
        assert!(slots.take(here).is_ok());
        assert!(lock(&slots.0).by_owner.is_empty());
    }
}
