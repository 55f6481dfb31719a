//! What a cell is told: plain data that goes from process to process as JSON.

use serde::{Deserialize, Serialize};

use crate::clock::MS;
use crate::draw;

/// One scenario, contestant and seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// The contestant's name, as in its table.
    pub(crate) contestant: String,
    /// The library that is loaded.
    pub(crate) library: String,
    /// Where a proxy puts its files.
    pub(crate) folder: String,
    /// Where each call is written to as CSV; empty for nowhere.
    pub(crate) raw: String,
    /// Comes before other work of the machine.
    pub(crate) realtime: bool,
    /// The servers.
    pub(crate) fleet: Fleet,
    /// The load.
    pub(crate) load: Load,
}

/// The calls, as moments: the time 0 is when the warm-up ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Load {
    /// How the calls come.
    pub(crate) arrivals: Arrivals,
    /// How long calls are made before anything is counted.
    pub(crate) warm_up_ms: u64,
    /// When the last call is made.
    pub(crate) end_ms: u64,
    /// Calls from here on count for percentiles and errors: the start of the fault, where there is one.
    pub(crate) count_from_ms: u64,
    /// A time of more calls: from, to and how many times as many.
    pub(crate) surge: Option<(u64, u64, f64)>,
    /// From when to when something is wrong, the surge included.
    pub(crate) trouble: Option<(u64, u64)>,
    /// The method of every call.
    pub(crate) method: String,
    /// Limit on a call; none where the contestant sets none.
    pub(crate) call_ms: Option<u64>,
    /// Limit on one attempt; none where the contestant sets none.
    pub(crate) attempt_ms: Option<u64>,
    /// How many clients share the calls, each with a balancer of its own.
    pub(crate) clients: usize,
    /// The share of calls that belong to the group of long ones, where calls are told apart.
    pub(crate) groups: Option<f64>,
    /// A call that takes longer than this counts as one that waited.
    pub(crate) slow_ms: u64,
    /// Whose detection and recovery are timed, and when they fail and heal.
    pub(crate) watched: Option<Watched>,
}

impl Load {
    /// What a failed call counts as: its limit, or the library's default of 30 s.
    pub(crate) fn deadline_ms(&self) -> u64 {
        self.call_ms.unwrap_or(UNSET_CALL_MS)
    }
}

/// The library's default limit of a call.
const UNSET_CALL_MS: u64 = 30_000;

/// How calls come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Arrivals {
    /// A Poisson process of so many calls a second, whatever becomes of those under way.
    Poisson { per_second: f64 },
    /// So many calls at once, again and again.
    Batches { calls: usize, every_ms: u64 },
    /// One caller: each call begins so long after the end of the last.
    Lone { pause_ms: u64 },
}

/// Endpoints that fail together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Watched {
    /// The first of them are the endpoints 0 to count - 1.
    pub(crate) count: usize,
    /// The fault's start.
    pub(crate) from_ms: u64,
    /// The fault's end; at or after the run's end where it does not heal.
    pub(crate) to_ms: u64,
    /// Whether servers see no request at all while it lasts, so that proxies cannot be observed.
    pub(crate) unseen: bool,
}

/// The servers of a scenario.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Fleet {
    /// How many endpoints.
    pub(crate) endpoints: usize,
    /// How many requests an endpoint works on at once; others wait their turn.
    pub(crate) slots: usize,
    /// From which all work is drawn.
    pub(crate) seed: u64,
    /// What a request costs.
    pub(crate) work: Work,
    /// A request costs the same wherever it goes, so that a hedge gains only where a server is to blame.
    pub(crate) inherent: bool,
    /// A request whose client is gone is dropped; most servers do not look.
    pub(crate) honours_cancel: bool,
    /// Answers tell the load.
    pub(crate) reports_load: bool,
    /// Counting begins here.
    pub(crate) count_from_ms: u64,
    /// The load ends here: so far reach the bins.
    pub(crate) count_to_ms: u64,
    /// What goes wrong.
    pub(crate) faults: Vec<Fault>,
}

/// How long the work of a request takes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Work {
    /// Lognormal.
    Lognormal {
        /// Its mean.
        mean_us: f64,
        /// Standard deviation by mean.
        cv: f64,
    },
    /// Exponential.
    Exponential {
        /// Its mean.
        mean_us: f64,
    },
    /// One of two.
    Bimodal {
        /// The usual.
        short_us: f64,
        /// The other.
        long_us: f64,
        /// Its share.
        long_share: f64,
    },
}

