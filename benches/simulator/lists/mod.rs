//! What a client believes of a registry that fails, answers that there is nothing, flaps, or changes all the time.

mod follower;
mod registry;

use std::time::Duration;

use ahoy::policy::FreshnessConfig;

use crate::draws::Draws;
use crate::lab::Lab;
use crate::time::{MS, Nanos, SECOND};
use follower::{BEAT, Log, Seen, follow};
use registry::{Mode, Registry};

/// One bound, and whether it holds.
#[derive(Debug)]
struct Bound {
    what: &'static str,
    target: &'static str,
    measured: String,
    is_met: bool,
}

/// Shows them all.
pub(crate) fn run(lab: &mut Lab) {
    let clients = if lab.quick { FEW } else { MANY };
    for Bound { what, target, measured, is_met } in bounds(clients) {
        lab.note("L", what, (target.to_owned(), measured), is_met, "");
    }
}

/// All bounds, each over so many clients that draw their own pauses.
fn bounds(clients: u64) -> Vec<Bound> {
    let mut all = first_lists(clients);
    all.extend([down(clients), together(clients), refusing(clients), expiring(clients)]);
    all.extend([empty_for_a_while(clients), empty_for_long(clients)]);
    all.extend(flapping(clients));
    all.extend(flooding());
    all.extend(silent(clients));
    all.push(seldom_confirmed());
    all
}

/// What became of the list of each client.
fn over(clients: u64, registry: &Registry, config: FreshnessConfig, until: Nanos) -> Vec<Log> {
    (0..clients).map(|seed| follow(registry, config, seed, until)).collect()
}

fn stale_after(seconds: u64) -> FreshnessConfig {
    FreshnessConfig { max_stale: Duration::from_secs(seconds), ..FreshnessConfig::default() }
}

/// A start while the registry is down.
fn first_lists(clients: u64) -> Vec<Bound> {
    let case = |(away, what, target, most): (Nanos, _, _, f64)| {
        let registry = Registry::of(&[(0, Mode::Down), (away, Mode::Well)]);
        let logs = over(clients, &registry, FreshnessConfig::default(), away + START);
        let waits: Vec<f64> = logs.iter().map(|log| seconds(log.first_list() - away)).collect();
        let (mean, worst) = (mean(&waits), most_of(&waits));
        let measured = format!("mean {mean:.2} s, most {worst:.2} s");
        Bound { what, target, measured, is_met: mean <= most && worst <= LONGEST_PAUSE }
    };
    let cases = [
        (SECOND, "first list, registry away for 1 s", "mean <= 1 s, most <= 32 s", 1.0),
        (10 * SECOND, "first list, registry away for 10 s", "mean <= 8 s, most <= 32 s", 8.0),
        (1000 * SECOND, "first list, registry away for 1000 s", "mean <= 12 s, most <= 32 s", 12.0),
    ];
    cases.into_iter().map(case).collect()
}

/// Pauses of 16 s on average make 225.
fn down(clients: u64) -> Bound {
    let registry = Registry::of(&[(0, Mode::Down)]);
    let logs = over(clients, &registry, FreshnessConfig::default(), HOUR);
    let (fewest, most) = questions(&logs);
    Bound {
        what: "questions of a client to a registry that is down for an hour",
        target: "150 to 330",
        measured: format!("{fewest:.0} to {most:.0}"),
        is_met: fewest >= 150.0 && most <= 330.0,
    }
}

/// All lost it in the same moment; a sixteenth asks in each second on average.
fn together(clients: u64) -> Bound {
    let registry = Registry::of(&[(0, Mode::Well), (START, Mode::Down)]);
    let clients = clients.max(500);
    let logs = over(clients, &registry, FreshnessConfig::default(), START + 1200 * SECOND);
    let share = busiest_second(&logs, START + 600 * SECOND..START + 1200 * SECOND);
    Bound {
        what: "clients that ask in the same second, when it is down for 10 minutes",
        target: "<= 12 % of them",
        measured: format!("{:.1} %", 100.0 * share),
        is_met: share <= 0.12,
    }
}

/// Pauses of 16 to 32 s.
fn refusing(clients: u64) -> Bound {
    let registry = Registry::of(&[(0, Mode::Refuses)]);
    let logs = over(clients, &registry, FreshnessConfig::default(), HOUR);
    let (fewest, most) = questions(&logs);
    Bound {
        what: "questions of a client to a registry that refuses for an hour",
        target: "112 to 226",
        measured: format!("{fewest:.0} to {most:.0}"),
        is_met: fewest >= 112.0 && most <= 226.0,
    }
}

