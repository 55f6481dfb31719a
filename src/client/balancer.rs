//! A balancer: a provider's endpoints with their circuits, and the rule that picks among them.
//!
//! It owns the live endpoints, so clients that share it share the circuits. Picks read one immutable roster
//! and never wait for an update.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;

use super::circuit::Circuit;
use super::lease::Lease;
use super::roster::{Member, Roster};
use crate::discovery::Provider;
use crate::error::{Error, ErrorKind};
use crate::outcome::{Transition, Verdict};
use crate::policy::{Balancer as Algorithm, BreakerConfig, Permit};
use crate::runtime::process::PerProcess;
use crate::runtime::{callback, entropy};

/// So many empty answers in a row mean that there really is no endpoint; one may be a hiccup of the
/// registry, and to obey it would turn a fault of discovery into an outage.
const EMPTY_CONFIRMATIONS: u32 = 2;

/// Endpoints, circuits and the rule that picks.
pub struct Balancer {
    provider: Arc<dyn Provider>,
    algorithm: Algorithm,
    breaker: Arc<BreakerConfig>,
    /// A forked child starts anew: its circuits are closed and its locks free.
    live: PerProcess<Live>,
}

/// What changes while the balancer is used.
#[derive(Debug, Default)]
struct Live {
    roster: ArcSwap<Roster>,
    refresh: Mutex<Refresh>,
    /// How many updates have ended well.
    updates: AtomicU64,
    /// Held while deciding whether one more circuit may open, so that two cannot both be the last but one.
    trip_gate: Mutex<()>,
}

/// What updates remember; its lock lets one update run at a time.
#[derive(Debug, Default)]
struct Refresh {
    empty_answers: u32,
}

/// Why no endpoint could be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoneAdmits {
    /// How many endpoints are known.
    pub(crate) known: usize,
    /// When the next probe is due.
    pub(crate) retry_at: Option<Instant>,
}

/// The endpoints that a call has tried.
#[derive(Debug, Default)]
pub(crate) struct Tried(Vec<Arc<Circuit>>);

impl Tried {
    pub(crate) fn contains(&self, circuit: &Arc<Circuit>) -> bool {
        self.0.iter().any(|tried| Arc::ptr_eq(tried, circuit))
    }

    pub(crate) fn insert(&mut self, circuit: &Arc<Circuit>) {
        if !self.contains(circuit) {
            self.0.push(Arc::clone(circuit));
        }
    }
}

impl std::fmt::Debug for Balancer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Balancer").field("live", &self.live).finish_non_exhaustive()
    }
}

impl Balancer {
    /// A balancer that has not asked its provider yet.
    #[must_use]
    pub fn new(provider: Arc<dyn Provider>, algorithm: Algorithm, breaker: BreakerConfig) -> Self {
        Self { provider, algorithm, breaker: Arc::new(breaker), live: PerProcess::new() }
    }

    /// Asks the provider if nobody has yet.
    ///
    /// # Errors
    /// The provider failed, or this is called from inside one of the host's callbacks.
    pub fn prepare(&self) -> Result<(), Error> {
        if self.updates_done() > 0 { Ok(()) } else { self.update_since(0) }
    }

    /// Asks the provider for its list; live state survives by identity, and endpoints that are down stay
    /// down.
    ///
    /// # Errors
    /// The provider failed (the last good list stays), or this is called from inside one of the host's
    /// callbacks.
    pub fn update(&self) -> Result<(), Error> {
        self.refresh(&mut *self.lock_refresh()?)
    }

    /// Like [`Self::update`], unless another thread's update ended since `seen` was read.
    pub(crate) fn update_since(&self, seen: u64) -> Result<(), Error> {
        let mut refresh = self.lock_refresh()?;
        if self.updates_done() > seen { Ok(()) } else { self.refresh(&mut refresh) }
    }

    /// How many updates have ended well.
    pub(crate) fn updates_done(&self) -> u64 {
        self.live.get().updates.load(Ordering::Acquire)
    }

