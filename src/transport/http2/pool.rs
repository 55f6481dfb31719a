//! The HTTP/2 connections to one endpoint: which exchange may open a stream, and when another connection is made.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::endpoint::Endpoint;
use crate::outcome::{Failure, FailureKind};
use crate::phase::Phase;
use crate::statistics::CloseReason;

use super::session::{self, Session};
use crate::transport::Exchange;

/// The wish for a stream of an exchange to which it matters over which address it goes.
#[derive(Clone, Copy)]
pub(crate) struct StreamRequest<'a> {
    pub(crate) exchange: &'a Exchange<'a>,
    /// Whether it may ask for another connection; once is enough, wherever that leads.
    pub(crate) may_dial: bool,
}

impl StreamRequest<'_> {
    /// Whether another address is better than that of the connection.
    fn passes_over(&self, pooled: &PooledSession, now: Instant) -> bool {
        self.exchange.passes_over(pooled.session.traffic().remote(), now)
    }
}

/// The connections to one endpoint, shared by its exchanges.
pub(crate) struct H2Pool {
    endpoint: Arc<Endpoint>,
    state: Mutex<State>,
    /// Told when a stream may have become free, or the connections have changed.
    changed: Arc<Notify>,
    /// The [`Phase`] of the connection that is being made.
    dial_phase: AtomicU8,
}

#[derive(Default)]
struct State {
    sessions: Vec<PooledSession>,
    dialling: bool,
    /// Dials that failed so far, and how the last one did, where it was the last.
    failures: u64,
    failure: Option<Failure>,
    /// After a failed dial, while other connections stand.
    no_dial_before: Option<Instant>,
    /// Until then the endpoint is known to speak HTTP/1.1 only, or to want that.
    http1_until: Option<Instant>,
}

struct PooledSession {
    session: Arc<Session>,
    retires: Instant,
    idle_since: Instant,
    used: bool,
    /// Whether it is counted as idle.
    is_idle: bool,
}

impl PooledSession {
    /// One more exchange uses it; whether it is not the first.
    fn begin(&mut self) -> bool {
        self.session.stream_begins();
        let reused = std::mem::replace(&mut self.used, true);
        match (std::mem::take(&mut self.is_idle), reused) {
            (true, _) => self.session.traffic().is_used_again(),
            (false, true) => self.session.traffic().is_shared(),
            (false, false) => {}
        }
        reused
    }

    /// One exchange less does.
    fn end(&mut self) {
        self.idle_since = Instant::now();
        self.become_idle();
    }

    /// Whether no exchange uses it.
    fn is_free(&self) -> bool {
        self.session.streams() == 0
    }

    fn become_idle(&mut self) {
        if self.is_free() && !std::mem::replace(&mut self.is_idle, true) {
            self.session.traffic().is_shared_by_none();
        }
    }

    /// Why it takes no new streams any more.
    fn retired_by(&self, now: Instant, idle_timeout: Duration) -> Option<CloseReason> {
        if !self.session.is_open() {
            let silent = self.session.is_silent();
            return Some(if silent { CloseReason::Other } else { CloseReason::Peer });
        }
        let idle = now.saturating_duration_since(self.idle_since);
        // However short the limits are, an exchange that waited for a connection gets to use it.
        let awaited = !self.used && idle < PAUSE;
        match () {
            () if awaited => None,
            () if now >= self.retires => Some(CloseReason::Age),
            () if self.is_free() && idle >= idle_timeout => Some(CloseReason::Idle),
            () => None,
        }
    }

    /// Whether it takes new streams; one that does not closes with its last.
    fn is_current(&self, now: Instant, idle_timeout: Duration) -> bool {
        let reason = self.retired_by(now, idle_timeout);
        reason.into_iter().for_each(|reason| self.session.traffic().closes(reason));
        reason.is_none()
    }
}

/// What an exchange is to do next.
pub(crate) enum Acquire {
    /// Use this stream.
    StreamSlot(StreamSlot),
    /// Make a connection, and ask again.
    Dial(Dial),
    /// Wait for the connection that is being made; the number of failed ones so far.
    Await(u64),
    /// All streams are in use: wait for one, or until another connection may be made.
    Busy(Option<Instant>),
    /// The endpoint speaks HTTP/1.1, or wants that.
    Http1,
    /// The peer ended the last connection before it was of use, or none could be made, and no other one is made yet.
    Failed(Failure),
}

impl H2Pool {
    pub(crate) fn new(endpoint: Arc<Endpoint>) -> Arc<Self> {
        let dial_phase = AtomicU8::new(Phase::Connect as u8);
        Arc::new(Self { endpoint, state: Mutex::default(), changed: Arc::default(), dial_phase })
    }

    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// What the connection that is being made waits for.
    pub(crate) fn dial_phase(&self) -> Phase {
        Phase::from_number(self.dial_phase.load(Ordering::Relaxed)).unwrap_or(Phase::Connect)
    }

