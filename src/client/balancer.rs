//! A balancer: a provider's endpoints with their circuits, and the rule that picks among them.
//!
//! It owns the live endpoints, so clients that share it share the circuits. Picks read one immutable roster
//! and never wait for an update.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;

use super::lease::Lease;
use super::member::Member;
use super::roster::{Register, Roster, Rules, Tier};
use crate::discovery::Provider;
use crate::endpoint::{Endpoint, Host};
use crate::error::{Error, ErrorKind};
use crate::outcome::Transition;
use crate::policy::{Balancer as Algorithm, BreakerConfig, Evidence, Permit};
use crate::runtime::process::PerProcess;
use crate::runtime::{callback, caller, entropy};

/// So many empty answers in a row mean that there really is no endpoint; one may be a hiccup of the
/// registry, and to obey it would turn a fault of discovery into an outage.
const EMPTY_CONFIRMATIONS: u32 = 2;

/// Endpoints, circuits and the rule that picks.
pub struct Balancer {
    provider: Arc<dyn Provider>,
    algorithm: Algorithm,
    rules: Rules,
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
    register: Register,
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
pub(crate) struct Tried(Vec<Arc<Member>>);

impl Tried {
    pub(crate) fn contains(&self, member: &Arc<Member>) -> bool {
        self.0.iter().any(|tried| Arc::ptr_eq(tried, member))
    }

    pub(crate) fn insert(&mut self, member: &Arc<Member>) {
        if !self.contains(member) {
            self.0.push(Arc::clone(member));
        }
    }

    fn len(&self) -> usize {
        self.0.len()
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
        let rules = Rules { breaker: Arc::new(breaker), ..Rules::default() };
        Self { provider, algorithm, rules, live: PerProcess::new() }
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
            let live = self.live.get();
            let next = refresh.register.replace(&live.roster.load(), hosts, &self.rules);
            live.roster.store(Arc::new(next));
        }
        self.live.get().updates.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Takes `host` in beside those that the provider listed, in a time that does not grow with their number.
    /// The next update asks the provider again, whose word then counts.
    ///
    /// # Errors
    /// This is inside a callback while an update is under way.
    pub fn join(&self, host: Host) -> Result<(), Error> {
        let mut refresh = self.lock_refresh()?;
        let live = self.live.get();
        let next = refresh.register.join(&live.roster.load(), host, &self.rules);
        live.roster.store(Arc::new(next));
        Ok(())
    }

    /// Takes the endpoint of `host` out, likewise. Whether there was one.
    ///
    /// # Errors
    /// As for [`Self::join`].
    pub fn leave(&self, host: Host) -> Result<bool, Error> {
        let endpoint = Endpoint::new(host);
        let mut refresh = self.lock_refresh()?;
        let live = self.live.get();
        let before = live.roster.load();
        let next = refresh.register.leave(&before, &endpoint.identity(), &self.rules);
        let found = next.is_some();
        next.into_iter().for_each(|next| live.roster.store(Arc::new(next)));
        Ok(found)
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
    pub fn pick(&self, now: Instant) -> Result<Arc<Member>, Error> {
        let roster = self.live.get().roster.load();
        match self.choose(&roster, &Tried::default(), now) {
            Some(member) => Ok(Arc::clone(member)),
            None => Err(none_admits(&roster).into_error(now)),
        }
    }

    /// Shows `look` the endpoint that would be used now; nobody takes hold of it.
    pub fn peek<R>(&self, now: Instant, look: impl FnOnce(&Member) -> R) -> Option<R> {
        let roster = self.live.get().roster.load();
        self.choose(&roster, &Tried::default(), now).map(|member| look(member))
    }

    /// An endpoint and the right to send to it once; one not yet tried while there is any.
    pub(crate) fn lease(
        self: &Arc<Self>,
        tried: &Tried,
        now: Instant,
    ) -> Result<Lease, NoneAdmits> {
        let roster = self.live.get().roster.load();
        // Another caller may take a probe's permit between the choice and the grab: then choose again.
        for _ in 0..=roster.len() {
            let Some(member) = self.choose(&roster, tried, now) else {
                break;
            };
            if let Ok(permit) = member.acquire(now) {
                return Ok(Lease::balanced(Arc::clone(self), Arc::clone(member), permit));
            }
        }
        Err(none_admits(&roster))
    }

    fn choose<'a>(
        &self,
        roster: &'a Roster,
        tried: &Tried,
        now: Instant,
    ) -> Option<&'a Arc<Member>> {
        let fresh = || roster.tiers.iter().find_map(|tier| self.choose_in(tier, tried, now));
        let any =
            || roster.tiers.iter().find_map(|tier| self.choose_in(tier, &Tried::default(), now));
        match tried.len() {
            0 => any(),
            _ => fresh().or_else(any),
        }
    }

    fn choose_in<'a>(
        &self,
        tier: &'a Tier,
        tried: &Tried,
        now: Instant,
    ) -> Option<&'a Arc<Member>> {
        let places = &tier.places;
        let admits = |place: usize| {
            let Some((member, cells)) = places.at(place) else {
                return false;
            };
            let admits = cells.is_rotating(place) || member.admits(now);
            admits && !tried.contains(member)
        };
        let place = entropy::with_rng(|rng| {
            self.algorithm.pick(caller::number(), places.len(), admits, rng)
        })?;
        places.get(place)
    }

    /// Whether an endpoint that is not in `tried` admits.
    pub(crate) fn has_untried(&self, tried: &Tried, now: Instant) -> bool {
        let roster = self.live.get().roster.load();
        let admits = |member: &Arc<Member>| !tried.contains(member) && member.admits(now);
        roster.rotating() > tried.len() || roster.members().any(admits)
    }

    /// Whether any endpoint admits.
    pub(crate) fn has_any(&self, now: Instant) -> bool {
        self.has_untried(&Tried::default(), now)
    }

    /// Tells `member`'s circuit how an attempt ended. Answers never open the last closed circuits; failed
    /// connects may.
    pub(crate) fn settle(
        &self,
        member: &Member,
        permit: Permit,
        evidence: &Evidence,
        now: Instant,
    ) -> Option<Transition> {
        let settled = member.settle(permit, evidence, now);
        if !settled.wants_trip {
            return settled.transition;
        }
        let _one_at_a_time =
            self.live.get().trip_gate.lock().unwrap_or_else(PoisonError::into_inner);
        let floor = self.rules.breaker.min_closed as usize;
        let may_open = self.live.get().roster.load().rotating() > floor;
        may_open.then(|| member.trip(evidence, now)).flatten()
    }

    pub(crate) fn trial_interval(&self) -> std::time::Duration {
        self.rules.breaker.trial_interval
    }
}

fn none_admits(roster: &Roster) -> NoneAdmits {
    NoneAdmits { known: roster.len(), retry_at: roster.next_probe() }
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
