//! What takes an endpoint out of rotation beside its circuit: outlier ejection and active checks; and how
//! traffic comes back after an outage of all.

use std::ffi::c_char;
use std::num::{NonZeroU8, NonZeroU32};
use std::sync::Arc;

use super::balancer::{ahoy_balancer, change};
use super::balancing::ratio;
use crate::config::{BalancerConfig, HealthCheck};
use crate::error::Error;
use crate::ffi::call::error::ahoy_error;
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::text::{self, duration, positive_duration};
use crate::policy::{
    EjectionConfig, Factor, FailurePercentage, HealthConfig, Percent, RecoveryConfig, SuccessRate,
};
use crate::request::check_target;

/// Takes endpoints out of rotation that fare worse than their neighbours: every 10 s, those of at least 100 attempts
/// whose success rate is more than 1.9 standard deviations below the mean of at least 5 endpoints, and those of at least
/// 50 attempts that failed 85 % of them. For 30 s, and longer each time up to 300 s; at most half of all, and never
/// the last one (as in Envoy, and with its cap counted after the ejection). The other functions of this kind change the numbers. Default: off.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_enable_ejection(
    balancer: *const ahoy_balancer,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        config.ejection.get_or_insert_default();
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

/// Sets how often outliers are looked for, how long they are out, and how many may be. Up to a tenth of base_ms, and
/// at most 3 s, is added at random to each time. Switches ejection on.
///
/// @param interval_ms between two looks; default 10000
/// @param base_ms of the first time, and added with each further one; default 30000
/// @param max_ms of any time; default 300000
/// @param max_share of all endpoints that may be out, 0 to 1; default 0.5
/// @param min_healthy endpoints that stay in any case; default 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_ejection(
    balancer: *const ahoy_balancer,
    interval_ms: u64,
    base_ms: u64,
    max_ms: u64,
    max_share: f64,
    min_healthy: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        let interval = positive_duration("interval_ms", interval_ms)?;
        let base = positive_duration("base_ms", base_ms)?;
        let max = positive_duration("max_ms", max_ms)?;
        let max_share = percent("max_share", max_share)?;
        let before = config.ejection.unwrap_or_default();
        let jitter = EjectionConfig::default().jitter.min(base / 10);
        let rule = EjectionConfig { interval, base, max, jitter, max_share, min_healthy, ..before };
        config.ejection = Some(rule);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

/// Sets the rule on success rates. Switches ejection on.
///
/// @param min_endpoints with enough attempts, below which there is no mean to speak of; default 5
/// @param min_calls of an endpoint between two looks; default 100
/// @param factor how many standard deviations below the mean make an outlier, from 0; default 1.9
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_ejection_success_rate(
    balancer: *const ahoy_balancer,
    min_endpoints: u32,
    min_calls: u32,
    factor: f64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        let factor = Factor::new(factor)
            .ok_or_else(|| Error::invalid("factor", "is negative or not finite"))?;
        let rule = config.ejection.get_or_insert_default();
        rule.success_rate = Some(SuccessRate {
            min_endpoints,
            min_volume: min_calls,
            factor,
            ..rule.success_rate.unwrap_or_default()
        });
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

/// Sets the rule on the share of failures. Switches ejection on.
///
/// @param share of failed attempts from which an endpoint is out, 0 to 1; default 0.85
/// @param min_endpoints with enough attempts; default 5
/// @param min_calls of an endpoint between two looks; default 50
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_ejection_failure_share(
    balancer: *const ahoy_balancer,
    share: f64,
    min_endpoints: u32,
    min_calls: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        let threshold = percent("share", share)?;
        let rule = config.ejection.get_or_insert_default();
        rule.failure_percentage = Some(FailurePercentage {
            threshold,
            min_endpoints,
            min_volume: min_calls,
            ..rule.failure_percentage.unwrap_or_default()
        });
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

/// Checks endpoints in the background, on a library thread: those of which calls told nothing for a while, every
/// interval_ms, give or take a fifth (every second while they are out, once a minute while nothing is asked of the service at
/// all). Three checks in a row without an answer take an endpoint out of rotation, a wrong answer at once; two
/// that pass bring it back, and one lets an open circuit try again. The checks begin with the first call of a client and
/// share its TLS settings. Default: off.
///
/// @param path to GET, whose answer must be 200; NULL for a mere connect
/// @param interval_ms at least 1; 3000 is a good start
/// @param timeout_ms of one check, at least 1; 1000 is a good start
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_health_check(
    balancer: *const ahoy_balancer,
    path: *const c_char,
    interval_ms: u64,
    timeout_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        // SAFETY: see the module `ffi`.
        let path = unsafe { text::optional("path", path) }?;
        if let Some(path) = path {
            check_target("path", path)?;
            if !path.starts_with('/') {
                return Err(Error::invalid("path", "must start with /"));
            }
        }
        let interval = positive_duration("interval_ms", interval_ms)?;
        let timeout = positive_duration("timeout_ms", timeout_ms)?;
        let mut rule = rule_of(config);
        rule.interval = interval;
        rule.out_interval = rule.out_interval.min(interval);
        let path = path.map(Into::into);
        config.health = Some(HealthCheck { path, timeout, rule: Arc::new(rule) });
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

/// Sets what checks must show; after ahoy_balancer_set_health_check.
///
/// @param unhealthy checks in a row without an answer that take an endpoint out, 1 to 255; default 3
/// @param healthy checks in a row that an endpoint must pass to come back, 1 to 255; default 2
/// @param out_interval_ms between two checks of one that is out, at least 1; default 1000
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_health_thresholds(
    balancer: *const ahoy_balancer,
    unhealthy: u32,
    healthy: u32,
    out_interval_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        let mut rule = rule_of(config);
        rule.unhealthy_threshold = threshold("unhealthy", unhealthy)?;
        rule.healthy_threshold = threshold("healthy", healthy)?;
        rule.out_interval = positive_duration("out_interval_ms", out_interval_ms)?;
        let Some(check) = &mut config.health else {
            return Err(Error::invalid("balancer", "has no health check"));
        };
        check.rule = Arc::new(rule);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

fn rule_of(config: &BalancerConfig) -> HealthConfig {
    config.health.as_ref().map_or_else(HealthConfig::default, |check| (*check.rule).clone())
}

fn threshold(name: &str, count: u32) -> Result<NonZeroU8, Error> {
    let count = u8::try_from(count).ok().and_then(NonZeroU8::new);
    count.ok_or_else(|| Error::invalid(name, "is not between 1 and 255"))
}

/// Holds traffic back after no endpoint admitted any more: of the calls, only the part goes that so many endpoints
/// of min_working can bear, until their number stays the same for hold_ms; the others are AHOY_E_OVERLOADED
/// (as in brpc). So the first endpoints that come back are not overwhelmed at once. Default: off.
///
/// @param min_working how many endpoints can just bear all traffic, at least 1
/// @param hold_ms 10000 is a good start
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_outage_recovery(
    balancer: *const ahoy_balancer,
    min_working: u32,
    hold_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        let least = || Error::invalid("min_working", "is 0; the least is 1");
        let min_working = NonZeroU32::new(min_working).ok_or_else(least)?;
        config.recovery = Some(RecoveryConfig { min_working, hold: duration(hold_ms) });
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

fn percent(name: &str, share: f64) -> Result<Percent, Error> {
    let share = ratio(name, share)?;
    Percent::new((share.value() * 100.0).round() as u8)
        .ok_or_else(|| Error::invalid(name, "is not between 0 and 1"))
}
