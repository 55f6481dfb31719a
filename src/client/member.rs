//! One endpoint with its live state: it survives updates of the list and is shared by every client of the
//! balancer.

use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::cells::Cells;
use super::track::Track;
use crate::endpoint::Endpoint;
use crate::outcome::Transition;
use crate::policy::{AlreadyThere, Breaker, CircuitState, Evidence, Permit, Rejected, Settled};
use crate::runtime::entropy;

/// An endpoint of a balancer.
///
/// There may be a hundred thousand, so what only traffic needs is made with the first attempt.
#[derive(Debug)]
pub struct Member {
    endpoint: ArcSwap<Endpoint>,
    /// Behind a lock that is held for a few instructions, never across a wait or a callback. None before the
    /// first attempt: closed, and nothing counted.
    breaker: Mutex<Option<Box<Breaker>>>,
    cells: Arc<Cells>,
    place: u32,
    /// The endpoint's, where picks find it soonest.
    weight: AtomicU16,
    /// Why it is not simply in rotation, whatever its circuit says: a bit for each [`Out`].
    out: AtomicU8,
}

/// A reason not to be simply in rotation, beside an open circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Out {
    /// No longer listed.
    Departed = 1,
    /// Joined or came back a short time ago.
    Warming = 2,
    /// Fared worse than its neighbours.
    Ejected = 4,
    /// Did not pass its checks.
    Unhealthy = 8,
    /// Listed with a weight of 0.
    Drained = 16,
}

/// Whether a member may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may.
    In,
    /// It may as a probe, which has been due for so long.
    Probe(Duration),
    /// It may now and then, having joined or come back so long ago.
    Warming(Duration),
    /// It may not, though it can be connected to.
    Tripped,
    /// It may not.
    Out,
}

impl Member {
    /// A member that is in rotation, unless its weight is 0.
    pub(super) fn new(endpoint: Endpoint, cells: Arc<Cells>, place: u32) -> Self {
        let weight = AtomicU16::new(endpoint.weight() as u16);
        let drained = if endpoint.weight() == 0 { Out::Drained as u8 } else { 0 };
        let member = Self {
            endpoint: ArcSwap::from_pointee(endpoint),
            breaker: Mutex::default(),
            cells,
            place,
            weight,
            out: AtomicU8::new(drained),
        };
        member.publish(None);
        member
    }

    /// Where it is.
    #[must_use]
    pub fn endpoint(&self) -> Arc<Endpoint> {
        self.endpoint.load_full()
    }

    /// Its place in its tier.
    pub(super) const fn place(&self) -> usize {
        self.place as usize
    }

    pub(super) const fn cells(&self) -> &Arc<Cells> {
        &self.cells
    }

    /// An attempt that began then has lost against another of its call.
    pub(super) fn overtaken(&self, began: Instant, now: Instant) {
        let level = self.cells.level();
        self.cells.overtaken(self.place(), level.tick(began), level.tick(now));
    }

