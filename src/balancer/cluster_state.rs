//! What all endpoints of a balancer share: how many are known, well and ejected, and the rules that need those
//! counts to judge one endpoint. Settling an attempt needs no more of the balancer than this.

use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderName;

use super::observe::observers::Observers;
use super::observe::series_limit::SeriesLimit;
use super::outage::Outage;
use crate::config::BalancerConfig;
use crate::event::{EjectedBy, EndpointChange, OpenedBy};
use crate::policy::{ClusterCounts, EjectionConfig, may_pass_over};
use crate::runtime::clock;
use crate::statistics::{ClusterCells, ClusterCounter};

/// Shared by the localities of one balancer in one process.
#[derive(Debug)]
pub(crate) struct ClusterState {
    /// The rule on outliers.
    pub(crate) ejection: Option<EjectionConfig>,
    /// In which answers tell their endpoint's load.
    pub(crate) load_header: Option<HeaderName>,
    /// Told of every change.
    pub(crate) observers: Arc<Observers>,
    /// What is counted of all endpoints together.
    pub(crate) cells: Arc<ClusterCells>,
    /// Which endpoints are shown one by one.
    pub(crate) series_limit: Arc<SeriesLimit>,
    /// Whether none of them takes calls.
    pub(crate) outage: Arc<Outage>,
    /// Whether endpoints are checked.
    pub(crate) checks: bool,
    /// A bit for each [`Mode`]. Shared with the rules before: calls under way still go by those, and a change is told once.
    modes: Arc<AtomicU8>,
    /// Answers open no circuit where no more than this number are well.
    min_closed: usize,
    known: AtomicUsize,
    /// How many more are listed, which stand in where those that are used fail.
    spare: AtomicUsize,
    well: AtomicUsize,
    ejected: AtomicUsize,
    overdue: AtomicUsize,
    /// Attempts that were made while not all were well.
    in_trouble: AtomicU64,
    /// Until when all endpoints serve, as the last ones fail too: in milliseconds after `began`, or none by 0.
    /// Shared with the rules before.
    all_serve_until: Arc<AtomicU64>,
    /// How long that goes on after an answer has failed last: each circuit that answers have opened is probed meanwhile.
    all_serve_for: Duration,
    began: Instant,
    /// Held while deciding whether one more circuit may open, so that two cannot both be the last but one.
    trip_gate: Mutex<()>,
}

/// What a balancer may be in, and tells when it enters or leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Too few endpoints of a priority are well.
    Panic = 0,
    /// Calls are held back after an outage.
    Holding = 1,
    /// The provider fails.
    SourceFails = 2,
    /// The provider's list cannot be kept for the next start.
    SnapshotFails = 3,
}

impl ClusterState {
    pub(crate) fn new(config: &BalancerConfig, observers: Arc<Observers>) -> Arc<Self> {
        let series_limit = Arc::new(SeriesLimit::new(config.metrics_endpoints));
        Arc::new(Self::counting(
            config,
            observers,
            (Arc::default(), series_limit, Arc::new(Outage::new(clock::now()))),
        ))
    }

    /// By other rules; what is counted goes on.
    pub(crate) fn succeeding(
        before: &Self,
        config: &BalancerConfig,
        observers: Arc<Observers>,
    ) -> Arc<Self> {
        before.series_limit.set_most(config.metrics_endpoints);
        let outage = Arc::clone(&before.outage);
        let goes_on = (Arc::clone(&before.cells), Arc::clone(&before.series_limit), outage);
        // What has begun ends by the new rules, and is told then.
        let modes = Arc::clone(&before.modes);
        let all_serve_until = Arc::clone(&before.all_serve_until);
        let counting = Self::counting(config, observers, goes_on);
        Arc::new(Self { modes, all_serve_until, began: before.began, ..counting })
    }

    fn counting(
        config: &BalancerConfig,
        observers: Arc<Observers>,
        (cells, series_limit, outage): (Arc<ClusterCells>, Arc<SeriesLimit>, Arc<Outage>),
    ) -> Self {
        let open_max = config.breaker.open_max;
        Self {
            ejection: config.ejection,
            load_header: config.load_header.clone(),
            observers,
            cells,
            series_limit,
            outage,
            checks: config.health.is_some(),
            modes: Arc::default(),
            min_closed: config.breaker.min_closed as usize,
            known: AtomicUsize::new(0),
            spare: AtomicUsize::new(0),
            well: AtomicUsize::new(0),
            ejected: AtomicUsize::new(0),
            overdue: AtomicUsize::new(0),
            in_trouble: AtomicU64::new(0),
            all_serve_until: Arc::default(),
            all_serve_for: open_max.saturating_add(open_max / 4).min(ALL_SERVE_MOST),
            began: clock::now(),
            trip_gate: Mutex::default(),
        }
    }

    /// Tells what became of the endpoint at `url`.
    pub(crate) fn tell(&self, url: &str, change: EndpointChange) {
        if let EndpointChange::Ejected { by, .. } = change {
            self.cells.count(ejected(by));
        }
        self.observers.endpoint(url, change);
    }

    /// A circuit has opened. Counted whether it is told or not.
    pub(crate) fn count_opened(&self, by: OpenedBy) {
        self.cells.count(opened(by));
    }