    /// Those that wait for the connection learn what it waits for.
    pub(crate) fn enter(&self, phase: Phase) {
        self.dial_phase.store(phase as u8, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    pub(crate) fn changed(&self) -> &Arc<Notify> {
        &self.changed
    }

    /// A free stream, of the oldest connection that has one, so that surplus connections fall idle; or what
    /// to do to get one.
    pub(crate) fn acquire(
        self: &Arc<Self>,
        now: Instant,
        bounds: Bounds,
        stream_request: Option<StreamRequest<'_>>,
    ) -> Acquire {
        let mut state = self.lock();
        let retired = state.retire(now, bounds.idle_timeout);
        if state.http1_until.is_some_and(|until| now < until) {
            drop(state);
            return Acquire::Http1;
        }
        if retired.iter().any(|pooled| pooled.is_free() && pooled.session.ended_unused()) {
            self.note_unused(now);
        }
        let acquire = match stream_request {
            None => self.acquire_of(&mut state, now, bounds),
            Some(stream_request) => self.acquire_better(&mut state, now, bounds, stream_request),
        };
        drop(state);
        drop(retired);
        acquire
    }

    fn acquire_of(self: &Arc<Self>, state: &mut State, now: Instant, bounds: Bounds) -> Acquire {
        if let Some(slot) = self.free_slot(&mut state.sessions) {
            return Acquire::StreamSlot(slot);
        }
        let stands = !state.sessions.is_empty();
        let full = state.sessions.len() >= bounds.max_connections;
        let paused = stands && state.no_dial_before.is_some_and(|before| now < before);
        if !state.dialling && !full && !paused {
            if self.endpoint.may_be_dialled(now, UNUSED_PAUSE) {
                state.dialling = true;
                return Acquire::Dial(Dial { pool: Arc::clone(self), ended: false });
            }
            if !stands {
                let failure = state.failure.clone();
                return Acquire::Failed(failure.unwrap_or_else(session::ended_unused));
            }
        }
        if !stands {
            return Acquire::Await(state.failures);
        }
        let pause = state.no_dial_before.filter(|before| now < *before);
        let may_dial_at = (!state.dialling && !full).then(|| pause.unwrap_or(now + UNUSED_PAUSE));
        Acquire::Busy(may_dial_at)
    }

    /// The same, but over no address where another one is better, as long as a connection to that one may be made.
    #[cold]
    fn acquire_better(
        self: &Arc<Self>,
        state: &mut State,
        now: Instant,
        bounds: Bounds,
        stream_request: StreamRequest<'_>,
    ) -> Acquire {
        let passed_over = |pooled: &PooledSession| stream_request.passes_over(pooled, now);
        // In front from now on: the others fall idle also when they are passed over no longer.
        state.sessions.sort_by_key(passed_over);
        let better = state.sessions.iter().take_while(|pooled| !passed_over(pooled)).count();
        if let Some(slot) = self.free_slot(&mut state.sessions[..better]) {
            return Acquire::StreamSlot(slot);
        }
        let has_worse = better < state.sessions.len();
        if has_worse && state.dialling {
            return Acquire::Busy(None);
        }
        let full = state.sessions.len() >= bounds.max_connections;
        let paused = state.no_dial_before.is_some_and(|before| now < before);
        let may_dial = stream_request.may_dial && has_worse && !full && !paused;
        if may_dial && self.endpoint.may_be_dialled(now, UNUSED_PAUSE) {
            state.dialling = true;
            return Acquire::Dial(Dial { pool: Arc::clone(self), ended: false });
        }
        self.acquire_of(state, now, bounds)
    }

    /// A stream of the first of these connections that has one.
    fn free_slot(self: &Arc<Self>, sessions: &mut [PooledSession]) -> Option<StreamSlot> {
        let free =
            |pooled: &&mut PooledSession| pooled.session.streams() < pooled.session.max_streams();
        let pooled = sessions.iter_mut().find(free)?;
        let reused = pooled.begin();
        let session = Arc::clone(&pooled.session);
        Some(StreamSlot { pool: Arc::clone(self), session, reused })
    }

    /// A connection ended before it was of use. Told of the endpoint, which all pools share that lead to it.
    pub(crate) fn note_unused(&self, now: Instant) {
        self.endpoint.rest_until(now + UNUSED_PAUSE);
    }

    /// The peer wants HTTP/1.1, whatever was agreed on. Exchanges that wait for a stream look again.
    pub(crate) fn wants_http1(&self, until: Instant) {
        self.lock().http1_until = Some(until);
        self.changed.notify_waiters();
    }

    /// What the endpoint speaks is found out anew, by the next connection.
    pub(crate) fn ask_again(&self) {
        self.lock().http1_until = None;
    }

    /// How the last dial failed, if any did since there were `before`.
    pub(crate) fn failed_since(&self, before: u64) -> Option<Failure> {
        let state = self.lock();
        if state.failures > before { state.failure.clone() } else { None }
    }

    /// Lets go of connections that are closed, too old or idle for too long; those in use end with their
    /// last stream. Returns whether anything is left to remember.
    pub(crate) fn sweep(&self, now: Instant, idle_timeout: Duration) -> bool {
        let mut state = self.lock();
        let retired = state.retire(now, idle_timeout);
        if !retired.is_empty() {
            // There is room for another one.
            self.changed.notify_waiters();
        }
        let http1 = state.http1_until.is_some_and(|until| now < until);
        let left = !state.sessions.is_empty() || state.dialling || http1;
        drop(state);
        drop(retired);
        left
    }

    /// Nobody will ask for a connection any more: what stands closes with its last stream.
    pub(crate) fn departs(&self) {
        let state = self.lock();
        state.sessions.iter().for_each(|it| it.session.traffic().closes(CloseReason::Departed));
    }

    /// Connections that were made before anybody needed them are idle.
    pub(crate) fn become_idle(&self) {
        self.lock().sessions.iter_mut().for_each(PooledSession::become_idle);
    }

    /// The connections that take new streams.
    pub(crate) fn sessions(&self) -> Vec<Arc<Session>> {
        self.lock().sessions.iter().map(|pooled| Arc::clone(&pooled.session)).collect()
    }

    /// How many connections take new streams.
    pub(crate) fn len(&self) -> usize {
        self.lock().sessions.len()
    }

    /// A panic elsewhere cannot leave the state half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// To be dropped without the lock: the last one to hold a session closes it.
    fn retire(&mut self, now: Instant, idle_timeout: Duration) -> Vec<PooledSession> {
        let ended = |pooled: &mut PooledSession| !pooled.is_current(now, idle_timeout);
        let retired: Vec<_> = self.sessions.extract_if(.., ended).collect();
        if let Some(pooled) = retired.iter().find(|pooled| pooled.session.wants_http1()) {
            self.http1_until = Some(pooled.retires);
        }
        retired
    }
}

/// The bounds on an endpoint's connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) max_connections: usize,
    pub(crate) idle_timeout: Duration,
}

/// The right to one stream.
pub(crate) struct StreamSlot {
    pool: Arc<H2Pool>,
    session: Arc<Session>,
    /// The connection has carried an exchange before.
    pub(crate) reused: bool,
}

impl StreamSlot {
    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Whether no other exchange uses the connection, whether or not it takes new streams.
    pub(crate) fn is_only(&self) -> bool {
        self.session.streams() <= 1
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        self.session.stream_ends();
        let own = |pooled: &&mut PooledSession| Arc::ptr_eq(&pooled.session, &self.session);
        if let Some(pooled) = state.sessions.iter_mut().find(own) {
            pooled.end();
        }
        drop(state);
        self.pool.changed.notify_one();
    }
}

/// The right and the duty to make one connection. Dropped without a result it counts as failed, so that
/// nobody waits for it.
pub(crate) struct Dial {
    pool: Arc<H2Pool>,
    ended: bool,
}

impl Dial {
    pub(crate) fn pool(&self) -> &Arc<H2Pool> {
        &self.pool
    }

