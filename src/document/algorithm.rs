//! The balancers by name.

use std::sync::Arc;

use crate::config::{Algorithm, PrequalProbing};
use crate::policy::balance::{Maglev, RingConfig};
use crate::policy::{LeastRequest, LoadModel, P2c, PeakEwmaConfig};

/// The balancer of a text that names none: the recommended one.
pub(super) const DEFAULT: &str = "p2c";

/// The one that asks endpoints how busy they are, and needs a path for it.
pub(super) const PREQUAL: &str = "prequal";

/// The names, each the middle of its constructor's in C, and what they make.
pub(super) const NAMED: &[(&str, Make)] = &[
    ("round_robin", || Algorithm::RoundRobin),
    ("smooth_weighted", || Algorithm::SmoothWeighted),
    ("random", || Algorithm::Random),
    ("p2c", p2c),
    ("peak_ewma", peak_ewma),
    ("least_request", || Algorithm::LeastRequest(LeastRequest::new())),
    (PREQUAL, || Algorithm::Prequal(PrequalProbing::new(Arc::from("/")))),
    ("ring_hash", || Algorithm::Ring(RingConfig::default(), None)),
    ("maglev", || Algorithm::Maglev(Maglev::DEFAULT_SIZE, None)),
    ("rendezvous", || Algorithm::Rendezvous),
];

type Make = fn() -> Algorithm;

fn p2c() -> Algorithm {
    Algorithm::P2c { rule: P2c::new(), model: LoadModel::default() }
}

fn peak_ewma() -> Algorithm {
    let model = LoadModel::PeakEwma(PeakEwmaConfig::default());
    Algorithm::P2c { rule: P2c::new(), model }
}

/// The balancer of that name.
pub(super) fn named(name: &str) -> Option<Algorithm> {
    NAMED.iter().find(|(known, _)| *known == name).map(|(_, make)| make())
}

/// The name of a balancer; none where a function of the host picks.
pub(super) const fn name(algorithm: &Algorithm) -> Option<&'static str> {
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
