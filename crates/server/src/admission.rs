//! Admission of connections, and eviction when there are too many.
//!
//! A connection is silent until its first byte arrives, then anonymous, and identified once a
//! request on it has proved a login with its token. The operator's connections stay anonymous.
//!
//! A silent connection costs a small task and no buffer, so one address may open thousands at once,
//! as a daemon with as many calls does; the address with the most loses its oldest one first.
//! Anonymous connections are few, no address has more than a quarter of them, and a newcomer evicts
//! the one that has kept the server waiting longest. Silent connections, half-sent heads and
//! half-sent logins therefore end when room is short: they lock nobody out and take nothing from
//! identified connections, of which no address and no identity gets all.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::address::Address;
use super::connection::{ClientConnection, Phase};
use super::error::ApiError;
use super::lock::lock;

/// Limit of open connections; lower if the process's limit of open files is lower.
pub const MAX_CONNECTIONS: usize = 8192;

/// Divisors of that limit: the share of anonymous connections, which is also reserved for silent
/// ones, and the maximum share of silent ones.
const ANONYMOUS_DIVISOR: usize = 24;
const SILENT_DIVISOR: usize = 3;

/// Open files that the process needs besides connections.
const OTHER_FILES: usize = 64;

/// Timeout of a request's head; that of a connection's first one starts when it is accepted.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout of a connection between requests.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// Slots for the connections of one server.
pub struct Admission {
    slots: usize,
    /// Limit of silent connections. One address may have all that no other uses.
    silent: usize,
    /// Limit of anonymous connections. One address may have a quarter.
    anonymous: usize,
    /// Limit of identified connections. One address may have half, one identity a third.
    identified: usize,
    inner: Mutex<Inner>,
    /// Closes all connections.
    pub cut: CancellationToken,
}

#[derive(Default)]
struct Inner {
    last: u64,
    /// By order of arrival, and therefore by waiting time.
    silent: BTreeMap<u64, Arc<ClientConnection>>,
    anonymous: HashMap<u64, Arc<ClientConnection>>,
    identified: HashMap<u64, (Arc<ClientConnection>, Arc<str>)>,
    by_address: HashMap<Address, Count>,
    by_identity: HashMap<Arc<str>, usize>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    silent: usize,
    anonymous: usize,
    identified: usize,
}

/// Slot of one connection, released on drop.
pub(crate) struct ConnectionSlot {
    admission: Arc<Admission>,
    number: u64,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        lock(&self.admission.inner).remove(self.number);
    }
}

impl Admission {
    /// At most `most` connections, and fewer if the process's limit of open files is lower.
    pub fn new(most: usize) -> Arc<Self> {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        Self::with_slots(most.min(files.saturating_sub(OTHER_FILES).max(ANONYMOUS_DIVISOR)))
    }

    fn with_slots(slots: usize) -> Arc<Self> {
        let anonymous = (slots / ANONYMOUS_DIVISOR).max(4);
        Arc::new(Self {
            slots,
            silent: slots / SILENT_DIVISOR,
            anonymous,
            identified: slots.saturating_sub(2 * anonymous),
            inner: Mutex::default(),
            cut: CancellationToken::new(),
        })
    }

    /// Makes a connection without a slot.
    pub fn connection(&self, peer: SocketAddr) -> Arc<ClientConnection> {
        Arc::new(ClientConnection::new(peer, self.cut.child_token()))
    }

    /// Gives a new connection a slot as a silent one; `None` if none can be evicted.
    pub(crate) fn admit(
        self: &Arc<Self>,
        connection: &Arc<ClientConnection>,
    ) -> Option<ConnectionSlot> {
        let inner = &mut *lock(&self.inner);
        if inner.silent.len() >= self.silent || inner.open() >= self.slots {
            inner.evict_silent()?;
        }
        inner.last += 1;
        inner.silent.insert(inner.last, connection.clone());
        let address = connection.address();
        inner.by_address.entry(address).or_default().silent += 1;
        connection.set_slot(inner.last);
        Some(ConnectionSlot {
            admission: self.clone(),
            number: inner.last,
        })
    }

