//! What a cell is worth: percentiles, errors, amplification, wasted work, detection and recovery.

use serde::{Deserialize, Serialize};

use crate::driver::{Call, Driven};
use crate::plan::{BIN_MS, Cell, Load, Served, Watched};
use crate::usage::Usage;

/// The figures of one scenario, contestant and seed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Calls that were counted.
    pub(crate) calls: u64,
    /// Of which failed: no answer, or another than 200.
    pub(crate) errors: u64,
    /// Milliseconds; an error counts as the deadline.
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    /// Calls that took longer than the scenario calls slow, failed ones included.
    #[serde(default)]
    pub(crate) slow_calls: u64,
    /// What such calls took beyond it, all together.
    #[serde(default)]
    pub(crate) waited_ms: f64,
    /// The longest that a call took, whatever became of it.
    #[serde(default)]
    pub(crate) longest_ms: f64,
    /// Requests that the servers saw.
    #[serde(default)]
    pub(crate) requests: u64,
    /// Share of failed calls of those that began within `AFTER_MS` of the trouble's end.
    #[serde(default)]
    pub(crate) errors_after: Option<f64>,
    /// From the fault's end until the endpoint gets a request again.
    #[serde(default)]
    pub(crate) first_use_ms: Option<f64>,
    /// The longest that an endpoint that is well got no request.
    #[serde(default)]
    pub(crate) gap_ms: f64,
    /// Circuits that are not closed at the end, of all clients.
    #[serde(default)]
    pub(crate) open_circuits: Option<u64>,
    /// The whole distribution at `CURVE`.
    pub(crate) curve_ms: Vec<f64>,
    /// Attempts per call: as the library tells them, or requests at the servers behind a proxy.
    pub(crate) attempts_per_call: f64,
    /// Share of calls with a hedge.
    pub(crate) hedge_ratio: f64,
    /// Good answers a second, from the start of the trouble to its end (or the run's).
    pub(crate) goodput: f64,
    /// Share of the servers' work that went into no good answer.
    pub(crate) wasted_ratio: f64,
    /// Requests of the busiest healthy endpoint by their mean.
    pub(crate) max_by_mean: f64,
    /// From the fault's start until first attempts stay away.
    pub(crate) detection_ms: Option<f64>,
    /// First attempts that went there until then, or until it healed.
    pub(crate) exposed: Option<u64>,
    /// Share of its fair share that it still got in the second half of the fault.
    pub(crate) residue: Option<f64>,
    /// From the fault's end until it gets 80 % of its fair share again; for a surge, until 95 % of calls succeed.
    pub(crate) recovery_ms: Option<f64>,
    /// Of the faulty endpoints, by `SHARE_MS` from the time 0: first attempts by their fair share.
    pub(crate) share: Vec<f64>,
    /// By `SHARE_MS`: good answers a second, at the moments when their calls began.
    pub(crate) good: Vec<f64>,
    /// By `SHARE_MS`: the 95th percentile.
    pub(crate) p95: Vec<f64>,
    /// Connections that servers accepted.
    pub(crate) connections: u64,
    /// The most that were open at once.
    pub(crate) most_open: u64,
    /// How late the load's own thread was, at its 99th percentile.
    pub(crate) late_p99_ms: f64,
    pub(crate) usage: Usage,
    /// Load, servers and proxy came before other work of the machine.
    #[serde(default)]
    pub(crate) came_first: bool,
    /// What failed calls ended with, the most frequent first.
    pub(crate) reasons: Vec<(String, u64)>,
}

/// How long after a trouble its consequences are counted.
const AFTER_MS: u64 = 4_000;

/// The width of the bins that are drawn.
pub(crate) const SHARE_MS: u64 = 250;

/// The percentiles of the curve: evenly spread on a logarithmic scale of what is above them.
pub(crate) fn curve() -> Vec<f64> {
    (0..=60).map(|step| 1.0 - 10f64.powf(-f64::from(step) / 20.0)).collect()
}

/// Below this part of its fair share an endpoint counts as found out.
const FOUND_OUT: f64 = 0.1;
/// Above this part it counts as taken back.
const TAKEN_BACK: f64 = 0.8;
/// Two bins, so that a chance gap is not taken for a decision.
const FOUND_OUT_BINS: usize = 2;
/// Half a second: at 12 first attempts a bin, a share of 80 % is beyond chance.
const TAKEN_BACK_BINS: usize = 5;

