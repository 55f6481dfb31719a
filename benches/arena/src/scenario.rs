//! The scenarios where one of many is in trouble, a row each. What they share: 20 endpoints of 4 slots, lognormal
//! work with a mean of 20 ms and a coefficient of variation of 1, a limit of 2 s on a call and of 500 ms on an
//! attempt, 4 clients. `situation.rs` has the others.
//!
//! Work is twice as long as in the figures that the targets were set by (10 ms), and so are the limits: two cores
//! then carry servers, client and proxy together at less than half of what they can do. Times compare by ratio.

use crate::contestant::{Contestant, Limits};
use crate::plan::{Arrivals, Fault, Fleet, Load, Mode, Watched, Work};
use crate::situation;

/// A scenario, before it has a length and a seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// Short, for tables and files.
    pub(crate) name: &'static str,
    /// One line for people.
    pub(crate) title: &'static str,
    /// What happens, in a sentence or two.
    pub(crate) about: &'static str,
    /// How calls come.
    pub(crate) rate: Rate,
    /// The method of every call.
    pub(crate) method: &'static str,
    /// How many endpoints.
    pub(crate) endpoints: usize,
    /// How many requests each works on at once.
    pub(crate) slots: usize,
    /// What a request costs.
    pub(crate) work: Work,
    /// How many clients share the calls.
    pub(crate) clients: usize,
    /// What goes wrong.
    pub(crate) trouble: Trouble,
    /// So many times the calls during the trouble.
    pub(crate) surge: Option<f64>,
    /// When.
    pub(crate) times: Times,
    /// The limit on a call that belongs to the scenario, and that everybody sets.
    pub(crate) call_ms: Option<u64>,
    /// What contestants with both limits set: on a call, where the scenario has none, and on an attempt.
    pub(crate) limits_ms: (u64, u64),
    /// The share of long calls, which the client is told about.
    pub(crate) groups: Option<f64>,
    /// From here on a call has waited.
    pub(crate) slow_ms: u64,
    /// Servers look whether their client is still there.
    pub(crate) honours_cancel: bool,
    /// Requests cost the same wherever they go.
    pub(crate) inherent: bool,
    /// What must become of it: a metric's id and the most that it may be.
    pub(crate) targets: &'static [(&'static str, f64)],
    /// Part of quick runs.
    pub(crate) quick: bool,
}

/// How calls come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rate {
    /// As a share of what all healthy endpoints can serve.
    Use(f64),
    /// In so many words.
    Exactly(Arrivals),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    None,
    /// The first so many endpoints, healed towards the end of the run.
    Heals(usize, Mode),
    /// The same, to the end of the run.
    Stays(usize, Mode),
    /// An endpoint each, from before the first call to the end.
    Always(&'static [Mode]),
}

/// How long a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    /// As long as the command line says.
    OfRun,
    /// As long as the situation needs.
    Own {
        warm_up_ms: u64,
        trouble_ms: u64,
        after_ms: u64,
        /// In quick runs trouble and what follows take this part of it: what it cannot show, the report says.
        quick_part: u64,
    },
}

/// The length of a run, as the command line says it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Length {
    pub(crate) seconds: f64,
    pub(crate) quick: bool,
}

const SLOTS: usize = 4;
const MEAN_US: f64 = 20_000.0;
const CLIENTS: usize = 4;
/// Pools fill and averages settle in about a second.
const WARM_UP_MS: u64 = 2_000;
/// The same in runs of a few seconds.
const QUICK_WARM_UP_MS: u64 = 1_000;
/// Healthy traffic that is counted before the trouble.
pub(crate) const LEAD_MS: u64 = 1_000;
/// The part of the run after the lead that the trouble lasts.
const TROUBLE_RATIO: f64 = 0.6;

pub(crate) const HEALTHY: Scenario = Scenario {
    name: "healthy_60",
    title: "Healthy, 60 % load",
    about: "Nothing is wrong: what balancing alone gives and costs.",
    rate: Rate::Use(0.6),
    method: "GET",
    endpoints: 20,
    slots: SLOTS,
    work: Work::Lognormal { mean_us: MEAN_US, cv: 1.0 },
    clients: CLIENTS,
    trouble: Trouble::None,
    surge: None,
    times: Times::OfRun,
    call_ms: Some(2_000),
    limits_ms: (2_000, 500),
    groups: None,
    slow_ms: 1_000,
    honours_cancel: true,
    inherent: false,
    targets: &[],
    quick: false,
};

