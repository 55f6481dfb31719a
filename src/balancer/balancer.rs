//! A balancer: a provider's endpoints with their circuits, and the rule that picks among them.
//!
//! It owns the live endpoints, so clients that share it share the circuits. Picks read one immutable roster
//! and never wait for an update.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::cluster_state::Mode;
use super::lease::{Lease, LeaseRequest};
use super::live::Live;
use super::member::Member;
use super::observe::observers::Observers;
use super::outage::Outage;
use super::outliers;
use super::pick::attempted::Attempted;
use super::pick::constraints::PickConstraints;
use super::pick::error::PickError;
use super::pick::pick_state::PickState;
use super::pick::picker::{PickContext, Picked, Picker};
use super::prequal::probe_bell::ProbeBell;
use super::roster::{Locality, Roster};
use crate::config::{Algorithm, BalancerConfig, KeySource};
use crate::discovery::{Callbacks, CustomProvider, Supply};
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Observer};
use crate::policy::{CircuitState, FAILURE_REMEMBERED, MOST_ASKED, OverduePolicy};
use crate::runtime::entropy;
use crate::runtime::host::caller_jobs;
use crate::runtime::process::PerProcess;

/// Endpoints, circuits and the rule that picks.
pub struct Balancer {
    pub(super) supply: Supply,
    pub(super) config: BalancerConfig,
    /// One reference for each that holds the balancer.
    pub(super) holders: UsageToken,
    pub(super) observers: Arc<Observers>,
    /// Those that the balancer keeps alive itself.
    pub(super) own_observers: Vec<Arc<dyn Observer>>,
    /// A forked child starts anew: its circuits are closed and its locks free.
    pub(super) live: PerProcess<Live>,
}

/// One reference that a client, a builder or a handle has for as long as it may use its balancer.
pub type UsageToken = Arc<()>;

/// How many endpoints an error explains at most: a message is read by people.
pub(crate) const EXPLAINED: usize = 10;

impl std::fmt::Debug for Balancer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Balancer").field("live", &self.live).finish_non_exhaustive()
    }
}

impl Balancer {
    /// A balancer that has not asked its provider yet.
    #[must_use]
    pub fn new(supply: impl Into<Supply>, config: BalancerConfig) -> Self {
        Self::observed(supply.into(), config, Vec::new())
    }

    /// The same, which tells these observers while it lives.
    #[must_use]
    pub fn observed(supply: Supply, config: BalancerConfig, own: Vec<Arc<dyn Observer>>) -> Self {
        if let Supply::Custom(CustomProvider { callbacks: Callbacks::Caller, .. }) = &supply {
            caller_jobs::enable();
        }
        let observers = Arc::<Observers>::default();
        own.iter().for_each(|observer| observers.add(&Arc::downgrade(observer)));
        Self {
            supply,
            config,
            holders: UsageToken::default(),
            observers,
            own_observers: own,
            live: PerProcess::new(),
        }
    }

    pub(super) fn live(&self) -> &Live {
        self.live.get_or(|| Live::new(&self.config, Arc::clone(&self.observers)))
    }

