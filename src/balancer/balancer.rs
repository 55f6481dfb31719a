//! A balancer: a provider's endpoints with their circuits, and the rule that picks among them.
//!
//! It owns the live endpoints, so clients that share it share the circuits. Picks read one immutable roster
//! and never wait for an update.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use once_cell::sync::OnceCell;
use rand::Rng;

use super::attempted::Attempted;
use super::background;
use super::lease::{Claim, Lease};
use super::locality_state::Rules;
use super::member::Member;
use super::pick_state::PickState;
use super::picker::{PickContext, Picked, Picker};
use super::probes::{self, Bell};
use super::roster::{Locality, Register, Roster};
use super::subset;
use crate::config::{BalancerConfig, KeySource, Subset};
use crate::discovery::Provider;
use crate::endpoint::{Endpoint, Host};
use crate::error::{Error, ErrorKind};
use crate::outcome::{Transition, Verdict};
use crate::policy::{AttemptOutcome, Evidence, Permit, ProbeEligibility, Recovery, RoundRobin};
use crate::runtime::exclusive::{Exclusive, Turn};
use crate::runtime::process::PerProcess;
use crate::runtime::{callback, caller, clock, entropy};
use crate::transport::Direct;

/// So many empty answers in a row mean that there really is no endpoint; one may be a hiccup of the
/// registry, and to obey it would turn a fault of discovery into an outage.
const EMPTY_CONFIRMATIONS: u32 = 2;

/// Endpoints, circuits and the rule that picks.
pub struct Balancer {
    provider: Arc<dyn Provider>,
    config: BalancerConfig,
    /// A forked child starts anew: its circuits are closed and its locks free.
    live: PerProcess<Live>,
}

/// What changes while the balancer is used.
#[derive(Debug)]
struct Live {
    rules: Rules,
    snapshot: ArcSwap<PickState>,
    round_robin: RoundRobin,
    /// This process's own draw of a subset.
    seed: u64,
    refresh: Exclusive<Refresh>,
    /// How many updates have ended well.
    updates: AtomicU64,
    /// Begun with the first call of a client.
    background_begun: OnceCell<()>,
    /// When the last attempt set out, in the rules' milliseconds; kept only where checks want to know.
    last_asked: AtomicU64,
    /// Rung where calls want probes.
    bell: Option<Bell>,
    recovery: Option<Mutex<Recovery>>,
    /// Whether the recovery must be asked.
    is_recovering: AtomicBool,
    /// Held while deciding whether one more circuit may open, so that two cannot both be the last but one.
    trip_gate: Mutex<()>,
}

impl Live {
    fn new(config: &BalancerConfig) -> Self {
        // A random start: clients that all began with the first endpoint would overload it.
        let (start, seed) = entropy::with_rng(|rng| (rng.next_u64() as usize, rng.next_u64()));
        Self {
            rules: Rules::new(config, clock::now()),
            snapshot: ArcSwap::default(),
            round_robin: RoundRobin::new(start),
            seed,
            refresh: Exclusive::default(),
            updates: AtomicU64::new(0),
            background_begun: OnceCell::new(),
            last_asked: AtomicU64::new(0),
            bell: config.algorithm.probing().map(|_| Bell::default()),
            recovery: config.recovery.map(|rule| Mutex::new(Recovery::new(rule))),
            is_recovering: AtomicBool::new(false),
            trip_gate: Mutex::default(),
        }
    }

    /// Whether an attempt may go, or is held back while the service recovers from an outage of all.
    fn lets_through(&self, roster: &Roster, now: Instant) -> bool {
        let Some(recovery) = self.recovery.as_ref().filter(|_| self.is_recovering()) else {
            return true;
        };
        let well = roster.well();
        // Only probes can go, which their circuits hold back already: without them nobody would come back.
        if well == 0 {
            return true;
        }
        let mut recovery = recovery.lock().unwrap_or_else(PoisonError::into_inner);
        let lets = entropy::with_rng(|rng| recovery.admits(well, now, rng));
        self.is_recovering.store(recovery.is_recovering(), Ordering::Relaxed);
        lets
    }

    fn is_recovering(&self) -> bool {
        self.is_recovering.load(Ordering::Relaxed)
    }

    fn note_all_out(&self, now: Instant) {
        if let Some(recovery) = &self.recovery {
            recovery.lock().unwrap_or_else(PoisonError::into_inner).all_out(now);
            self.is_recovering.store(true, Ordering::Relaxed);
        }
    }
}

/// What updates remember; one of them runs at a time.
#[derive(Debug, Default)]
struct Refresh {
    empty_answers: u32,
    register: Register,
    /// All that is listed, where only a part of it is used.
    listed: Vec<Host>,
}