fn expiring(clients: u64) -> Bound {
    let registry = Registry::of(&[(0, Mode::Expires)]);
    let logs = over(clients, &registry, FreshnessConfig::default(), HOUR);
    let spans = logs.iter().flat_map(|log| log.connects.windows(4).map(|it| it[3] - it[0]));
    let (closest, lost) = (seconds(spans.min().unwrap_or(0)), longest_without(&logs, HOUR));
    Bound {
        what: "sessions that expire as soon as they told their list",
        target: "three lists a minute, never without endpoints",
        measured: format!("four within {closest:.1} s, {lost:.1} s without"),
        is_met: closest >= 60.0 && lost == 0.0,
    }
}

fn empty_for_a_while(clients: u64) -> Bound {
    let modes = [(0, Mode::Well), (START, Mode::Empty), (START + 29 * SECOND, Mode::Well)];
    let logs = over(clients, &Registry::of(&modes), FreshnessConfig::default(), HOUR);
    never("an empty answer for 29 s", &logs, HOUR)
}

fn empty_for_long(clients: u64) -> Bound {
    let end = START + 90 * SECOND;
    let modes = [(0, Mode::Well), (START, Mode::Empty), (end, Mode::Well)];
    let logs = over(clients, &Registry::of(&modes), FreshnessConfig::default(), HOUR);
    let gone = logs.iter().map(|log| log.when(|it| it == Seen::Empty).next().unwrap_or(0));
    let gone: Vec<f64> = gone.map(|at| seconds(at.saturating_sub(START))).collect();
    let back = most_of(&logs.iter().map(|log| log.back_after(end)).collect::<Vec<_>>());
    let (first, last) = (least_of(&gone), most_of(&gone));
    Bound {
        what: "an empty answer for 90 s",
        target: "gone after 30 to 31 s, back within 50 ms",
        measured: format!("gone after {first:.2} to {last:.2} s, back within {back:.3} s"),
        is_met: first >= 30.0 && last <= 31.0 && back <= 0.05,
    }
}

fn flapping(clients: u64) -> Vec<Bound> {
    let case = |(what, turns): (_, [Mode; 2])| {
        let turn = |at: Nanos| (START + at * FLAP, turns[(at % 2) as usize]);
        let modes: Vec<_> =
            [(0, Mode::Well)].into_iter().chain((0..HOUR / FLAP).map(turn)).collect();
        never(what, &over(clients, &Registry::of(&modes), FreshnessConfig::default(), HOUR), HOUR)
    };
    let cases = [
        (
            "a registry without its data that fails each 40 s, for an hour",
            [Mode::Down, Mode::Empty],
        ),
        (
            "a registry that is empty and well in turns of 20 s, for an hour",
            [Mode::Empty, Mode::Well],
        ),
    ];
    cases.into_iter().map(case).collect()
}

fn flooding() -> Vec<Bound> {
    let case = |(what, changes): (_, Vec<Nanos>)| {
        let end = changes.last().copied().unwrap_or(START) + SECOND;
        let registry = Registry::of(&[(0, Mode::Well)]).changing(changes);
        let log = follow(&registry, FreshnessConfig::default(), 1, end);
        let (late, pause) = (seconds(log.latest()), seconds(log.shortest_pause()));
        let is_last = log.applied.last().map(|it| it.1) == Some(Seen::List(registry.list(end)));
        Bound {
            what,
            target: "<= 50 ms late, >= 50 ms apart, the last one counts",
            measured: format!("{late:.3} s late, {pause:.3} s apart, {} lists", log.applied.len()),
            is_met: late <= 0.05 && pause >= 0.05 && is_last,
        }
    };
    let (mut draws, mut at) = (Draws::new(5), START);
    let burst = (0..2000).map(|_| {
        at += draws.exponential(30.0 * MS as f64);
        at
    });
    let cases = [
        ("200 changes, one each 5 ms", (0..200).map(|it| START + it * 5 * MS).collect()),
        ("2000 changes, one each 30 ms on average", burst.collect()),
    ];
    cases.into_iter().map(case).collect()
}

/// Down or standing still for ten minutes, with and without `max_stale`.
fn silent(clients: u64) -> Vec<Bound> {
    let case = |(mode, limited, unlimited)| {
        let end = START + 600 * SECOND;
        let registry = Registry::of(&[(0, Mode::Well), (START, mode), (end, Mode::Well)]);
        let logs = over(clients, &registry, stale_after(60), end + START);
        let gone = logs.iter().map(|log| log.when(|it| it == Seen::Stale).next().unwrap_or(0));
        let gone: Vec<f64> = gone.map(|at| seconds(at.saturating_sub(START))).collect();
        let back = most_of(&logs.iter().map(|log| log.back_after(end)).collect::<Vec<_>>());
        let (first, last) = (least_of(&gone), most_of(&gone));
        let is_in_time = first >= 60.0 - seconds(BEAT) && last <= 60.0;
        let bound = Bound {
            what: limited,
            target: "gone 55 to 60 s later, back within 37 s",
            measured: format!("gone {first:.1} to {last:.1} s later, back within {back:.1} s"),
            // A question that went out before its return is given up after 5 s.
            is_met: is_in_time && back <= LONGEST_PAUSE + 5.0,
        };
        let logs = over(clients, &registry, FreshnessConfig::default(), end + START);
        [bound, never(unlimited, &logs, end + START)]
    };
    let cases = [
        (Mode::Down, "max_stale = 60s, down for 10 minutes", "no max_stale, down for 10 minutes"),
        (
            Mode::Silent,
            "max_stale = 60s, standing still for 10 minutes",
            "no max_stale, standing still for 10 minutes",
        ),
    ];
    cases.into_iter().flat_map(case).collect()
}

