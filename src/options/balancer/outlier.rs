//! Outlier detection: which endpoints are ejected, and for how long.

use super::plain;
use crate::config::BalancerConfig;
use crate::options::form::{COUNT, FACTOR, Form, LIMIT, RATIO};
use crate::options::setting::Setting;
use crate::options::value::{Problem, Value};
use crate::policy::{EjectionConfig, FailurePercentage, Percent, SuccessRate};

pub(super) const SETTINGS: &[Setting<BalancerConfig>] = &[
    Setting::new("outlier_detection", Form::Flag)
        .purpose("Whether endpoints that fare worse than their neighbours are ejected, at most half of them and never the last")
        .cost("Background work, and fewer endpoints for the same traffic while some are out.")
        .setter("set_outlier_detection")
        .field(
            |config| Some(config.ejection.is_some().into()),
            |config, value| {
                let on = value.flag()?;
                config.ejection = on.then(|| config.ejection.unwrap_or_default());
                Ok(())
            },
        ),
    Setting::new("outlier_ejection_interval", LIMIT)
        .within(detecting)
        .purpose("How often outliers are looked for; switches outlier detection on")
        .cost("Outliers keep their traffic for longer; each look has more calls to judge by.")
        .setter("set_outlier_ejection")
        .field(
            |config| config.ejection.map(|rule| rule.interval.into()),
            |config, value| {
                rule(config).interval = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("outlier_ejection_base", LIMIT)
        .within(detecting)
        .purpose("How long an outlier is out the first time, and by how much longer each further time; up to a tenth, at most 3s, is added at random. Switches outlier detection on")
        .cost("An endpoint that is well again waits for longer.")
        .setter("set_outlier_ejection")
        .field(
            |config| config.ejection.map(|rule| rule.base.into()),
            |config, value| {
                let base = value.duration()?;
                let rule = rule(config);
                rule.base = base;
                rule.jitter = EjectionConfig::default().jitter.min(base / 10);
                Ok(())
            },
        ),
    Setting::new("outlier_ejection_max", LIMIT)
        .within(detecting)
        .purpose("How long an outlier is out at most; switches outlier detection on")
        .cost("An endpoint that is well again waits for longer.")
        .setter("set_outlier_ejection")
        .field(
            |config| config.ejection.map(|rule| rule.max.into()),
            |config, value| {
                rule(config).max = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("outlier_ejection_max_share", RATIO)
        .within(detecting)
        .purpose("The share of all endpoints that may be out at once; switches outlier detection on")
        .cost("Fewer endpoints are left for the same traffic.")
        .setter("set_outlier_ejection")
        .field(
            |config| config.ejection.map(|rule| share(rule.max_share)),
            |config, value| {
                rule(config).max_share = percent(value)?;
                Ok(())
            },
        ),
    Setting::new("outlier_ejection_min_healthy", COUNT)
        .within(detecting)
        .purpose("How many endpoints stay in any case; switches outlier detection on")
        .cost("Outliers keep their traffic.")
        .setter("set_outlier_ejection")
        .field(
            |config| config.ejection.map(|rule| rule.min_healthy.into()),
            |config, value| {
                rule(config).min_healthy = value.count()?;
                Ok(())
            },
        ),
    Setting::new("outlier_success_rate_min_endpoints", COUNT)
        .within(detecting)
        .purpose("How many endpoints with enough attempts it takes to compare success rates; switches outlier detection on")
        .cost("Outliers of a small service keep their traffic.")
        .setter("set_outlier_success_rate")
        .field(
            |config| by_success(config, |rule| rule.min_endpoints.into()),
            |config, value| {
                success(config).min_endpoints = value.count()?;
                Ok(())
            },
        ),
    Setting::new("outlier_success_rate_min_calls", COUNT)
        .within(detecting)
        .purpose("How many attempts an endpoint needs between two looks for its success rate to count; switches outlier detection on")
        .cost("Outliers with few attempts keep their traffic.")
        .setter("set_outlier_success_rate")
        .field(
            |config| by_success(config, |rule| rule.min_volume.into()),
            |config, value| {
                success(config).min_volume = value.count()?;
                Ok(())
            },
        ),
    Setting::new("outlier_success_rate_factor", FACTOR)
        .within(detecting)
        .purpose("How many standard deviations below the mean success rate make an outlier; switches outlier detection on")
        .cost("Fewer outliers are found.")
        .setter("set_outlier_success_rate")
        .field(
            |config| by_success(config, |rule| rule.factor.into()),
            |config, value| {
                success(config).factor = value.factor()?;
                Ok(())
            },
        ),
    Setting::new("outlier_failure_share", RATIO)
        .within(detecting)
        .purpose("The share of failed attempts from which an endpoint is an outlier; switches outlier detection on")
        .cost("Endpoints that fail often keep their traffic.")
        .setter("set_outlier_failure_share")
        .field(
            |config| by_failures(config, |rule| share(rule.threshold)),
            |config, value| {
                failures(config).threshold = percent(value)?;
                Ok(())
            },
        ),
    Setting::new("outlier_failure_share_min_endpoints", COUNT)
        .within(detecting)
        .purpose("How many endpoints with enough attempts it takes for the share of failures to count; switches outlier detection on")
        .cost("Outliers of a small service keep their traffic.")
        .setter("set_outlier_failure_share")
        .field(
            |config| by_failures(config, |rule| rule.min_endpoints.into()),
            |config, value| {
                failures(config).min_endpoints = value.count()?;
                Ok(())
            },
        ),
    Setting::new("outlier_failure_share_min_calls", COUNT)
        .within(detecting)
        .purpose("How many attempts an endpoint needs between two looks for its share of failures to count; switches outlier detection on")
        .cost("Outliers with few attempts keep their traffic.")
        .setter("set_outlier_failure_share")
        .field(
            |config| by_failures(config, |rule| rule.min_volume.into()),
            |config, value| {
                failures(config).min_volume = value.count()?;
                Ok(())
            },
        ),
];

/// Each of its settings turns it on, so their order does not matter.
fn rule(config: &mut BalancerConfig) -> &mut EjectionConfig {
    config.ejection.get_or_insert_default()
}

fn success(config: &mut BalancerConfig) -> &mut SuccessRate {
    rule(config).success_rate.get_or_insert_default()
}

fn failures(config: &mut BalancerConfig) -> &mut FailurePercentage {
    rule(config).failure_percentage.get_or_insert_default()
}

fn by_success(config: &BalancerConfig, field: fn(SuccessRate) -> Value) -> Option<Value> {
    config.ejection?.success_rate.map(field)
}

fn by_failures(config: &BalancerConfig, field: fn(FailurePercentage) -> Value) -> Option<Value> {
    config.ejection?.failure_percentage.map(field)
}

/// A share in whole hundredths, as the rule compares them exactly.
fn percent(value: Value) -> Result<Percent, Problem> {
    let hundredths = (value.ratio()?.value() * 100.0).round();
    Percent::new(hundredths as u8).ok_or_else(|| "is not between 0 and 1".into())
}

fn share(percent: Percent) -> Value {
    (f64::from(percent.value()) / 100.0).into()
}

fn detecting() -> BalancerConfig {
    BalancerConfig { ejection: Some(EjectionConfig::default()), ..plain() }
}
