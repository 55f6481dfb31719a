//! One endpoint with its live state: it survives updates of the list and is shared by every client of the
//! balancer.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

mod availability;
mod circuit;
mod out_reason;
mod run;

pub(crate) use self::availability::{Availability, ProbeDue};
pub(crate) use self::circuit::Granted;
pub(crate) use self::out_reason::OutReason;
use self::out_reason::{OUT_BY_ITSELF, stays_out_for};
pub(crate) use self::run::Run;
use super::cluster_state::ClusterState;
use super::hot_state::{HotState, InFlightBefore};
use super::member_stats::MemberStats;
use super::observe::history::History;
use super::subset::HostHealth;
use crate::endpoint::{Endpoint, Host, Identity};
use crate::event::{EjectedBy, EndpointChange};
use crate::policy::{Breaker, CircuitState};

/// An endpoint of a balancer.
///
/// There may be a hundred thousand, so what only traffic needs is made with the first attempt, and what few need lies
/// with the run: 40 bytes and the counts of its [`Arc`] are 64 as allocators round, a byte more would be 80. (macOS's locks
/// take 8 bytes more.)
#[derive(Debug)]
pub struct Member {
    /// Behind a lock that is held for a few instructions, never across a wait or a callback.
    state: Mutex<MemberState>,
    run: Arc<Run>,
    slot: u32,
    /// Why it is not simply in rotation, whatever its circuit says: a bit for each [`OutReason`].
    out: AtomicU8,
    /// The last list that it stood in; only updates look at it, and one runs at a time.
    list: AtomicU8,
}

// A lock and a word behind it, in whatever bytes a system needs for them.
const _: () = assert!(size_of::<Member>() <= size_of::<Mutex<usize>>() + 24);

/// What an attempt needs both of, so that it takes one lock for them.
#[derive(Debug)]
struct MemberState {
    endpoint: Arc<Endpoint>,
    /// None before the first attempt: its circuit is closed, and nothing is counted.
    history: Option<Box<History>>,
}

impl MemberState {
    fn breaker(&self) -> Option<&Breaker> {
        self.history.as_ref().map(|history| &history.breaker)
    }
}

impl Member {
    /// A member that is in rotation, unless its weight is 0.
    pub(crate) fn new(endpoint: Endpoint, run: Arc<Run>, slot: u32) -> Self {
        run.hot.set_weight(slot as usize, endpoint.weight());
        let drained = if endpoint.weight() == 0 { OutReason::Drained as u8 } else { 0 };
        let member = Self {
            state: Mutex::new(MemberState { endpoint: Arc::new(endpoint), history: None }),
            run,
            slot,
            out: AtomicU8::new(drained),
            list: AtomicU8::new(0),
        };
        member.publish(None);
        member
    }

    /// The endpoint of `before` in a balancer that takes over: with its circuit, which goes by the new rules, its counts
    /// and its connections. What attempts under way still do to `before` is done to this one.
    pub(crate) fn succeeding(before: &Self, run: Arc<Run>, slot: u32) -> Arc<Self> {
        let mut state = before.lock();
        let (endpoint, mut history) = (Arc::clone(&state.endpoint), state.history.take());
        let shared = run.hot.shared();
        history.iter_mut().for_each(|it| it.breaker.go_by(Arc::clone(&shared.breaker)));
        let out = before.out.load(Ordering::Relaxed) & stays_out_for(shared);
        run.hot.set_weight(slot as usize, endpoint.weight());
        let member = Arc::new(Self {
            state: Mutex::new(MemberState { endpoint, history }),
            out: AtomicU8::new(out),
            list: AtomicU8::new(0),
            run,
            slot,
        });
        if let Some((own, old)) = member.stats().zip(before.stats()) {
            own.go_on_from(old);
        }
        let old_run = Arc::downgrade(&before.run);
        let in_flight = InFlightBefore { run: old_run, slot: before.slot() };
        member.hot().count_before(member.slot(), before.hot(), in_flight);
        if member.has(OutReason::Ejected) {
            member.cluster().note_ejected(true);
        }
        member.publish(member.own_state().breaker());
        // Under the lock: a thread that waits for it finds the successor.
        before.run.succeed(before.slot(), Arc::clone(&member));
        member
    }

    /// Itself, or the one that took over last: its endpoint as new calls see it.
    pub(crate) fn latest(&self) -> &Self {
        self.successor().map_or(self, |next| next.latest())
    }

    /// Whether another one has taken over, which is checked by itself.
    pub(crate) fn has_successor(&self) -> bool {
        self.successor().is_some()
    }

