//! The settings of a balancer.

mod algorithm;
mod health;
mod outlier;
mod prequal;
mod rotation;

use super::breaker::BREAKER;
use super::table::Table;
use crate::config::{Algorithm, BalancerConfig};
use crate::runtime::racy_lazy::RacyLazy;

/// The settings of a balancer, with those of its circuit breakers.
pub static BALANCER: RacyLazy<Table<BalancerConfig>> = RacyLazy::new(|| {
    let own = [
        algorithm::SETTINGS,
        prequal::SETTINGS,
        rotation::SETTINGS,
        outlier::SETTINGS,
        health::SETTINGS,
    ];
    Table::new("ahoy_balancer_", plain, &own).with_part(
        "breaker_",
        &BREAKER,
        |config| &config.breaker,
        |config| &mut config.breaker,
    )
});

/// A balancer without anything of its own.
fn plain() -> BalancerConfig {
    BalancerConfig::new(Algorithm::RoundRobin)
}
