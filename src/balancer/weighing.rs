//! Which tier a call goes to, worked out from how many endpoints of each are well.
//!
//! Picks only draw. It is worked out anew when a count has changed, by whoever notices first.

use std::ops::Range;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rand::{Rng, RngExt};

use super::roster::{Roster, Tier};
use crate::config::BalancerConfig;
use crate::policy::{Level, Levels, PriorityConfig, Zones};

/// The tier that was drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drawn {
    pub(crate) tier: usize,
    /// So few are well that all are used.
    pub(crate) panic: bool,
}

/// The shares of a roster's tiers.
#[derive(Debug, Default)]
pub(crate) struct Weighing {
    worked_out: ArcSwapOption<Shares>,
}

#[derive(Debug)]
struct Shares {
    /// What it was worked out from: of each tier, how many are well.
    healthy: Vec<u32>,
    /// How many each has, but for those of weight 0.
    total: Vec<u32>,
    levels: Levels,
    spread: Vec<Spread>,
}

/// How one level's calls go to its zones.
#[derive(Debug)]
struct Spread {
    tiers: Range<usize>,
    zones: Option<Zones>,
}

impl Weighing {
    /// Draws a tier of `roster`; the same one for the same key while nothing changes.
    #[inline]
    pub(crate) fn draw(
        &self,
        roster: &Roster,
        config: &BalancerConfig,
        key: Option<u64>,
        rng: &mut impl Rng,
    ) -> Drawn {
        if roster.tiers.len() <= 1 && config.panic.is_none() {
            return Drawn::default();
        }
        self.current(roster, config, |shares| shares.draw(key, rng))
    }

    /// Whether the level of a tier is so ill that it serves with all it has.
    pub(crate) fn panics(&self, roster: &Roster, config: &BalancerConfig, tier: usize) -> bool {
        config.panic.is_some() && self.current(roster, config, |shares| shares.panics(tier))
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
        let healthy: Vec<u32> = roster.tiers.iter().map(|tier| well(tier)).collect();
        let total: Vec<u32> = roster.tiers.iter().map(|tier| taking_part(tier)).collect();
        let ranges = by_priority(&roster.tiers);
        let level = |range: &Range<usize>| Level {
            healthy: healthy[range.clone()].iter().sum(),
            total: total[range.clone()].iter().sum(),
        };
        let levels: Vec<Level> = ranges.iter().map(level).collect();
        let rule = PriorityConfig { panic_threshold: config.panic, ..PriorityConfig::default() };
        let spread = |tiers: Range<usize>| Spread {
            zones: zones(&roster.tiers[tiers.clone()], &healthy[tiers.clone()], config),
            tiers,
        };
        let spread = ranges.into_iter().map(spread).collect();
        Self { levels: Levels::new(&levels, rule), spread, healthy, total }
    }

    fn is_current(&self, roster: &Roster) -> bool {
        self.healthy.iter().copied().eq(roster.tiers.iter().map(|tier| well(tier)))
    }

    fn panics(&self, tier: usize) -> bool {
        let level = self.spread.iter().position(|spread| spread.tiers.contains(&tier));
        level.is_some_and(|level| self.levels.panics(level))
    }

    fn draw(&self, key: Option<u64>, rng: &mut impl Rng) -> Drawn {
        let choice = match key {
            Some(key) => self.levels.choose_for(key),
            None => self.levels.choose(rng),
        };
        let Some(Spread { tiers, zones }) = self.spread.get(choice.level) else {
            return Drawn::default();
        };
        let zone = zones.as_ref().and_then(|zones| zones.choose(choice.panic, rng));
        let counts = if choice.panic { &self.total } else { &self.healthy };
        let zone = zone.unwrap_or_else(|| by_count(&counts[tiers.clone()], rng));
        Drawn { tier: tiers.start + zone, panic: choice.panic }
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

fn well(tier: &Tier) -> u32 {
    tier.level.well() as u32
}

/// One that is drained by its weight is not missing.
fn taking_part(tier: &Tier) -> u32 {
    tier.count.saturating_sub(tier.drained) as u32
}

/// The ranges of tiers with the same priority.
fn by_priority(tiers: &[Arc<Tier>]) -> Vec<Range<usize>> {
    let same = |a: &Arc<Tier>, b: &Arc<Tier>| a.rank.priority == b.rank.priority;
    let mut start = 0;
    let range = |chunk: &[Arc<Tier>]| {
        start += chunk.len();
        start - chunk.len()..start
    };
    tiers.chunk_by(same).map(range).collect()
}

fn zones(tiers: &[Arc<Tier>], healthy: &[u32], config: &BalancerConfig) -> Option<Zones> {
    let zone = config.zone.as_ref()?;
    let local = tiers.iter().position(|tier| tier.rank.zone.as_ref() == Some(&zone.own))?;
    Zones::new(healthy, None, local, zone.rule)
}
