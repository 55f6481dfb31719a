//! What takes an endpoint out of rotation beside its circuit: outlier detection and health checks; and how
//! traffic comes back after an outage of all.

use std::ffi::c_char;

use super::balancer::ahoy_balancer;
use crate::error::Error;
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::setter::{Configurable, ms};
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::{entry, setter};
use crate::options::BALANCER;
use crate::options::Value;

/// Outlier detection: ejects endpoints that fare worse than their neighbours. Every 10 s it looks
/// for
///
/// - endpoints with at least 100 attempts whose success rate is more than 1.9 standard deviations
///   below the mean of at least 5 endpoints;
/// - endpoints with at least 50 attempts, 85 % of which failed.
///
/// They are out of rotation for 30 s, and longer each time up to 300 s; at most half of all, and
/// never the last one (as in Envoy, whose cap lets one more go). The other functions of this kind
/// change the numbers. Default: off.
///
/// @param enabled whether outlier detection is on
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_outlier_detection(
    balancer: *const ahoy_balancer,
    enabled: bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer| {
        balancer.set("outlier_detection", "enabled", enabled)
    })
}

/// Sets for outlier detection how often outliers are looked for, how long they are ejected, and how
/// many may be out. Up to a tenth of base_ms, at most 3 s, is added at random to each time.
/// Switches outlier detection on.
///
/// @param interval_ms between two looks, at least 1; default 10000
/// @param base_ms of the first ejection, and added with each further one, at least 1; default 30000
/// @param max_ms of any ejection, at least base_ms; default 300000
/// @param max_share of all endpoints that may be out, 0 to 1; default 0.5
/// @param min_healthy endpoints that stay in any case; default 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_outlier_ejection(
    balancer: *const ahoy_balancer,
    interval_ms: u64,
    base_ms: u64,
    max_ms: u64,
    max_share: f64,
    min_healthy: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let parameters = [
        ("outlier_ejection_interval", "interval_ms", ms(interval_ms)),
        ("outlier_ejection_base", "base_ms", ms(base_ms)),
        ("outlier_ejection_max", "max_ms", ms(max_ms)),
        ("outlier_ejection_max_share", "max_share", max_share.into()),
        ("outlier_ejection_min_healthy", "min_healthy", min_healthy.into()),
    ];
    entry::status!(err, |balancer: &ahoy_balancer| {
        if max_ms < base_ms {
            return Err(Error::invalid("max_ms", "is below base_ms"));
        }
        balancer.set_all(parameters)
    })
}

/// Sets the rule of outlier detection on success rates. Switches outlier detection on.
///
/// @param min_endpoints with enough attempts, below which a mean says nothing; default 5
/// @param min_calls of an endpoint between two looks; default 100
/// @param factor how many standard deviations below the mean make an outlier, from 0; default 1.9
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_outlier_success_rate(
    balancer: *const ahoy_balancer,
    min_endpoints: u32,
    min_calls: u32,
    factor: f64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let parameters = [
        ("outlier_success_rate_min_endpoints", "min_endpoints", min_endpoints.into()),
        ("outlier_success_rate_min_calls", "min_calls", min_calls.into()),
        ("outlier_success_rate_factor", "factor", factor.into()),
    ];
    entry::status!(err, |balancer: &ahoy_balancer| balancer.set_all(parameters))
}

/// Sets the rule of outlier detection on the share of failures. Switches outlier detection on.
///
/// @param share of failed attempts from which an endpoint is an outlier, 0 to 1; default 0.85
/// @param min_endpoints with enough attempts; default 5
/// @param min_calls of an endpoint between two looks; default 50
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_outlier_failure_share(
    balancer: *const ahoy_balancer,
    share: f64,
    min_endpoints: u32,
    min_calls: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let parameters = [
        ("outlier_failure_share", "share", share.into()),
        ("outlier_failure_share_min_endpoints", "min_endpoints", min_endpoints.into()),
        ("outlier_failure_share_min_calls", "min_calls", min_calls.into()),
    ];
    entry::status!(err, |balancer: &ahoy_balancer| balancer.set_all(parameters))
}

/// Health checks: a library thread asks endpoints of which calls have told nothing for a while. An
/// endpoint in rotation is checked every interval_ms, give or take a fifth, and one that is out
/// every second; while no call is made at all, each is checked once a minute.
///
/// - Three checks in a row without an answer take an endpoint out of rotation, a wrong answer at
///   once.
/// - Two checks in a row that pass bring it back.
/// - One that passes lets an open circuit try again, and ends an ejection by outlier detection. A
///   mere connect does so only where connecting had failed: it tells nothing of answers.
///
/// The checks begin with the first call of a client and share its TLS settings. Default: off.
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
    entry::status!(err, |balancer: &ahoy_balancer, path: Option<&str>| balancer.set_all([
        ("health_check_path", "path", path.map_or(Value::Word("tcp"), Value::from)),
        ("health_check_interval", "interval_ms", ms(interval_ms)),
        ("health_check_timeout", "timeout_ms", ms(timeout_ms)),
    ]))
}

/// Sets what checks must show; after ahoy_balancer_set_health_check.
///
/// @param unhealthy checks in a row without an answer that take an endpoint out, 1 to 255; default
///        3
/// @param healthy checks in a row that an endpoint must pass to come back, 1 to 255; default 2
/// @param out_interval_ms between two checks of one that is out, at least 1; default 1000
/// @return AHOY_E_INVALID_ARGUMENT also for a balancer without health checks
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_health_thresholds(
    balancer: *const ahoy_balancer,
    unhealthy: u32,
    healthy: u32,
    out_interval_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let parameters = [
        ("health_thresholds_unhealthy", "unhealthy", unhealthy.into()),
        ("health_thresholds_healthy", "healthy", healthy.into()),
        ("health_thresholds_out_interval", "out_interval_ms", ms(out_interval_ms)),
    ];
    entry::status!(err, |balancer: &ahoy_balancer| balancer.change(|config| {
        if config.health.is_none() {
            return Err(Error::invalid("balancer", "has no health check"));
        }
        setter::put(&BALANCER, config, parameters)
    }))
}

/// After an outage of all endpoints, admits available / min_working of the calls until the number
/// of available endpoints is stable for hold_ms, so that the first endpoints that come back are not
/// overwhelmed (as in brpc). Of the other calls, one for each endpoint whose probe is due asks that
/// one; the rest are AHOY_E_OVERLOADED. Default: off.
///
/// @param min_working how many endpoints can just bear all traffic, at least 1
/// @param hold_ms from 0; 10000 is a good start
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_outage_recovery(
    balancer: *const ahoy_balancer,
    min_working: u32,
    hold_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let parameters = [
        ("outage_recovery_min_working", "min_working", min_working.into()),
        ("outage_recovery_hold", "hold_ms", ms(hold_ms)),
    ];
    entry::status!(err, |balancer: &ahoy_balancer| balancer.set_all(parameters))
}