    /// Turns a silent connection into an anonymous one; `None` if none can be evicted.
    pub(crate) fn on_first_byte(&self, connection: &ClientConnection) -> Option<()> {
        let inner = &mut *lock(&self.inner);
        let address = connection.address();
        let at_address = inner.by_address.get(&address).map_or(0, |c| c.anonymous);
        if at_address >= self.anonymous / 4 {
            inner.evict_anonymous(address)?;
        } else if inner.anonymous.len() >= self.anonymous {
            inner.evict_anonymous(inner.address_with_most(|count| count.anonymous)?)?;
        }
        let number = connection.slot();
        let silent = inner.silent.remove(&number)?;
        inner.leave_address(address, |count| &mut count.silent);
        inner.anonymous.insert(number, silent);
        inner.by_address.entry(address).or_default().anonymous += 1;
        connection.begin_head();
        Some(())
    }

    /// Assigns a connection to the identity that uses it.
    ///
    /// # Errors
    /// The identity or its address is at its limit; the request is to be refused.
    pub fn identify(&self, connection: &ClientConnection, identity: &str) -> Result<(), ApiError> {
        let inner = &mut *lock(&self.inner);
        let number = connection.slot();
        // An evicted connection may still be answering.
        if !inner.anonymous.contains_key(&number) {
            return Ok(());
        }
        let address = connection.address();
        let at_address = inner.by_address.get(&address).map_or(0, |c| c.identified);
        let of_same = inner.by_identity.get(identity).copied().unwrap_or(0);
        let evicted = if of_same >= self.identified / 3 {
            inner.evict_identified(|_, whose| whose == identity)
        } else if at_address >= self.identified / 2 {
            inner.evict_identified(|other, _| other.address() == address)
        } else if inner.identified.len() >= self.identified {
            inner.evict_identified(|_, _| true)
        } else {
            Some(())
        };
        if evicted.is_none() {
            return Err(ApiError::busy(
                "network.connections.tooMany",
                "too many connections are open; close some, or try again later",
            ));
        }
        if let Some(connection) = inner.remove(number) {
            let identity: Arc<str> = identity.into();
            inner.by_address.entry(address).or_default().identified += 1;
            *inner.by_identity.entry(identity.clone()).or_default() += 1;
            inner.identified.insert(number, (connection, identity));
        }
        Ok(())
    }

    /// Closes connections that have exceeded a time limit.
    pub(crate) fn close_expired(&self) {
        let inner = lock(&self.inner);
        let identified = inner.identified.values().map(|(connection, _)| connection);
        let unknown = inner.silent.values().chain(inner.anonymous.values());
        for connection in unknown.chain(identified) {
            let (phase, since) = connection.phase();
            let limit = match phase {
                Phase::Silent | Phase::Head => HEAD_TIMEOUT,
                Phase::Idle => IDLE_TIMEOUT,
                // Reading a body has its own timeout.
                Phase::Body | Phase::Busy => continue,
            };
            if since.elapsed() > limit {
                connection.cut();
            }
        }
    }

    /// Closes the longest-waiting connection, when the system refuses to open another file.
    pub(crate) fn evict_one(&self) {
        let inner = &mut *lock(&self.inner);
        if inner.evict_silent().is_none()
            && let Some(address) = inner.address_with_most(|count| count.anonymous)
        {
            inner.evict_anonymous(address);
        }
    }
}

impl Inner {
    fn open(&self) -> usize {
        self.silent.len() + self.anonymous.len() + self.identified.len()
    }