/// All figures of a cell; `name` tells a status in words.
pub(crate) fn figures(
    cell: &Cell,
    driven: &Driven,
    served: &Served,
    behind_proxy: bool,
    name: impl Fn(i32) -> String,
) -> Figures {
    let load = &cell.load;
    let from_us = (load.count_from_ms * 1_000) as i64;
    let counted: Vec<&Call> = driven.calls.iter().filter(|call| call.at_us >= from_us).collect();
    let deadline_us = load.deadline_ms() * 1_000;
    let mut times: Vec<u64> = counted.iter().map(|call| cost(call, deadline_us)).collect();
    times.sort_unstable();
    let good = counted.iter().filter(|call| call.ok()).count() as u64;
    let count = counted.len() as u64;
    let arrivals: u64 = served.arrivals.iter().sum();
    let told: u64 = counted.iter().map(|call| u64::from(call.attempts)).sum();
    let attempts = if behind_proxy { arrivals } else { told };
    let useful: u64 = counted.iter().filter(|call| call.ok()).map(|call| call.work_us).sum();
    let mut figures = Figures {
        calls: count,
        errors: count - good,
        p50_ms: at(&times, 0.5),
        p90_ms: at(&times, 0.9),
        p99_ms: at(&times, 0.99),
        p999_ms: at(&times, 0.999),
        curve_ms: curve().iter().map(|share| at(&times, *share)).collect(),
        attempts_per_call: ratio(attempts, count),
        hedge_ratio: ratio(counted.iter().filter(|call| call.hedged).count() as u64, count),
        wasted_ratio: (1.0 - ratio(useful, served.work_us)).clamp(0.0, 1.0),
        connections: served.accepted,
        most_open: served.most_open,
        usage: driven.usage,
        reasons: reasons(&counted, name),
        late_p99_ms: lateness(&counted),
        ..Figures::default()
    };
    wait(&mut figures, &counted, load.slow_ms);
    figures.requests = arrivals;
    figures.open_circuits = driven.open_circuits.filter(|_| !behind_proxy);
    around(&mut figures, load, driven, &counted, served, behind_proxy);
    figures
}

/// What goes by the time of the trouble.
fn around(
    figures: &mut Figures,
    load: &Load,
    driven: &Driven,
    counted: &[&Call],
    served: &Served,
    behind_proxy: bool,
) {
    let end_ms = load.end_ms;
    let (from_ms, to_ms) = load.trouble.unwrap_or((load.count_from_ms, end_ms));
    figures.goodput = goodput(counted, from_ms, to_ms.min(end_ms));
    (figures.good, figures.p95) = over_time(&driven.calls, end_ms, load.deadline_ms() * 1_000);
    let faulty = load.watched.as_ref().map_or(0, |w| w.count);
    figures.max_by_mean = max_by_mean(served, faulty);
    figures.gap_ms = gap(served, faulty, load.count_from_ms);
    if let Some(watched) = &load.watched {
        figures.first_use_ms = first_use(served, watched, end_ms);
        if !(behind_proxy && watched.unseen) {
            let bins = first_attempts(driven, served, watched, end_ms, behind_proxy);
            watch(figures, &bins, watched, end_ms);
        }
    } else if load.trouble.is_some() && to_ms < end_ms {
        figures.recovery_ms = succeeds_again(&driven.calls, to_ms, end_ms);
    }
    if to_ms < end_ms {
        figures.errors_after = errors_within(&driven.calls, to_ms, to_ms + AFTER_MS);
    }
}

/// What calls waited beyond what is usual.
fn wait(figures: &mut Figures, counted: &[&Call], slow_ms: u64) {
    let beyond = |call: &&&Call| call.took_us > slow_ms * 1_000;
    let slow = counted.iter().filter(beyond);
    figures.slow_calls = slow.clone().count() as u64;
    figures.waited_ms = slow.map(|call| (call.took_us - slow_ms * 1_000) as f64 / 1_000.0).sum();
    figures.longest_ms = counted.iter().map(|call| call.took_us).max().unwrap_or(0) as f64 / 1e3;
}

