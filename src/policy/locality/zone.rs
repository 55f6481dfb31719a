//! Whether a request stays in the caller's zone.
//!
//! Traffic between zones costs time and money, but keeping all of it at home overloads a zone that
//! has many callers and few endpoints. The rule is Envoy's: a zone keeps as much as its endpoints
//! can take if every endpoint is to get the same, and the rest goes where endpoints have room left.
//!
//! It needs to know how callers are spread over the zones; if nobody tells, they count as spread
//! evenly. Shares are compared in whole numbers, so nothing is lost to rounding.

use rand::{Rng, RngExt};

/// When zones are heeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneConfig {
    /// The least number of healthy endpoints; default 6, as in Envoy. With fewer, one endpoint more
    /// or less shifts a large part of the traffic from zone to zone.
    pub min_endpoints: u32,
}

impl Default for ZoneConfig {
    fn default() -> Self {
        Self { min_endpoints: 6 }
    }
}

/// How one zone's traffic is spread, worked out once for each change of the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zones {
    local: usize,
    /// Of `keep.1` requests, `keep.0` stay.
    keep: (u64, u64),
    /// What the zones up to each one have left for others, added up.
    room: Box<[u64]>,
}

impl Zones {
    /// The spread for a caller in the zone at position `local`.
    ///
    /// `endpoints` are the healthy ones in each zone, and `callers` those that call the service
    /// from there, in any unit; `None` for the same number in each. Answers none where zones are
    /// not to be heeded: with too few endpoints, one zone alone, or two lists that do not fit.
    #[must_use]
    pub fn new(
        endpoints: &[u32],
        callers: Option<&[u32]>,
        local: usize,
        config: ZoneConfig,
    ) -> Option<Self> {
        let evenly = vec![1; endpoints.len()];
        let callers = callers.unwrap_or(&evenly);
        let all = (sum(endpoints), sum(callers));
        let enough = all.0 >= u64::from(config.min_endpoints) && all.0 > 0 && all.1 > 0;
        if !enough || endpoints.len() < 2 || endpoints.len() != callers.len() {
            return None;
        }
        // Shares of endpoints and of callers, brought to one denominator.
        let share = |zone: usize| {
            (
                u64::from(endpoints[zone]).saturating_mul(all.1),
                u64::from(callers[zone]).saturating_mul(all.0),
            )
        };
        endpoints.get(local)?;
        let room = (0..endpoints.len()).scan(0_u64, |sum, zone| {
            let (endpoints, callers) = share(zone);
            let left = if zone == local { 0 } else { endpoints.saturating_sub(callers) };
            *sum = sum.saturating_add(left);
            Some(*sum)
        });
        Some(Self { local, keep: share(local), room: room.collect() })
    }

    /// The zone for one pick, by its position; none if any will do. A level in `panic` does not
    /// heed zones: it does not know which endpoints are well.
    ///
    /// If nobody in that zone admits, the caller looks in all of them.
    pub fn choose(&self, panic: bool, rng: &mut impl Rng) -> Option<usize> {
        if panic {
            return None;
        }
        let (endpoints, callers) = self.keep;
        let stays =
            endpoints > 0 && (endpoints >= callers || rng.random_range(0..callers) < endpoints);
        if stays { Some(self.local) } else { self.elsewhere(rng) }
    }

    /// Another zone, by the room that it has left.
    fn elsewhere(&self, rng: &mut impl Rng) -> Option<usize> {
        let all = *self.room.last()?;
        if all == 0 {
            return None;
        }
        let drawn = rng.random_range(0..all);
        Some(self.room.partition_point(|&sum| sum <= drawn))
    }
}

