//! When calls come: drawn from the seed before the first one is made.

use crate::clock::{MS, SECOND};
use crate::draw;
use crate::plan::{Arrivals, Load};

/// The moments of all calls, in nanoseconds from the time 0; none for a lone caller, whose calls follow each other.
pub(crate) fn schedule(load: &Load, seed: u64) -> Vec<i64> {
    match load.arrivals {
        Arrivals::Poisson { per_second } => poisson(load, seed, per_second),
        Arrivals::Batches { calls, every_ms } => {
            let at = (0..load.end_ms).step_by(every_ms.max(1) as usize);
            at.flat_map(|ms| std::iter::repeat_n((ms * MS) as i64, calls)).collect()
        }
        Arrivals::Lone { .. } => Vec::new(),
    }
}

fn poisson(load: &Load, seed: u64, per_second: f64) -> Vec<i64> {
    let end = (load.end_ms * MS) as f64;
    let mut at = -((load.warm_up_ms * MS) as f64);
    let mut moments = Vec::new();
    while at < end {
        // Through a surge time runs faster: the same draws, closer together.
        let factor = load.surge.map_or(1.0, |(from, to, factor)| {
            let inside = at >= (from * MS) as f64 && at < (to * MS) as f64;
            if inside { factor } else { 1.0 }
        });
        let gap = draw::exponential(seed ^ LOAD, moments.len() as u64);
        at += gap * SECOND as f64 / (per_second * factor);
        moments.push(at as i64);
    }
    moments
}

/// Drawn apart from the work of the same seed.
const LOAD: u64 = 0x4c4f_4144;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn load() -> Load {
        Load {
            arrivals: Arrivals::Poisson { per_second: 1_000.0 },
            warm_up_ms: 1_000,
            end_ms: 9_000,
            count_from_ms: 0,
            surge: None,
            trouble: None,
            method: "GET".to_owned(),
            call_ms: Some(1_000),
            attempt_ms: Some(250),
            clients: 1,
            groups: None,
            slow_ms: 500,
            watched: None,
        }
    }

    #[test]
    fn calls_come_as_often_as_said_and_the_same_for_a_seed() {
        let moments = schedule(&load(), 5);
        assert!((9_700..10_300).contains(&moments.len()), "{}", moments.len());
        assert!(moments.is_sorted());
        assert_eq!(moments, schedule(&load(), 5));
        assert_ne!(moments, schedule(&load(), 6));
    }

    #[test]
    fn a_surge_brings_more() {
        let load = Load { surge: Some((2_000, 4_000, 3.0)), ..load() };
        let inside = |at: &&i64| (2_000..4_000).contains(&(**at / MS as i64));
        let count = schedule(&load, 5).iter().filter(inside).count();
        assert!((5_700..6_300).contains(&count), "{count}");
    }

    #[test]
    fn a_batch_comes_at_once() {
        let arrivals = Arrivals::Batches { calls: 20, every_ms: 4_000 };
        let moments = schedule(&Load { arrivals, ..load() }, 5);
        assert_eq!(moments.len(), 60);
        assert_eq!((moments[19], moments[20], moments[59]), (0, 4_000_000_000, 8_000_000_000));
    }
}