/// The share of calls that failed of those that began then.
fn errors_within(calls: &[Call], from_ms: u64, to_ms: u64) -> Option<f64> {
    let inside = |us: i64| us >= (from_ms * 1_000) as i64 && us < (to_ms * 1_000) as i64;
    let begun: Vec<&Call> = calls.iter().filter(|call| inside(call.at_us)).collect();
    let failed = begun.iter().filter(|call| !call.ok()).count() as u64;
    (!begun.is_empty()).then(|| ratio(failed, begun.len() as u64))
}

/// From a fault's end to the end of the bin in which each of the faulty was asked again.
fn first_use(served: &Served, watched: &Watched, end_ms: u64) -> Option<f64> {
    if watched.to_ms >= end_ms {
        return None;
    }
    let heal = watched.to_ms.div_ceil(BIN_MS) as usize;
    let each = served.bins.iter().take(watched.count);
    let first = each.map(|bins| bins.iter().skip(heal).position(|count| *count > 0));
    first
        .map(|bin| bin.map(|bin| (bin + 1) as f64 * BIN_MS as f64))
        .try_fold(0.0, |last, bin| bin.map(|ms: f64| ms.max(last)))
}

/// The longest time without a request of an endpoint that is well.
fn gap(served: &Served, faulty: usize, from_ms: u64) -> f64 {
    let from = (from_ms / BIN_MS) as usize;
    let longest = |bins: &Vec<u32>| {
        // The last bin lies beyond the load's end.
        let counted = bins.get(from..bins.len().saturating_sub(1)).unwrap_or_default();
        let empty = counted.split(|count| *count > 0).map(<[u32]>::len);
        empty.max().unwrap_or_default()
    };
    let bins = served.bins.iter().skip(faulty).map(longest).max().unwrap_or_default();
    bins as f64 * BIN_MS as f64
}

/// Microseconds that a call counts for.
fn cost(call: &Call, deadline_us: u64) -> u64 {
    if call.ok() { call.took_us } else { deadline_us }
}

/// The value that `share` of all are not above, in milliseconds (nearest rank).
fn at(sorted: &[u64], share: f64) -> f64 {
    let rank = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1));
    sorted.get(rank - 1).map_or(0.0, |us| *us as f64 / 1_000.0)
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn lateness(calls: &[&Call]) -> f64 {
    let mut late: Vec<u64> = calls.iter().map(|call| u64::from(call.late_us)).collect();
    late.sort_unstable();
    at(&late, 0.99)
}

fn reasons(calls: &[&Call], name: impl Fn(i32) -> String) -> Vec<(String, u64)> {
    let mut counts: Vec<((i32, i32), u64)> = Vec::new();
    for call in calls.iter().filter(|call| !call.ok()) {
        let reason = (call.status, call.http);
        match counts.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => counts.push((reason, 1)),
        }
    }
    counts.sort_unstable_by_key(|(_, count)| std::cmp::Reverse(*count));
    let words = |(status, http): (i32, i32)| match status {
        0 => format!("HTTP {http}"),
        -1 => "never ended".to_owned(),
        _ => name(status),
    };
    counts.into_iter().map(|(reason, count)| (words(reason), count)).collect()
}

fn goodput(calls: &[&Call], from_ms: u64, to_ms: u64) -> f64 {
    let inside = |us: i64| us >= (from_ms * 1_000) as i64 && us < (to_ms * 1_000) as i64;
    let ends = |call: &&&Call| inside(call.at_us + call.took_us as i64);
    let good = calls.iter().filter(|call| call.ok()).filter(ends).count();
    good as f64 * 1_000.0 / to_ms.saturating_sub(from_ms).max(1) as f64
}

fn over_time(calls: &[Call], end_ms: u64, deadline_us: u64) -> (Vec<f64>, Vec<f64>) {
    let count = end_ms.div_ceil(SHARE_MS) as usize;
    let mut good = vec![0.0; count];
    let mut times = vec![Vec::new(); count];
    for call in calls {
        let Some(bin) = bin_of(call, SHARE_MS).filter(|bin| *bin < count) else { continue };
        good[bin] += if call.ok() { 1_000.0 / SHARE_MS as f64 } else { 0.0 };
        times[bin].push(cost(call, deadline_us));
    }
    let p95 = times.iter_mut().map(|times| {
        times.sort_unstable();
        at(times, 0.95)
    });
    (good, p95.collect())
}

