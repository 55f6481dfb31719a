//! The settings of a balancer.

mod algorithm;
mod health;
mod outlier;
mod prequal;
mod rotation;

use std::sync::LazyLock;

use super::breaker::BREAKER;
use super::table::Table;
use crate::config::{Algorithm, BalancerConfig};

/// The settings of a balancer, with those of its circuit breakers.
pub static BALANCER: LazyLock<Table<BalancerConfig>> = LazyLock::new(|| {
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
