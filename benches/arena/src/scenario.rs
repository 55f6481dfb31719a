//! The scenarios, a row each. What they share: 20 endpoints of 4 slots, lognormal work with a mean of 20 ms and a
//! coefficient of variation of 1, a limit of 2 s on a call and of 500 ms on an attempt, 4 clients.
//!
//! Work is twice as long as in the figures that the targets were set by (10 ms), and so are the limits: two cores
//! then carry servers, client and proxy together at less than half of what they can do. Times compare by ratio.

use crate::plan::{Fault, Fleet, Load, Mode, Watched, Work};

/// A scenario, before it has a length and a seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// Short, for tables and files.
    pub(crate) name: &'static str,
    /// One line for people.
    pub(crate) title: &'static str,
    /// What happens, in a sentence or two.
    pub(crate) about: &'static str,
    /// Calls, as a share of what all healthy endpoints can serve.
    use_ratio: f64,
    /// How many endpoints.
    endpoints: usize,
    /// What goes wrong.
    trouble: Trouble,
    /// So many times the calls during the trouble.
    surge: Option<f64>,
    /// Servers look whether their client is still there.
    honours_cancel: bool,
    /// Requests cost the same wherever they go.
    inherent: bool,
    bimodal: bool,
    /// Part of quick runs.
    pub(crate) quick: bool,
}

#[derive(Clone, Copy, Debug)]
enum Trouble {
    None,
    /// The first so many endpoints, healed towards the end of the run.
    Heals(usize, Mode),
    /// The same, to the end of the run.
    Stays(usize, Mode),
}

const SLOTS: usize = 4;
const MEAN_US: f64 = 20_000.0;
const DEADLINE_MS: u64 = 2_000;
const ATTEMPT_MS: u64 = 500;
const CLIENTS: usize = 4;
/// Pools fill and averages settle in about a second.
const WARM_UP_MS: u64 = 2_000;
/// The same in runs of a few seconds.
const QUICK_WARM_UP_MS: u64 = 1_000;
/// Healthy traffic that is counted before the trouble.
const LEAD_MS: u64 = 1_000;
/// The part of the run after the lead that the trouble lasts.
const TROUBLE_RATIO: f64 = 0.6;

const HEALTHY: Scenario = Scenario {
    name: "healthy_60",
    title: "Healthy, 60 % load",
    about: "Nothing is wrong: what balancing alone gives and costs.",
    use_ratio: 0.6,
    endpoints: 20,
    trouble: Trouble::None,
    surge: None,
    honours_cancel: true,
    inherent: false,
    bimodal: false,
    quick: false,
};