    fn lock_refresh(&self) -> Result<MutexGuard<'_, Refresh>, Error> {
        // A callback that waits for an update may be what that update waits for.
        match self.live.get().refresh.try_lock() {
            Ok(guard) => Ok(guard),
            Err(_) if callback::is_in_callback() => Err(Error::new(
                ErrorKind::WouldDeadlock,
                "balancer: an update is under way and this is inside a callback",
            )),
            Err(_) => Ok(self.live.get().refresh.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    fn refresh(&self, refresh: &mut Refresh) -> Result<(), Error> {
        let hosts = self
            .provider
            .discover()
            .map_err(|reason| Error::new(ErrorKind::Discovery, format!("provider: {reason}")))?;
        refresh.empty_answers = if hosts.is_empty() { refresh.empty_answers + 1 } else { 0 };
        if !hosts.is_empty() || refresh.empty_answers >= EMPTY_CONFIRMATIONS {
            let roster = &self.live.get().roster;
            let next = Arc::new(roster.load().next(hosts, &self.breaker));
            let before = roster.swap(Arc::clone(&next));
            before.make_way_for(&next);
        }
        self.live.get().updates.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// The current endpoints.
    #[must_use]
    pub fn roster(&self) -> Arc<Roster> {
        self.live.get().roster.load_full()
    }

    /// An endpoint that would be used now; takes no probe's permit.
    ///
    /// # Errors
    /// None is known, or no circuit admits.
    pub fn pick(&self, now: Instant) -> Result<Member, Error> {
        let roster = self.live.get().roster.load();
        match self.choose(&roster, &Tried::default(), now) {
            Some(index) => Ok(roster.members()[index].clone()),
            None => Err(none_admits(&roster).into_error(now)),
        }
    }

    /// An endpoint and the right to send to it once; one not yet tried while there is any.
    pub(crate) fn lease(
        self: &Arc<Self>,
        tried: &Tried,
        now: Instant,
    ) -> Result<Lease, NoneAdmits> {
        let roster = self.live.get().roster.load();
        // Another caller may take a probe's permit between the choice and the grab: then choose again.
        for _ in 0..=roster.members().len() {
            let Some(index) = self.choose(&roster, tried, now) else {
                break;
            };
            let member = &roster.members()[index];
            if let Ok(permit) = member.circuit.acquire(now) {
                return Ok(Lease::balanced(Arc::clone(self), member.clone(), permit));
            }
        }
        Err(none_admits(&roster))
    }

    fn choose(&self, roster: &Roster, tried: &Tried, now: Instant) -> Option<usize> {
        let members = roster.members();
        let admits = |index: usize| members[index].circuit.admits(now);
        let fresh = |index: usize| !tried.contains(&members[index].circuit) && admits(index);
        let pick = |accept: &dyn Fn(usize) -> bool| {
            entropy::with_rng(|rng| self.algorithm.pick(members.len(), accept, rng))
        };
        if tried.0.is_empty() {
            return pick(&admits);
        }
        pick(&fresh).or_else(|| pick(&admits))
    }

    /// Whether an endpoint that is not in `tried` admits.
    pub(crate) fn has_untried(&self, tried: &Tried, now: Instant) -> bool {
        let admits =
            |member: &Member| !tried.contains(&member.circuit) && member.circuit.admits(now);
        self.live.get().roster.load().members().iter().any(admits)
    }

    /// Whether any endpoint admits.
    pub(crate) fn has_any(&self, now: Instant) -> bool {
        self.live.get().roster.load().members().iter().any(|member| member.circuit.admits(now))
    }

    /// Tells `member`'s circuit how an attempt ended. Answers never open the last closed circuits; failed
    /// connects may.
    pub(crate) fn settle(
        &self,
        member: &Member,
        permit: Permit,
        verdict: Verdict,
        now: Instant,
    ) -> Option<Transition> {
        let settled = member.circuit.settle(permit, verdict, now);
        if !settled.wants_trip {
            return settled.transition;
        }
        let _one_at_a_time =
            self.live.get().trip_gate.lock().unwrap_or_else(PoisonError::into_inner);
        let floor = self.breaker.min_closed as usize;
        if self.live.get().roster.load().has_closed_above(floor) {
            member.circuit.trip(now)
        } else {
            None
        }
    }

    pub(crate) fn trial_interval(&self) -> std::time::Duration {
        self.breaker.trial_interval
    }
}

fn none_admits(roster: &Roster) -> NoneAdmits {
    NoneAdmits { known: roster.members().len(), retry_at: roster.next_probe() }
}

impl NoneAdmits {
    /// What the caller is told.
    pub(crate) fn reason(self, now: Instant) -> String {
        let probe = match self.retry_at {
            Some(at) => format!(
                "the next probe is due in {} ms",
                at.saturating_duration_since(now).as_millis()
            ),
            None => "none will be probed by itself".to_owned(),
        };
        match self.known {
            0 => "no endpoint is known".to_owned(),
            1 => format!("the circuit of the one endpoint admits none; {probe}"),
            known => format!("no circuit of {known} endpoints admits; {probe}"),
        }
    }

    fn into_error(self, now: Instant) -> Error {
        Error::new(ErrorKind::NoEndpoints, self.reason(now))
    }
}