    /// The same endpoint in the balancer that took over from this one's: what is kept lies there. The slot of a departed
    /// endpoint may be another's by now.
    fn successor(&self) -> Option<&Self> {
        let successor = self.run.successor(self.slot())?;
        (!self.has(OutReason::Departed)).then_some(successor)
    }

    /// Where it is.
    #[must_use]
    pub fn endpoint(&self) -> Arc<Endpoint> {
        Arc::clone(&self.lock().endpoint)
    }

    /// Whether it is the endpoint of `identity`.
    pub(crate) fn is(&self, identity: &Identity<'_>) -> bool {
        self.lock().endpoint.identity() == *identity
    }

    /// Whether it is the endpoint of `host`, with the same properties.
    pub(crate) fn is_of(&self, host: &Host) -> bool {
        self.lock().endpoint.is_of(host)
    }

    /// Notes that it stands in the list of that number; whether it did before.
    pub(crate) fn enlist(&self, list: u8) -> bool {
        self.list.swap(list, Ordering::Relaxed) == list
    }

    /// Whether it stands in the list of that number.
    pub(crate) fn is_listed(&self, list: u8) -> bool {
        self.list.load(Ordering::Relaxed) == list
    }

    /// Its slot in its locality.
    pub(crate) const fn slot(&self) -> usize {
        self.slot as usize
    }

    pub(crate) fn hot(&self) -> &HotState {
        &self.run.hot
    }

    /// An attempt that began then has lost against another of its call.
    pub(crate) fn overtaken(&self, began: Instant, now: Instant) {
        let shared = self.hot().shared();
        self.hot().overtaken(self.slot(), shared.tick(began), shared.tick(now));
    }

    /// The listed properties have changed, its identity has not. Connections are kept where it is reached as before. A
    /// weight of 0 holds from [`Self::drain_by_weight`] on.
    pub(crate) fn set_endpoint(&self, endpoint: Endpoint) {
        if endpoint.weight() > 0 {
            self.hot().set_weight(self.slot(), endpoint.weight());
            self.set(OutReason::Drained, false);
        }
        let mut state = self.lock();
        if !state.endpoint.takes_weight_of(&endpoint) {
            std::mem::replace(&mut state.endpoint, Arc::new(endpoint)).depart();
        }
    }

    /// Its listed weight is 0: it gets nothing more.
    pub(crate) fn drain_by_weight(&self) {
        self.hot().set_weight(self.slot(), 0);
        self.set(OutReason::Drained, true);
    }

    /// It left the list: attempts under way go on, and nothing new comes.
    pub(crate) fn depart(&self) {
        let mut unchanged_meanwhile = self.lock();
        let history = unchanged_meanwhile.history.as_deref_mut();
        if history.is_some_and(History::join_rest) {
            self.cluster().series_limit.give_back();
        }
        self.hot().show(self.slot(), false, false);
        self.hot().clear_overdue(self.slot());
        let out = self.out.fetch_or(OutReason::Departed as u8, Ordering::Relaxed);
        if out & OutReason::Ejected as u8 != 0 {
            self.out.fetch_and(!(OutReason::Ejected as u8), Ordering::Relaxed);
            self.cluster().note_ejected(false);
        }
        unchanged_meanwhile.endpoint.depart();
    }

    /// Takes over the circuit of the same endpoint at another place, and stays out, or warms up, as that did.
    pub(crate) fn inherit(&self, before: &Self) {
        let history = before.lock().history.take();
        let mut own = self.lock();
        own.history = history;
        if let Some((stats, old)) = self.stats().zip(before.stats()) {
            stats.go_on_from(old);
            let out = before.out.load(Ordering::Relaxed) & OUT_BY_ITSELF;
            self.out.fetch_or(out, Ordering::Relaxed);
        }
        if self.has(OutReason::Ejected) {
            self.cluster().note_ejected(true);
        }
        self.publish(own.breaker());
    }

    /// From here on it gets its full share only in time.
    pub(crate) fn begin_warming(&self, now: Instant) {
        if let Some(stats) = self.stats() {
            stats.begin_warming(self.hot().shared().millis(now));
            self.set(OutReason::Warming, true);
        }
    }

    /// It gets its full share again.
    pub(crate) fn end_warming(&self) {
        self.set(OutReason::Warming, false);
    }

