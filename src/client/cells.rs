//! What a pick looks at, for 64 endpoints beside one another: a bit for each, and where picks go by load, that.
//!
//! A pick among many that followed pointers to each endpoint would wait for memory. The bit says that an
//! endpoint is in rotation without a question; where it is clear, the endpoint itself is asked. A second bit
//! says that it is well, so that its level counts on it: one that warms up is well, and yet to be asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::level::Level;
use super::track::Track;
use crate::policy::{Ending, Load, Tick};

/// Endpoints that share their cells.
pub(super) const WIDTH: usize = 64;

/// The hot state of neighbouring places, the same for every version of the roster.
#[derive(Debug)]
pub(super) struct Cells {
    rotating: AtomicU64,
    well: AtomicU64,
    level: Arc<Level>,
    /// Only where picks go by load.
    loads: Option<Box<[Load; WIDTH]>>,
    /// Only where a rule follows each endpoint.
    tracks: Option<Box<[Track; WIDTH]>>,
}

impl Cells {
    pub(super) fn new(level: Arc<Level>) -> Self {
        let loads = level.load.map(|_| Box::new([const { Load::new() }; WIDTH]));
        let tracks = level.tracks.then(|| Box::new([const { Track::new() }; WIDTH]));
        Self { rotating: AtomicU64::new(0), well: AtomicU64::new(0), level, loads, tracks }
    }

    pub(super) fn level(&self) -> &Arc<Level> {
        &self.level
    }

    /// Whether the endpoint at `place` gets traffic without a question.
    pub(super) fn is_rotating(&self, place: usize) -> bool {
        self.rotating.load(Ordering::Relaxed) & bit(place) != 0
    }

    /// Shows whether the endpoint at `place` is in rotation, and whether it is well. Counted once, whoever
    /// says it again.
    pub(super) fn show(&self, place: usize, rotating: bool, well: bool) {
        set(&self.rotating, place, rotating);
        match (set(&self.well, place, well), well) {
            (true, true) => self.level.got_well(),
            (true, false) => self.level.fell_ill(),
            (false, _) => {}
        }
    }

    /// What is followed of the endpoint at `place`; `None` where no rule needs it.
    pub(super) fn track(&self, place: usize) -> Option<&Track> {
        self.tracks.as_ref().map(|tracks| &tracks[place % WIDTH])
    }

    /// The place is taken by another endpoint, of which nothing is known.
    pub(super) fn forget(&self, place: usize) {
        self.level.pool.iter().for_each(|pool| pool.forget(place));
        self.load(place).into_iter().for_each(Load::forget);
        self.track(place).into_iter().for_each(Track::forget);
    }

    fn load(&self, place: usize) -> Option<&Load> {
        self.loads.as_ref().map(|loads| &loads[place % WIDTH])
    }

    /// How many attempts are in flight to the endpoint at `place`; 0 where nobody counts.
    pub(super) fn in_flight(&self, place: usize) -> u32 {
        self.load(place).map_or(0, Load::pending)
    }

    /// What one more attempt at `place` would cost.
    pub(super) fn cost(&self, place: usize, now: Tick) -> f32 {
        let model = self.level.load.as_ref();
        let cost = self.load(place).zip(model).map_or(0.0, |(load, model)| load.cost(now, model));
        if self.level.reports { cost * self.cost_factor(place, now) } else { cost }
    }

    /// What the load that the endpoint at `place` told makes of its cost.
    fn cost_factor(&self, place: usize, now: Tick) -> f32 {
        self.track(place).map_or(1.0, |track| track.utilization.cost_factor(now))
    }

    /// An attempt at `place` sets out, unless `most` are in flight already. Whether it does.
    pub(super) fn start(&self, place: usize, now: Tick, most: Option<u32>) -> bool {
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
    pub(super) fn take_back(&self, place: usize, started: Tick) {
        if let Some(load) = self.load(place) {
            load.take_back(started);
            self.level.finished();
        }
    }

    /// An attempt at `place` has ended; `started` as it was told.
    pub(super) fn finish(&self, place: usize, started: Tick, now: Instant, ending: Ending) {
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