fn bin_of(call: &Call, width_ms: u64) -> Option<usize> {
    u64::try_from(call.at_us).ok().map(|us| (us / 1_000 / width_ms) as usize)
}

fn max_by_mean(served: &Served, faulty: usize) -> f64 {
    let healthy = served.arrivals.get(faulty..).unwrap_or_default();
    let mean = ratio(healthy.iter().sum(), healthy.len() as u64);
    let max = healthy.iter().max().copied().unwrap_or_default() as f64;
    if mean > 0.0 { max / mean } else { 0.0 }
}

/// First attempts of the faulty endpoints and of all, by `BIN_MS`, and how many a fair share is.
struct Bins {
    faulty: Vec<f64>,
    all: Vec<f64>,
    fair: f64,
}

fn first_attempts(
    driven: &Driven,
    served: &Served,
    watched: &Watched,
    end_ms: u64,
    behind_proxy: bool,
) -> Bins {
    let count = (end_ms / BIN_MS) as usize;
    let fair = ratio(watched.count as u64, served.arrivals.len() as u64);
    let mut bins = Bins { faulty: vec![0.0; count], all: vec![0.0; count], fair };
    if behind_proxy {
        for (endpoint, arrivals) in served.bins.iter().enumerate() {
            for (bin, arrived) in arrivals.iter().take(count).enumerate() {
                bins.all[bin] += f64::from(*arrived);
                bins.faulty[bin] +=
                    if endpoint < watched.count { f64::from(*arrived) } else { 0.0 };
            }
        }
        return bins;
    }
    for call in &driven.calls {
        let bin = bin_of(call, BIN_MS).filter(|bin| *bin < count);
        let (Some(bin), Some(first)) = (bin, call.first) else { continue };
        bins.all[bin] += 1.0;
        bins.faulty[bin] += if usize::from(first) < watched.count { 1.0 } else { 0.0 };
    }
    bins
}

impl Bins {
    /// First attempts in these bins by the fair share of them.
    fn share(&self, from: usize, to: usize) -> f64 {
        let sum = |bins: &[f64]| bins.get(from..to).map_or(0.0, |bins| bins.iter().sum());
        let fair: f64 = sum(&self.all) * self.fair;
        if fair > 0.0 { sum(&self.faulty) / fair } else { 0.0 }
    }
}

fn watch(figures: &mut Figures, bins: &Bins, watched: &Watched, end_ms: u64) {
    let count = bins.all.len();
    let begin = (watched.from_ms / BIN_MS) as usize;
    let heal = (watched.to_ms.min(end_ms) / BIN_MS) as usize;
    let found = (begin..heal).find(|bin| {
        let to = (bin + FOUND_OUT_BINS).min(heal);
        bins.all[*bin..to].iter().all(|all| *all > 0.0) && bins.share(*bin, to) < FOUND_OUT
    });
    let ms = |from: usize, to: usize| (to - from) as f64 * BIN_MS as f64;
    figures.detection_ms = found.map(|bin| ms(begin, bin));
    let exposed = bins.faulty.get(begin..found.unwrap_or(heal)).unwrap_or_default();
    figures.exposed = Some(exposed.iter().sum::<f64>() as u64);
    figures.residue = Some(bins.share(begin.midpoint(heal), heal));
    // A contestant that never took its traffic away has nothing to give back.
    if watched.to_ms < end_ms && bins.share(begin.midpoint(heal), heal) < TAKEN_BACK {
        let mut after = heal..(count + 1).saturating_sub(TAKEN_BACK_BINS);
        let back = after.find(|bin| bins.share(*bin, bin + TAKEN_BACK_BINS) > TAKEN_BACK);
        figures.recovery_ms = back.map(|bin| ms(heal, bin));
    }
    figures.share = (0..end_ms / SHARE_MS)
        .map(|index| {
            let (from, to) = (index * SHARE_MS / BIN_MS, ((index + 1) * SHARE_MS).div_ceil(BIN_MS));
            bins.share(from as usize, (to as usize).min(count))
        })
        .collect();
}

