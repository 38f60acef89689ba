//! The router's own task.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::instance::{ChannelState, Instance, Past, first_by};
use super::listener::{Ended, ListenSpec, Listener, ListenerInfo};
use super::log::{Bounds, ChannelLog, Moment};
use super::resting::{Resting, rest};
use super::{
    ChannelSnapshot, Command, Encode, Incoming, InstanceId, InstanceSnapshot, MAILBOX, Report,
    RouterError, RouterHandle, Slice, Totals, Wanted, Whose,
};
use crate::config::Limits;
use crate::shares::Shares;
use expd_domain::{Channel, SubscriptionState};

/// How often what is too old is looked for: old events, channels without listeners, listeners without askers.
const SWEEP: Duration = Duration::from_secs(5);

/// Commands taken from the mailbox at once; the listeners are woken after each batch.
const BATCH: usize = 64;

/// What the router is started with.
#[derive(Clone, Debug)]
pub struct RouterSettings {
    /// How many instances there are.
    pub instances: usize,
    /// The bounds on logs, channels and listeners.
    pub limits: Limits,
    /// How a broadcast is encoded for the listeners.
    pub encode: Encode,
}

/// The actor; [`Router::run`] is its task.
pub struct Router {
    mailbox: mpsc::Receiver<Command>,
    stopped: CancellationToken,
    limits: Limits,
    encode: Encode,
    instances: Vec<Instance>,
    /// Listeners by ID. Those that are gone leave with the next sweep, so the map is bounded by `max_listeners` and the
    /// comings and goings of one sweep's time.
    infos: HashMap<String, Arc<ListenerInfo>>,
    /// The places of listeners.
    listeners: Shares,
    /// Bytes in all logs.
    total_bytes: Arc<AtomicUsize>,
    /// Logs with something new in this batch.
    fresh: Vec<Arc<ChannelLog>>,
    /// Logs with something new whose listeners were woken a moment ago. None is here more often than it was promised to, and each
    /// leaves within a rest's time.
    resting: BinaryHeap<Resting>,
    /// How many listeners were opened.
    opened: u64,
}

impl Router {
    /// A router and the way to it.
    #[must_use]
    pub fn new(settings: RouterSettings) -> (Self, RouterHandle) {
        let (sender, mailbox) = mpsc::channel(MAILBOX);
        let instances: Vec<Instance> = (0..settings.instances)
            .map(|_| Instance {
                wanted: watch::Sender::new(Wanted::default()),
                channels: HashMap::new(),
                share: Shares::new(settings.limits.max_channels),
                past: Past::default(),
            })
            .collect();
        let handle = RouterHandle {
            mailbox: sender,
            wanted: instances.iter().map(|i| i.wanted.subscribe()).collect(),
            stopped: CancellationToken::new(),
        };
        let router = Self {
            mailbox,
            stopped: handle.stopped.clone(),
            listeners: Shares::new(settings.limits.max_listeners),
            limits: settings.limits,
            encode: settings.encode,
            instances,
            infos: HashMap::new(),
            total_bytes: Arc::default(),
            fresh: Vec::new(),
            resting: BinaryHeap::new(),
            opened: 0,
        };
        (router, handle)
    }