/// The same mean: 0.95 * 13.8 + 0.05 * 138 = 20 ms.
const TWO_KINDS: Work =
    Work::Bimodal { short_us: MEAN_US / 1.45, long_us: 10.0 * MEAN_US / 1.45, long_share: 0.05 };

/// All of them, in the report's order: what happens to a user first.
pub(crate) fn all() -> impl Iterator<Item = &'static Scenario> {
    situation::ALL.iter().chain(ONE_OF_MANY)
}

/// Those that balancers differ in.
pub(crate) const ONE_OF_MANY: &[Scenario] = &[
    Scenario { quick: true, ..HEALTHY },
    Scenario {
        name: "healthy_85",
        title: "Healthy, 85 % load",
        about: "Nothing is wrong, but there is little room: lines form before endpoints that get more than their share.",
        rate: Rate::Use(0.85),
        ..HEALTHY
    },
    Scenario {
        name: "bimodal",
        title: "Two kinds of work",
        about: "5 % of requests cost ten times the others, wherever they go: a hedge cannot help these.",
        inherent: true,
        work: TWO_KINDS,
        ..HEALTHY
    },
    Scenario {
        name: "slow",
        title: "One of 20 is 10 times slower",
        about: "Its work takes ten times as long, without a single error.",
        trouble: Trouble::Heals(1, Mode::Slow { factor: 10.0 }),
        quick: true,
        ..HEALTHY
    },
    Scenario {
        name: "dead",
        title: "One of 20 is dead",
        about: "Its connections are reset and new ones refused; then it comes back.",
        trouble: Trouble::Heals(1, Mode::Refuse),
        ..HEALTHY
    },
    Scenario {
        name: "fast_fail",
        title: "One of 20 fails fast",
        about: "It answers 503 after half a millisecond, and so looks like the least loaded of all.",
        trouble: Trouble::Heals(1, Mode::Fail { share: 1.0 }),
        ..HEALTHY
    },
    Scenario {
        name: "hung",
        title: "One of 20 hangs",
        about: "It takes requests and never answers them.",
        trouble: Trouble::Heals(1, Mode::Hang),
        ..HEALTHY
    },
    Scenario {
        name: "flapping",
        title: "One of 20 flaps",
        about: "It answers 503 for a second out of every three.",
        trouble: Trouble::Stays(1, Mode::Flap { every_ms: 3_000, down_ms: 1_000 }),
        ..HEALTHY
    },
    Scenario {
        name: "pausing",
        title: "One of 20 pauses",
        about: "It stands still for 400 ms every 2 s, as in a garbage collection.",
        trouble: Trouble::Stays(1, Mode::Pause { every_ms: 2_000, length_ms: 400 }),
        ..HEALTHY
    },
    Scenario {
        name: "six_dead",
        title: "6 of 20 die at once",
        about: "A rack is lost: the others have room for the rest, at 86 % load.",
        trouble: Trouble::Heals(6, Mode::Refuse),
        ..HEALTHY
    },
    Scenario {
        name: "six_failing",
        title: "6 of 20 fail at once",
        about: "The same, answering 503 instead of being gone.",
        trouble: Trouble::Heals(6, Mode::Fail { share: 1.0 }),
        ..HEALTHY
    },
    Scenario {
        name: "half_slow",
        title: "Half are 2 times slower, 90 % load",
        about: "Enough for all if the fast half gets two thirds; a fair share is too much for the slow half.",
        rate: Rate::Use(0.9 * 0.75),
        trouble: Trouble::Stays(10, Mode::Slow { factor: 2.0 }),
        ..HEALTHY
    },
    Scenario {
        name: "overload",
        title: "Three times the load",
        about: "At 80 % load the calls come three times as often for a while. Servers do not notice when a client gives \
                up. 6 endpoints, so that the machine is not what is measured.",
        rate: Rate::Use(0.8),
        endpoints: 6,
        surge: Some(3.0),
        honours_cancel: false,
        quick: true,
        ..HEALTHY
    },
    Scenario {
        name: "throttled",
        title: "One of 20 answers 429",
        about: "It takes a third of its share and answers the rest 429 with Retry-After: 1.",
        trouble: Trouble::Heals(1, Mode::Throttle { per_second: 40.0, retry_after_s: 1 }),
        ..HEALTHY
    },
    Scenario {
        name: "slow_body",
        title: "One of 20 has slow bodies",
        about: "Its heads come in time, its bodies a byte each 100 ms.",
        trouble: Trouble::Heals(1, Mode::SlowBody),
        ..HEALTHY
    },
    Scenario {
        name: "half_reply",
        title: "One of 20 breaks off",
        about: "It sends half of each answer and closes.",
        trouble: Trouble::Heals(1, Mode::HalfReply),
        ..HEALTHY
    },
    Scenario {
        name: "cold",
        title: "One of 20 comes back cold",
        about: "It was dead, and for a while after its return it is ten times slower, then evenly faster.",
        trouble: Trouble::Heals(1, Mode::WarmUp { factor: 10.0 }),
        ..HEALTHY
    },
];

