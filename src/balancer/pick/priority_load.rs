//! Which locality a call goes to, worked out from how many endpoints of each are well.
//!
//! Picks only draw. It is worked out anew when a count has changed, by the pick that notices first.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwapOption;
use rand::{Rng, RngExt};

use crate::balancer::roster::{Locality, Roster};
use crate::config::BalancerConfig;
use crate::policy::{PriorityConfig, PriorityLevel, PriorityLevels, Zones};

/// The locality that was drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DrawnLocality {
    pub(crate) locality: usize,
    /// So few are well that all are used.
    pub(crate) panic: bool,
}

/// The shares of a roster's localities.
#[derive(Debug, Default)]
pub(crate) struct PriorityLoad {
    worked_out: ArcSwapOption<Shares>,
}

#[derive(Debug)]
struct Shares {
    /// What it was worked out from: of each locality, how many are well.
    healthy: Vec<u32>,
    /// How many each has, but for those of weight 0.
    total: Vec<u32>,
    levels: PriorityLevels,
    spread: Vec<Spread>,
}

/// How the calls of one priority level go to its zones.
#[derive(Debug)]
struct Spread {
    localities: Range<usize>,
    zones: Option<Zones>,
}

impl PriorityLoad {
    /// Draws a locality of `roster`; the same one for the same key while nothing changes.
    #[inline]
    pub(crate) fn draw(
        &self,
        roster: &Roster,
        config: &BalancerConfig,
        key: Option<u64>,
        rng: &mut impl Rng,
    ) -> DrawnLocality {
        if roster.localities.len() <= 1 && config.panic.is_none() {
            return DrawnLocality::default();
        }
        self.current(roster, config, |shares| shares.draw(key, rng))
    }

    /// Whether the priority level of a locality panics: too few are well, so all serve. So they do where the last ones fail.
    pub(crate) fn panics(
        &self,
        roster: &Roster,
        config: &BalancerConfig,
        locality: usize,
        now: Instant,
    ) -> bool {
        let all_serve = |it: &Arc<Locality>| it.shared.cluster.all_serve(now);
        config.panic.is_some() && self.current(roster, config, |shares| shares.panics(locality))
            || roster.localities.get(locality).is_some_and(all_serve)
    }

    /// Whether no call goes to a locality, since another priority level takes them all.
    pub(crate) fn passes_over(
        &self,
        roster: &Roster,
        config: &BalancerConfig,
        locality: usize,
    ) -> bool {
        roster.localities.len() > 1
            && self.current(roster, config, |shares| shares.passes_over(locality))
    }

    fn current<R>(
        &self,
        roster: &Roster,
        config: &BalancerConfig,
        look: impl FnOnce(&Shares) -> R,
    ) -> R {
        let current = self.worked_out.load();
        match &*current {
            Some(shares) if shares.is_current(roster) => look(shares),
            _ => {
                let shares = Arc::new(Shares::new(roster, config));
                self.worked_out.store(Some(Arc::clone(&shares)));
                look(&shares)
            }
        }
    }
}

impl Shares {
    fn new(roster: &Roster, config: &BalancerConfig) -> Self {
        let healthy: Vec<u32> = roster.localities.iter().map(|locality| well(locality)).collect();
        let total: Vec<u32> =
            roster.localities.iter().map(|locality| taking_part(locality)).collect();
        let ranges = by_priority(&roster.localities);
        let level = |range: &Range<usize>| {
            let healthy = healthy[range.clone()].iter().sum();
            let total: u32 = total[range.clone()].iter().sum();
            // Those that others stand in for are not missing.
            let wanted = config.subset.map_or(total, |subset| subset.size().max(healthy));
            PriorityLevel { healthy, total: total.min(wanted) }
        };
        let levels: Vec<PriorityLevel> = ranges.iter().map(level).collect();
        let rule = PriorityConfig { panic_threshold: config.panic, ..PriorityConfig::default() };
        let spread = |localities: Range<usize>| Spread {
            zones: zones(
                &roster.localities[localities.clone()],
                &healthy[localities.clone()],
                config,
            ),
            localities,
        };
        let spread = ranges.into_iter().map(spread).collect();
        Self { levels: PriorityLevels::new(&levels, rule), spread, healthy, total }
    }

    fn is_current(&self, roster: &Roster) -> bool {
        self.healthy.iter().copied().eq(roster.localities.iter().map(|locality| well(locality)))
    }

    fn panics(&self, locality: usize) -> bool {
        self.level(locality).is_some_and(|level| self.levels.panics(level))
    }

    fn passes_over(&self, locality: usize) -> bool {
        self.level(locality).is_some_and(|level| self.levels.percent(level) == 0)
    }

    fn level(&self, locality: usize) -> Option<usize> {
        self.spread.iter().position(|spread| spread.localities.contains(&locality))
    }

    fn draw(&self, key: Option<u64>, rng: &mut impl Rng) -> DrawnLocality {
        let choice = match key {
            Some(key) => self.levels.choose_for(key),
            None => self.levels.choose(rng),
        };
        let Some(Spread { localities, zones }) = self.spread.get(choice.level) else {
            return DrawnLocality::default();
        };
        let zone = zones.as_ref().and_then(|zones| zones.choose(choice.panic, rng));
        let counts = if choice.panic { &self.total } else { &self.healthy };
        let zone = zone.unwrap_or_else(|| by_count(&counts[localities.clone()], rng));
        DrawnLocality { locality: localities.start + zone, panic: choice.panic }
    }
}

/// Any zone, as likely as it has endpoints.
fn by_count(counts: &[u32], rng: &mut impl Rng) -> usize {
    if counts.len() <= 1 {
        return 0;
    }
    let mut left = rng.random_range(0..counts.iter().sum::<u32>().max(1));
    let passes = |count: &u32| {
        let here = left < *count;
        left = left.saturating_sub(*count);
        here
    };
    counts.iter().position(passes).unwrap_or(0)
}

fn well(locality: &Locality) -> u32 {
    locality.shared.well() as u32
}

/// One that is drained by its weight is not missing.
fn taking_part(locality: &Locality) -> u32 {
    locality.count.saturating_sub(locality.drained) as u32
}

/// The ranges of localities with the same priority.
fn by_priority(localities: &[Arc<Locality>]) -> Vec<Range<usize>> {
    let same =
        |a: &Arc<Locality>, b: &Arc<Locality>| a.locality_key.priority == b.locality_key.priority;
    let mut start = 0;
    let range = |chunk: &[Arc<Locality>]| {
        start += chunk.len();
        start - chunk.len()..start
    };
    localities.chunk_by(same).map(range).collect()
}

fn zones(localities: &[Arc<Locality>], healthy: &[u32], config: &BalancerConfig) -> Option<Zones> {
    let zone = config.zone.as_ref()?;
    let local = localities
        .iter()
        .position(|locality| locality.locality_key.zone.as_ref() == Some(&zone.own))?;
    Zones::new(healthy, None, local, zone.rule)
}