    /// Serves the mailbox until [`RouterHandle::stop`].
    pub async fn run(mut self) {
        let _stopped = self.stopped.clone().drop_guard();
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut commands = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                taken = self.mailbox.recv_many(&mut commands, BATCH) => {
                    if taken == 0 {
                        break;
                    }
                    for command in commands.drain(..) {
                        if matches!(command, Command::Stop) {
                            self.end_all();
                            return;
                        }
                        self.obey(command);
                    }
                    self.wake_fresh();
                }
                () = rest(self.resting.peek()) => self.wake_fresh(),
                _ = sweep.tick() => self.sweep(Moment::now()),
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            // An answer that nobody waits for any more goes nowhere; an unclaimed listener ends by being dropped.
            Command::Open {
                instance,
                spec,
                reply,
            } => drop(reply.send(self.open(instance, *spec))),
            Command::Report(instance, report) => self.take_report(instance, report),
            Command::Cancel(id, reply) => drop(reply.send(self.cancel(id))),
            Command::ListenerInfo(id, reply) => drop(reply.send(self.infos.get(&id).cloned())),
            Command::ClearContext(context, whose, reply) => {
                reply.send(self.clear(&context, &whose)).ok();
            }
            Command::Snapshot(reply) => drop(reply.send(self.snapshot())),
            Command::Totals(reply) => drop(reply.send(self.totals())),
            Command::Channels(slice, reply) => drop(reply.send(self.channels_in(slice))),
            Command::Listeners(slice, reply) => drop(reply.send(self.listeners_in(slice))),
            Command::Stop => self.end_all(),
        }
    }

    fn open(&mut self, instance: InstanceId, spec: ListenSpec) -> Result<Listener, RouterError> {
        let now = Moment::now();
        let holder = spec.holder();
        let share = self.listeners.take(holder, 1);
        let share = share.map_err(|full| RouterError::TooManyListeners {
            most: self.listeners.most(),
            full,
        })?;
        let memory = spec.take_memory()?;
        let state = self.channel(instance, &spec, now)?;
        let log = state.log.clone();
        if let Some(resume) = &spec.resume {
            let (_, _, newest) = log.size();
            if resume.log_id == log.id && resume.after > newest {
                let after = resume.after;
                return Err(RouterError::ResumeAhead { after, newest });
            }
            if resume.log_id != log.id && state.confirmed_at.is_none() && state.outage.is_none() {
                // The app heard this channel before: what passes until the confirmation is missing for it.
                state.outage = Some(state.wanted_since);
            }
        }
        self.opened += 1;
        let listener = Listener::open(
            (random_id(), self.opened),
            instance,
            log,
            spec,
            (share, memory),
            now,
        );
        let info = listener.info().clone();
        self.infos.insert(info.id.clone(), info);
        Ok(listener)
    }

    /// The channel's state; a channel that nobody wanted so far is wanted from now on.
    fn channel(
        &mut self,
        instance: InstanceId,
        spec: &ListenSpec,
        now: Moment,
    ) -> Result<&mut ChannelState, RouterError> {
        let Some(home) = self.instances.get_mut(instance.0) else {
            return Err(RouterError::Stopping);
        };
        let shared = Arc::new(spec.channel.clone());
        let (limits, total_bytes) = (&self.limits, &self.total_bytes);
        let wanted = &home.wanted;
        Ok(match home.channels.entry(shared.clone()) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(room) => {
                let share = home.share.take(spec.holder(), 1);
                let share = share.map_err(|full| RouterError::TooManyChannels {
                    most: home.share.most(),
                    full,
                })?;
                let memory = spec.take_channel_memory()?;
                let bounds = Bounds {
                    events: limits.log_events,
                    bytes: limits.log_bytes,
                    age: limits.log_age,
                };
                let id = uuid::Uuid::new_v4().simple().to_string();
                let mut order = 0;
                wanted.send_modify(|wanted| {
                    wanted.last += 1;
                    order = wanted.last;
                    wanted.channels.insert(order, shared);
                });
                room.insert(ChannelState {
                    log: Arc::new(ChannelLog::new(id, bounds, total_bytes.clone(), now)),
                    order,
                    wanted_since: now,
                    asked_at: None,
                    confirmed_at: None,
                    last_broadcast_at: None,
                    outage: None,
                    _share: share,
                    _memory: memory,
                })
            }
        })
    }

    fn take_report(&mut self, instance: InstanceId, report: Report) {
        let now = Moment::now();
        if let Report::Broadcasts(mut broadcasts) = report {
            // Those of one channel together, in their order, since they are encoded and sent together.
            broadcasts.sort_by(|a, b| by_channel(&a.channel, &b.channel));
            for run in broadcasts.chunk_by_mut(|a, b| by_channel(&a.channel, &b.channel).is_eq()) {
                self.append(instance, run);
            }
            self.keep_total();
            return;
        }
        let Some(home) = self.instances.get_mut(instance.0) else {
            return;
        };
        match report {
            Report::Broadcasts(_) => {}
            Report::Asked(channels) => {
                for channel in &channels {
                    if let Some(state) = home.channels.get_mut(channel) {
                        state.asked_at = Some(now.wall);
                    }
                }
            }
            Report::Confirmed(channels) => {
                for channel in &channels {
                    if let Some(state) = home.channels.get_mut(channel) {
                        state.confirmed_at = Some(now.wall);
                        state
                            .log
                            .set_state(SubscriptionState::Confirmed, state.outage.take(), now);
                        self.fresh.push(state.log.clone());
                    }
                }
            }
            Report::Lost(channels) => {
                for (channel, since) in &channels {
                    if let Some(state) = home.channels.get_mut(channel) {
                        self.fresh.extend(state.lose(*since, now));
                    }
                }
            }
            Report::Down { since } => {
                for state in home.channels.values_mut() {
                    state.asked_at = None;
                    self.fresh.extend(state.lose(since, now));
                }
            }
        }
    }

    /// Appends broadcasts of one channel.
    fn append(&mut self, instance: InstanceId, run: &mut [Incoming]) {
        let Some(last) = run.last() else {
            return;
        };
        let state = self
            .instances
            .get_mut(instance.0)
            .and_then(|home| home.channels.get_mut(&last.channel));
        // A channel that nobody wants any more: EXP has no unsubscribe, so its broadcasts go on coming.
        let Some(state) = state else {
            return;
        };
        state.last_broadcast_at = Some(last.received.wall);
        state.log.append(run, self.encode);
        self.fresh.push(state.log.clone());
    }

    /// Wakes the listeners of every log that has something new, each log once, and those whose rest is over.
    fn wake_fresh(&mut self) {
        let now = Moment::now().at;
        while let Some(resting) = self.resting.peek()
            && resting.until <= now
        {
            self.fresh
                .extend(self.resting.pop().map(|resting| resting.log));
        }
        self.fresh
            .sort_unstable_by_key(|log| Arc::as_ptr(log).addr());
        self.fresh.dedup_by(|a, b| Arc::ptr_eq(a, b));
        for log in self.fresh.drain(..) {
            if let Some(until) = log.wake_in_turn(now) {
                self.resting.push(Resting { until, log });
            }
        }
    }

    /// Keeps all logs together under their bound, the oldest events going first. Goes an eighth below it, so that the search
    /// over all logs is rare.
    fn keep_total(&mut self) {
        let bound = self.limits.total_log_bytes;
        let total = || self.total_bytes.load(Ordering::Relaxed);
        if total() <= bound {
            return;
        }
        let logs: Vec<&Arc<ChannelLog>> = self
            .instances
            .iter()
            .flat_map(|instance| instance.channels.values())
            .map(|state| &state.log)
            .collect();
        let mut oldest: BinaryHeap<Reverse<(Instant, usize)>> = logs
            .iter()
            .enumerate()
            .filter_map(|(index, log)| Some(Reverse((log.oldest()?, index))))
            .collect();
        while total() > bound - bound / 8 {
            let Some(Reverse((_, index))) = oldest.pop() else {
                break;
            };
            let next = logs.get(index).and_then(|log| log.evict_oldest());
            oldest.extend(next.map(|next| Reverse((next, index))));
        }
    }

    fn cancel(&mut self, id: String) -> Result<(), RouterError> {
        match self.infos.get(&id) {
            Some(info) if !info.gone() && info.ended().is_none() => {
                info.end(Ended::Cancelled);
                Ok(())
            }
            _ => Err(RouterError::UnknownListener(id)),
        }
    }

    fn clear(&mut self, context: &str, whose: &Whose) -> u32 {
        let mut cancelled = 0;
        for info in self.infos.values() {
            let there = !info.gone() && info.ended().is_none();
            if info.context == context && there && whose(info) {
                info.end(Ended::Cancelled);
                cancelled += 1;
            }
        }
        cancelled
    }

    fn snapshot(&mut self) -> Vec<InstanceSnapshot> {
        self.bury();
        let mut snapshots: Vec<InstanceSnapshot> =
            self.instances.iter().map(Instance::snapshot).collect();
        for info in self.infos.values() {
            if let Some(snapshot) = snapshots.get_mut(info.instance.0) {
                snapshot.deliveries += info.delivered.load(Ordering::Relaxed);
                snapshot.gaps += info.gaps.load(Ordering::Relaxed);
                snapshot.listeners.push(info.clone());
            }
        }
        snapshots
    }

    fn totals(&self) -> Vec<Totals> {
        let of_past = |instance: &Instance| Totals {
            deliveries: instance.past.deliveries,
            gaps: instance.past.gaps,
        };
        let mut totals: Vec<Totals> = self.instances.iter().map(of_past).collect();
        for info in self.infos.values() {
            if let Some(total) = totals.get_mut(info.instance.0) {
                total.deliveries += info.delivered.load(Ordering::Relaxed);
                total.gaps += info.gaps.load(Ordering::Relaxed);
            }
        }
        totals
    }

    fn channels_in(&self, slice: Slice) -> Vec<ChannelSnapshot> {
        let home = self.instances.get(slice.instance.0);
        home.map(|home| home.channels_after(slice.after, slice.most))
            .unwrap_or_default()
    }

    fn listeners_in(&self, slice: Slice) -> Vec<Arc<ListenerInfo>> {
        let later = self.infos.values().filter(|info| {
            info.instance == slice.instance && info.number > slice.after && !info.gone()
        });
        let first = first_by(later.collect(), slice.most, |info| info.number);
        first.into_iter().cloned().collect()
    }

    /// Forgets listeners that are gone.
    fn bury(&mut self) {
        let instances = &mut self.instances;
        self.infos.retain(|_, info| {
            if info.gone()
                && let Some(instance) = instances.get_mut(info.instance.0)
            {
                instance.past.deliveries += info.delivered.load(Ordering::Relaxed);
                instance.past.gaps += info.gaps.load(Ordering::Relaxed);
            }
            !info.gone()
        });
        // Ten thousand listeners that came and went leave 330 KB of empty room.
        self.infos.shrink_to(2 * self.infos.len());
    }

    fn sweep(&mut self, now: Moment) {
        self.bury();
        for instance in &mut self.instances {
            instance.sweep(now, self.limits.log_age);
        }
    }

    fn end_all(&mut self) {
        for info in self.infos.values() {
            info.end(Ended::Stopping);
        }
    }
}

/// The order of channels; what is shared, as it nearly always is, is not looked into.
fn by_channel(a: &Arc<Channel>, b: &Arc<Channel>) -> std::cmp::Ordering {
    if Arc::ptr_eq(a, b) {
        return std::cmp::Ordering::Equal;
    }
    a.cmp(b)
}

/// 128 random bits: whoever was not told a listener's ID cannot come upon it, and an app that outlived an earlier daemon does not
/// take somebody else's events by the ID that it was given there.
fn random_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
