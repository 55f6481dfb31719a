//! Connections kept between exchanges, endpoint by endpoint.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::endpoint::{Endpoint, departures};
use crate::statistics::CloseReason;

use super::connection::Connection;
use super::idle::Idle;
use super::queue::ShortageQueue;
use super::ready_list::{EndpointWaker, ReadyList};

/// Whether an idle connection is skipped, since another address of its endpoint is better.
pub(crate) type SkipConnection<'a> = &'a dyn Fn(&Idle) -> bool;

/// The kept connections of one transport.
#[derive(Default)]
pub(crate) struct ConnectionPool {
    slots: Mutex<Slots>,
    /// Where exchanges wait while there are no descriptors for more connections.
    pub(super) queue: ShortageQueue,
}

impl ConnectionPool {
    /// The connection to `endpoint` used last; older ones may stay idle until they are not needed any more.
    pub(crate) fn take(
        &self,
        endpoint: &Arc<Endpoint>,
        now: Instant,
        idle_timeout: Duration,
        skip: Option<SkipConnection<'_>>,
    ) -> Option<Idle> {
        loop {
            // The guard ends with the statement: connections close outside the lock.
            let kept = self.lock().by_endpoint.get_mut(&key(endpoint))?.take(skip)?;
            if kept.is_current(now, idle_timeout) {
                return Some(kept);
            }
        }
    }

    /// Closes a connection to `endpoint`, the one unused for longest: one that is passed over makes room for the new one.
    pub(crate) fn close_oldest_of(&self, endpoint: &Arc<Endpoint>) {
        let mut slots = self.lock();
        let slot = slots.by_endpoint.get_mut(&key(endpoint));
        let idle = slot.map(|slot| &mut slot.idle).filter(|idle| !idle.is_empty());
        let surplus = idle.map(|idle| idle.remove(0));
        surplus.iter().for_each(|surplus| surplus.closes(CloseReason::Surplus));
        // Closed outside the lock.
        drop(slots);
    }

    /// Gives away the connection to `endpoint` that is unused for longest, if it is for a while.
    pub(crate) fn lend(
        &self,
        endpoint: &Arc<Endpoint>,
        now: Instant,
        idle_timeout: Duration,
        skip: Option<SkipConnection<'_>>,
    ) -> Option<Idle> {
        let mut slots = self.lock();
        let idle = &mut slots.by_endpoint.get_mut(&key(endpoint))?.idle;
        let first = idle.first()?;
        if skip.is_some_and(|skip| skip(first)) {
            return None;
        }
        let unused = now.saturating_duration_since(first.idle_since());
        let lent = (unused >= LENT_AFTER).then(|| idle.remove(0));
        drop(slots);
        lent.filter(|lent| lent.is_current(now, idle_timeout))
    }

    /// The endpoint's places, `most` in number: each connection in use holds one. Exchanges that wait for one get it
    /// in their order.
    ///
    /// Idle connections need none: a new one is made only where none is idle, so that all together are
    /// never more than there are places.
    pub(crate) fn permits(&self, endpoint: &Arc<Endpoint>, most: usize) -> Arc<Semaphore> {
        let mut slots = self.lock();
        let permits = &mut slots.slot(endpoint).permits;
        let made = || Arc::new(Semaphore::new(places(most)));
        Arc::clone(permits.get_or_insert_with(made))
    }

    /// Keeps `connection` for the next exchange with `endpoint`, at most `max_idle` of them.
    pub(crate) fn put(
        &self,
        endpoint: &Arc<Endpoint>,
        mut connection: Box<Connection>,
        now: Instant,
        max_idle: usize,
    ) {
        connection.idle_since = now;
        if let Some(reason) = surplus_for(endpoint, &connection, now, max_idle) {
            return connection.closes(reason);
        }
        connection.traffic.becomes_idle();
        // Given up last: the exchange that waits for the place finds the connection.
        let _place = connection.permit.take();
        let surplus = self.lock().slot(endpoint).keep(connection, max_idle);
        drop(surplus);
        self.queue.note_returned();
    }

    /// Closes the connection that is unused for longest where `most` are idle in all.
    pub(crate) fn make_room(&self, most: usize) {
        if self.len() >= most {
            let _ = self.close_oldest();
        }
    }

    /// Closes the connection that is unused for longest; whether there was one.
    pub(super) fn close_oldest(&self) -> bool {
        let mut slots = self.lock();
        let with_some = slots.by_endpoint.values_mut().filter(|slot| !slot.idle.is_empty());
        let oldest = with_some.min_by_key(|slot| slot.idle[0].idle_since());
        let surplus = oldest.map(|slot| slot.idle.remove(0));
        surplus.iter().for_each(|surplus| surplus.closes(CloseReason::Surplus));
        // Closed outside the lock.
        drop(slots);
        surplus.is_some()
    }