/// What was taken away comes back when the registry says that it holds, although nothing changed.
fn seldom_confirmed() -> Bound {
    let log = follow(&Registry::of(&[(0, Mode::Well)]), stale_after(3), 1, HOUR);
    let lost = seconds(log.without(HOUR));
    Bound {
        what: "max_stale = 3s, a registry that says each 5 s that nothing changed",
        target: "<= 2 s without endpoints",
        measured: format!("{lost:.2} s"),
        is_met: lost <= 2.0,
    }
}

fn never(what: &'static str, logs: &[Log], until: Nanos) -> Bound {
    let lost = longest_without(logs, until);
    let measured = format!("{lost:.1} s without");
    Bound { what, target: "never without endpoints", measured, is_met: lost == 0.0 }
}

impl Log {
    /// Seconds from then until a list applied.
    fn back_after(&self, end: Nanos) -> f64 {
        let applied = self.applied.iter().rfind(|it| matches!(it.1, Seen::List(_)));
        let back = applied.and_then(|it| it.0.checked_sub(end));
        back.map_or(f64::INFINITY, seconds)
    }

    fn first_list(&self) -> Nanos {
        self.when(|seen| matches!(seen, Seen::List(_))).next().unwrap_or(Nanos::MAX)
    }

    fn when(&self, is_it: impl Fn(Seen) -> bool) -> impl Iterator<Item = Nanos> {
        self.applied.iter().filter(move |it| is_it(it.1)).map(|it| it.0)
    }

    /// The longest time without endpoints after the first list.
    fn without(&self, until: Nanos) -> Nanos {
        let ends = self.applied.iter().skip(1).map(|it| it.0).chain([until]);
        let spans = self.applied.iter().zip(ends);
        let without = spans.filter(|(it, _)| !matches!(it.1, Seen::List(_)));
        without.map(|(it, end)| end.saturating_sub(it.0)).max().unwrap_or(0)
    }

    /// By how much a list, or a newer one in its place, applied after it was told at the latest.
    fn latest(&self) -> Nanos {
        let applied = |number: u32| {
            let newer = |it: &&(Nanos, Seen)| matches!(it.1, Seen::List(it) if it >= number);
            self.applied.iter().find(newer).map_or(Nanos::MAX, |it| it.0)
        };
        let late = self.told.iter().filter_map(|(at, list)| Some(applied((*list)?) - at));
        late.max().unwrap_or(0)
    }

    fn shortest_pause(&self) -> Nanos {
        self.applied.windows(2).map(|it| it[1].0 - it[0].0).min().unwrap_or(Nanos::MAX)
    }
}

fn longest_without(logs: &[Log], until: Nanos) -> f64 {
    seconds(logs.iter().map(|log| log.without(until)).max().unwrap_or(0))
}

/// The fewest and the most sessions of a client.
fn questions(logs: &[Log]) -> (f64, f64) {
    let asked: Vec<f64> = logs.iter().map(|log| log.connects.len() as f64).collect();
    (least_of(&asked), most_of(&asked))
}

/// The share of the clients that connect in the busiest second.
fn busiest_second(logs: &[Log], span: std::ops::Range<Nanos>) -> f64 {
    let mut counts = vec![0_u32; ((span.end - span.start) / SECOND) as usize];
    for at in logs.iter().flat_map(|log| &log.connects).filter(|at| span.contains(at)) {
        counts[((at - span.start) / SECOND) as usize] += 1;
    }
    f64::from(counts.into_iter().max().unwrap_or(0)) / logs.len() as f64
}

fn seconds(span: Nanos) -> f64 {
    span as f64 / SECOND as f64
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn most_of(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn least_of(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

const MANY: u64 = 1000;
const FEW: u64 = 20;
const HOUR: Nanos = 3600 * SECOND;
/// When what was well no longer is.
const START: Nanos = 103 * SECOND;
/// Less than `empty_hold`.
const FLAP: Nanos = 20 * SECOND;
/// The longest pause of a source that failed, in seconds.
const LONGEST_PAUSE: f64 = 32.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_holds() {
        for bound in bounds(FEW) {
            assert!(bound.is_met, "{bound:?}");
        }
    }
}
