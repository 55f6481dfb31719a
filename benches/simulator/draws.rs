//! Random numbers that are the same in every run and on every machine.
//!
//! Two kinds. A generator for each client and for the arrivals, whose numbers depend on what was drawn
//! before; and the work of a request, which depends on the request alone, so that whatever a contestant
//! draws in between, all of them meet the same work.

use std::convert::Infallible;

use ahoy::policy::balance::splitmix64;
use rand::{RngExt, TryRng};

use crate::time::{MS, Nanos};

/// A generator of eight bytes, as there is one for each of ten thousand clients.
#[derive(Clone, Debug)]
pub(crate) struct Draws {
    state: u64,
}

impl Draws {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A draw of the exponential distribution.
    pub(crate) fn exponential(&mut self, mean: f64) -> Nanos {
        exponential(self.random(), mean)
    }
}

impl TryRng for Draws {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|drawn| (drawn >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(splitmix64(&mut self.state))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            let drawn = self.try_next_u64()?.to_le_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
        Ok(())
    }
}

/// Several numbers as one that looks like none of them.
pub(crate) fn hash(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |state, part| splitmix64(&mut (state ^ part)))
}

/// How much work a request is: the time that an endpoint in good health spends on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Work {
    /// As in the closed forms.
    Exponential { mean: Nanos },
    /// Lognormal with a coefficient of variation of 1.
    Lognormal { mean: Nanos },
    /// Many short and a few long ones: 95 of 100 take 5 ms and the others 100 ms.
    Bimodal,
}

impl Work {
    pub(crate) fn draw(self, key: u64) -> Nanos {
        let mut draws = Draws::new(key);
        let drawn = match self {
            Self::Exponential { mean } => draws.exponential(mean as f64),
            Self::Lognormal { mean } => lognormal(&mut draws, mean as f64),
            Self::Bimodal if draws.random::<f64>() < SHORT_SHARE => SHORT,
            Self::Bimodal => LONG,
        };
        drawn.max(1)
    }

    /// The mean in nanoseconds.
    pub(crate) fn mean(self) -> f64 {
        match self {
            Self::Exponential { mean } | Self::Lognormal { mean } => mean as f64,
            Self::Bimodal => SHORT_SHARE * SHORT as f64 + (1.0 - SHORT_SHARE) * LONG as f64,
        }
    }
}

fn exponential(uniform: f64, mean: f64) -> Nanos {
    (-mean * (1.0 - uniform).ln()) as Nanos
}

/// By Box and Muller. With a coefficient of variation of 1, the variance of the logarithm is ln 2.
fn lognormal(draws: &mut Draws, mean: f64) -> Nanos {
    let (radius, angle): (f64, f64) = (draws.random(), draws.random());
    let normal = (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
    let variance = std::f64::consts::LN_2;
    (mean * (variance.sqrt() * normal - variance / 2.0).exp()) as Nanos
}

const SHORT_SHARE: f64 = 0.95;
const SHORT: Nanos = 5 * MS;
const LONG: Nanos = 100 * MS;

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(work: Work) -> (f64, f64) {
        let count = 400_000;
        let draws: Vec<f64> =
            (0..count).map(|key| work.draw(hash(&[1, key])) as f64 / MS as f64).collect();
        let mean = draws.iter().sum::<f64>() / count as f64;
        let variance = draws.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / count as f64;
        (mean, variance.sqrt() / mean)
    }

    #[test]
    fn work_has_its_mean_and_its_spread() {
        let mean = 10 * MS;
        for (work, spread) in [
            (Work::Exponential { mean }, 1.0),
            (Work::Lognormal { mean }, 1.0),
            (Work::Bimodal, 2.126),
        ] {
            let (found, found_spread) = moments(work);
            let expected = work.mean() / MS as f64;
            assert!((found / expected - 1.0).abs() < 0.01, "{work:?}: {found}");
            assert!((found_spread / spread - 1.0).abs() < 0.03, "{work:?}: {found_spread}");
        }
    }

    #[test]
    fn the_work_of_a_request_depends_on_the_request_alone() {
        let work = Work::Lognormal { mean: 10 * MS };
        assert_eq!(work.draw(hash(&[3, 5, 0])), work.draw(hash(&[3, 5, 0])));
        assert_ne!(work.draw(hash(&[3, 5, 0])), work.draw(hash(&[3, 5, 1])));
    }

    #[test]
    fn a_generator_repeats_itself_and_its_neighbour_does_not() {
        let numbers = |seed| {
            let mut draws = Draws::new(seed);
            [(); 4].map(|()| draws.random::<u64>())
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
    }
}
