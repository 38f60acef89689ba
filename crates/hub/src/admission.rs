//! Admission of connections, and eviction where there are too many.
//!
//! A connection is silent until its first byte, then a stranger's, until a request on it has shown a
//! token; the operator's stay strangers. Silent connections cost next to nothing, so one address may
//! open thousands at once, as a daemon with as many calls does; they hold no place that anybody else
//! needs. Strangers have few places, no address more than a quarter of them, and give them up to
//! newcomers: the one that has kept the network waiting the longest goes first. So silent
//! connections, half-sent heads and half-sent logins end where room is short, and neither lock
//! anybody out nor take the places of those who are logged in, of which again no address and no
//! identity gets all.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::address::Address;
use super::connection::{Connection, Phase};
use super::error::ApiError;
use super::lock::lock;

/// Connections that are open at once, fewer where the process may open fewer files.
pub const MAX_CONNECTIONS: usize = 8192;

/// One in so many places is for strangers, as many are kept for those that are silent, and one in
/// so many is the most that may be silent.
const STRANGERS: usize = 16;
const SILENT: usize = 3;

/// What the process needs besides connections.
const OTHER_FILES: usize = 64;

/// How long the head of a request may take, a connection's first one from when it was accepted.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may stay without a request after one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// The places of one network.
pub(super) struct Admission {
    /// All of them.
    places: usize,
    /// Connections that may be silent. One address may have all that no other asks for.
    silent: usize,
    /// Strangers, of which one address may have a quarter.
    strangers: usize,
    /// Connections of those who are logged in, of which one address may have half and one identity
    /// a third.
    known: usize,
    inner: Mutex<Inner>,
    /// Ends all connections.
    pub cut: CancellationToken,
}

#[derive(Default)]
struct Inner {
    last: u64,
    /// In the order in which they came, which is the order in which they have waited.
    silent: BTreeMap<u64, Arc<Connection>>,
    strangers: HashMap<u64, Arc<Connection>>,
    known: HashMap<u64, (Arc<Connection>, Arc<str>)>,
    of_address: HashMap<Address, Count>,
    of_identity: HashMap<Arc<str>, usize>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    silent: usize,
    strangers: usize,
    known: usize,
}

/// The place of one connection, left when this is dropped.
pub(super) struct Place {
    admission: Arc<Admission>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.admission.inner).remove(self.number);
    }
}

impl Admission {
    /// As many places as the process may have files.
    pub(super) fn new() -> Arc<Self> {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        Self::with_places(MAX_CONNECTIONS.min(files.saturating_sub(OTHER_FILES).max(STRANGERS)))
    }

    fn with_places(places: usize) -> Arc<Self> {
        let strangers = (places / STRANGERS).max(4);
        Arc::new(Self {
            places,
            silent: places / SILENT,
            strangers,
            known: places.saturating_sub(2 * strangers),
            inner: Mutex::default(),
            cut: CancellationToken::new(),
        })
    }

    /// A connection that has no place yet.
    pub(super) fn connection(&self, peer: SocketAddr) -> Arc<Connection> {
        Arc::new(Connection::new(peer, self.cut.child_token()))
    }

    /// A place for a new connection, from which nothing has come; nothing where nobody makes room.
    pub(super) fn admit(self: &Arc<Self>, connection: &Arc<Connection>) -> Option<Place> {
        let inner = &mut *lock(&self.inner);
        if inner.silent.len() >= self.silent || inner.open() >= self.places {
            inner.evict_silent()?;
        }
        inner.last += 1;
        inner.silent.insert(inner.last, connection.clone());
        let address = connection.address();
        inner.of_address.entry(address).or_default().silent += 1;
        connection.set_place(inner.last);
        Some(Place {
            admission: self.clone(),
            number: inner.last,
        })
    }

    /// A silent connection has begun to speak, and is a stranger's from here on; nothing where no
    /// stranger makes room.
    pub(super) fn hear(&self, connection: &Connection) -> Option<()> {
        let inner = &mut *lock(&self.inner);
        let address = connection.address();
        let of_address = inner.of_address.get(&address).map_or(0, |c| c.strangers);
        if of_address >= self.strangers / 4 {
            inner.evict_stranger(address)?;
        } else if inner.strangers.len() >= self.strangers {
            inner.evict_stranger(inner.address_with_most(|count| count.strangers)?)?;
        }
        let number = connection.place();
        let silent = inner.silent.remove(&number)?;
        inner.leave_address(address, |count| &mut count.silent);
        inner.strangers.insert(number, silent);
        inner.of_address.entry(address).or_default().strangers += 1;
        connection.begin_head();
        Some(())
    }