    /// Notes whether a priority panics, or calls are held back; true where that is news.
    pub(crate) fn note_mode(&self, mode: Mode, on: bool) -> bool {
        let bit = 1 << mode as u8;
        let was_on = |modes: u8| modes & bit != 0;
        let switch = || match on {
            true => self.modes.fetch_or(bit, Ordering::Relaxed),
            false => self.modes.fetch_and(!bit, Ordering::Relaxed),
        };
        was_on(self.modes.load(Ordering::Relaxed)) != on && was_on(switch()) != on
    }

    /// Whether any mode is on: one look for each pick.
    pub(crate) fn is_in_any(&self) -> bool {
        self.modes.load(Ordering::Relaxed) != 0
    }

    /// Whether it does, or they are.
    pub(crate) fn is_in(&self, mode: Mode) -> bool {
        self.modes.load(Ordering::Relaxed) & (1 << mode as u8) != 0
    }

    /// How many endpoints the balancer uses.
    pub(crate) fn set_known(&self, known: usize) {
        self.known.store(known, Ordering::Relaxed);
    }

    pub(crate) fn set_spare(&self, spare: usize) {
        self.spare.store(spare, Ordering::Relaxed);
    }

    /// How many more are listed that may stand in for those.
    pub(crate) fn spare(&self) -> usize {
        self.spare.load(Ordering::Relaxed)
    }

    /// One more or one less is well.
    pub(crate) fn note_well(&self, is_well: bool) {
        note(&self.well, is_well);
        if is_well {
            self.outage.end();
        }
    }

    /// One more or one less is ejected.
    pub(crate) fn note_ejected(&self, is_ejected: bool) {
        note(&self.ejected, is_ejected);
    }

    /// One more or one less owes an answer for longer than usual.
    pub(crate) fn note_overdue(&self, is_overdue: bool) {
        note(&self.overdue, is_overdue);
    }

    /// How many endpoints owe an answer for longer than usual.
    pub(crate) fn overdue(&self) -> usize {
        self.overdue.load(Ordering::Relaxed)
    }

    /// How many there are to eject from, and how many are out already.
    pub(crate) fn counts(&self) -> ClusterCounts {
        let load = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        ClusterCounts { total: load(&self.known), out: load(&self.ejected) }
    }

    /// An attempt is made. Counted only while an endpoint is not well, as nothing is probed before.
    #[inline]
    pub(crate) fn note_call(&self) {
        if self.well.load(Ordering::Relaxed) < self.known.load(Ordering::Relaxed) {
            self.in_trouble.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many endpoints the balancer uses.
    pub(crate) fn known(&self) -> usize {
        self.known.load(Ordering::Relaxed)
    }

    /// Whether some owe an answer for longer than usual, and so few that they may be passed over.
    pub(crate) fn few_are_overdue(&self) -> bool {
        may_pass_over(self.overdue(), self.known())
    }

    /// Whether at least half of its endpoints are well.
    pub(crate) fn most_are_well(&self) -> bool {
        self.well.load(Ordering::Relaxed) * 2 >= self.known()
    }

    /// How many attempts were made while not all were well.
    pub(crate) fn calls_in_trouble(&self) -> u64 {
        self.in_trouble.load(Ordering::Relaxed)
    }

    /// Opens one more circuit by `trip`, unless too few would stay closed; those that may stand in count. Where it does not,
    /// all endpoints serve for a while: the last ones are no better than the others, and have no room for all calls.
    pub(crate) fn trip_unless_last<T>(
        &self,
        now: Instant,
        trip: impl FnOnce() -> Option<T>,
    ) -> Option<T> {
        let _one_at_a_time = self.trip_gate.lock().unwrap_or_else(PoisonError::into_inner);
        let left = self.well.load(Ordering::Relaxed) + self.spare();
        if left > self.min_closed {
            return trip();
        }
        self.all_serve_until.store(self.millis(now + self.all_serve_for), Ordering::Relaxed);
        None
    }

    /// Whether all endpoints serve whose answers alone speak against them, until half are well.
    pub(crate) fn all_serve(&self, now: Instant) -> bool {
        let until = self.all_serve_until.load(Ordering::Relaxed);
        until != 0 && self.millis(now) < until && !self.most_are_well()
    }

    fn millis(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.began).as_millis() as u64
    }
}

/// Circuits may rest for hours by a setting; calls are not to be spread over what fails for so long.
const ALL_SERVE_MOST: Duration = Duration::from_secs(10);

fn note(count: &AtomicUsize, more: bool) {
    match more {
        true => count.fetch_add(1, Ordering::Relaxed),
        false => count.fetch_sub(1, Ordering::Relaxed),
    };
}

const fn opened(by: OpenedBy) -> ClusterCounter {
    match by {
        OpenedBy::Unreachable => ClusterCounter::OpenedUnreachable,
        OpenedBy::Answers => ClusterCounter::OpenedByAnswers,
        OpenedBy::Hang => ClusterCounter::OpenedByHang,
        OpenedBy::Probe => ClusterCounter::OpenedByProbe,
        OpenedBy::Hand => ClusterCounter::OpenedByHand,
    }
}

const fn ejected(by: EjectedBy) -> ClusterCounter {
    match by {
        EjectedBy::SuccessRate => ClusterCounter::EjectedByRate,
        EjectedBy::FailureShare => ClusterCounter::EjectedByFailures,
        EjectedBy::Run => ClusterCounter::EjectedByRun,
    }
}