impl Work {
    /// Microseconds for a request on an endpoint.
    pub(crate) fn draw(&self, seed: u64, id: u64, endpoint: u64) -> f64 {
        match *self {
            Self::Lognormal { mean_us, cv } => {
                let variance = (1.0 + cv * cv).ln();
                let location = mean_us.ln() - variance / 2.0;
                (location + variance.sqrt() * draw::normal(seed, id, endpoint)).exp()
            }
            Self::Exponential { mean_us } => mean_us * -draw::unit(seed, id, endpoint).ln(),
            Self::Bimodal { short_us, long_us, long_share } => {
                if draw::unit(seed, id, endpoint) < long_share { long_us } else { short_us }
            }
        }
    }

    /// The mean in microseconds.
    pub(crate) fn mean_us(&self) -> f64 {
        match *self {
            Self::Lognormal { mean_us, .. } | Self::Exponential { mean_us } => mean_us,
            Self::Bimodal { short_us, long_us, long_share } => {
                short_us * (1.0 - long_share) + long_us * long_share
            }
        }
    }
}

/// Something that is wrong with an endpoint for a while.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Fault {
    /// Whose.
    pub(crate) endpoint: usize,
    /// What.
    pub(crate) mode: Mode,
    /// Its start; may lie in the warm-up.
    pub(crate) from_ms: i64,
    /// Its end.
    pub(crate) to_ms: i64,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Mode {
    /// Work takes so many times as long.
    Slow { factor: f64 },
    /// That share of requests is answered 503 after half a millisecond.
    Fail { share: f64 },
    /// Requests are taken and never answered.
    Hang,
    /// Connections that are open when it begins take requests and never answer; new ones work.
    Silent,
    /// Nobody listens, and connections are reset.
    Refuse,
    /// Everything stands still for a while, again and again.
    Pause { every_ms: u64, length_ms: u64 },
    /// Fails every request for a while, again and again.
    Flap { every_ms: u64, down_ms: u64 },
    /// Half the answer, then the connection ends.
    HalfReply,
    /// The head in time, the body a byte each 100 ms.
    SlowBody,
    /// Slow at first, and evenly faster until the fault's end.
    WarmUp { factor: f64 },
    /// More than so many a second are answered 429.
    Throttle { per_second: f64, retry_after_s: u64 },
}

impl Mode {
    /// How many times as long work takes, `elapsed` of `length` into the fault.
    pub(crate) fn slowness(self, elapsed: u64, length: u64) -> f64 {
        match self {
            Self::Slow { factor } => factor,
            Self::WarmUp { factor } => {
                let rest = 1.0 - elapsed as f64 / length.max(1) as f64;
                1.0 + (factor - 1.0) * rest.clamp(0.0, 1.0)
            }
            _ => 1.0,
        }
    }

    /// Whether it repeats, and the part of each round in which it acts; times in nanoseconds.
    pub(crate) fn rounds(self) -> Option<(u64, u64)> {
        match self {
            Self::Pause { every_ms, length_ms } => Some((every_ms * MS, length_ms * MS)),
            Self::Flap { every_ms, down_ms } => Some((every_ms * MS, down_ms * MS)),
            _ => None,
        }
    }
}

/// What the servers counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Served {
    /// Requests by endpoint.
    pub(crate) arrivals: Vec<u64>,
    /// Requests by endpoint and `BIN_MS`, from time 0 on.
    pub(crate) bins: Vec<Vec<u32>>,
    /// Time that slots worked, in microseconds.
    pub(crate) work_us: u64,
    /// Of which for clients that had gone when it was done.
    pub(crate) abandoned_us: u64,
    /// Connections accepted, in warm-up as well.
    pub(crate) accepted: u64,
    /// The most that were open at once.
    pub(crate) most_open: u64,
}

/// The width of the bins that detection is timed by.
pub(crate) const BIN_MS: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_has_its_mean_and_is_the_same_for_everybody() {
        let works = [
            Work::Lognormal { mean_us: 20_000.0, cv: 1.0 },
            Work::Exponential { mean_us: 20_000.0 },
            Work::Bimodal { short_us: 10_000.0, long_us: 200_000.0, long_share: 0.05 },
        ];
        for work in works {
            let total: f64 = (0..200_000).map(|id| work.draw(7, id, 3)).sum();
            let mean = total / 200_000.0;
            assert!((mean / work.mean_us() - 1.0).abs() < 0.02, "{mean} of {work:?}");
            assert_eq!(work.draw(7, 1, 3).to_bits(), work.draw(7, 1, 3).to_bits());
        }
    }

    #[test]
    fn a_server_warms_up_evenly() {
        let mode = Mode::WarmUp { factor: 10.0 };
        assert_eq!(mode.slowness(0, 100), 10.0);
        assert_eq!(mode.slowness(50, 100), 5.5);
        assert_eq!(mode.slowness(200, 100), 1.0);
    }
}
