//! What a pick looks at, for many endpoints beside one another: a bit for each, and where picks go by load, that.
//!
//! A pick among many that followed pointers to each endpoint would wait for memory. The bit says that an
//! endpoint is in rotation without a question; where it is clear, the endpoint itself is asked. A second bit
//! says that it is well, so that its level counts on it: one that warms up is well, and yet to be asked.
//!
//! The bits of a hundred thousand fit into a processor's nearest cache, so a candidate costs one wait: for its
//! load. A level begins with room for 64, and doubles it by a further run of cells up to runs of 4096.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::level::Level;
use super::track::Track;
use crate::policy::{Ending, Load, Probing, Tick};

/// The hot state of a run of places, the same for every version of the roster.
#[derive(Debug)]
pub(crate) struct Cells {
    first: usize,
    bits: Box<[Bits]>,
    level: Arc<Level>,
    /// Only where picks go by load.
    loads: Option<Box<[Load]>>,
    /// Only where a rule follows each endpoint.
    tracks: Option<Box<[Track]>>,
}

/// One bit each of 64 places.
#[derive(Debug, Default)]
struct Bits {
    rotating: AtomicU64,
    well: AtomicU64,
}

impl Cells {
    /// The cells of the run of this number.
    pub(crate) fn new(run: usize, level: Arc<Level>) -> Self {
        let Range { start, end } = places_of(run);
        let bits = (start..end).step_by(WIDTH).map(|_| Bits::default()).collect();
        let loads = level.load.map(|_| (start..end).map(|_| Load::new()).collect());
        let tracks = level.tracks.then(|| (start..end).map(|_| Track::new()).collect());
        Self { first: start, bits, level, loads, tracks }
    }

    pub(crate) fn level(&self) -> &Arc<Level> {
        &self.level
    }

    /// Whether the endpoint at `place` gets traffic without a question.
    #[inline]
    pub(crate) fn is_rotating(&self, place: usize) -> bool {
        self.bits(place).is_some_and(|bits| bits.rotating.load(Ordering::Relaxed) & bit(place) != 0)
    }

    /// Shows whether the endpoint at `place` is in rotation, and whether it is well. Counted once, whoever
    /// says it again.
    pub(crate) fn show(&self, place: usize, rotating: bool, well: bool) {
        let Some(bits) = self.bits(place) else { return };
        set(&bits.rotating, place, rotating);
        match (set(&bits.well, place, well), well) {
            (true, true) => self.level.got_well(),
            (true, false) => self.level.fell_ill(),
            (false, _) => {}
        }
    }

    /// What is followed of the endpoint at `place`; `None` where no rule needs it.
    pub(crate) fn track(&self, place: usize) -> Option<&Track> {
        self.tracks.as_ref()?.get(place.wrapping_sub(self.first))
    }

    /// The place is taken by another endpoint, of which nothing is known.
    pub(crate) fn forget(&self, place: usize) {
        self.level.pool.iter().for_each(|pool| pool.forget(place));
        self.load(place).into_iter().for_each(Load::forget);
        self.track(place).into_iter().for_each(Track::forget);
    }

    #[inline]
    fn load(&self, place: usize) -> Option<&Load> {
        self.loads.as_ref()?.get(place.wrapping_sub(self.first))
    }

    #[inline]
    fn bits(&self, place: usize) -> Option<&Bits> {
        self.bits.get(place.wrapping_sub(self.first) / WIDTH)
    }

    /// How many attempts are in flight to the endpoint at `place`; 0 where nobody counts.
    pub(crate) fn in_flight(&self, place: usize) -> u32 {
        self.load(place).map_or(0, Load::pending)
    }

    /// What one more attempt at `place` would cost.
    #[inline]
    pub(crate) fn cost(&self, place: usize, probing: Probing, now: Tick) -> f32 {
        let model = self.level.load.as_ref();
        let cost = |(load, model): (&Load, _)| load.cost_to(probing, now, model);
        let cost = self.load(place).zip(model).map_or(0.0, cost);
        if self.level.reports { cost * self.cost_factor(place, now) } else { cost }
    }