    /// How many connections are in use by exchanges, of at most `most` to each endpoint; those that wait in the queue
    /// have a place, and no connection.
    pub(super) fn in_use(&self, most: usize) -> usize {
        let slots = self.lock();
        let permits = slots.by_endpoint.values().filter_map(|slot| slot.permits.as_ref());
        let taken = permits.map(|permits| places(most).saturating_sub(permits.available_permits()));
        taken.sum::<usize>().saturating_sub(self.queue.waiting())
    }

    /// Closes what is too old, idle for too long, closed by the peer, or to an endpoint that departed; parks
    /// what nobody used for a while, and forgets endpoints without any.
    ///
    /// Of very many connections only some are looked at each time; whether others are left. `driven` says whether the
    /// runtime knows what happened to sockets meanwhile, and tells it of the parked ones. One thread at a time uses a pool,
    /// but for the janitor and for shards that borrow, so hardly anybody waits for the lock.
    pub(crate) fn sweep(&self, now: Instant, idle_timeout: Duration, driven: bool) -> bool {
        let mut slots = self.lock();
        slots.let_go();
        slots.sweep(Sweep { now, idle_timeout, driven })
    }

    /// Sweeps when the last time is long enough ago, and lets go of departed endpoints at once.
    pub(crate) fn sweep_if_due(&self, now: Instant, idle_timeout: Duration, driven: bool) {
        let mut slots = self.lock();
        let due = slots.next_sweep.is_none_or(|next| now >= next);
        if due {
            slots.next_sweep = Some(now + SWEEP_INTERVAL);
        }
        slots.let_go();
        let empty = slots.by_endpoint.is_empty();
        drop(slots);
        if due && !empty {
            // What is left is looked at with the next exchange.
            let _ = self.sweep(now, idle_timeout, driven);
        }
    }

    /// Lets go of departed endpoints.
    pub(crate) fn let_go(&self) {
        self.lock().let_go();
    }

    /// Lets go of all endpoints.
    pub(crate) fn close(&self) {
        let kept = std::mem::take(&mut self.lock().by_endpoint);
        drop(kept);
    }

    /// Kept connections to all endpoints.
    pub(crate) fn len(&self) -> usize {
        self.lock().by_endpoint.values().map(|slot| slot.idle.len()).sum()
    }

    /// Kept connections to `endpoint`.
    pub(crate) fn len_of(&self, endpoint: &Arc<Endpoint>) -> usize {
        self.lock().by_endpoint.get(&key(endpoint)).map_or(0, |slot| slot.idle.len())
    }

    /// A panic elsewhere cannot leave the map half changed.
    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Slots {
    /// A tree: there are few, and a hash table would be kept when they are gone.
    by_endpoint: BTreeMap<usize, Slot>,
    ready_list: Arc<ReadyList>,
    next_sweep: Option<Instant>,
    /// From which endpoint on connections are looked at next.
    next_look: usize,
    /// How many were looked at beyond a round's number.
    looked_ahead: usize,
    departures_seen: u64,
}

impl Slots {
    /// Looks only where an endpoint departed since the last time.
    fn let_go(&mut self) {
        let departures = departures();
        if std::mem::replace(&mut self.departures_seen, departures) != departures {
            self.by_endpoint.retain(|_, slot| slot.let_go_if_departed());
        }
    }

    /// Looks at a round's number of connections, from where the last look ended; whether it left some.
    fn sweep(&mut self, sweep: Sweep) -> bool {
        for key in self.ready_list.take() {
            self.by_endpoint.get_mut(&key).into_iter().for_each(|slot| slot.quiet_until = None);
        }
        let from = std::mem::take(&mut self.next_look);
        // An endpoint may have had more than a round's.
        let mut looks = self.looked_ahead;
        let mut unneeded = Vec::new();
        for (&key, slot) in self.by_endpoint.range_mut(from..) {
            if slot.is_quiet(sweep.now) {
                continue;
            }
            if looks >= LOOKS_A_ROUND {
                self.next_look = key;
                break;
            }
            looks += slot.idle.len().max(1);
            slot.sweep(sweep, key, &self.ready_list);
            if !slot.is_needed() {
                unneeded.push(key);
            }
        }
        self.looked_ahead = looks.saturating_sub(LOOKS_A_ROUND);
        unneeded.iter().for_each(|key| drop(self.by_endpoint.remove(key)));
        self.next_look > 0
    }

