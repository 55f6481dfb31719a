//! The algorithms that pick endpoints, and their names.

use std::sync::Arc;

use crate::policy::balance::{Bounded, Maglev, RingConfig};
use crate::policy::{Custom, LeastRequest, LoadModel, P2c, PeakEwmaConfig, PrequalConfig, Random};

/// The algorithm that picks endpoints.
#[derive(Clone, Debug)]
pub enum Algorithm {
    /// Round robin; by weight where weights differ.
    RoundRobin,
    /// Smooth weighted round robin; for small sets.
    SmoothWeighted,
    /// A random endpoint; by weight where weights differ.
    Random,
    /// A random endpoint, drawn by the user's function.
    RandomBy(Random),
    /// The endpoint that the user's function picks.
    Custom(Custom),
    /// The endpoint with the fewest attempts in flight, of all or of some.
    LeastRequest(LeastRequest),
    /// Power of two choices: of a few drawn endpoints the one that costs least.
    P2c {
        /// How many endpoints are compared.
        rule: P2c,
        /// How the cost is computed.
        model: LoadModel,
    },
    /// Prequal: picks by the load that endpoints report in answers to probes; with too few answers, as `P2c`.
    Prequal(PrequalProbing),
    /// By key, on a ring; optionally with a bound on the load of each endpoint.
    Ring(RingConfig, Option<Bounded>),
    /// By key, in a table with this number of slots; optionally with such a bound.
    Maglev(u32, Option<Bounded>),
    /// By key, by the highest hash of key and endpoint; for small sets.
    Rendezvous,
}

/// The balancer of a text that names none: the recommended one.
pub(crate) const DEFAULT: &str = "p2c";

/// The one that asks endpoints how busy they are, and needs a path for it.
pub(crate) const PREQUAL: &str = "prequal";

/// The names, each the middle of its constructor's in C, and what they make.
pub(crate) const NAMED: &[(&str, Make)] = &[
    ("round_robin", || Algorithm::RoundRobin),
    ("smooth_weighted", || Algorithm::SmoothWeighted),
    ("random", || Algorithm::Random),
    ("p2c", Algorithm::p2c),
    ("peak_ewma", Algorithm::peak_ewma),
    ("least_request", || Algorithm::LeastRequest(LeastRequest::new())),
    (PREQUAL, || Algorithm::Prequal(PrequalProbing::new(Arc::from("/")))),
    ("ring_hash", || Algorithm::Ring(RingConfig::default(), None)),
    ("maglev", || Algorithm::Maglev(Maglev::DEFAULT_SIZE, None)),
    ("rendezvous", || Algorithm::Rendezvous),
];

type Make = fn() -> Algorithm;

/// The balancer of that name.
pub(crate) fn named(name: &str) -> Option<Algorithm> {
    NAMED.iter().find(|(known, _)| *known == name).map(|(_, make)| make())
}

/// The name of a balancer; none where a function of the host picks.
pub(crate) const fn name(algorithm: &Algorithm) -> Option<&'static str> {
    Some(match algorithm {
        Algorithm::RoundRobin => "round_robin",
        Algorithm::SmoothWeighted => "smooth_weighted",
        Algorithm::Random => "random",
        Algorithm::P2c { model: LoadModel::PeakEwma(_), .. } => "peak_ewma",
        Algorithm::P2c { .. } => DEFAULT,
        Algorithm::LeastRequest(_) => "least_request",
        Algorithm::Prequal(_) => PREQUAL,
        Algorithm::Ring(..) => "ring_hash",
        Algorithm::Maglev(..) => "maglev",
        Algorithm::Rendezvous => "rendezvous",
        Algorithm::RandomBy(_) | Algorithm::Custom(_) => return None,
    })
}

impl Algorithm {
    /// The recommended one.
    #[must_use]
    pub fn p2c() -> Self {
        Self::P2c { rule: P2c::new(), model: LoadModel::default() }
    }