fn sum(counts: &[u32]) -> u64 {
    counts.iter().map(|&count| u64::from(count)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::policy::test_inputs::rng;

    fn zones(endpoints: &[u32], callers: &[u32], local: usize) -> Option<Zones> {
        Zones::new(endpoints, Some(callers), local, ZoneConfig::default())
    }

    /// The share of each zone in 20,000 picks, in percent.
    fn spread(endpoints: &[u32], callers: &[u32], local: usize) -> Vec<f64> {
        let (zones, mut rng) = (zones(endpoints, callers, local).unwrap(), rng());
        let mut counts = vec![0.0; endpoints.len()];
        for _ in 0..20_000 {
            counts[zones.choose(false, &mut rng).unwrap()] += 1.0 / 200.0;
        }
        counts
    }

    fn close(spread: &[f64], expected: &[f64]) {
        let near = spread.iter().zip(expected).all(|(got, wanted)| (got - wanted).abs() < 1.5);
        assert!(near, "{spread:?} instead of {expected:?}");
    }

    #[test]
    fn a_zone_with_enough_endpoints_keeps_everything() {
        close(&spread(&[4, 4], &[1, 1], 0), &[100.0, 0.0]);
        close(&spread(&[6, 2], &[1, 1], 0), &[100.0, 0.0]);
    }

    #[test]
    fn a_zone_with_few_endpoints_keeps_what_they_can_take() {
        // A quarter of the endpoints for half of the callers: half stays.
        close(&spread(&[2, 6], &[1, 1], 0), &[50.0, 50.0]);
    }

    #[test]
    fn the_rest_goes_where_there_is_room() {
        // Shares of callers 40, 40 and 20, of endpoints 25, 50 and 25 percent.
        close(&spread(&[5, 10, 5], &[4, 4, 2], 0), &[62.5, 25.0, 12.5]);
    }

    #[test]
    fn a_zone_without_endpoints_sends_everything_away() {
        close(&spread(&[0, 6, 2], &[1, 1, 1], 0), &[0.0, 100.0, 0.0]);
    }

    #[test]
    fn callers_count_as_spread_evenly_if_nobody_tells() {
        let config = ZoneConfig::default();
        let untold = Zones::new(&[2, 6], None, 0, config);
        assert_eq!(untold, Zones::new(&[2, 6], Some(&[1, 1]), 0, config));
        assert!(untold.is_some());
    }

    #[test]
    fn small_services_do_not_heed_zones() {
        assert_eq!(zones(&[2, 3], &[1, 1], 0), None);
        assert!(zones(&[3, 3], &[1, 1], 0).is_some());
        let config = ZoneConfig { min_endpoints: 2 };
        assert!(Zones::new(&[1, 1], None, 0, config).is_some());
    }

    #[test]
    fn lists_that_do_not_fit_are_not_heeded() {
        assert_eq!(zones(&[9], &[1], 0), None);
        assert_eq!(zones(&[4, 4], &[1, 1, 1], 0), None);
        assert_eq!(zones(&[4, 4], &[1, 1], 2), None);
        assert_eq!(zones(&[4, 4], &[0, 0], 0), None);
        assert_eq!(Zones::new(&[], None, 0, ZoneConfig { min_endpoints: 0 }), None);
        assert_eq!(Zones::new(&[0, 0], None, 0, ZoneConfig { min_endpoints: 0 }), None);
    }

    #[test]
    fn in_panic_any_zone_will_do() {
        assert_eq!(zones(&[4, 4], &[1, 1], 0).unwrap().choose(true, &mut rng()), None);
    }

    #[test]
    fn a_zone_with_neither_callers_nor_endpoints_takes_whatever_there_is() {
        assert_eq!(zones(&[0, 8], &[0, 5], 0).unwrap().choose(false, &mut rng()), None);
    }

    proptest! {
        #[test]
        fn every_endpoint_gets_the_same_if_all_callers_do_so(
            pairs in prop::collection::vec((1_u32..30, 1_u32..30), 2..6),
        ) {
            let (endpoints, callers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            prop_assume!(sum(&endpoints) >= 6);
            let mut load = vec![0.0; endpoints.len()];
            for local in 0..endpoints.len() {
                let zones = zones(&endpoints, &callers, local).unwrap();
                let sent = f64::from(callers[local]) / sum(&callers) as f64;
                let kept = (zones.keep.0 as f64 / zones.keep.1 as f64).min(1.0);
                load[local] += sent * kept;
                let (mut before, all) = (0, *zones.room.last().unwrap());
                for (zone, &room) in zones.room.iter().enumerate().filter(|_| kept < 1.0) {
                    load[zone] += sent * (1.0 - kept) * (room - before) as f64 / all as f64;
                    before = room;
                }
            }
            let each = 1.0 / sum(&endpoints) as f64;
            for (load, count) in load.into_iter().zip(endpoints) {
                prop_assert!((load / f64::from(count) - each).abs() < 1e-9);
            }
        }

        #[test]
        fn a_chosen_zone_has_endpoints(
            pairs in prop::collection::vec(
                prop_oneof![(0_u32..9, 0_u32..9), (any::<u32>(), any::<u32>())],
                0..6,
            ),
            local in 0_usize..6,
            seed in any::<u64>(),
        ) {
            let (endpoints, callers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            if let Some(zones) = zones(&endpoints, &callers, local) {
                let mut rng = StdRng::seed_from_u64(seed);
                for _ in 0..20 {
                    let zone = zones.choose(false, &mut rng);
                    prop_assert!(zone.is_none_or(|zone| endpoints[zone] > 0));
                }
            }
        }
    }
}
