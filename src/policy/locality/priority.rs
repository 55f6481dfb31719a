//! Which priority level serves, and when a level stops trusting its health.
//!
//! Endpoints of level 0 serve while they can; the levels after it are reserves. The rule is
//! Envoy's: load moves over in parts as a level loses endpoints, and only once it lost more than a
//! few. gRPC's rule, which gives up a level as a whole after a timer, was not taken: all load then
//! falls at once on a reserve whose caches are cold.
//!
//! Panic is the other half. Where all levels together are too ill to carry the load, to spare the
//! ill ones is to crush the rest; and what looks ill may be the client's own network. A level in
//! panic serves with all its endpoints. It is off unless a threshold is set: where every circuit is
//! open, a caller is better served by a short wait for a probe, and then by an error at once.

use rand::{Rng, RngExt};

use crate::policy::circuit::window::Ratio;

/// How levels share the load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PriorityConfig {
    /// What a level is taken to carry, in percent of its healthy share; default 140. So a level
    /// with 72 of 100 endpoints well carries all, and a rolling restart does not wake the reserve.
    pub overprovisioning: u32,
    /// The healthy share below which a level panics; default none, it never does. Half is usual.
    pub panic_threshold: Option<Ratio>,
}

impl Default for PriorityConfig {
    fn default() -> Self {
        Self { overprovisioning: 140, panic_threshold: None }
    }
}

/// A level's endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PriorityLevel {
    /// Those in rotation.
    pub healthy: u32,
    /// All of them.
    pub total: u32,
}

impl PriorityLevel {
    /// What it can carry, in percent of the whole load.
    fn capacity(self, config: PriorityConfig) -> u32 {
        let healthy = u64::from(self.healthy.min(self.total));
        let scaled = healthy.saturating_mul(config.overprovisioning.into());
        scaled.checked_div(self.total.into()).unwrap_or(0).min(WHOLE.into()) as u32
    }

    fn panics(self, config: PriorityConfig) -> bool {
        config.panic_threshold.is_some_and(|threshold| {
            f64::from(self.healthy) < threshold.value() * f64::from(self.total)
        })
    }
}

/// The load of each level, worked out once for each change of health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriorityLevels {
    shares: Box<[Share]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share {
    percent: u32,
    panic: bool,
}

/// The level for one pick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriorityChoice {
    /// Its position in the list of levels.
    pub level: usize,
    /// Whether all of its endpoints serve, the ill ones too.
    pub panic: bool,
}

impl PriorityLevels {
    /// Shares the load among `levels`, the most wanted first.
    #[must_use]
    pub fn new(levels: &[PriorityLevel], config: PriorityConfig) -> Self {
        let capacities: Vec<_> = levels.iter().map(|level| level.capacity(config)).collect();
        // Where the levels together carry all, a single one may be as ill as it likes.
        let carried = capacities.iter().fold(0, |sum: u32, &each| sum.saturating_add(each));
        let carried = carried.min(WHOLE);
        // Where nobody is well, the first that has endpoints at all takes the load.
        let last_resort = levels.iter().position(|level| level.total > 0).unwrap_or(0);
        let percents = shared(&capacities, carried, last_resort);
        let share = |(level, percent): (&PriorityLevel, u32)| Share {
            percent,
            panic: carried < WHOLE && level.panics(config),
        };
        Self { shares: levels.iter().zip(percents).map(share).collect() }
    }

    /// A level, with a chance in proportion to its load. Without any level it is the first one,
    /// which then has no endpoint either.
    pub fn choose(&self, rng: &mut impl Rng) -> PriorityChoice {
        self.at(|| rng.random_range(0..WHOLE))
    }

    /// The level for a key's hash: the same one while the loads stay the same.
    #[must_use]
    pub fn choose_for(&self, hash: u64) -> PriorityChoice {
        self.at(|| (hash % u64::from(WHOLE)) as u32)
    }

    /// The load of a level in percent, for statistics; 0 if there is no such level.
    #[must_use]
    pub fn percent(&self, level: usize) -> u32 {
        self.shares.get(level).map_or(0, |share| share.percent)
    }

