//! The router's own task.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::error::RouterError;
use super::event::Ended;
use super::gap_notice::ConfirmedGaps;
use super::handle::{MAILBOX, RouterCommand, RouterHandle};
use super::instance::{ChannelState, Instance};
use super::instances::Instances;
use super::listener::{ListenSpec, Listener, NewListener};
use super::log::ChannelLog;
use super::record::Encode;
use super::registry::Registry;
use super::report::{Incoming, InstanceId, Report};
use super::snapshot::{ChannelSnapshot, InstanceSnapshot, Slice, Totals};
use super::wake_queue::WakeQueue;
use crate::config::Limits;
use crate::moment::Moment;
use crate::shares::LimitHits;
use expd_domain::{Channel, SubscriptionState};

/// Interval at which old events, unused channels and dropped listeners are removed.
const SWEEP: Duration = Duration::from_secs(5);

/// Commands taken from the mailbox at once; the listeners are woken after each batch.
const BATCH: usize = 64;

#[derive(Clone, Debug)]
pub struct RouterSettings {
    /// Names of the instances that are configured at the start; others are added later.
    pub instances: Vec<String>,
    pub limits: Limits,
    /// Encoder of broadcasts for the listeners.
    pub encode: Encode,
    /// Counter of refused listeners and channels.
    pub limit_hits: LimitHits,
}

/// The actor; [`Router::run`] is its task.
pub struct Router {
    mailbox: mpsc::Receiver<RouterCommand>,
    stopped: CancellationToken,
    limits: Limits,
    encode: Encode,
    instances: Instances,
    listeners: Registry,
    wake_queue: WakeQueue,
}