    /// Finagle's: the same draw, with its cost.
    #[must_use]
    pub fn peak_ewma() -> Self {
        let model = LoadModel::PeakEwma(PeakEwmaConfig::default());
        Self::P2c { rule: P2c::new(), model }
    }

    /// How probes are sent, if the algorithm needs them.
    #[must_use]
    pub const fn probing(&self) -> Option<&PrequalProbing> {
        match self {
            Self::Prequal(probing) => Some(probing),
            _ => None,
        }
    }

    /// Whether picks go by a key.
    #[must_use]
    pub const fn is_keyed(&self) -> bool {
        matches!(self, Self::Ring(..) | Self::Maglev(..) | Self::Rendezvous)
    }

    /// Whether a function of the user picks.
    #[must_use]
    pub const fn is_users(&self) -> bool {
        matches!(self, Self::RandomBy(_) | Self::Custom(_))
    }

    /// Whether the load of each endpoint is bounded, which needs the load of all.
    #[must_use]
    pub const fn is_bounded(&self) -> bool {
        matches!(self, Self::Ring(_, Some(_)) | Self::Maglev(_, Some(_)))
    }

    /// Whether picks go by what an attempt would cost.
    #[must_use]
    pub const fn is_by_cost(&self) -> bool {
        matches!(self, Self::P2c { .. } | Self::Prequal(_))
    }

    /// How an endpoint's load is computed; `None` where picks do not use it.
    #[must_use]
    pub fn load_model(&self) -> Option<LoadModel> {
        match self {
            Self::P2c { model, .. } => Some(*model),
            Self::Prequal(_) => Some(LoadModel::default()),
            Self::LeastRequest(_) => Some(LoadModel::LeastRequest),
            _ if self.is_bounded() => Some(LoadModel::LeastRequest),
            _ => None,
        }
    }
}

/// How endpoints are probed for their load.
#[derive(Clone, Debug, PartialEq)]
pub struct PrequalProbing {
    /// How many probes are sent, and how long their answers are kept.
    pub rule: PrequalConfig,
    /// The path to GET.
    pub path: Arc<str>,
    /// How many probes may be under way at once.
    pub at_once: u32,
}

impl PrequalProbing {
    /// The defaults, with this path.
    #[must_use]
    pub fn new(path: Arc<str>) -> Self {
        Self { rule: PrequalConfig::default(), path, at_once: PROBES_AT_ONCE }
    }

    /// The first fault, if there is one.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let PrequalConfig { pool, probes_per_call, removals_per_call, .. } = self.rule;
        let rates = 0.0..=MOST_PROBES_PER_CALL;
        if !(2..=MOST_PROBE_ANSWERS as usize).contains(&pool) {
            return Err("is not between 2 and 256");
        }
        if !(1..=MOST_PROBES_AT_ONCE).contains(&self.at_once) {
            return Err("is not between 1 and 1024");
        }
        if !rates.contains(&probes_per_call) || !rates.contains(&removals_per_call) {
            return Err("is not between 0 and 100");
        }
        // A pool that does not fill up is of no use.
        if probes_per_call <= removals_per_call {
            return Err("leaves no more probes for each call than removals");
        }
        Ok(())
    }
}

/// With answers within a millisecond, enough for twenty thousand calls in a second.
const PROBES_AT_ONCE: u32 = 64;

/// Each may be a connection.
pub(crate) const MOST_PROBES_AT_ONCE: u32 = 1024;

/// More would be compared by each call than it can gain by that.
pub(crate) const MOST_PROBE_ANSWERS: u32 = 256;

/// Far beyond any use: the probes would be the load.
pub(crate) const MOST_PROBES_PER_CALL: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_name_makes_has_that_name() {
        for (known, make) in NAMED {
            assert_eq!(name(&make()), Some(*known));
        }
        assert!(named(DEFAULT).is_some() && named("none").is_none());
    }
}
