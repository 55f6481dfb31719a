//! The contestants: the rules that a client goes by.
//!
//! All contestants are made of the policies of this library, put together as their namesakes are; none
//! is a port of another library. What a contestant has not got, it does without.

use std::num::{NonZeroU32, NonZeroUsize};

use ahoy::policy::{
    BackoffConfig, BreakerConfig, BudgetConfig, Factor, GradientConfig, HedgeConfig, HedgeDelay,
    Jitter, LimitConfig, LoadModel, PeakEwmaConfig, RetryConfig, ThrottleConfig,
};

use crate::time::{MS, Nanos, SECOND};

/// The rules of a client.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) balance: Balance,
    pub(crate) retry: RetryConfig,
    /// What an attempt may take.
    pub(crate) attempt_timeout: Nanos,
    /// What becomes of one that takes longer.
    pub(crate) limit_kind: LimitKind,
    /// What a call may take.
    pub(crate) deadline: Nanos,
    pub(crate) budget: Option<BudgetConfig>,
    pub(crate) hedge: Option<HedgeConfig>,
    /// The hedge's delay follows also the attempts that a copy has overtaken, with the time until then.
    /// Without, the slowest are missing, the delay falls, and the budget runs out before they come.
    pub(crate) learns_from_losers: bool,
    pub(crate) breaker: Option<BreakerConfig>,
    pub(crate) checks: Checks,
    pub(crate) limit: Option<LimitConfig>,
    pub(crate) throttle: Option<ThrottleConfig>,
    /// A server stops working for an attempt that was cancelled.
    pub(crate) cancels: bool,
}

/// What becomes of an attempt that passes its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitKind {
    /// It is cut.
    Hard,
    /// It goes on beside another.
    Soft,
    /// The same, and the limit follows the answers.
    Follows,
}

/// What a client does by itself about an endpoint whose circuit is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checks {
    /// Nothing: a call is the probe, once the open wait is over.
    Never,
    /// Looks so often, and lets a call probe early once it looks well: what the library does.
    Early(Nanos),
    /// Looks so often, and no call is ever a probe.
    Alone(Nanos),
}

/// The rule that picks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Balance {
    RoundRobin,
    Random,
    /// Two choices of the fewest in flight.
    LeastRequest,
    /// A few choices of the least cost; with none given as many as the library takes.
    P2c {
        choices: Option<NonZeroUsize>,
        model: LoadModel,
    },
}

impl Checks {
    pub(crate) const fn interval(self) -> Option<Nanos> {
        match self {
            Self::Never => None,
            Self::Early(every) | Self::Alone(every) => Some(every),
        }
    }
}

impl Contestant {
    /// One attempt to an endpoint picked by `balance`, and nothing else.
    pub(crate) fn plain(name: &'static str, balance: Balance) -> Self {
        Self {
            name,
            balance,
            retry: tries(1),
            attempt_timeout: SECOND,
            limit_kind: LimitKind::Hard,
            deadline: SECOND,
            budget: None,
            hedge: None,
            learns_from_losers: true,
            breaker: None,
            checks: Checks::Never,
            limit: None,
            throttle: None,
            cancels: false,
        }
    }

    /// The retries, limits and budget of the full pack.
    pub(crate) fn retrying(name: &'static str, balance: Balance) -> Self {
        Self {
            retry: tries(3),
            attempt_timeout: 250 * MS,
            budget: Some(BudgetConfig::default()),
            cancels: true,
            ..Self::plain(name, balance)
        }
    }

    /// All that the `resilient` preset turns on.
    pub(crate) fn full_pack() -> Self {
        Self {
            hedge: Some(HedgeConfig { delay: Some(HedgeDelay::Live), ..HedgeConfig::default() }),
            breaker: Some(BreakerConfig::default()),
            limit_kind: LimitKind::Soft,
            ..Self::retrying("full pack", Balance::AHOY)
        }
    }

