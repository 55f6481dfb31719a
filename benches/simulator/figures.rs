//! What a run comes to, as figures.

use std::ops::Range;

use crate::contestant::Contestant;
use crate::setup::Setup;
use crate::stats::Bin;
use crate::time::{MS, Nanos, SECOND};
use crate::world::World;

/// A figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    Calls,
    Errors,
    ErrorPercent,
    /// Of calls that began a second after the first fault or later.
    LateErrorPercent,
    P50,
    P90,
    P99,
    P999,
    Attempts,
    HedgePercent,
    /// Good ends per second.
    Goodput,
    WastedPercent,
    MaxToMean,
    P99ToMean,
    /// Seconds until the faulty get less than a tenth of their share of first attempts.
    Detection,
    /// Seconds from the end of the fault until they get 80 % of it again.
    Recovery,
    /// Good ends per second while the load is greatest.
    SpikeGoodput,
    /// Good calls of those begun 5 s to 15 s after it.
    AfterPercent,
    /// Seconds from its end until 95 of 100 calls are good.
    SpikeRecovery,
    /// First attempts per second that went to the faulty.
    FaultyPerSecond,
}

/// All figures of one run; no number where there is none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figures([f64; Figure::ALL.len()]);

impl Figure {
    pub(crate) const ALL: [Self; 20] = [
        Self::Calls,
        Self::Errors,
        Self::ErrorPercent,
        Self::LateErrorPercent,
        Self::P50,
        Self::P90,
        Self::P99,
        Self::P999,
        Self::Attempts,
        Self::HedgePercent,
        Self::Goodput,
        Self::WastedPercent,
        Self::MaxToMean,
        Self::P99ToMean,
        Self::Detection,
        Self::Recovery,
        Self::SpikeGoodput,
        Self::AfterPercent,
        Self::SpikeRecovery,
        Self::FaultyPerSecond,
    ];

    /// As the report has it, with its unit at the end.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Errors => "errors",
            Self::ErrorPercent => "errors_percent",
            Self::LateErrorPercent => "late_errors_percent",
            Self::P50 => "p50_ms",
            Self::P90 => "p90_ms",
            Self::P99 => "p99_ms",
            Self::P999 => "p999_ms",
            Self::Attempts => "attempts_per_call",
            Self::HedgePercent => "hedges_percent",
            Self::Goodput => "goodput_per_s",
            Self::WastedPercent => "wasted_percent",
            Self::MaxToMean => "load_max_to_mean",
            Self::P99ToMean => "load_p99_to_mean",
            Self::Detection => "detection_s",
            Self::Recovery => "recovery_s",
            Self::SpikeGoodput => "spike_goodput_per_s",
            Self::AfterPercent => "good_after_percent",
            Self::SpikeRecovery => "spike_recovery_s",
            Self::FaultyPerSecond => "first_to_faulty_per_s",
        }
    }
}

impl Figures {
    /// Runs a contestant through a scenario.
    pub(crate) fn of(setup: &Setup, rules: &Contestant, seed: u64) -> Self {
        Self::from(World::new(setup, rules, seed).run())
    }

    pub(crate) const fn get(&self, figure: Figure) -> f64 {
        self.0[figure as usize]
    }

    /// Of each figure the middle one.
    pub(crate) fn median(runs: &[Self]) -> Self {
        Self(std::array::from_fn(|figure| {
            let mut values: Vec<f64> = runs.iter().map(|run| run.0[figure]).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
        }))
    }
}

impl From<World<'_>> for Figures {
    fn from(mut world: World<'_>) -> Self {
        let [p50, p90, p99, p999] = world.stats.quantiles([0.5, 0.9, 0.99, 0.999]);
        let (setup, stats) = (world.setup, &world.stats);
        let calls = stats.calls() as f64;
        let counted = (setup.counted.end - setup.counted.start) as f64 / SECOND as f64;
        let taken: u64 = world.servers.iter().map(|server| server.taken).sum();
        let wasted: u64 = world.servers.iter().map(|server| server.wasted).sum();
        let (max, most) = spread(&world);
        let faults = fault_span(setup);
        let late = stats.over(faults.start + SECOND..setup.counted.end);
        let spike = spike(setup);
        let spiked = stats.over(spike.clone());
        let after = stats.over(spike.end + 5 * SECOND..spike.end + 15 * SECOND);
        let percent = |part: f64, of: f64| 100.0 * part / of;
        let bad = |bin: Bin| f64::from(bin.calls - bin.good);
        let fair = world.fair_share();
        let share = |bin: Bin| f64::from(bin.first_to_faulty) / f64::from(bin.first.max(1));
        let found = |seconds: Option<f64>| seconds.unwrap_or(f64::NAN);
        let is_good = |bin: Bin| f64::from(bin.good) >= 0.95 * f64::from(bin.calls);
        Self([
            calls,
            stats.errors as f64,
            percent(stats.errors as f64, calls),
            percent(bad(late), f64::from(late.calls)),
            p50,
            p90,
            p99,
            p999,
            stats.attempts as f64 / calls,
            percent(stats.hedges as f64, calls),
            (calls - stats.errors as f64) / counted,
            percent(wasted as f64, taken as f64),
            max,
            most,
            found(stats.first(faults.clone(), 100 * MS, |bin| share(bin) < 0.1 * fair)),
            found(
                stats.first(faults.end..setup.counted.end, 200 * MS, |bin| share(bin) > 0.8 * fair),
            ),
            f64::from(spiked.ends) / ((spike.end - spike.start).max(1) as f64 / SECOND as f64),
            percent(f64::from(after.good), f64::from(after.calls)),
            found(stats.first(spike.end..setup.counted.end, 500 * MS, is_good)),
            f64::from(stats.over(setup.counted.clone()).first_to_faulty) / counted,
        ])
    }
}

/// From the first fault to the last; nothing without any.
fn fault_span(setup: &Setup) -> Range<Nanos> {
    let from = setup.faults.iter().map(|fault| fault.from).min();
    let until = setup.faults.iter().map(|fault| fault.until).max();
    from.unwrap_or(setup.counted.start)..until.unwrap_or(setup.counted.start)
}

/// While the second of three rates holds.
fn spike(setup: &Setup) -> Range<Nanos> {
    match setup.rates[..] {
        [_, (from, _), (until, _)] => from..until,
        _ => setup.counted.end..setup.counted.end,
    }
}

/// How much more than the mean the busiest, and the busiest but one in a hundred, have taken; of those
/// servers that were well and listed all the time.
fn spread(world: &World<'_>) -> (f64, f64) {
    let changed =
        |server: u32| world.setup.changes.iter().any(|change| change.servers.contains(&server));
    let servers = (0..world.setup.servers).zip(&world.servers);
    let well = servers.filter(|(number, _)| !world.is_faulty(*number) && !changed(*number));
    let mut taken: Vec<u64> = well.map(|(_, server)| server.taken).collect();
    taken.sort_unstable();
    let mean = taken.iter().sum::<u64>() as f64 / taken.len().max(1) as f64;
    let at = |share: f64| {
        let place = (taken.len() as f64 * share).ceil() as usize;
        taken.get(place.saturating_sub(1)).map_or(f64::NAN, |taken| *taken as f64 / mean)
    };
    (at(1.0), at(0.99))
}