    fn remove(&mut self, number: u64) -> Option<Arc<ClientConnection>> {
        if let Some(connection) = self.silent.remove(&number) {
            self.leave_address(connection.address(), |count| &mut count.silent);
            return Some(connection);
        }
        if let Some(connection) = self.anonymous.remove(&number) {
            self.leave_address(connection.address(), |count| &mut count.anonymous);
            return Some(connection);
        }
        let (connection, identity) = self.identified.remove(&number)?;
        self.leave_address(connection.address(), |count| &mut count.identified);
        if let Some(count) = self.by_identity.get_mut(&identity) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_identity.remove(&identity);
            }
        }
        Some(connection)
    }

    fn leave_address(&mut self, address: Address, which: impl FnOnce(&mut Count) -> &mut usize) {
        if let Some(count) = self.by_address.get_mut(&address) {
            let field = which(count);
            *field = field.saturating_sub(1);
            if count.silent + count.anonymous + count.identified == 0 {
                self.by_address.remove(&address);
            }
        }
    }

    fn address_with_most(&self, which: impl Fn(&Count) -> usize) -> Option<Address> {
        let most = self.by_address.iter().max_by_key(|(_, count)| which(count));
        most.map(|(address, _)| *address)
    }

    /// Closes the oldest silent connection of the address that has the most.
    fn evict_silent(&mut self) -> Option<()> {
        let address = self.address_with_most(|count| count.silent)?;
        let mut silent = self.silent.iter();
        let (number, _) = silent.find(|(_, connection)| connection.address() == address)?;
        let number = *number;
        self.remove(number)?.cut();
        Some(())
    }

    /// Closes the anonymous connection of an address that has kept the server waiting longest.
    fn evict_anonymous(&mut self, address: Address) -> Option<()> {
        let of_address = self
            .anonymous
            .iter()
            .filter(|(_, connection)| connection.address() == address);
        let number = longest_waiting(of_address, |phase| phase != Phase::Busy)?;
        self.remove(number)?.cut();
        Some(())
    }

    /// Closes the identified connection that has been idle longest.
    fn evict_identified(&mut self, which: impl Fn(&ClientConnection, &str) -> bool) -> Option<()> {
        let chosen = self
            .identified
            .iter()
            .filter(|(_, (connection, whose))| which(connection, whose))
            .map(|(number, (connection, _))| (number, connection));
        let number = longest_waiting(chosen, |phase| phase == Phase::Idle)?;
        self.remove(number)?.cut();
        Some(())
    }
}