    pub(super) fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed).into()
    }

    /// The listed properties have changed, its identity has not. Connections are kept where it is reached as before.
    pub(super) fn set_endpoint(&self, endpoint: Endpoint) {
        self.weight.store(endpoint.weight() as u16, Ordering::Relaxed);
        self.set(Out::Drained, endpoint.weight() == 0);
        if !self.endpoint.load().takes_weight_of(&endpoint) {
            self.endpoint.swap(Arc::new(endpoint)).depart();
        }
    }

    /// It left the list: attempts under way go on, and nothing new comes.
    pub(super) fn depart(&self) {
        let _unchanged_meanwhile = self.lock();
        self.cells.show(self.place(), false, false);
        self.out.fetch_or(Out::Departed as u8, Ordering::Relaxed);
        self.endpoint.load().depart();
    }

    /// Takes over the circuit of the same endpoint at another place, and goes on warming up where that did.
    pub(super) fn inherit(&self, before: &Self) {
        let breaker = before.lock().take();
        {
            let mut own = self.lock();
            *own = breaker;
            self.publish(own.as_deref());
        }
        if let Some((own, old)) = self.track().zip(before.track())
            && before.has(Out::Warming)
        {
            own.warm_up_like(old);
            self.set(Out::Warming, true);
        }
    }

    /// From here on it gets its full share only in time.
    pub(super) fn begin_warming(&self, now: Instant) {
        if let Some(track) = self.track() {
            track.begin_warming(self.cells.level().millis(now));
            self.set(Out::Warming, true);
        }
    }

    /// It gets its full share again.
    pub(super) fn end_warming(&self) {
        self.set(Out::Warming, false);
    }

    /// Whether it may be tried now.
    pub(super) fn standing(&self, now: Instant) -> Standing {
        if self.has(Out::Departed) || self.has(Out::Drained) {
            return Standing::Out;
        }
        let probe = match self.lock().as_deref() {
            Some(breaker) if breaker.admits(now) => breaker.probe_due_for(now),
            Some(breaker) if breaker.is_tripped_by_answers() => return Standing::Tripped,
            Some(_) => return Standing::Out,
            None => None,
        };
        if self.has(Out::Ejected) || self.has(Out::Unhealthy) {
            return Standing::Tripped;
        }
        if let Some(due_for) = probe {
            return Standing::Probe(due_for);
        }
        match self.track().filter(|_| self.has(Out::Warming)) {
            Some(track) => Standing::Warming(track.warming_for(self.cells.level().millis(now))),
            None => Standing::In,
        }
    }

    /// What is followed of it beyond its circuit and its load, where anything is.
    pub(super) fn track(&self) -> Option<&Track> {
        self.cells.track(self.place())
    }

    /// An outlier, or one no longer. Who comes back warms up.
    pub(super) fn set_ejected(&self, ejected: bool, now: Instant) {
        self.set(Out::Ejected, ejected);
        self.warm_up(!ejected, now);
    }

    /// What its checks have shown.
    pub(super) fn set_unhealthy(&self, unhealthy: bool, now: Instant) {
        self.set(Out::Unhealthy, unhealthy);
        self.warm_up(!unhealthy, now);
    }

    fn warm_up(&self, is_back: bool, now: Instant) {
        if is_back && self.cells.level().warms_up {
            self.begin_warming(now);
        }
    }

    /// A check passed: an open circuit need not wait for its next probe.
    pub(super) fn half_open_early(&self, now: Instant) {
        self.change(|breaker| breaker.half_open_early(now));
    }

    pub(super) fn has(&self, reason: Out) -> bool {
        self.out.load(Ordering::Relaxed) & reason as u8 != 0
    }

    fn set(&self, reason: Out, on: bool) {
        let breaker = self.lock();
        match on {
            true => self.out.fetch_or(reason as u8, Ordering::Relaxed),
            false => self.out.fetch_and(!(reason as u8), Ordering::Relaxed),
        };
        self.publish(breaker.as_deref());
    }

    /// Shows the picks whether they need to ask; under the lock, so that the last change is shown last. The
    /// place of who departed may be another's by now.
    fn publish(&self, breaker: Option<&Breaker>) {
        if !self.has(Out::Departed) {
            let closed = breaker.is_none_or(|breaker| breaker.state() == CircuitState::Closed);
            let out = self.out.load(Ordering::Relaxed);
            let well = closed && out & !(Out::Warming as u8) == 0;
            self.cells.show(self.place(), closed && out == 0, well);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Breaker>>> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the circuit and shows the change.
    fn change<R>(&self, change: impl FnOnce(&mut Breaker) -> R) -> R {
        let mut kept = self.lock();
        let config = &self.cells.level().breaker;
        let breaker = kept.get_or_insert_with(|| Box::new(Breaker::new(Arc::clone(config))));
        let result = change(breaker);
        self.publish(Some(breaker));
        result
    }

    /// Whether a request would be let through now.
    #[must_use]
    pub fn admits(&self, now: Instant) -> bool {
        self.serves(false, now)
    }

    /// Whether it may be tried, in `panic` also where its answers speak against it.
    pub(super) fn serves(&self, panic: bool, now: Instant) -> bool {
        match self.standing(now) {
            Standing::In | Standing::Probe(_) | Standing::Warming(_) => true,
            Standing::Tripped => panic,
            Standing::Out => false,
        }
    }

    /// Asks to send once; none in `panic`, where its answers have opened the circuit, and what comes of it is
    /// not the circuit's.
    pub(super) fn acquire(&self, panic: bool, now: Instant) -> Result<Option<Permit>, Rejected> {
        self.change(|breaker| match breaker.acquire(now) {
            Err(_) if panic && breaker.is_tripped_by_answers() => Ok(None),
            answer => answer.map(Some),
        })
    }

    pub(super) fn settle(&self, permit: Permit, evidence: &Evidence, now: Instant) -> Settled {
        let settled =
            entropy::with_rng(|rng| self.change(|it| it.settle(permit, evidence, now, rng)));
        self.warm_up(settled.transition == Some(Transition::Closed), now);
        settled
    }

    pub(super) fn trip(&self, evidence: &Evidence, now: Instant) -> Option<Transition> {
        entropy::with_rng(|rng| self.change(|breaker| breaker.trip(evidence, now, rng)))
    }

    pub(super) fn release(&self, permit: Permit) {
        self.change(|breaker| breaker.release(permit));
    }

    /// When the next probe may go; none where its circuit is closed, or will not be probed by itself.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.lock().as_ref().and_then(|breaker| breaker.retry_at())
    }

    /// The state of its circuit.
    #[must_use]
    pub fn state(&self) -> CircuitState {
        self.lock().as_ref().map_or(CircuitState::Closed, |breaker| breaker.state())
    }

    /// Opens its circuit until it is closed by hand.
    ///
    /// # Errors
    /// It is open already.
    pub fn force_open(&self) -> Result<(), AlreadyThere> {
        self.change(Breaker::force_open)
    }

    /// Closes its circuit, from where it warms up as any that comes back.
    ///
    /// # Errors
    /// It is closed already.
    pub fn force_close(&self, now: Instant) -> Result<(), AlreadyThere> {
        self.change(|breaker| breaker.force_close(now))?;
        self.warm_up(true, now);
        Ok(())
    }

    /// Lets everything through and judges nothing, until it is opened or closed by hand.
    ///
    /// # Errors
    /// It does so already.
    pub fn disable(&self) -> Result<(), AlreadyThere> {
        self.change(Breaker::disable)
    }

    /// Grants nothing new, until [`Self::resume`].
    pub fn drain(&self) {
        self.change(Breaker::drain);
    }

    /// Goes on after [`Self::drain`].
    pub fn resume(&self) {
        self.change(Breaker::resume);
    }
}