    /// Whether all endpoints of a level serve, the ill ones too; false if there is no such level.
    #[must_use]
    pub fn panics(&self, level: usize) -> bool {
        self.shares.get(level).is_some_and(|share| share.panic)
    }

    /// The level at a percentage that is only drawn if there is a choice.
    fn at(&self, drawn: impl FnOnce() -> u32) -> PriorityChoice {
        let whole = self.shares.iter().position(|share| share.percent == WHOLE);
        let level = whole.unwrap_or_else(|| self.level_at(drawn()));
        PriorityChoice { level, panic: self.panics(level) }
    }

    fn level_at(&self, drawn: u32) -> usize {
        let mut sum = 0;
        let reaches = |share: &Share| {
            sum += share.percent;
            drawn < sum
        };
        self.shares.iter().position(reaches).unwrap_or(0)
    }
}

/// Percentages that add up to 100, given what each level can carry.
fn shared(capacities: &[u32], carried: u32, last_resort: usize) -> Vec<u32> {
    let mut rest = WHOLE;
    let mut take = |&capacity: &u32| {
        // If nobody carries anything, nobody takes anything here.
        let share = (capacity * WHOLE).checked_div(carried).unwrap_or(0).min(rest);
        rest -= share;
        share
    };
    let mut percents: Vec<_> = capacities.iter().map(&mut take).collect();
    // What rounding left over goes to the first level that carries anything.
    let first = capacities.iter().position(|&capacity| capacity > 0).unwrap_or(last_resort);
    if let Some(percent) = percents.get_mut(first) {
        *percent += rest;
    }
    percents
}

