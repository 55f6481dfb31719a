//! What the endpoints of one locality have in common: the rules of their circuits, and how many of them are well.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Instant;

use super::cluster_state::ClusterState;
use super::observe::observers::Observers;
use super::prequal::probe_pool::ProbePool;
use crate::config::BalancerConfig;
use crate::policy::{BreakerConfig, LoadModel, PrequalConfig, Tick};

/// What a locality's members share; lives as long as any of them.
#[derive(Debug)]
pub(crate) struct LocalityState {
    /// What all endpoints of the balancer share.
    pub(crate) cluster: Arc<ClusterState>,
    /// The rules of the members' circuits.
    pub(crate) breaker: Arc<BreakerConfig>,
    /// What the members' load is made of; `None` where no rule looks at it.
    pub(crate) load: Option<LoadModel>,
    /// Whether a member that joins or comes back gets its full share only in time.
    pub(crate) warms_up: bool,
    /// Whether a rule follows each member beyond its circuit and its load.
    pub(crate) keeps_stats: bool,
    /// Whether members tell their load.
    pub(crate) reports: bool,
    /// What members answered to probes; `None` where none are sent.
    pub(crate) pool: Option<ProbePool>,
    /// Whether the attempts in flight to all members are counted together.
    counts_all: bool,
    /// What ticks count from.
    origin: Instant,
    well: AtomicUsize,
    overdue: AtomicUsize,
    in_flight: AtomicU32,
}

/// What all localities of a balancer are made by.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) cluster: Arc<ClusterState>,
    pub(crate) breaker: Arc<BreakerConfig>,
    pub(crate) load: Option<LoadModel>,
    pub(crate) by_zone: bool,
    pub(crate) warms_up: bool,
    pub(crate) keeps_stats: bool,
    pub(crate) reports: bool,
    pub(crate) prequal: Option<PrequalConfig>,
    pub(crate) counts_all: bool,
    pub(crate) origin: Instant,
}

impl Rules {
    pub(crate) fn new(config: &BalancerConfig, observers: Arc<Observers>, origin: Instant) -> Self {
        Self::of(config, ClusterState::new(config, observers), origin)
    }

    /// The rules of a balancer that takes over: what is counted, and how time is, go on.
    pub(crate) fn succeeding(
        before: &Self,
        config: &BalancerConfig,
        observers: Arc<Observers>,
    ) -> Self {
        let cluster = ClusterState::succeeding(&before.cluster, config, observers);
        Self::of(config, cluster, before.origin)
    }

    fn of(config: &BalancerConfig, cluster: Arc<ClusterState>, origin: Instant) -> Self {
        Self {
            cluster,
            breaker: Arc::new(config.breaker),
            load: config.load_model(),
            by_zone: config.by_zone(),
            warms_up: config.slow_start.is_some(),
            keeps_stats: config.keeps_stats(),
            reports: config.load_header.is_some(),
            prequal: config.algorithm.probing().map(|probing| probing.rule),
            counts_all: config.algorithm.is_bounded(),
            origin,
        }
    }

    /// An instant, as loads count time; none has passed where no loads are kept.
    pub(crate) fn tick(&self, now: Instant) -> Tick {
        match self.load {
            Some(_) => Tick::after_origin(now.saturating_duration_since(self.origin)),
            None => Tick::default(),
        }
    }

    /// An instant in whole milliseconds.
    pub(crate) fn millis(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.origin).as_millis() as u64
    }
}

impl LocalityState {
    pub(crate) fn new(rules: &Rules) -> Arc<Self> {
        Arc::new(Self {
            cluster: Arc::clone(&rules.cluster),
            breaker: Arc::clone(&rules.breaker),
            load: rules.load,
            warms_up: rules.warms_up,
            keeps_stats: rules.keeps_stats,
            reports: rules.reports,
            pool: rules.prequal.map(ProbePool::new),
            counts_all: rules.counts_all,
            origin: rules.origin,
            well: AtomicUsize::new(0),
            overdue: AtomicUsize::new(0),
            in_flight: AtomicU32::new(0),
        })
    }

    /// An instant, as loads count time.
    pub(crate) fn tick(&self, now: Instant) -> Tick {
        Tick::after_origin(now.saturating_duration_since(self.origin))
    }

    /// An instant in whole milliseconds, as tracks count time.
    pub(crate) fn millis(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.origin).as_millis() as u64
    }

    /// How many members are well: circuit closed, and out for no other reason. Those that warm up count.
    pub(crate) fn well(&self) -> usize {
        self.well.load(Ordering::Relaxed)
    }

    pub(crate) fn got_well(&self) {
        self.well.fetch_add(1, Ordering::Relaxed);
        self.cluster.note_well(true);
    }

    pub(crate) fn fell_ill(&self) {
        self.well.fetch_sub(1, Ordering::Relaxed);
        self.cluster.note_well(false);
    }

    /// How many members owe an answer for longer than usual.
    pub(crate) fn overdue(&self) -> usize {
        self.overdue.load(Ordering::Relaxed)
    }

    /// One more or one less is overdue.
    pub(crate) fn note_overdue(&self, is_overdue: bool) {
        match is_overdue {
            true => self.overdue.fetch_add(1, Ordering::Relaxed),
            false => self.overdue.fetch_sub(1, Ordering::Relaxed),
        };
        self.cluster.note_overdue(is_overdue);
    }

    /// How many attempts are in flight to all members; 0 where they are not counted.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn started(&self) {
        if self.counts_all {
            self.in_flight.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn finished(&self) {
        if self.counts_all {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