/// Milliseconds after a surge until of half a second's calls 95 % succeed.
fn succeeds_again(calls: &[Call], to_ms: u64, end_ms: u64) -> Option<f64> {
    let count = (end_ms / BIN_MS) as usize;
    let (mut good, mut all) = (vec![0u64; count], vec![0u64; count]);
    for call in calls {
        let Some(bin) = bin_of(call, BIN_MS).filter(|bin| *bin < count) else { continue };
        all[bin] += 1;
        good[bin] += u64::from(call.ok());
    }
    let heal = (to_ms / BIN_MS) as usize;
    let sum = |bins: &[u64], from: usize| bins[from..from + TAKEN_BACK_BINS].iter().sum::<u64>();
    (heal..(count + 1).saturating_sub(TAKEN_BACK_BINS))
        .find(|bin| ratio(sum(&good, *bin), sum(&all, *bin)) >= 0.95)
        .map(|bin| (bin - heal) as f64 * BIN_MS as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins(faulty: impl Fn(usize) -> f64) -> Bins {
        Bins { faulty: (0..100).map(faulty).collect(), all: vec![240.0; 100], fair: 0.05 }
    }

    fn watched() -> Watched {
        Watched { count: 1, from_ms: 1_000, to_ms: 6_000, unseen: false }
    }

    #[test]
    fn an_endpoint_that_loses_its_traffic_was_found_out() {
        let mut figures = Figures::default();
        let bins = bins(|bin| if (13..75).contains(&bin) { 0.0 } else { 12.0 });
        watch(&mut figures, &bins, &watched(), 10_000);
        assert_eq!(figures.detection_ms, Some(300.0));
        assert_eq!(figures.exposed, Some(36));
        assert_eq!(figures.residue, Some(0.0));
        // Four fifths of half a second are back a tenth early.
        assert_eq!(figures.recovery_ms, Some(1_500.0));
        assert_eq!(figures.share.len(), 40);
    }

    #[test]
    fn one_that_keeps_its_traffic_was_not() {
        let mut figures = Figures::default();
        watch(&mut figures, &bins(|_| 12.0), &watched(), 10_000);
        assert_eq!(figures.detection_ms, None);
        assert_eq!(figures.exposed, Some(50 * 12));
        assert_eq!(figures.residue, Some(1.0));
        assert_eq!(figures.recovery_ms, None, "nothing was taken away");
    }

    #[test]
    fn the_first_use_counts_from_the_end_of_the_fault() {
        let mut bins = vec![0; 101];
        (bins[12], bins[59], bins[73]) = (9, 1, 1);
        let served = Served { bins: vec![bins, vec![1; 101]], ..Served::default() };
        assert_eq!(first_use(&served, &watched(), 10_000), Some(1_400.0));
        assert_eq!(first_use(&served, &watched(), 6_000), None, "it does not heal");
        assert_eq!(gap(&served, 0, 1_300), 4_600.0);
        assert_eq!(gap(&served, 1, 0), 0.0);
    }

    #[test]
    fn waiting_is_what_lies_beyond_the_usual() {
        let call = |ms: u64| Call { took_us: ms * 1_000, ..Call::open(0, 1_000) };
        let calls = [call(50), call(300), call(2_000)];
        let mut figures = Figures::default();
        wait(&mut figures, &calls.iter().collect::<Vec<_>>(), 100);
        assert_eq!((figures.slow_calls, figures.waited_ms), (2, 2_100.0));
        assert_eq!(figures.longest_ms, 2_000.0);
    }

    #[test]
    fn a_gap_by_chance_is_no_detection() {
        let mut figures = Figures::default();
        watch(&mut figures, &bins(|bin| if bin == 20 { 0.0 } else { 12.0 }), &watched(), 10_000);
        assert_eq!(figures.detection_ms, None);
    }

    #[test]
    fn percentiles_are_values_that_were_there() {
        let sorted: Vec<u64> = (1..=1_000).map(|ms| ms * 1_000).collect();
        assert_eq!(at(&sorted, 0.5), 500.0);
        assert_eq!(at(&sorted, 0.999), 999.0);
        assert_eq!(at(&sorted, 1.0), 1_000.0);
        assert_eq!(at(&[], 0.5), 0.0);
    }
}