/// All of them, in the report's order.
pub(crate) const ALL: &[Scenario] = &[
    Scenario { quick: true, ..HEALTHY },
    Scenario {
        name: "healthy_85",
        title: "Healthy, 85 % load",
        about: "Nothing is wrong, but there is little room: lines form before endpoints that get more than their share.",
        use_ratio: 0.85,
        ..HEALTHY
    },
    Scenario {
        name: "bimodal",
        title: "Two kinds of work",
        about: "5 % of requests cost ten times the others, wherever they go: a hedge cannot help these.",
        inherent: true,
        bimodal: true,
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
        quick: true,
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
        use_ratio: 0.9 * 0.75,
        trouble: Trouble::Stays(10, Mode::Slow { factor: 2.0 }),
        ..HEALTHY
    },
    Scenario {
        name: "overload",
        title: "Three times the load",
        about: "At 80 % load the calls come three times as often for a while. Servers do not notice when a client gives \
                up. 6 endpoints, so that the machine is not what is measured.",
        use_ratio: 0.8,
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
    /// Calls a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.use_ratio * self.capacity()
    }

    /// What all healthy endpoints can serve in a second.
    pub(crate) fn capacity(&self) -> f64 {
        (self.endpoints * SLOTS) as f64 / (self.work().mean_us() / 1e6)
    }

    fn work(&self) -> Work {
        if self.bimodal {
            // The same mean: 0.95 * 13.8 + 0.05 * 138 = 20 ms.
            let short_us = MEAN_US / 1.45;
            Work::Bimodal { short_us, long_us: 10.0 * short_us, long_share: 0.05 }
        } else {
            Work::Lognormal { mean_us: MEAN_US, cv: 1.0 }
        }
    }

    /// When the trouble begins and ends, in a run of that length.
    fn trouble_ms(&self, seconds: f64) -> (u64, u64) {
        let end = (seconds * 1_000.0) as u64;
        let rest = end.saturating_sub(LEAD_MS) as f64;
        let heals = matches!(self.trouble, Trouble::Heals(..)) || self.surge.is_some();
        let to = if heals { LEAD_MS + (rest * TROUBLE_RATIO) as u64 } else { end };
        (LEAD_MS, to)
    }

    /// The servers, for a run of that length and seed.
    pub(crate) fn fleet(&self, seconds: f64, seed: u64, reports_load: bool) -> Fleet {
        let end = (seconds * 1_000.0) as u64;
        Fleet {
            endpoints: self.endpoints,
            slots: SLOTS,
            seed,
            work: self.work(),
            inherent: self.inherent,
            honours_cancel: self.honours_cancel,
            reports_load,
            count_from_ms: LEAD_MS,
            count_to_ms: end,
            faults: self.faults(seconds),
        }
    }

    fn faults(&self, seconds: f64) -> Vec<Fault> {
        let (from, to) = self.trouble_ms(seconds);
        let (from_ms, to_ms) = (from as i64, to as i64);
        let (count, mode) = match self.trouble {
            Trouble::None => return Vec::new(),
            Trouble::Heals(count, mode) | Trouble::Stays(count, mode) => (count, mode),
        };
        if matches!(mode, Mode::WarmUp { .. }) {
            let back = from_ms + (to_ms - from_ms) / 4;
            let dead = Fault { endpoint: 0, mode: Mode::Refuse, from_ms, to_ms: back };
            return vec![dead, Fault { endpoint: 0, mode, from_ms: back, to_ms }];
        }
        (0..count).map(|endpoint| Fault { endpoint, mode, from_ms, to_ms }).collect()
    }

    /// The load, for a run of that length.
    pub(crate) fn load(&self, seconds: f64) -> Load {
        let (from_ms, to_ms) = self.trouble_ms(seconds);
        Load {
            per_second: self.per_second(),
            warm_up_ms: if seconds < 5.0 { QUICK_WARM_UP_MS } else { WARM_UP_MS },
            end_ms: (seconds * 1_000.0) as u64,
            count_from_ms: LEAD_MS,
            surge: self.surge.map(|factor| (from_ms, to_ms, factor)),
            deadline_ms: DEADLINE_MS,
            attempt_ms: ATTEMPT_MS,
            clients: CLIENTS,
            watched: match self.trouble {
                Trouble::None => None,
                Trouble::Heals(count, mode) | Trouble::Stays(count, mode) => {
                    let unseen = mode == Mode::Refuse || matches!(mode, Mode::WarmUp { .. });
                    Some(Watched { count, from_ms, to_ms, unseen })
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_serves_what_is_said() {
        assert_eq!(HEALTHY.capacity(), 4_000.0);
        assert_eq!(HEALTHY.per_second(), 2_400.0);
        for scenario in ALL {
            assert!((scenario.work().mean_us() - MEAN_US).abs() < 1.0, "{}", scenario.name);
        }
    }

    #[test]
    fn what_heals_has_time_to_be_seen_healthy() {
        for scenario in ALL {
            let load = scenario.load(10.0);
            let Some(watched) = load.watched else { continue };
            assert!(watched.from_ms >= load.count_from_ms);
            let heals = matches!(scenario.trouble, Trouble::Heals(..));
            assert_eq!(heals, load.end_ms >= watched.to_ms + 3_000, "{}", scenario.name);
        }
    }
}