    /// The current endpoints.
    #[must_use]
    pub fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.live().pick_state.load().roster)
    }

    /// To be kept by what may use the balancer.
    pub(crate) fn usage_token(&self) -> UsageToken {
        Arc::clone(&self.holders)
    }

    /// How many may use it.
    pub(crate) fn holder_count(&self) -> usize {
        Arc::strong_count(&self.holders) - 1
    }

    /// Where its endpoints come from.
    pub(crate) const fn supply(&self) -> &Supply {
        &self.supply
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
        let picked = self.peek(now, Arc::clone);
        picked.ok_or_else(|| {
            let snapshot = self.live().pick_state.load();
            let retry_at = snapshot.roster.retry_at();
            let none = PickError { retry_at, ..self.pick_error(&snapshot, now) };
            let error = Error::new(ErrorKind::NoEndpoints, self.reason(none, now));
            error.followed_by(&self.explain(EXPLAINED))
        })
    }

    /// What the caller is told of `none`: where no endpoint is known, with what the provider says of it.
    pub(crate) fn reason(&self, none: PickError, now: Instant) -> String {
        let reason = none.reason(now);
        match (none.known == 0).then(|| self.list_problem()).flatten() {
            Some(problem) => format!("{reason}; provider: {problem}"),
            None => reason,
        }
    }

    /// Shows `look` the endpoint that would be used now; no reference is kept.
    pub fn peek<R>(&self, now: Instant, look: impl FnOnce(&Arc<Member>) -> R) -> Option<R> {
        let live = self.live();
        let snapshot = live.pick_state.load();
        let context = live.context(Attempted::NONE, None, PickConstraints::ANY, now);
        match self.choose(live, &snapshot, &context) {
            Some(picked) => Some(look(picked.member)),
            // All that it held may have left meanwhile.
            None if !Arc::ptr_eq(&snapshot, &live.pick_state.load()) => self.peek(now, look),
            None => None,
        }
    }

    /// An endpoint and the right to send to it once; one not yet tried while there is any.
    pub fn lease(
        &self,
        attempted: &Attempted,
        key: Option<u64>,
        constraints: PickConstraints,
        now: Instant,
    ) -> Result<Lease, PickError> {
        let live = self.live();
        // Before the endpoints: an update that ends between the two is then taken for a new one, not for a known one.
        let updates_seen = live.list.updates_done();
        let snapshot = live.pick_state.load();
        let context = live.context(attempted, key, constraints, now);
        self.note_asked(live, now);
        live.rules.cluster.note_call();
        let goes = live.lets_through(&snapshot.roster, now);
        // Another caller may take the last place, or the risk of an endpoint that hangs, between the choice and the
        // grab: then choose again.
        for _ in 0..snapshot.roster.len() + 1 {
            let picked = match goes {
                true => self.choose(live, &snapshot, &context),
                false => self.picker(live, &snapshot, &context).choose_due(),
            };
            let Some(Picked { member, panic, passes_over }) = picked else {
                break;
            };
            if passes_over && !member.hot().claim_risk(member.slot(), now) {
                continue;
            }
            if panic || live.rules.cluster.is_in_any() {
                self.note_modes(live, &snapshot, panic, now);
            }
            let request =
                LeaseRequest { panic, most: self.config.max_in_flight, now, tick: context.tick };
            if let Some(lease) = Lease::acquire(member, request) {
                live.bell.iter().for_each(|bell| bell.note_call(member));
                return Ok(lease);
            }
        }
        self.lease_after_all(&snapshot, &context, goes, updates_seen)
    }

    /// No endpoint could be had of `snapshot`. Apart, so that calls that get one do not carry it.
    #[cold]
    #[inline(never)]
    fn lease_after_all(
        &self,
        snapshot: &Arc<PickState>,
        context: &PickContext<'_>,
        goes: bool,
        updates_seen: u64,
    ) -> Result<Lease, PickError> {
        let (live, now, constraints) = (self.live(), context.now, context.constraints);
        if snapshot.roster.well() == 0 && live.rules.cluster.spare() > 0 {
            self.renew_subset();
        }
        // All that it held may have left meanwhile, or others may stand in.
        if !Arc::ptr_eq(snapshot, &live.pick_state.load()) {
            return self.lease(context.attempted, context.key, constraints, now);
        }
        if self.config.ejection.is_some()
            && !snapshot.roster.members().any(|member| member.admits(now))
            && outliers::bring_back(&snapshot.roster, now)
        {
            return self.lease(context.attempted, context.key, constraints, now);
        }
        if !goes {
            self.tell_mode(live, Mode::Holding, true);
            let none = PickError { held_back: true, ..PickError::of(&snapshot.roster) };
            return Err(PickError { updates_seen, ..none });
        }
        let none = PickError { updates_seen, ..self.pick_error(snapshot, now) };
        // An attempt that is sent beside another asks for more than that an endpoint admits.
        if none.some_admit || constraints.overdue == OverduePolicy::Avoid {
            return Err(PickError { retry_at: snapshot.roster.retry_at(), ..none });
        }
        live.note_all_out(now);
        let retry_at = self.next_probe_in_outage(&snapshot.roster, now);
        Err(PickError { retry_at, ..none })
    }

    /// Tells where an attempt that goes out shows that a mode begins or ends.
    #[cold]
    fn note_modes(&self, live: &Live, snapshot: &PickState, panic: bool, now: Instant) {
        let cluster = &live.rules.cluster;
        if panic {
            self.tell_mode(live, Mode::Panic, true);
        } else if cluster.is_in(Mode::Panic) && !self.any_panics(snapshot, now) {
            self.tell_mode(live, Mode::Panic, false);
        }
        if cluster.is_in(Mode::Holding) && !live.is_recovering() {
            self.tell_mode(live, Mode::Holding, false);
        }
    }

    fn any_panics(&self, snapshot: &PickState, now: Instant) -> bool {
        let PickState { roster, priority_load, .. } = snapshot;
        (0..roster.localities.len()).any(|it| priority_load.panics(roster, &self.config, it, now))
    }

    fn tell_mode(&self, live: &Live, mode: Mode, on: bool) {
        if live.note_mode(mode, on) {
            self.observers.emit(match (mode, on) {
                (Mode::Panic, true) => &Event::PanicEntered,
                (Mode::Panic, false) => &Event::PanicLeft,
                (Mode::Holding, true) => &Event::HoldingBack,
                (Mode::Holding, false) => &Event::HoldingEnded,
                (Mode::SourceFails | Mode::SnapshotFails, _) => return,
            });
        }
    }

    /// The circuits are counted first: an endpoint that comes back meanwhile then counts as one that admits.
    fn pick_error(&self, snapshot: &PickState, now: Instant) -> PickError {
        let roster = &snapshot.roster;
        let circuits = roster.members().filter(|it| it.state() != CircuitState::Closed).count();
        let some_admit = roster.members().any(|member| member.admits(now));
        let full = some_admit && self.config.max_in_flight.is_some();
        PickError { circuits, some_admit, full, ..PickError::of(roster) }
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

    /// Since when none of its endpoints takes calls, and the calls that wait for the end of that.
    pub(crate) fn outage(&self) -> Arc<Outage> {
        Arc::clone(&self.live().rules.cluster.outage)
    }

    pub(crate) const fn config(&self) -> &BalancerConfig {
        &self.config
    }

    /// Whether another balancer took over from it.
    pub(crate) fn is_retired(&self) -> bool {
        self.live().retired.load(Ordering::Relaxed)
    }

    /// Runs `begin` once in each process; where it fails, the next caller tries again.
    pub(crate) fn begin_once(
        &self,
        begin: impl FnOnce() -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        self.live().background_begun.get_or_try_init(begin).copied()
    }

    /// Rung where calls want probes; none where the algorithm sends none.
    pub(crate) fn bell(&self) -> Option<&ProbeBell> {
        self.live().bell.as_ref()
    }

    /// Tells `observer` of the endpoints from now on.
    pub(crate) fn observe(&self, observer: &Weak<dyn Observer>) {
        self.observers.add(observer);
    }

    fn choose<'a>(
        &'a self,
        live: &'a Live,
        snapshot: &'a PickState,
        context: &PickContext<'_>,
    ) -> Option<Picked<'a>> {
        let picker = self.picker(live, snapshot, context);
        entropy::with_rng(|rng| picker.make(rng))
    }

    fn picker<'a, 'w>(
        &'a self,
        live: &'a Live,
        snapshot: &'a PickState,
        context: &'w PickContext<'w>,
    ) -> Picker<'a, 'w> {
        Picker { config: &self.config, round_robin: &live.round_robin, snapshot, context }
    }

    /// Whether more endpoints are well than a call has `tried`.
    pub(crate) fn stands_by(&self, tried: usize) -> bool {
        self.live().pick_state.load().roster.well() > tried
    }

    /// Whether an endpoint that is not in `attempted` admits.
    pub(crate) fn has_unattempted(&self, attempted: &Attempted, now: Instant) -> bool {
        self.stands_by(attempted.len())
            || self.any_serves(now, |member| !attempted.contains(member))
    }

    /// Whether there are endpoints that are well, and none of them has failed lately. Said of short lists only, as each
    /// endpoint is asked.
    pub(crate) fn well_ones_answer(&self, now: Instant) -> bool {
        let snapshot = self.live().pick_state.load();
        let roster = &snapshot.roster;
        let members = roster.localities.iter().flat_map(|locality| locality.slots.members());
        let mut well = members.filter(|member| member.hot().is_rotating(member.slot()));
        roster.len() <= MOST_ASKED
            && roster.well() > 0
            && !well.any(|member| member.has_failed_within(FAILURE_REMEMBERED, now))
    }

    /// Whether an endpoint that is not in `attempted` admits, and owes no answer beyond its limit.
    pub(crate) fn has_elsewhere(&self, attempted: &Attempted, now: Instant) -> bool {
        let is_late = |member: &Member| member.hot().is_late(member.slot());
        self.any_serves(now, |member| !attempted.contains(member) && !is_late(member))
    }

    fn any_serves(&self, now: Instant, is_wanted: impl Fn(&Arc<Member>) -> bool) -> bool {
        let snapshot = self.live().pick_state.load();
        let PickState { roster, priority_load, .. } = &**snapshot;
        let any_in = |(index, locality): (usize, &Arc<Locality>)| {
            let panic = priority_load.panics(roster, &self.config, index, now);
            let serves = |member: &Arc<Member>| member.serves(panic, now);
            locality.slots.members().any(|member| is_wanted(member) && serves(member))
        };
        roster.localities.iter().enumerate().any(any_in)
    }

    /// Whether a pick ends with an endpoint wherever one admits: a function of the host may name none.
    pub(crate) const fn picks_what_admits(&self) -> bool {
        !matches!(self.config.algorithm, Algorithm::Custom(_) | Algorithm::RandomBy(_))
    }

    /// Whether any endpoint admits.
    pub(crate) fn has_any(&self, now: Instant) -> bool {
        self.has_unattempted(Attempted::NONE, now)
    }
}