    /// Takes note of who uses a connection.
    ///
    /// # Errors
    /// Where that one, or their address, has as many connections as it gets. The request is to be refused then.
    pub(super) fn know(&self, connection: &Connection, identity: &str) -> Result<(), ApiError> {
        let inner = &mut *lock(&self.inner);
        let number = connection.place();
        // A connection that was told to go may still be answering.
        if !inner.strangers.contains_key(&number) {
            return Ok(());
        }
        let address = connection.address();
        let of_address = inner.of_address.get(&address).map_or(0, |c| c.known);
        let of_identity = inner.of_identity.get(identity).copied().unwrap_or(0);
        let evicted = if of_identity >= self.known / 3 {
            inner.evict_known(|_, whose| whose == identity)
        } else if of_address >= self.known / 2 {
            inner.evict_known(|other, _| other.address() == address)
        } else if inner.known.len() >= self.known {
            inner.evict_known(|_, _| true)
        } else {
            Some(())
        };
        if evicted.is_none() {
            return Err(ApiError::busy(
                "network.connections.tooMany",
                "you have as many connections open as this network takes; close some, or try again later",
            ));
        }
        if let Some(connection) = inner.remove(number) {
            let identity: Arc<str> = identity.into();
            inner.of_address.entry(address).or_default().known += 1;
            *inner.of_identity.entry(identity.clone()).or_default() += 1;
            inner.known.insert(number, (connection, identity));
        }
        Ok(())
    }

    /// Ends what takes too long.
    pub(super) fn sweep(&self) {
        let inner = lock(&self.inner);
        let known = inner.known.values().map(|(connection, _)| connection);
        let unknown = inner.silent.values().chain(inner.strangers.values());
        for connection in unknown.chain(known) {
            let (phase, since) = connection.phase();
            let limit = match phase {
                Phase::Silent | Phase::Head => HEAD_TIMEOUT,
                Phase::Idle => IDLE_TIMEOUT,
                // What reads the body has a clock of its own.
                Phase::Body | Phase::Busy => continue,
            };
            if since.elapsed() > limit {
                connection.cut();
            }
        }
    }

    /// Makes room where the system refuses to: whoever has waited the longest goes.
    pub(super) fn make_room(&self) {
        let inner = &mut *lock(&self.inner);
        if inner.evict_silent().is_none()
            && let Some(address) = inner.address_with_most(|count| count.strangers)
        {
            inner.evict_stranger(address);
        }
    }
}

impl Inner {
    fn open(&self) -> usize {
        self.silent.len() + self.strangers.len() + self.known.len()
    }

    fn remove(&mut self, number: u64) -> Option<Arc<Connection>> {
        if let Some(connection) = self.silent.remove(&number) {
            self.leave_address(connection.address(), |count| &mut count.silent);
            return Some(connection);
        }
        if let Some(connection) = self.strangers.remove(&number) {
            self.leave_address(connection.address(), |count| &mut count.strangers);
            return Some(connection);
        }
        let (connection, identity) = self.known.remove(&number)?;
        self.leave_address(connection.address(), |count| &mut count.known);
        if let Some(count) = self.of_identity.get_mut(&identity) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.of_identity.remove(&identity);
            }
        }
        Some(connection)
    }

    fn leave_address(&mut self, address: Address, which: impl FnOnce(&mut Count) -> &mut usize) {
        if let Some(count) = self.of_address.get_mut(&address) {
            let field = which(count);
            *field = field.saturating_sub(1);
            if count.silent + count.strangers + count.known == 0 {
                self.of_address.remove(&address);
            }
        }
    }

    fn address_with_most(&self, which: impl Fn(&Count) -> usize) -> Option<Address> {
        let most = self.of_address.iter().max_by_key(|(_, count)| which(count));
        most.map(|(address, _)| *address)
    }

    /// Ends the silent connection that has waited the longest, of the address that has the most.
    fn evict_silent(&mut self) -> Option<()> {
        let address = self.address_with_most(|count| count.silent)?;
        let mut silent = self.silent.iter();
        let (number, _) = silent.find(|(_, connection)| connection.address() == address)?;
        let number = *number;
        self.remove(number)?.cut();
        Some(())
    }

    /// Ends the stranger of an address that has kept the network waiting the longest.
    fn evict_stranger(&mut self, address: Address) -> Option<()> {
        let of_address = self
            .strangers
            .iter()
            .filter(|(_, connection)| connection.address() == address);
        let number = longest_waiting(of_address, |phase| phase != Phase::Busy)?;
        self.remove(number)?.cut();
        Some(())
    }

    /// Ends the known connection that has been without a request the longest.
    fn evict_known(&mut self, which: impl Fn(&Connection, &str) -> bool) -> Option<()> {
        let chosen = self
            .known
            .iter()
            .filter(|(_, (connection, whose))| which(connection, whose))
            .map(|(number, (connection, _))| (number, connection));
        let number = longest_waiting(chosen, |phase| phase == Phase::Idle)?;
        self.remove(number)?.cut();
        Some(())
    }
}