/// Why no endpoint could be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoneAdmits {
    /// How many endpoints are known.
    pub(crate) known: usize,
    /// When the next probe is due.
    pub(crate) retry_at: Option<Instant>,
    /// Circuits admit, but so many attempts are in flight to each that it gets no more.
    pub(crate) full: bool,
    /// Some admit, but traffic is held back while the service recovers.
    pub(crate) held_back: bool,
}

impl Live {
    fn context<'a>(
        &self,
        attempted: &'a Attempted,
        key: Option<u64>,
        probing: ProbeEligibility,
        now: Instant,
    ) -> PickContext<'a> {
        let tick = self.rules.tick(now);
        PickContext { attempted, key, probing, now, tick, caller: caller::number() }
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
    pub const fn new(provider: Arc<dyn Provider>, config: BalancerConfig) -> Self {
        Self { provider, config, live: PerProcess::new() }
    }

    fn live(&self) -> &Live {
        self.live.get_or(|| Live::new(&self.config))
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
        self.refresh(&self.refresh_turn()?)
    }

    /// Like [`Self::update`], unless another thread's update ended since `seen` was read.
    pub(crate) fn update_since(&self, seen: u64) -> Result<(), Error> {
        let turn = self.refresh_turn()?;
        if self.updates_done() > seen { Ok(()) } else { self.refresh(&turn) }
    }

    /// How many updates have ended well.
    pub(crate) fn updates_done(&self) -> u64 {
        self.live().updates.load(Ordering::Acquire)
    }

    fn refresh_turn(&self) -> Result<Turn<'_, Refresh>, Error> {
        let refresh = &self.live().refresh;
        // A callback that waits for an update may be what that update waits for.
        match refresh.try_turn() {
            Some(turn) => Ok(turn),
            None if callback::is_in_callback() => Err(Error::new(
                ErrorKind::WouldDeadlock,
                "balancer: an update is under way and this is inside a callback",
            )),
            None => Ok(refresh.turn()),
        }
    }

    fn refresh(&self, turn: &Turn<'_, Refresh>) -> Result<(), Error> {
        let hosts = self.provider.discover().map_err(|reason| {
            let stopped = callback::are_stopped();
            let kind = if stopped { ErrorKind::Closed } else { ErrorKind::Discovery };
            Error::new(kind, format!("provider: {reason}"))
        })?;
        let refresh = &mut *turn.value();
        refresh.empty_answers = if hosts.is_empty() { refresh.empty_answers + 1 } else { 0 };
        if !hosts.is_empty() || refresh.empty_answers >= EMPTY_CONFIRMATIONS {
            let live = self.live();
            let before = live.snapshot.load();
            let hosts = self.used(live, refresh, hosts);
            let next = refresh.register.replace(&before.roster, hosts, &live.rules, clock::now());
            self.publish(live, &before, next);
        }
        self.live().updates.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// The part of the listed hosts that this process uses.
    fn used(&self, live: &Live, refresh: &mut Refresh, listed: Vec<Host>) -> Vec<Host> {
        let Some(rule) = self.config.subset else {
            return listed;
        };
        let now = clock::now();
        let is_well = |host: &Host| {
            let endpoint = Endpoint::new(host.clone());
            let member = refresh.register.find(&endpoint.identity());
            member.is_none_or(|member| member.admits(now))
        };
        let used = subset::used(&listed, rule, live.seed, is_well);
        refresh.listed = listed;
        used
    }

    /// Under the lock of updates: the next one starts from here.
    fn publish(&self, live: &Live, before: &PickState, roster: Roster) {
        let next =
            entropy::with_rng(|rng| PickState::next(before, roster, &self.config.algorithm, rng));
        live.snapshot.store(Arc::new(next));
    }

    /// Takes `host` in beside those that the provider listed, in a time that does not grow with their number.
    /// The next update asks the provider again, whose word then counts.
    ///
    /// # Errors
    /// This is inside a callback while an update is under way.
    pub fn join(&self, host: Host) -> Result<(), Error> {
        let turn = self.refresh_turn()?;
        let mut refresh = turn.value();
        let live = self.live();
        let before = live.snapshot.load();
        let next = match self.config.subset {
            None => refresh.register.join(&before.roster, host, &live.rules, clock::now()),
            Some(_) => {
                let mut listed = std::mem::take(&mut refresh.listed);
                listed.retain(|other| !is_same(other, &host));
                listed.push(host);
                let hosts = self.used(live, &mut refresh, listed);
                refresh.register.replace(&before.roster, hosts, &live.rules, clock::now())
            }
        };
        self.publish(live, &before, next);
        Ok(())
    }

    /// Takes the endpoint of `host` out, likewise. Whether there was one.
    ///
    /// # Errors
    /// As for [`Self::join`].
    pub fn leave(&self, host: Host) -> Result<bool, Error> {
        let turn = self.refresh_turn()?;
        let mut refresh = turn.value();
        let live = self.live();
        let before = live.snapshot.load();
        if self.config.subset.is_some() {
            let mut listed = std::mem::take(&mut refresh.listed);
            let known = listed.len();
            listed.retain(|other| !is_same(other, &host));
            let found = listed.len() < known;
            let hosts = self.used(live, &mut refresh, listed);
            let next = refresh.register.replace(&before.roster, hosts, &live.rules, clock::now());
            self.publish(live, &before, next);
            return Ok(found);
        }
        let endpoint = Endpoint::new(host);
        let next = refresh.register.leave(&before.roster, &endpoint.identity(), &live.rules);
        let found = next.is_some();
        next.into_iter().for_each(|next| self.publish(live, &before, next));
        Ok(found)
    }

    /// The current endpoints.
    #[must_use]
    pub fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.live().snapshot.load().roster)
    }

    /// What calls take their key from, where their requests state none.
    pub(crate) const fn key_source(&self) -> &KeySource {
        &self.config.key
    }

    /// An endpoint that would be used now; takes no probe's permit.
    ///
    /// # Errors
    /// None is known, or no circuit admits.
    pub fn pick(&self, now: Instant) -> Result<Arc<Member>, Error> {
        let (live, snapshot) = self.snapshot();
        let context = live.context(Attempted::NONE, None, ProbeEligibility::Due, now);
        match self.choose(live, &snapshot, context) {
            Some(picked) => Ok(Arc::clone(picked.member)),
            None => Err(self.none_admits(&snapshot, now).into_error(now)),
        }
    }

    /// Shows `look` the endpoint that would be used now; nobody takes hold of it.
    pub fn peek<R>(&self, now: Instant, look: impl FnOnce(&Member) -> R) -> Option<R> {
        let (live, snapshot) = self.snapshot();
        let context = live.context(Attempted::NONE, None, ProbeEligibility::Due, now);
        self.choose(live, &snapshot, context).map(|picked| look(picked.member))
    }

    /// What one attempt costs without its exchange: pick, permit, settle and statistics, as of a good answer.
    /// False where no endpoint admits.
    pub fn rehearse(&self) -> bool {
        let now = clock::now();
        let Ok(lease) = self.lease(Attempted::NONE, None, ProbeEligibility::Due, now) else {
            return false;
        };
        let end = clock::now();
        let evidence = Evidence::new(Verdict::Success, end.saturating_duration_since(now));
        lease.settle(Some(self), &evidence, &AttemptOutcome::Answered { status: 200 }, end);
        true
    }

    /// An endpoint and the right to send to it once; one not yet tried while there is any.
    pub(crate) fn lease(
        &self,
        attempted: &Attempted,
        key: Option<u64>,
        probing: ProbeEligibility,
        now: Instant,
    ) -> Result<Lease, NoneAdmits> {
        let (live, snapshot) = self.snapshot();
        let context = live.context(attempted, key, probing, now);
        self.note_asked(live, now);
        if !live.lets_through(&snapshot.roster, now) {
            let known = snapshot.roster.len();
            return Err(NoneAdmits { known, retry_at: None, full: false, held_back: true });
        }
        // Another caller may take the last place between the choice and the grab: then choose again.
        for _ in 0..=snapshot.roster.len() {
            let Some(Picked { member, panic }) = self.choose(live, &snapshot, context) else {
                break;
            };
            let claim = Claim { panic, most: self.config.max_in_flight, now, tick: context.tick };
            if let Some(lease) = Lease::claim(member, claim) {
                live.bell.iter().for_each(|bell| bell.note_call(member));
                return Ok(lease);
            }
        }
        let none = self.none_admits(&snapshot, now);
        if !none.full {
            live.note_all_out(now);
        }
        Err(none)
    }

    fn none_admits(&self, snapshot: &PickState, now: Instant) -> NoneAdmits {
        let roster = &snapshot.roster;
        let full = self.config.max_in_flight.is_some()
            && roster.members().any(|member| member.admits(now));
        NoneAdmits { known: roster.len(), retry_at: roster.next_probe(), full, held_back: false }
    }

    fn note_asked(&self, live: &Live, now: Instant) {
        if self.config.health.is_some() {
            live.last_asked.store(live.rules.millis(now), Ordering::Relaxed);
        }
    }

    /// Whether nothing was asked of the service for as long as a check's interval.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        let live = self.live();
        let asked = Duration::from_millis(live.last_asked.load(Ordering::Relaxed));
        let since = Duration::from_millis(live.rules.millis(now)).saturating_sub(asked);
        self.config.health.as_ref().is_some_and(|check| since > check.rule.interval)
    }

    pub(crate) const fn config(&self) -> &BalancerConfig {
        &self.config
    }

    /// Begins the background rounds and probes, if there are any and they have not begun; `transport` carries
    /// them.
    ///
    /// # Errors
    /// No thread could be had.
    pub(crate) fn begin_background(
        self: &Arc<Self>,
        transport: impl FnOnce() -> std::io::Result<Direct>,
    ) -> std::io::Result<()> {
        if !self.config.has_background() && self.config.algorithm.probing().is_none() {
            return Ok(());
        }
        let live = self.live();
        let begin = || self.begin_work(live, Arc::new(transport()?));
        // Where it fails, the next call tries again.
        live.background_begun.get_or_try_init(begin).copied()
    }

    fn begin_work(self: &Arc<Self>, live: &Live, transport: Arc<Direct>) -> std::io::Result<()> {
        if let Some((bell, probing)) = live.bell.as_ref().zip(self.config.algorithm.probing()) {
            probes::begin(self, bell, probing, Arc::clone(&transport))?;
        }
        if self.config.has_background() { background::begin(self, transport) } else { Ok(()) }
    }

    /// Draws the subset anew where so many of it are no longer well, or again.
    pub(crate) fn renew_subset(&self, _now: Instant) {
        if !matches!(self.config.subset, Some(Subset::Rendezvous { .. })) {
            return;
        }
        // An update under way does the same.
        let live = self.live();
        let Some(turn) = live.refresh.try_turn() else { return };
        let mut refresh = turn.value();
        let before = live.snapshot.load();
        let listed = std::mem::take(&mut refresh.listed);
        let hosts = self.used(live, &mut refresh, listed);
        if hosts.len() != before.roster.len() {
            let next = refresh.register.replace(&before.roster, hosts, &live.rules, clock::now());
            self.publish(live, &before, next);
        }
    }

    fn snapshot(&self) -> (&Live, arc_swap::Guard<Arc<PickState>>) {
        let live = self.live();
        (live, live.snapshot.load())
    }

    fn choose<'a>(
        &'a self,
        live: &'a Live,
        snapshot: &'a PickState,
        context: PickContext<'_>,
    ) -> Option<Picked<'a>> {
        let picker =
            Picker { config: &self.config, round_robin: &live.round_robin, snapshot, context };
        entropy::with_rng(|rng| picker.make(rng))
    }

    /// Whether an endpoint that is not in `attempted` admits.
    pub(crate) fn has_unattempted(&self, attempted: &Attempted, now: Instant) -> bool {
        let snapshot = self.live().snapshot.load();
        let PickState { roster, priority_load, .. } = &**snapshot;
        let any_in = |(index, locality): (usize, &Arc<Locality>)| {
            let panic = priority_load.panics(roster, &self.config, index);
            let serves = |member: &Arc<Member>| member.serves(panic, now);
            locality.slots.members().any(|member| !attempted.contains(member) && serves(member))
        };
        roster.well() > attempted.len() || roster.localities.iter().enumerate().any(any_in)
    }

    /// Whether any endpoint admits.
    pub(crate) fn has_any(&self, now: Instant) -> bool {
        self.has_unattempted(Attempted::NONE, now)
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
        let _one_at_a_time = self.live().trip_gate.lock().unwrap_or_else(PoisonError::into_inner);
        let floor = self.config.breaker.min_closed as usize;
        let may_open = self.live().snapshot.load().roster.well() > floor;
        may_open.then(|| member.trip(evidence, now)).flatten()
    }
}

fn is_same(one: &Host, other: &Host) -> bool {
    Endpoint::new(one.clone()).identity() == Endpoint::new(other.clone()).identity()
}

impl NoneAdmits {
    /// What the caller is told.
    pub(crate) fn reason(self, now: Instant) -> String {
        if self.full {
            return "every endpoint has as many attempts in flight as it may".to_owned();
        }
        let probe = match self.retry_at {
            Some(at) => format!(
                "the next probe is due in {} ms",
                at.saturating_duration_since(now).as_millis()
            ),
            None => "none will be probed by itself".to_owned(),
        };
        match self.known {
            _ if self.held_back => "held back while the service recovers from an outage".to_owned(),
            0 => "no endpoint is known".to_owned(),
            1 => format!("the circuit of the one endpoint is open; {probe}"),
            known => format!("all {known} circuits are open; {probe}"),
        }
    }

    fn into_error(self, now: Instant) -> Error {
        Error::new(ErrorKind::NoEndpoints, self.reason(now))
    }
}