    /// Whether it may be tried now.
    pub(crate) fn availability(&self, now: Instant) -> Availability {
        if self.has(OutReason::Departed) || self.has(OutReason::Drained) {
            return Availability::Out;
        }
        let probe = match self.lock().breaker() {
            Some(breaker) if breaker.admits(now) => ProbeDue::of(breaker, now),
            Some(breaker) if breaker.serves_in_panic() => return Availability::Tripped,
            Some(_) => return Availability::Out,
            None => None,
        };
        if self.has(OutReason::Ejected) || self.has(OutReason::Unhealthy) {
            return Availability::Tripped;
        }
        if let Some(due) = probe {
            return Availability::Probe(due);
        }
        match self.stats().filter(|_| self.has(OutReason::Warming)) {
            Some(stats) => {
                Availability::Warming(stats.warming_for(self.hot().shared().millis(now)))
            }
            None => Availability::In,
        }
    }

    /// What all endpoints of its balancer share.
    pub(crate) fn cluster(&self) -> &ClusterState {
        &self.hot().shared().cluster
    }

    pub(crate) fn tell(&self, change: EndpointChange) {
        self.cluster().tell(self.endpoint().url(), change);
    }

    fn ejected(&self, now: Instant) -> EndpointChange {
        let ejection = self.stats().map(|stats| stats.background_state().ejection);
        let until = ejection.and_then(|it| it.until()).unwrap_or(now);
        EndpointChange::Ejected {
            lasts: until.saturating_duration_since(now),
            by: ejection.and_then(|it| it.ejected_by()).unwrap_or(EjectedBy::Run),
        }
    }

    /// What is followed of it beyond its circuit and its load, where anything is.
    pub(crate) fn stats(&self) -> Option<&MemberStats> {
        self.hot().stats(self.slot())
    }

    /// An outlier, or one no longer. An endpoint that comes back warms up.
    pub(crate) fn set_ejected(&self, ejected: bool, now: Instant) {
        if self.set(OutReason::Ejected, ejected) {
            self.cluster().note_ejected(ejected);
            self.tell(if ejected { self.ejected(now) } else { EndpointChange::Returned });
            self.warm_up(!ejected, now);
        }
    }

    /// What its checks have shown. One that was out warms up; one that passes its first check was never out.
    pub(crate) fn set_unhealthy(&self, unhealthy: bool, now: Instant) {
        if self.set(OutReason::Unhealthy, unhealthy) {
            if let Some(stats) = self.stats() {
                stats.background_state().unhealthy_since = unhealthy.then_some(now);
            }
            use EndpointChange::{CheckFailed, CheckPassed};
            self.tell(if unhealthy { CheckFailed } else { CheckPassed });
            self.warm_up(!unhealthy, now);
        }
    }

    fn warm_up(&self, is_back: bool, now: Instant) {
        if is_back && self.hot().shared().warms_up {
            self.begin_warming(now);
        }
    }

    /// Whether it has left the list.
    #[must_use]
    pub fn has_departed(&self) -> bool {
        self.has(OutReason::Departed)
    }

    pub(crate) fn has(&self, reason: OutReason) -> bool {
        self.out.load(Ordering::Relaxed) & reason as u8 != 0
    }

    /// Whether that was a change.
    fn set(&self, reason: OutReason, on: bool) -> bool {
        let state = self.lock();
        let before = match on {
            true => self.out.fetch_or(reason as u8, Ordering::Relaxed),
            false => self.out.fetch_and(!(reason as u8), Ordering::Relaxed),
        };
        self.publish(state.breaker());
        (before & reason as u8 != 0) != on
    }

    /// Shows the picks whether they need to ask; under the lock, so that the last change is shown last. The
    /// slot of a departed endpoint may be another's by now.
    fn publish(&self, breaker: Option<&Breaker>) {
        if !self.has(OutReason::Departed) {
            let closed = breaker.is_none_or(|breaker| breaker.state() == CircuitState::Closed);
            let out = self.out.load(Ordering::Relaxed);
            let well = closed && out & !(OutReason::Warming as u8) == 0;
            self.hot().show(self.slot(), closed && out == 0, well);
        }
        if let Some(next) = self.successor() {
            next.publish(breaker);
        }
    }

