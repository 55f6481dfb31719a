//! Active health checks.

use std::num::NonZeroU8;
use std::sync::Arc;

use super::plain;
use crate::config::{BalancerConfig, HealthCheck};
use crate::options::form::{Form, LIMIT};
use crate::options::setting::Setting;
use crate::options::value::{Problem, Value};
use crate::policy::HealthConfig;
use crate::request::check_target;

/// A mere connect.
pub(crate) const TCP: &str = "tcp";

const CHECKS: Form = Form::Count(1, 255);

pub(super) const SETTINGS: &[Setting<BalancerConfig>] = &[
    Setting::new("health_check_path", Form::Text("a path"))
        .or(&[TCP])
        .within(checked)
        .purpose("The path that a check gets, whose answer must be 200; tcp is a mere connect. Switches health checks on")
        .cost("A request to each idle endpoint in each interval.")
        .setter("set_health_check")
        .field(
            |config| {
                let path = |check: &HealthCheck| check.path.as_deref().map_or(Value::Word(TCP), Value::from);
                config.health.as_ref().map(path)
            },
            |config, value| {
                let path = match value {
                    Value::Word(_) => None,
                    value => Some(path(&value.text()?)?),
                };
                check(config).path = path;
                Ok(())
            },
        ),
    Setting::new("health_check_interval", LIMIT)
        .within(checked)
        .purpose("How often an endpoint is checked that calls told nothing of, give or take a fifth; switches health checks on")
        .cost("A failing endpoint is found later.")
        .setter("set_health_check")
        .field(
            |config| config.health.as_ref().map(|check| check.rule.interval.into()),
            |config, value| {
                rule(config).interval = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("health_check_timeout", LIMIT)
        .within(checked)
        .purpose("How long a check may take; switches health checks on")
        .cost("An endpoint that hangs is found later.")
        .setter("set_health_check")
        .field(
            |config| config.health.as_ref().map(|check| check.timeout.into()),
            |config, value| {
                check(config).timeout = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("health_thresholds_unhealthy", CHECKS)
        .within(checked)
        .purpose("How many checks in a row without an answer take an endpoint out; switches health checks on")
        .cost("An endpoint that is down is found later.")
        .setter("set_health_thresholds")
        .field(
            |config| {
                let count = |check: &HealthCheck| u32::from(check.rule.unhealthy_threshold.get());
                config.health.as_ref().map(count).map(Value::from)
            },
            |config, value| {
                rule(config).unhealthy_threshold = checks(value)?;
                Ok(())
            },
        ),
    Setting::new("health_thresholds_healthy", CHECKS)
        .within(checked)
        .purpose("How many checks in a row an endpoint must pass to come back; switches health checks on")
        .cost("An endpoint that is well again waits for longer.")
        .setter("set_health_thresholds")
        .field(
            |config| {
                let count = |check: &HealthCheck| u32::from(check.rule.healthy_threshold.get());
                config.health.as_ref().map(count).map(Value::from)
            },
            |config, value| {
                rule(config).healthy_threshold = checks(value)?;
                Ok(())
            },
        ),
    Setting::new("health_thresholds_out_interval", LIMIT)
        .within(checked)
        .purpose("How often an endpoint that is out is checked; switches health checks on")
        .cost("An endpoint that is well again waits for longer.")
        .setter("set_health_thresholds")
        .field(
            |config| config.health.as_ref().map(|check| check.rule.out_interval().into()),
            |config, value| {
                rule(config).out_interval = Some(value.duration()?);
                Ok(())
            },
        ),
];

/// Each of its settings turns it on, so their order does not matter.
fn check(config: &mut BalancerConfig) -> &mut HealthCheck {
    config.health.get_or_insert_default()
}

fn rule(config: &mut BalancerConfig) -> &mut HealthConfig {
    Arc::make_mut(&mut check(config).rule)
}

fn path(text: &str) -> Result<Arc<str>, Problem> {
    check_target("path", text).map_err(|error| Problem::of(&error, "path"))?;
    if text.starts_with('/') { Ok(text.into()) } else { Err("must start with /".into()) }
}

fn checks(value: Value) -> Result<NonZeroU8, Problem> {
    let count = u8::try_from(value.count()?).ok().and_then(NonZeroU8::new);
    count.ok_or_else(|| "is not between 1 and 255".into())
}

fn checked() -> BalancerConfig {
    BalancerConfig { health: Some(HealthCheck::default()), ..plain() }
}