    fn slot(&mut self, endpoint: &Arc<Endpoint>) -> &mut Slot {
        self.by_endpoint.entry(key(endpoint)).or_insert_with(|| Slot {
            endpoint: Arc::clone(endpoint),
            idle: Vec::new(),
            permits: None,
            quiet_until: None,
            endpoint_waker: None,
        })
    }
}

/// Holds the endpoint, so that its address in memory names no other one meanwhile.
struct Slot {
    endpoint: Arc<Endpoint>,
    idle: Vec<Idle>,
    permits: Option<Arc<Semaphore>>,
    /// All connections are parked, and none needs a look before then unless something happens, which is told.
    quiet_until: Option<Instant>,
    /// Made when the first connection is parked whose runtime tells what happens.
    endpoint_waker: Option<Arc<EndpointWaker>>,
}

/// One sweep over the idle connections: when it is, and what it goes by.
#[derive(Clone, Copy)]
struct Sweep {
    now: Instant,
    idle_timeout: Duration,
    driven: bool,
}

impl Slot {
    /// The connection used last that is not passed over.
    fn take(&mut self, skip: Option<SkipConnection<'_>>) -> Option<Idle> {
        let Some(skip) = skip else { return self.idle.pop() };
        let index = self.idle.iter().rposition(|kept| !skip(kept))?;
        Some(self.idle.remove(index))
    }

    /// Returns the connection that has to go for `connection`, the one unused for longest.
    fn keep(&mut self, connection: Box<Connection>, max_idle: usize) -> Option<Idle> {
        let surplus = (self.idle.len() >= max_idle).then(|| self.idle.remove(0));
        surplus.iter().for_each(|surplus| surplus.closes(CloseReason::Surplus));
        self.idle.push(Idle::Ready(connection));
        self.quiet_until = None;
        surplus
    }

    fn is_quiet(&self, now: Instant) -> bool {
        !self.idle.is_empty() && self.quiet_until.is_some_and(|until| now < until)
    }

    /// Closes what is not to be kept, and parks what nobody used for a while.
    fn sweep(&mut self, sweep: Sweep, key: usize, ready_list: &Arc<ReadyList>) {
        let Sweep { now, idle_timeout, driven } = sweep;
        let endpoint_waker = || {
            self.endpoint_waker.get_or_insert_with(|| EndpointWaker::new(key, ready_list)).waker()
        };
        let waker = driven.then(endpoint_waker);
        let idle = std::mem::take(&mut self.idle).into_iter();
        let current = idle.filter(|kept| kept.is_current(now, idle_timeout));
        self.idle = current.filter_map(|kept| kept.swept(now, waker.as_ref())).collect();
        let ends = self.idle.iter().map(|kept| kept.parked_until(idle_timeout));
        self.quiet_until = waker.and_then(|_| ends.min().flatten());
    }

    /// Whether there is a connection, or an exchange that holds or awaits a place.
    fn is_needed(&self) -> bool {
        let has_places = |permits: &Arc<Semaphore>| Arc::strong_count(permits) > 1;
        !self.idle.is_empty() || self.permits.as_ref().is_some_and(has_places)
    }

    /// Whether the endpoint has departed, for which its connections are then closed.
    fn note_departed(&self) -> bool {
        let departed = self.endpoint.has_departed();
        if departed {
            self.idle.iter().for_each(|idle| idle.closes(CloseReason::Departed));
        }
        departed
    }

    fn let_go_if_departed(&mut self) -> bool {
        if self.note_departed() {
            self.idle.clear();
        }
        self.is_needed()
    }
}

/// A look costs about a microsecond, since what it looks at is in no cache any more, and four where the connection is
/// taken down to its stream. So a round makes no call wait for more than two milliseconds.
const LOOKS_A_ROUND: usize = 512;

/// Of 64 busy callers of eight endpoints each uses each of its connections about every 10 ms, so that hardly one is lent. Of
/// 1,000 endpoints they kept 2.5 times the connections used at once with 50 ms, and 2.0 times with 25.
const LENT_AFTER: Duration = Duration::from_millis(25);

/// Why a connection is not kept after an exchange; none where it is.
fn surplus_for(
    endpoint: &Endpoint,
    connection: &Connection,
    now: Instant,
    max_idle: usize,
) -> Option<CloseReason> {
    if now >= connection.retires {
        return Some(CloseReason::Age);
    }
    if max_idle == 0 {
        return Some(CloseReason::Surplus);
    }
    endpoint.has_departed().then_some(CloseReason::Departed)
}

/// As many as a semaphore may have.
fn places(most: usize) -> usize {
    most.min(Semaphore::MAX_PERMITS)
}

/// Identity, not equality: an endpoint whose properties changed is a new one with connections of its own.
fn key(endpoint: &Arc<Endpoint>) -> usize {
    Arc::as_ptr(endpoint).addr()
}

/// Often enough to bound what a transport holds that is used all the time, rarely enough to cost nothing.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);