    /// What is kept, here or by the last that took over. Each attempt comes by twice, and is seldom of an older list.
    #[inline]
    fn lock(&self) -> MutexGuard<'_, MemberState> {
        let state = self.own_state();
        match self.successor() {
            None => state,
            Some(next) => {
                drop(state);
                next.lock_latest()
            }
        }
    }

    #[cold]
    fn lock_latest(&self) -> MutexGuard<'_, MemberState> {
        let mut member = self;
        loop {
            let state = member.own_state();
            let Some(next) = member.successor() else { return state };
            drop(state);
            member = next;
        }
    }

    fn own_state(&self) -> MutexGuard<'_, MemberState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it is to a subset. One that is due a probe is let through and is not well.
    pub(crate) fn health(&self, now: Instant) -> HostHealth {
        match self.availability(now) {
            Availability::In | Availability::Warming(_) if self.hot().is_late(self.slot()) => {
                HostHealth::Late
            }
            Availability::In | Availability::Warming(_) => HostHealth::Well,
            Availability::Probe(_) | Availability::Tripped | Availability::Out => HostHealth::Ill,
        }
    }

    /// Whether it fails and the service does not: its circuit is not closed while most others are well, or while
    /// `well_ones_answer`, or it hangs. It hangs if it answers nothing while most others do, or was found to hang, as
    /// none is where all are late.
    pub(crate) fn fails_alone(&self, now: Instant, well_ones_answer: &dyn Fn() -> bool) -> bool {
        let (cluster, hot) = (self.cluster(), self.hot());
        let is_open = || !hot.is_rotating(self.slot()) && self.state() != CircuitState::Closed;
        hot.is_silent(self.slot(), now) && (cluster.few_are_overdue() || self.is_tripped_by_hang())
            || is_open() && (cluster.most_are_well() || well_ones_answer())
    }

    /// Whether an attempt has failed there within the last `time`.
    pub(crate) fn has_failed_within(&self, time: Duration, now: Instant) -> bool {
        self.with_history(|history| history?.last_failure)
            .is_some_and(|(at, _)| now.saturating_duration_since(at) <= time)
    }

    /// Whether a request would be let through now.
    #[must_use]
    pub fn admits(&self, now: Instant) -> bool {
        self.serves(false, now)
    }

    /// Whether it may be tried, in `panic` also where its answers speak against it.
    pub(crate) fn serves(&self, panic: bool, now: Instant) -> bool {
        match self.availability(now) {
            Availability::In | Availability::Probe(_) | Availability::Warming(_) => true,
            Availability::Tripped => panic,
            Availability::Out => false,
        }
    }

    /// Shows `look` what attempts left behind, if there were any.
    pub(super) fn with_history<R>(&self, look: impl FnOnce(Option<&mut History>) -> R) -> R {
        look(self.lock().history.as_deref_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::locality_state::{LocalityState, Rules};
    use crate::config::{Algorithm, BalancerConfig};
    use crate::outcome::Verdict;
    use crate::policy::Observation;
    use crate::runtime::clock::now as t0;

    fn member() -> Member {
        let rules = Rules::new(&BalancerConfig::new(Algorithm::RoundRobin), Arc::default(), t0());
        let run = Arc::new(Run::new(HotState::new(0, LocalityState::new(&rules))));
        Member::new(Endpoint::new(Host::new("127.0.0.1", 1)), run, 0)
    }

    fn is_rotating(member: &Member) -> bool {
        member.hot().is_rotating(member.slot())
    }

    #[test]
    fn picks_see_a_circuit_open_and_close_and_nothing_in_between() {
        let (member, observation) =
            (member(), Observation::new(Verdict::Unreachable, Duration::ZERO));
        for _ in 0..3 {
            let permit = member.acquire(false, t0()).unwrap().permit.unwrap();
            assert!(is_rotating(&member) && member.hot().shared().well() == 1);
            let _ = member.settle(permit, &observation, None, t0());
            assert!(!is_rotating(&member) && member.hot().shared().well() == 0);
            member.force_close(t0()).unwrap();
            assert!(is_rotating(&member) && member.hot().shared().well() == 1);
        }
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the test's own callers")]
    fn attempts_go_on_while_the_list_changes() {
        let member = member();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for weight in 1..500 {
                    let host = Host { weight, ..Host::new("127.0.0.1", 1) };
                    member.set_endpoint(Endpoint::new(host));
                }
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut last = 0;
                    for _ in 0..5_000 {
                        let Granted { endpoint, permit, .. } = member.acquire(false, t0()).unwrap();
                        assert!(endpoint.weight() >= last, "never the one before again");
                        last = endpoint.weight();
                        let observation = Observation::new(Verdict::Success, Duration::ZERO);
                        let _ = member.settle(permit.unwrap(), &observation, None, t0());
                    }
                });
            }
        });
        assert_eq!((member.endpoint().weight(), member.state()), (499, CircuitState::Closed));
        assert!(is_rotating(&member));
    }
}