    /// What the load that the endpoint at `place` told makes of its cost.
    fn cost_factor(&self, place: usize, now: Tick) -> f32 {
        self.track(place).map_or(1.0, |track| track.utilization.cost_factor(now))
    }

    /// An attempt at `place` sets out, unless `most` are in flight already. Whether it does.
    #[inline]
    pub(crate) fn start(&self, place: usize, now: Tick, most: Option<u32>) -> bool {
        let Some(load) = self.load(place) else {
            return true;
        };
        let starts = match most {
            Some(most) => load.start_below(most, now),
            None => {
                load.start(now);
                true
            }
        };
        if starts {
            self.level.started();
        }
        starts
    }

    /// An attempt at `place` did not set out after all; `started` as it was told.
    pub(crate) fn take_back(&self, place: usize, started: Tick) {
        if let Some(load) = self.load(place) {
            load.take_back(started);
            self.level.finished();
        }
    }

    /// An attempt at `place` that set out then has lost against another of its call.
    pub(crate) fn overtaken(&self, place: usize, started: Tick, now: Tick) {
        self.load(place).into_iter().for_each(|load| load.overtaken(started, now));
    }

    /// An attempt at `place` has ended; `started` as it was told.
    #[inline]
    pub(crate) fn finish(&self, place: usize, started: Tick, now: Instant, ending: Ending) {
        if let Some((load, model)) = self.load(place).zip(self.level.load.as_ref()) {
            load.finish(started, self.level.tick(now), ending, model);
            self.level.finished();
        }
    }
}

/// Whether the bit of `place` was different before.
fn set(bits: &AtomicU64, place: usize, on: bool) -> bool {
    let bit = bit(place);
    // Mostly nothing changes, and a load meets nobody.
    if (bits.load(Ordering::Relaxed) & bit != 0) == on {
        return false;
    }
    match on {
        true => bits.fetch_or(bit, Ordering::Relaxed) & bit == 0,
        false => bits.fetch_and(!bit, Ordering::Relaxed) & bit != 0,
    }
}

const fn bit(place: usize) -> u64 {
    1 << (place % WIDTH)
}

/// The number of the run that `place` lies in.
#[inline]
pub(crate) fn run_of(place: usize) -> usize {
    // 0 below 64, 1 below 128, 2 below 256 and so on up to 6; without a branch, as places are drawn.
    let doublings = usize::BITS - (place / WIDTH).min(WIDEST / WIDTH - 1).leading_zeros();
    doublings as usize + place / WIDEST
}

/// The places of the run of this number.
fn places_of(run: usize) -> Range<usize> {
    let start = |run: usize| match run {
        0 => 0,
        1..DOUBLED => WIDTH << (run - 1),
        _ => (run - DOUBLED + 1) * WIDEST,
    };
    start(run)..start(run + 1)
}

/// Places in the first run, which few levels exceed, and bits in a word.
const WIDTH: usize = 64;

/// Places in the last runs: 128 KB of loads, so that room for those who may join is small beside those there.
const WIDEST: usize = 4096;

/// From this run on they are equally wide.
const DOUBLED: usize = (WIDEST / WIDTH).ilog2() as usize + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_lies_in_the_run_that_has_it() {
        let mut next = 0;
        for run in 0..40 {
            let places = places_of(run);
            assert_eq!(places.start, next, "one run after the other");
            assert!(places.clone().all(|place| run_of(place) == run), "{run}: {places:?}");
            assert_eq!((places.start % WIDTH, places.end % WIDTH), (0, 0));
            next = places.end;
        }
        assert_eq!(places_of(0).len(), WIDTH);
        assert_eq!(
            (places_of(6).len(), places_of(7).len(), places_of(39).len()),
            (2048, WIDEST, WIDEST)
        );
    }
}