fn longest_waiting<'a>(
    connections: impl Iterator<Item = (&'a u64, &'a Arc<ClientConnection>)>,
    waits: impl Fn(Phase) -> bool,
) -> Option<u64> {
    let waiting = connections.filter_map(|(number, connection)| {
        let (phase, since) = connection.phase();
        waits(phase).then_some((since, *number))
    });
    waiting
        .min_by_key(|(since, number): &(Instant, u64)| (*since, *number))
        .map(|(_, number)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(ip: [u8; 4]) -> Arc<ClientConnection> {
        Arc::new(ClientConnection::new(
            (ip, 1).into(),
            CancellationToken::new(),
        ))
    }

    /// Opens a connection and delivers its first byte; `None` if none could be evicted.
    fn anonymous_connection(
        admission: &Arc<Admission>,
        ip: [u8; 4],
        slots: &mut Vec<ConnectionSlot>,
    ) -> Option<Arc<ClientConnection>> {
        let connection = connection(ip);
        slots.push(admission.admit(&connection).unwrap());
        admission.on_first_byte(&connection)?;
        Some(connection)
    }

    #[tokio::test]
    async fn an_address_may_be_silent_thousands_of_times_until_others_come() {
        let admission = Admission::with_slots(MAX_CONNECTIONS);
        let (flood, other) = ([127, 0, 0, 1], [127, 0, 0, 2]);
        let open = |ip| {
            let connection = connection(ip);
            let slot = admission.admit(&connection).unwrap();
            (connection, slot)
        };
        let silent: Vec<_> = (0..admission.silent).map(|_| open(flood)).collect();
        assert!(silent.iter().all(|(connection, _)| !connection.is_cut()));
        let others: Vec<_> = (0..8).map(|_| open(other)).collect();
        let (first, rest) = silent.split_at(8);
        assert!(first.iter().all(|(connection, _)| connection.is_cut()));
        assert!(rest.iter().all(|(connection, _)| !connection.is_cut()));
        assert!(others.iter().all(|(connection, _)| !connection.is_cut()));
        drop((silent, others));
        assert!(lock(&admission.inner).by_address.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_takes_the_place_of_the_stranger_that_waited_the_longest() {
        let admission = Admission::with_slots(192);
        let (flood, other) = ([127, 0, 0, 1], [127, 0, 0, 2]);
        let mut slots = Vec::new();
        let first = anonymous_connection(&admission, flood, &mut slots).unwrap();
        tokio::time::advance(Duration::from_millis(10)).await;
        let second = anonymous_connection(&admission, flood, &mut slots).unwrap();
        // A quarter of eight is two: the first is evicted. The other address has its own share.
        anonymous_connection(&admission, flood, &mut slots).unwrap();
        assert!(first.is_cut() && !second.is_cut());
        let elsewhere = anonymous_connection(&admission, other, &mut slots).unwrap();
        second.begin_request();
        for _ in 0..10 {
            anonymous_connection(&admission, flood, &mut slots).unwrap();
        }
        assert!(!second.is_cut(), "it waits for the network");
        assert!(!elsewhere.is_cut());
        drop(slots);
        assert!(lock(&admission.inner).by_address.is_empty());
    }

    #[tokio::test]
    async fn nobody_is_heard_where_all_wait_for_the_network() {
        let admission = Admission::with_slots(192);
        let mut slots = Vec::new();
        for _ in 0..2 {
            let one = anonymous_connection(&admission, [10, 0, 0, 1], &mut slots).unwrap();
            one.begin_request();
        }
        assert!(anonymous_connection(&admission, [10, 0, 0, 1], &mut slots).is_none());
    }

    #[tokio::test]
    async fn whoever_is_known_leaves_the_strangers_and_has_a_share_alone() {
        let admission = Admission::with_slots(96);
        let mut slots = Vec::new();
        let mut identify = |identity: &str, ip| {
            let connection = anonymous_connection(&admission, ip, &mut slots).unwrap();
            connection.begin_request();
            let identified = admission.identify(&connection, identity);
            identified.map(|()| connection).map_err(|error| error.code)
        };
        // 88 identified connections: 29 of an identity, 44 of an address.
        let full = Some("network.connections.tooMany");
        let first = identify("a", [10, 0, 0, 1]).unwrap();
        for _ in 1..29 {
            assert!(identify("a", [10, 0, 0, 1]).is_ok());
        }
        assert_eq!(identify("a", [10, 0, 0, 2]).err(), full);
        for _ in 0..15 {
            assert!(identify("b", [10, 0, 0, 1]).is_ok());
        }
        assert_eq!(identify("c", [10, 0, 0, 1]).err(), full);
        assert!(identify("c", [10, 0, 0, 3]).is_ok());
        // An idle connection makes room for another one of its identity.
        first.end_request();
        assert_eq!(lock(&admission.inner).by_identity["a"], 29);
        assert!(identify("a", [10, 0, 0, 4]).is_ok());
        assert!(first.is_cut());
    }

    #[test]
    fn one_identity_at_one_address_has_room_for_two_thousand_calls_and_its_socket() {
        let admission = Admission::with_slots(MAX_CONNECTIONS);
        assert!(admission.silent > 2048 + 512);
        assert!(admission.identified / 3 > 2048 && admission.identified / 2 > 2048);
        assert!(admission.identified + admission.anonymous < MAX_CONNECTIONS);
    }

    #[tokio::test(start_paused = true)]
    async fn what_says_nothing_is_ended() {
        let admission = Admission::with_slots(64);
        let (silent, idle) = (connection([10, 0, 0, 1]), connection([10, 0, 0, 2]));
        let _slots = [admission.admit(&silent), admission.admit(&idle)];
        idle.begin_request();
        idle.end_request();
        tokio::time::advance(HEAD_TIMEOUT + Duration::from_millis(1)).await;
        admission.close_expired();
        assert!(silent.is_cut() && !idle.is_cut());
        // The head starts and stays incomplete.
        idle.read(1).unwrap();
        tokio::time::advance(HEAD_TIMEOUT + Duration::from_millis(1)).await;
        admission.close_expired();
        assert!(idle.is_cut());
    }
}