impl Scenario {
    /// Whether a contestant takes part where nobody is named.
    pub(crate) fn admits(&self, contestant: &Contestant) -> bool {
        match self.times {
            Times::OfRun => contestant.among_many,
            Times::Own { .. } => contestant.in_situations,
        }
    }

    /// Calls a second; nothing for a caller that goes by the answers.
    pub(crate) fn per_second(&self) -> Option<f64> {
        match self.rate {
            Rate::Use(share) => Some(share * self.capacity()),
            Rate::Exactly(Arrivals::Poisson { per_second }) => Some(per_second),
            Rate::Exactly(_) => None,
        }
    }

    /// What all healthy endpoints can serve in a second.
    pub(crate) fn capacity(&self) -> f64 {
        (self.endpoints * self.slots) as f64 / (self.work.mean_us() / 1e6)
    }

    /// Whether it leaves the machine idle, so that others may run beside it.
    pub(crate) fn is_light(&self) -> bool {
        self.work.mean_us() > LONG_WORK_US
            || self.per_second().is_none_or(|rate| rate <= LIGHT_PER_SECOND)
    }

    /// By what part of it a quick run shortens the situation.
    pub(crate) fn quick_part(&self) -> u64 {
        match self.times {
            Times::Own { quick_part, .. } => quick_part,
            Times::OfRun => 1,
        }
    }

    /// Warm-up, and from the time 0 when the trouble begins, when it ends, and when the run does.
    pub(crate) fn times_ms(&self, length: Length) -> (u64, u64, u64, u64) {
        match self.times {
            Times::OfRun => {
                let end = (length.seconds * 1_000.0) as u64;
                let rest = end.saturating_sub(LEAD_MS) as f64;
                let heals = matches!(self.trouble, Trouble::Heals(..)) || self.surge.is_some();
                let to = if heals { LEAD_MS + (rest * TROUBLE_RATIO) as u64 } else { end };
                let short = length.seconds < 5.0;
                (if short { QUICK_WARM_UP_MS } else { WARM_UP_MS }, LEAD_MS, to, end)
            }
            Times::Own { warm_up_ms, trouble_ms, after_ms, quick_part } => {
                let part = if length.quick { quick_part } else { 1 };
                // What is without warm-up counts from its first call.
                let from = if warm_up_ms == 0 { 0 } else { LEAD_MS };
                let to = from + trouble_ms / part;
                (warm_up_ms, from, to, to + after_ms / part)
            }
        }
    }

    /// The servers, for a run of that length and seed.
    pub(crate) fn fleet(&self, length: Length, seed: u64, reports_load: bool) -> Fleet {
        let (_, from, _, end) = self.times_ms(length);
        Fleet {
            endpoints: self.endpoints,
            slots: self.slots,
            seed,
            work: self.work,
            inherent: self.inherent,
            honours_cancel: self.honours_cancel,
            reports_load,
            count_from_ms: from,
            count_to_ms: end,
            faults: self.faults(length),
        }
    }