    /// A client whose user set the balancer, and the limits of a call and an attempt.
    pub(crate) fn limited(balance: Balance) -> Self {
        Self {
            attempt_timeout: 500 * MS,
            deadline: 2 * SECOND,
            hedge: None,
            balance,
            name: if matches!(balance, Balance::RoundRobin) {
                "limits set, rr"
            } else {
                "limits set, p2c"
            },
            ..Self::full_pack()
        }
    }

    /// A client whose user set the limit of a call only.
    pub(crate) fn out_of_the_box(balance: Balance) -> Self {
        Self {
            limit_kind: LimitKind::Follows,
            name: if matches!(balance, Balance::RoundRobin) {
                "call limit only, rr"
            } else {
                "call limit only, p2c"
            },
            ..Self::limited(balance)
        }
    }

    /// The same with attempts that are cut at 500 ms, as it was.
    pub(crate) fn cut(balance: Balance) -> Self {
        Self {
            limit_kind: LimitKind::Hard,
            name: if matches!(balance, Balance::RoundRobin) {
                "attempts cut, rr"
            } else {
                "attempts cut, p2c"
            },
            ..Self::limited(balance)
        }
    }

    /// The same without copies.
    pub(crate) fn unhedged() -> Self {
        Self { name: "full pack, no hedge", hedge: None, ..Self::full_pack() }
    }
}

impl Balance {
    pub(crate) const AHOY: Self = Self::P2c { choices: None, model: AHOY_MODEL };
    pub(crate) const AHOY_TWO: Self =
        Self::P2c { choices: NonZeroUsize::new(2), model: AHOY_MODEL };
    pub(crate) const PEAK_EWMA: Self =
        Self::P2c { choices: NonZeroUsize::new(2), model: LoadModel::PeakEwma(PEAK_EWMA) };

    /// The fewest in flight of so many.
    pub(crate) const fn of_fewest(choices: usize) -> Self {
        Self::P2c { choices: NonZeroUsize::new(choices), model: LoadModel::LeastRequest }
    }

    /// What an endpoint's load is made of.
    pub(crate) const fn model(self) -> Option<LoadModel> {
        match self {
            Self::RoundRobin | Self::Random => None,
            Self::LeastRequest => Some(LoadModel::LeastRequest),
            Self::P2c { model, .. } => Some(model),
        }
    }
}

/// The library's retries with another number of tries.
pub(crate) fn tries(count: u32) -> RetryConfig {
    RetryConfig { tries: NonZeroU32::new(count), ..RetryConfig::default() }
}

/// Retries at once: what a loop around a call does.
pub(crate) fn naive(count: u32) -> RetryConfig {
    let none = std::time::Duration::ZERO;
    let jitter = Jitter::Range { min: none, max: none };
    let backoff = BackoffConfig { delay: none, jitter, ..BackoffConfig::default() };
    RetryConfig { backoff, ..tries(count) }
}

/// Extra attempts for a share of the calls, without a floor.
pub(crate) fn share(ratio: f64) -> BudgetConfig {
    let ratio = Factor::new(ratio).unwrap_or(Factor::TENTH);
    BudgetConfig { ratio, floor_per_second: 0, ..BudgetConfig::default() }
}

/// The limit that follows the answers.
pub(crate) fn adaptive() -> LimitConfig {
    LimitConfig::Gradient(GradientConfig::default())
}

const AHOY_MODEL: LoadModel = LoadModel::Ahoy(ahoy::policy::AhoyConfig {
    rise: std::time::Duration::from_secs(1),
    fall: std::time::Duration::from_secs(2),
    remember: std::time::Duration::from_secs(1),
});
const PEAK_EWMA: PeakEwmaConfig = PeakEwmaConfig { tau: std::time::Duration::from_secs(10) };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contestants_use_the_defaults_of_the_library() {
        assert_eq!(Balance::AHOY.model(), Some(LoadModel::default()));
        let peak = LoadModel::PeakEwma(PeakEwmaConfig::default());
        assert_eq!(Balance::PEAK_EWMA.model(), Some(peak));
        assert_eq!(tries(3), RetryConfig::default());
    }
}