    pub(crate) fn connected(mut self, session: Arc<Session>, retires: Instant) {
        let idle_since = Instant::now();
        let (used, is_idle) = (false, false);
        let pooled = PooledSession { session, retires, idle_since, used, is_idle };
        self.end(|state| {
            state.failure = None;
            state.sessions.push(pooled);
        });
    }

    pub(crate) fn speaks_http1(mut self, until: Instant) {
        self.end(|state| state.http1_until = Some(until));
    }

    pub(crate) fn failed(mut self, failure: Failure) {
        self.fail(failure);
    }

    fn fail(&mut self, failure: Failure) {
        let pause = Instant::now() + PAUSE;
        self.end(|state| {
            state.failures += 1;
            state.failure = Some(failure);
            state.no_dial_before = Some(pause);
        });
    }

    fn end(&mut self, change: impl FnOnce(&mut State)) {
        self.ended = true;
        let mut state = self.pool.lock();
        state.dialling = false;
        change(&mut state);
        drop(state);
        self.pool.changed.notify_waiters();
    }
}

impl Drop for Dial {
    fn drop(&mut self) {
        if !self.ended {
            self.fail(Failure::unsent(FailureKind::Connect, "connect cancelled"));
        }
    }
}

/// At most three connections a second are made to a peer that ends them before they are of use.
const UNUSED_PAUSE: Duration = Duration::from_millis(334);

/// A further connection that could not be made is not tried at once again for each exchange that waits; and one
/// that was made waits as long for them.
const PAUSE: Duration = Duration::from_secs(1);