/// All of the load. Percents, and not finer, as in Envoy: a level's load is then easy to tell.
const WHOLE: u32 = 100;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::test_inputs::rng;

    fn levels(levels: &[(u32, u32)], panic_threshold: Option<Ratio>) -> PriorityLevels {
        let level = |&(healthy, total)| PriorityLevel { healthy, total };
        let config = PriorityConfig { panic_threshold, ..PriorityConfig::default() };
        PriorityLevels::new(&levels.iter().map(level).collect::<Vec<_>>(), config)
    }

    fn percents(pairs: &[(u32, u32)]) -> Vec<u32> {
        levels(pairs, None).shares.iter().map(|share| share.percent).collect()
    }

    fn panics(pairs: &[(u32, u32)]) -> Vec<bool> {
        levels(pairs, Some(Ratio::HALF)).shares.iter().map(|share| share.panic).collect()
    }

    #[test]
    fn the_first_level_serves_alone_until_it_lost_more_than_a_few() {
        assert_eq!(percents(&[(10, 10), (10, 10)]), [100, 0]);
        assert_eq!(percents(&[(72, 100), (10, 10)]), [100, 0]);
        assert_eq!(percents(&[(71, 100), (10, 10)]), [99, 1]);
    }

    #[test]
    fn load_moves_over_in_parts() {
        assert_eq!(percents(&[(1, 2), (1, 2)]), [70, 30]);
        assert_eq!(percents(&[(1, 4), (2, 2)]), [35, 65]);
        assert_eq!(percents(&[(1, 4), (1, 4), (9, 9)]), [35, 35, 30]);
        assert_eq!(percents(&[(0, 4), (2, 2)]), [0, 100]);
    }

    #[test]
    fn too_little_health_is_scaled_up() {
        assert_eq!(percents(&[(1, 4), (1, 4)]), [50, 50]);
        // 23 and 46 of 69 are 33 and 66; what is left over goes to the first that carries anything.
        assert_eq!(percents(&[(1, 6), (2, 6)]), [34, 66]);
        assert_eq!(percents(&[(0, 6), (1, 6), (2, 6)]), [0, 34, 66]);
    }

    #[test]
    fn levels_in_panic_are_those_below_half() {
        assert_eq!(panics(&[(1, 4), (1, 4)]), [true, true]);
        // Together they carry all, so neither panics.
        assert_eq!(panics(&[(1, 4), (2, 2)]), [false, false]);
        assert_eq!(panics(&[(1, 2), (1, 2)]), [false, false]);
        // Half is not below half.
        assert_eq!(panics(&[(1, 2), (1, 10)]), [false, true]);
    }

    #[test]
    fn without_a_threshold_nobody_panics() {
        let ill = levels(&[(1, 4), (0, 4)], None);
        assert!(ill.shares.iter().all(|share| !share.panic));
    }

    #[test]
    fn where_nobody_is_well_the_first_level_takes_all() {
        let choice = |threshold| levels(&[(0, 4), (0, 9)], threshold).choose(&mut rng());
        assert_eq!(choice(None), PriorityChoice { level: 0, panic: false });
        assert_eq!(choice(Some(Ratio::HALF)), PriorityChoice { level: 0, panic: true });
        let empty_first = levels(&[(0, 0), (0, 3)], Some(Ratio::HALF));
        assert_eq!(empty_first.choose(&mut rng()), PriorityChoice { level: 1, panic: true });
    }

    #[test]
    fn nothing_to_choose_from_is_the_first_level() {
        assert_eq!(levels(&[], None).choose(&mut rng()), PriorityChoice { level: 0, panic: false });
        assert_eq!(
            levels(&[(0, 0)], None).choose(&mut rng()),
            PriorityChoice { level: 0, panic: false }
        );
        assert_eq!(levels(&[], None).percent(3), 0);
    }

    #[test]
    fn choices_follow_the_loads() {
        let (levels, mut rng) = (levels(&[(1, 2), (1, 2)], None), rng());
        let count = (0..10_000).filter(|_| levels.choose(&mut rng).level == 0).count();
        assert!((6850..7150).contains(&count), "{count}");
    }

    #[test]
    fn a_key_stays_on_its_level() {
        let levels = levels(&[(1, 2), (1, 2)], None);
        let counts = (0..100).filter(|&hash| levels.choose_for(hash).level == 0).count();
        assert_eq!(counts, 70);
        assert_eq!(levels.choose_for(69).level, 0);
        assert_eq!(levels.choose_for(70).level, 1);
    }

    #[test]
    fn without_a_choice_nothing_is_drawn() {
        let levels = levels(&[(4, 4), (4, 4)], None);
        assert_eq!(levels.at(|| panic!("drawn")).level, 0);
    }

    #[test]
    fn another_overprovisioning_is_heeded() {
        let pair = [PriorityLevel { healthy: 2, total: 4 }; 2];
        let even = PriorityConfig { overprovisioning: 100, panic_threshold: None };
        assert_eq!(PriorityLevels::new(&pair, even).percent(0), 50);
        let none = PriorityConfig { overprovisioning: 0, panic_threshold: None };
        assert_eq!(PriorityLevels::new(&pair, none).percent(0), 100);
    }

    proptest! {
        #[test]
        fn all_of_the_load_goes_somewhere(
            pairs in prop::collection::vec(
                prop_oneof![(0_u32..10, 0_u32..10), (any::<u32>(), any::<u32>())],
                1..6,
            ),
            overprovisioning in prop_oneof![Just(140), any::<u32>()],
            hash in any::<u64>(),
        ) {
            let list: Vec<_> =
                pairs.iter().map(|&(healthy, total)| PriorityLevel { healthy, total }).collect();
            let config =
                PriorityConfig { overprovisioning, panic_threshold: Some(Ratio::HALF) };
            let levels = PriorityLevels::new(&list, config);
            let percents: Vec<_> = (0..list.len()).map(|level| levels.percent(level)).collect();
            prop_assert_eq!(percents.iter().sum::<u32>(), 100);
            let choice = levels.choose_for(hash);
            prop_assert!(percents[choice.level] > 0);
            prop_assert_eq!(choice.panic, levels.panics(choice.level));
        }

        #[test]
        fn a_reserve_never_carries_more_for_a_healthier_first_level(
            total in 1_u32..50,
            (less, more) in (0_u32..50, 0_u32..50),
        ) {
            let load = |healthy: u32| percents(&[(healthy.min(total), total), (1, 1)])[1];
            prop_assert!(load(less.max(more)) <= load(less.min(more)));
        }
    }
}