impl Router {
    /// Makes a router and its handle.
    #[must_use]
    pub fn new(settings: RouterSettings) -> (Self, RouterHandle) {
        let (sender, mailbox) = mpsc::channel(MAILBOX);
        let limits = &settings.limits;
        let instances = Instances::new(&settings.instances, limits, &settings.limit_hits);
        let stopped = CancellationToken::new();
        let configured = instances.configured();
        let wanted = configured.map(|(_, it)| it.wanted.subscribe()).collect();
        let handle = RouterHandle::new(sender, wanted, stopped.clone());
        let router = Self {
            mailbox,
            stopped,
            listeners: Registry::new(limits, &settings.limit_hits),
            limits: settings.limits,
            encode: settings.encode,
            instances,
            wake_queue: WakeQueue::default(),
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
                        if matches!(command, RouterCommand::Stop) {
                            self.listeners.stop_all();
                            return;
                        }
                        self.handle(command);
                    }
                    self.wake_queue.wake_due(Moment::now().at);
                }
                () = self.wake_queue.sleep_until_first() => {
                    self.wake_queue.wake_due(Moment::now().at);
                }
                _ = sweep.tick() => self.sweep(Moment::now()),
            }
        }
    }

    /// Carries out one command.
    fn handle(&mut self, command: RouterCommand) {
        match command {
            RouterCommand::Open {
                instance,
                spec,
                reply,
            } => answer(reply, self.open(instance, *spec)),
            RouterCommand::Report(instance, report) => self.apply(instance, report),
            RouterCommand::Cancel(id, reply) => answer(reply, self.listeners.cancel(id)),
            RouterCommand::ListenerInfo(id, reply) => answer(reply, self.listeners.get(&id)),
            RouterCommand::ClearContext(context, filter, reply) => {
                answer(reply, self.listeners.clear_context(&context, &filter));
            }
            RouterCommand::Snapshot(reply) => answer(reply, self.snapshot()),
            RouterCommand::Totals(reply) => answer(reply, self.totals()),
            RouterCommand::Channels(slice, reply) => answer(reply, self.channels(slice)),
            RouterCommand::Listeners(slice, reply) => answer(reply, self.listeners.slice(slice)),
            RouterCommand::Add(name, kind, reply) => answer(reply, self.instances.add(&name, kind)),
            RouterCommand::Remove(instance, why, reply) => {
                self.remove(instance, why);
                answer(reply, ());
            }
            RouterCommand::SetLimits(limits, reply) => {
                self.instances.set_limits(&limits);
                self.limits = *limits;
                answer(reply, ());
            }
            RouterCommand::Stop => self.listeners.stop_all(),
        }
    }

    /// Removes an instance, and ends its listeners.
    fn remove(&mut self, id: InstanceId, why: Ended) {
        let removed = self.instances.remove(id);
        if removed.is_some_and(|instance| !instance.channels.is_empty()) {
            self.listeners.end_instance(id, why);
        }
    }

    fn open(&mut self, instance: InstanceId, spec: ListenSpec) -> Result<Listener, RouterError> {
        let now = Moment::now();
        let share = self.listeners.take_share(&spec)?;
        let memory = spec.take_memory()?;
        let found = self.instances.get_mut(instance);
        let found = found.ok_or(RouterError::InstanceEnded)?;
        let instance_name = found.name.clone();
        let state = found.channel(&spec, &self.limits, now)?;
        let log = state.log.clone();
        if let Some(resume) = &spec.resume {
            let (_, _, newest) = log.size();
            if resume.log_id == log.id && resume.after > newest {
                let after = resume.after;
                return Err(RouterError::ResumeAhead { after, newest });
            }
            if resume.log_id != log.id && state.confirmed_at.is_none() && state.outage.is_none() {
                // The app listened to this channel before, so it misses events until the
                // confirmation.
                state.outage = Some(state.wanted_since);
            }
        }
        let (id, number) = self.listeners.next_id();
        let new = NewListener {
            id,
            number,
            instance,
            instance_name,
            log,
            share,
            memory,
        };
        let listener = Listener::open(new, spec, now);
        self.listeners.insert(listener.info().clone());
        Ok(listener)
    }

    fn apply(&mut self, instance: InstanceId, report: Report) {
        let now = Moment::now();
        match report {
            Report::Broadcasts(mut broadcasts) => {
                // Broadcasts of one channel go together, in their order: they are encoded and sent
                // as one batch.
                broadcasts.sort_by(|a, b| by_channel(&a.channel, &b.channel));
                for batch in
                    broadcasts.chunk_by_mut(|a, b| by_channel(&a.channel, &b.channel).is_eq())
                {
                    self.append(instance, batch);
                }
                self.keep_total(instance);
            }
            Report::Asked(channels) => {
                for channel in &channels {
                    if let Some(state) = self.channel_mut(instance, channel) {
                        state.asked_at = Some(now);
                    }
                }
            }
            Report::Confirmed(channels) => {
                let mut gaps = ConfirmedGaps::default();
                for channel in &channels {
                    if let Some(state) = self.channel_mut(instance, channel) {
                        state.confirmed_at = Some(now);
                        state.refusal = None;
                        let outage = state.outage.take();
                        gaps.add(channel, outage);
                        state
                            .log
                            .set_state(SubscriptionState::Confirmed, outage, now);
                        let log = state.log.clone();
                        self.wake_queue.push(log);
                    }
                }
                if let Some(found) = self.instances.get(instance) {
                    gaps.log(&found.name, now);
                }
            }
            Report::Refused(channels, reason) => {
                for channel in &channels {
                    if let Some(state) = self.channel_mut(instance, channel) {
                        state.refusal = Some(reason.clone());
                    }
                }
            }
            Report::Lost(channels) => {
                for (channel, since) in &channels {
                    if let Some(state) = self.channel_mut(instance, channel)
                        && let Some(log) = state.lose(*since, now)
                    {
                        self.wake_queue.push(log);
                    }
                }
            }
            Report::Down { since } => {
                let Some(found) = self.instances.get_mut(instance) else {
                    return;
                };
                for state in found.channels.values_mut() {
                    state.asked_at = None;
                    state.refusal = None;
                    if let Some(log) = state.lose(since, now) {
                        self.wake_queue.push(log);
                    }
                }
            }
        }
    }

    fn channel_mut(
        &mut self,
        instance: InstanceId,
        channel: &Arc<Channel>,
    ) -> Option<&mut ChannelState> {
        let found = self.instances.get_mut(instance)?;
        found.channels.get_mut(channel)
    }

    /// Appends broadcasts of one channel to its log.
    fn append(&mut self, instance: InstanceId, batch: &mut [Incoming]) {
        let Some(last) = batch.last() else {
            return;
        };
        let state = self
            .instances
            .get_mut(instance)
            .and_then(|found| found.channels.get_mut(&last.channel));
        // EXP has no unsubscribe: broadcasts continue to arrive on channels that nobody wants.
        let Some(state) = state else {
            return;
        };
        state.last_broadcast_at = Some(last.received);
        state.log.append(batch, self.encode);
        self.wake_queue.push(state.log.clone());
    }

    /// Keeps the logs that share a bound with those of `instance` within it by evicting the oldest
    /// events. It goes an eighth below the bound, so that the search over all logs is rare.
    fn keep_total(&self, instance: InstanceId) {
        let Some(found) = self.instances.get(instance) else {
            return;
        };
        let bytes = &found.log_bytes;
        let bound = bytes.bound();
        if bytes.total() <= bound {
            return;
        }
        let is_configured = self.instances.is_configured(instance);
        let sharing: Vec<&Instance> = if is_configured {
            self.instances.configured().map(|(_, it)| it).collect()
        } else {
            vec![found]
        };
        let channels = sharing.iter().flat_map(|it| it.channels.values());
        let logs: Vec<&Arc<ChannelLog>> = channels.map(|state| &state.log).collect();
        let mut oldest: BinaryHeap<Reverse<(Instant, usize)>> = logs
            .iter()
            .enumerate()
            .filter_map(|(index, log)| Some(Reverse((log.oldest()?, index))))
            .collect();
        while bytes.total() > bound - bound / 8 {
            let Some(Reverse((_, index))) = oldest.pop() else {
                break;
            };
            let next = logs.get(index).and_then(|log| log.evict_oldest());
            oldest.extend(next.map(|next| Reverse((next, index))));
        }
        // The newest events of many channels may exceed the bound by themselves. Those from a
        // network that a program chose are not worth the memory.
        if !is_configured && bytes.total() > bound {
            for log in logs {
                log.clear();
            }
        }
    }

    fn snapshot(&mut self) -> HashMap<InstanceId, InstanceSnapshot> {
        self.reap();
        let configured = self.instances.configured();
        let mut snapshots: HashMap<InstanceId, InstanceSnapshot> =
            configured.map(|(id, it)| (id, it.snapshot())).collect();
        for info in self.listeners.iter() {
            if let Some(snapshot) = snapshots.get_mut(&info.instance) {
                snapshot.totals.add(info);
                snapshot.listeners.push(info.clone());
            }
        }
        snapshots
    }

    fn totals(&self) -> HashMap<InstanceId, Totals> {
        let reaped = self.instances.iter().map(|(id, found)| (id, found.reaped));
        let mut totals: HashMap<InstanceId, Totals> = reaped.collect();
        for info in self.listeners.iter() {
            if let Some(total) = totals.get_mut(&info.instance) {
                total.add(info);
            }
        }
        totals
    }

    fn channels(&self, slice: Slice) -> Vec<ChannelSnapshot> {
        let found = self.instances.get(slice.instance);
        found
            .map(|found| found.channels_after(slice.after, slice.most))
            .unwrap_or_default()
    }

    /// Removes dropped listeners; their totals stay with their instance.
    fn reap(&mut self) {
        let instances = &mut self.instances;
        self.listeners.reap(|info| {
            if let Some(found) = instances.get_mut(info.instance) {
                found.reaped.add(info);
            }
        });
    }

    fn sweep(&mut self, now: Moment) {
        self.reap();
        for dropped in self.instances.dropped() {
            self.remove(dropped, Ended::Instance);
        }
        for instance in self.instances.iter_mut() {
            instance.sweep(now, self.limits.log_age);
        }
    }
}

/// Answers a command.
fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    // Fails if the caller has given up; a listener that nobody claims ends by being dropped.
    reply.send(value).ok();
}

/// Orders channels. Most pairs share one allocation and need no comparison of their names.
fn by_channel(a: &Arc<Channel>, b: &Arc<Channel>) -> std::cmp::Ordering {
    if Arc::ptr_eq(a, b) {
        return std::cmp::Ordering::Equal;
    }
    a.cmp(b)
}