fn longest_waiting<'a>(
    connections: impl Iterator<Item = (&'a u64, &'a Arc<Connection>)>,
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

    fn connection(ip: [u8; 4]) -> Arc<Connection> {
        Arc::new(Connection::new((ip, 1).into(), CancellationToken::new()))
    }

    /// A connection that has begun to speak; nothing where nobody made room for it.
    fn speaking(
        admission: &Arc<Admission>,
        ip: [u8; 4],
        places: &mut Vec<Place>,
    ) -> Option<Arc<Connection>> {
        let connection = connection(ip);
        places.push(admission.admit(&connection).unwrap());
        admission.hear(&connection)?;
        Some(connection)
    }

    #[tokio::test]
    async fn an_address_may_be_silent_thousands_of_times_until_others_come() {
        let admission = Admission::with_places(MAX_CONNECTIONS);
        let (flood, other) = ([127, 0, 0, 1], [127, 0, 0, 2]);
        let open = |ip| {
            let connection = connection(ip);
            let place = admission.admit(&connection).unwrap();
            (connection, place)
        };
        let silent: Vec<_> = (0..admission.silent).map(|_| open(flood)).collect();
        assert!(silent.iter().all(|(connection, _)| !connection.is_cut()));
        let others: Vec<_> = (0..8).map(|_| open(other)).collect();
        let (first, rest) = silent.split_at(8);
        assert!(first.iter().all(|(connection, _)| connection.is_cut()));
        assert!(rest.iter().all(|(connection, _)| !connection.is_cut()));
        assert!(others.iter().all(|(connection, _)| !connection.is_cut()));
        drop((silent, others));
        assert!(lock(&admission.inner).of_address.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_takes_the_place_of_the_stranger_that_waited_the_longest() {
        let admission = Admission::with_places(128);
        let (flood, other) = ([127, 0, 0, 1], [127, 0, 0, 2]);
        let mut places = Vec::new();
        let first = speaking(&admission, flood, &mut places).unwrap();
        tokio::time::advance(Duration::from_millis(10)).await;
        let second = speaking(&admission, flood, &mut places).unwrap();
        // A quarter of eight; the first makes room, and the other address has its own.
        speaking(&admission, flood, &mut places).unwrap();
        assert!(first.is_cut() && !second.is_cut());
        let elsewhere = speaking(&admission, other, &mut places).unwrap();
        second.begin_request();
        for _ in 0..10 {
            speaking(&admission, flood, &mut places).unwrap();
        }
        assert!(!second.is_cut(), "it waits for the network");
        assert!(!elsewhere.is_cut());
        drop(places);
        assert!(lock(&admission.inner).of_address.is_empty());
    }

    #[tokio::test]
    async fn nobody_is_heard_where_all_wait_for_the_network() {
        let admission = Admission::with_places(128);
        let mut places = Vec::new();
        for _ in 0..2 {
            let one = speaking(&admission, [10, 0, 0, 1], &mut places).unwrap();
            one.begin_request();
        }
        assert!(speaking(&admission, [10, 0, 0, 1], &mut places).is_none());
    }

    #[tokio::test]
    async fn whoever_is_known_leaves_the_strangers_and_has_a_share_alone() {
        let admission = Admission::with_places(64);
        let mut places = Vec::new();
        let mut know = |identity: &str, ip| {
            let connection = speaking(&admission, ip, &mut places).unwrap();
            connection.begin_request();
            let known = admission.know(&connection, identity);
            known.map(|()| connection).map_err(|error| error.code)
        };
        // 56 places for those who are known: 18 for an identity, 28 for an address.
        let full = Some("network.connections.tooMany");
        let first = know("a", [10, 0, 0, 1]).unwrap();
        for _ in 1..18 {
            assert!(know("a", [10, 0, 0, 1]).is_ok());
        }
        assert_eq!(know("a", [10, 0, 0, 2]).err(), full);
        for _ in 0..10 {
            assert!(know("b", [10, 0, 0, 1]).is_ok());
        }
        assert_eq!(know("c", [10, 0, 0, 1]).err(), full);
        assert!(know("c", [10, 0, 0, 3]).is_ok());
        // One that is without a request makes room for its own kind.
        first.end_request();
        assert_eq!(lock(&admission.inner).of_identity["a"], 18);
        assert!(know("a", [10, 0, 0, 4]).is_ok());
        assert!(first.is_cut());
    }

    #[test]
    fn one_identity_at_one_address_has_room_for_two_thousand_calls_and_its_socket() {
        let admission = Admission::with_places(MAX_CONNECTIONS);
        assert!(admission.silent > 2048 + 512);
        assert!(admission.known / 3 > 2048 && admission.known / 2 > 2048);
        assert!(admission.known + admission.strangers < MAX_CONNECTIONS);
    }

    #[tokio::test(start_paused = true)]
    async fn what_says_nothing_is_ended() {
        let admission = Admission::with_places(64);
        let (silent, idle) = (connection([10, 0, 0, 1]), connection([10, 0, 0, 2]));
        let _places = [admission.admit(&silent), admission.admit(&idle)];
        idle.begin_request();
        idle.end_request();
        tokio::time::advance(HEAD_TIMEOUT + Duration::from_millis(1)).await;
        admission.sweep();
        assert!(silent.is_cut() && !idle.is_cut());
        // It begins a head and does not end it.
        idle.read(1).unwrap();
        tokio::time::advance(HEAD_TIMEOUT + Duration::from_millis(1)).await;
        admission.sweep();
        assert!(idle.is_cut());
    }
}