    fn faults(&self, length: Length) -> Vec<Fault> {
        let (_, from, to, end) = self.times_ms(length);
        let (from_ms, to_ms) = (from as i64, to as i64);
        let (count, mode) = match self.trouble {
            Trouble::None => return Vec::new(),
            Trouble::Heals(count, mode) | Trouble::Stays(count, mode) => (count, mode),
            Trouble::Always(modes) => {
                let (from_ms, to_ms) = (BEFORE_ALL_MS, end as i64);
                let each = modes.iter().enumerate();
                return each
                    .map(|(endpoint, mode)| Fault { endpoint, mode: *mode, from_ms, to_ms })
                    .collect();
            }
        };
        if matches!(mode, Mode::WarmUp { .. }) {
            let back = from_ms + (to_ms - from_ms) / 4;
            let dead = Fault { endpoint: 0, mode: Mode::Refuse, from_ms, to_ms: back };
            return vec![dead, Fault { endpoint: 0, mode, from_ms: back, to_ms }];
        }
        (0..count).map(|endpoint| Fault { endpoint, mode, from_ms, to_ms }).collect()
    }

    /// The load, for a run of that length and a contestant with these limits.
    pub(crate) fn load(&self, length: Length, limits: Limits) -> Load {
        let (warm_up_ms, from_ms, to_ms, end_ms) = self.times_ms(length);
        let troubled = !matches!(self.trouble, Trouble::None) || self.surge.is_some();
        let (call, attempt) = self.limits_ms;
        Load {
            arrivals: match self.rate {
                Rate::Use(share) => Arrivals::Poisson { per_second: share * self.capacity() },
                Rate::Exactly(arrivals) => arrivals,
            },
            warm_up_ms,
            end_ms,
            count_from_ms: from_ms,
            surge: self.surge.map(|factor| (from_ms, to_ms, factor)),
            trouble: troubled.then_some((from_ms, to_ms)),
            method: self.method.to_owned(),
            call_ms: self.call_ms.or_else(|| (limits == Limits::Both).then_some(call)),
            attempt_ms: (limits == Limits::Both).then_some(attempt),
            clients: self.clients,
            groups: self.groups,
            slow_ms: self.slow_ms,
            watched: match self.trouble {
                Trouble::Heals(count, mode) | Trouble::Stays(count, mode)
                    if count < self.endpoints =>
                {
                    let unseen = mode == Mode::Refuse || matches!(mode, Mode::WarmUp { .. });
                    Some(Watched { count, from_ms, to_ms, unseen })
                }
                // Where all are in trouble, nobody can be avoided.
                _ => None,
            },
        }
    }
}

/// At so few calls a second nobody waits for a processor.
const LIGHT_PER_SECOND: f64 = 30.0;
/// Nor where work takes so long that little of it is begun.
const LONG_WORK_US: f64 = 100_000.0;

/// Long before the first call.
const BEFORE_ALL_MS: i64 = -60_000;

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Length = Length { seconds: 10.0, quick: false };

    #[test]
    fn the_machine_serves_what_is_said() {
        assert_eq!(HEALTHY.capacity(), 4_000.0);
        assert_eq!(HEALTHY.per_second(), Some(2_400.0));
        for scenario in ONE_OF_MANY {
            assert!((scenario.work.mean_us() - MEAN_US).abs() < 1.0, "{}", scenario.name);
        }
    }

    #[test]
    fn what_heals_has_time_to_be_seen_healthy() {
        for scenario in ONE_OF_MANY {
            let load = scenario.load(TEN, Limits::Both);
            let Some(watched) = load.watched else { continue };
            assert!(watched.from_ms >= load.count_from_ms);
            let heals = matches!(scenario.trouble, Trouble::Heals(..));
            assert_eq!(heals, load.end_ms >= watched.to_ms + 3_000, "{}", scenario.name);
        }
    }

    #[test]
    fn who_sets_nothing_has_only_the_limit_of_the_scenario() {
        for scenario in all() {
            let load = scenario.load(TEN, Limits::Unset);
            assert_eq!((load.call_ms, load.attempt_ms), (scenario.call_ms, None));
            assert!(scenario.load(TEN, Limits::Both).call_ms.is_some());
        }
    }

    #[test]
    fn names_are_unique_and_can_be_files() {
        let mut names: Vec<_> = all().map(|scenario| scenario.name).collect();
        assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
