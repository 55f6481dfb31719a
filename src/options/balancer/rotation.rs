//! Which endpoints are used, and how much of the traffic each gets, whatever the algorithm.

use std::num::NonZeroU32;

use super::plain;
use crate::config::{BalancerConfig, Subset, Zone};
use crate::options::form::{Form, LIMIT, POSITIVE, RATIO, WAIT};
use crate::options::number;
use crate::options::setting::Setting;
use crate::options::value::{OFF, Problem, Value};
use crate::policy::{RecoveryConfig, SlowStart};

pub(super) const SETTINGS: &[Setting<BalancerConfig>] = &[
    Setting::new("profile", Form::Choice(&["resilient"]))
        .purpose("Many settings at once. resilient switches on slow start, outlier detection and health checks by connect; what is on already stays as it is")
        .cost("Background work, and the costs of each.")
        .other_setter("use_resilient_profile", "there is one profile, and a function for it")
        .field(
            |_| None,
            |config, _| {
                config.make_resilient();
                Ok(())
            },
        ),
    Setting::new("metrics_endpoints", Form::Count(0, 10_000))
        .purpose("How many endpoints statistics show one by one, the busiest; the others are shown as one, named other")
        .cost("160 bytes and 21 lines of text for each.")
        .setter("set_metrics_endpoints")
        .field(
            |config| Some(config.metrics_endpoints.into()),
            |config, value| {
                config.metrics_endpoints = value.size()?;
                Ok(())
            },
        ),
    Setting::new("max_in_flight", POSITIVE)
        .or(&[OFF])
        .purpose("How many attempts an endpoint gets at once; above it others are picked, and where all are full the call has no endpoint")
        .cost("An endpoint may get that many attempts at once.")
        .setter("set_max_in_flight")
        .field(
            |config| Some(Value::or_off(config.max_in_flight)),
            |config, value| {
                config.max_in_flight = value.unless_off(Value::count)?;
                Ok(())
            },
        ),
    Setting::new("panic_threshold", RATIO)
        .or(&[OFF])
        .purpose("The share of available endpoints below which those are used too that failed answers, ejection or a check took out (panic threshold, as in Envoy); not those that hang, cannot be connected to, or were opened by hand")
        .cost("More calls go to endpoints that fail; lowering it overloads the few that are left.")
        .setter("set_panic_threshold")
        .field(
            |config| Some(Value::or_off(config.panic)),
            |config, value| {
                config.panic = value.unless_off(Value::ratio)?;
                Ok(())
            },
        ),
    Setting::new("slow_start_window", LIMIT)
        .or(&[OFF])
        .within(slowly_started)
        .purpose("How long an endpoint that joins or comes back takes to its full share; up to 1s it has no effect")
        .cost("The other endpoints bear its load for longer.")
        .setter("set_slow_start")
        .field(
            |config| Some(Value::or_off(config.slow_start.map(|rule| rule.window))),
            |config, value| {
                match value.unless_off(Value::duration)? {
                    Some(window) => slow_start(config).window = window,
                    None => config.slow_start = None,
                }
                Ok(())
            },
        ),
    Setting::new("slow_start_min_ratio", RATIO)
        .within(slowly_started)
        .purpose("The share that a slow start begins with; switches slow start on")
        .cost("A new endpoint gets more load at once.")
        .setter("set_slow_start")
        .field(
            |config| config.slow_start.map(|rule| rule.min_ratio.into()),
            |config, value| {
                slow_start(config).min_ratio = value.ratio()?;
                Ok(())
            },
        ),
    Setting::new("slow_start_aggression", Form::RealAbove0(f64::MAX))
        .within(slowly_started)
        .purpose("The bend of a slow start: 1 is a straight line, above 1 is faster at first; switches slow start on")
        .cost("A new endpoint gets more load early.")
        .setter("set_slow_start")
        .field(
            |config| config.slow_start.map(|rule| rule.aggression.into()),
            |config, value| {
                slow_start(config).aggression = value.real()?;
                Ok(())
            },
        ),
    Setting::new("zone", Form::Text("a zone's name"))
        .or(&[OFF])
        .purpose("The zone of this process; endpoints of the same zone come first where they are enough. Not for balancers that go by key")
        .cost("Endpoints of other zones are used less, so a small zone has fewer endpoints to turn to.")
        .setter("set_zone")
        .field(
            |config| Some(Value::or_off(config.zone.as_ref().map(|zone| zone.own.as_ref()))),
            |config, value| {
                let name = value.unless_off(Value::text)?;
                config.zone = name.map(|name| Zone::new(&name)).transpose()?;
                Ok(())
            },
        ),
    Setting::new("subset", POSITIVE)
        .or(&[OFF])
        .purpose("How many healthy endpoints of a large set are used, of each priority, drawn at random for this process, in place of deterministic_subset")
        .cost("A connection or more for each.")
        .setter("set_subset")
        .field(
            |config| match config.subset {
                None => Some(Value::Word(OFF)),
                Some(Subset::Rendezvous { size }) => Some(size.into()),
                Some(Subset::Deterministic { .. }) => None,
            },
            |config, value| {
                match value.unless_off(Value::positive)? {
                    Some(size) => config.subset = Some(Subset::Rendezvous { size }),
                    None if matches!(config.subset, Some(Subset::Rendezvous { .. })) => {
                        config.subset = None;
                    }
                    None => {}
                }
                Ok(())
            },
        ),
    Setting::new("deterministic_subset", Form::Text("a number of endpoints and which client of how many this is, such as 12@3/10 for client 3 of 10, from 0"))
        .or(&[OFF])
        .purpose("At least how many endpoints of a large set are used, of each priority, those so that all clients together load every endpoint alike (deterministic aperture), in place of subset")
        .cost("A connection or more for each.")
        .setter("set_deterministic_subset")
        .field(
            |config| match config.subset {
                None => Some(Value::Word(OFF)),
                Some(Subset::Rendezvous { .. }) => None,
                Some(Subset::Deterministic { size, client, clients }) => {
                    Some(format!("{size}@{client}/{clients}").into())
                }
            },
            |config, value| {
                match value.unless_off(Value::text)? {
                    Some(text) => config.subset = Some(deterministic(&text)?),
                    None if matches!(config.subset, Some(Subset::Deterministic { .. })) => {
                        config.subset = None;
                    }
                    None => {}
                }
                Ok(())
            },
        ),
    Setting::new("outage_recovery_min_working", POSITIVE)
        .or(&[OFF])
        .purpose("How many endpoints can just bear all traffic: after an outage of all, the available part of them is what calls are admitted by, until their number is stable")
        .cost("More calls are refused after an outage.")
        .setter("set_outage_recovery")
        .field(
            |config| Some(Value::or_off(config.recovery.map(|rule| rule.min_working))),
            |config, value| {
                let hold = config.recovery.map(|rule| rule.hold);
                let rule = value.unless_off(Value::positive)?.map(RecoveryConfig::new);
                let kept = |rule: RecoveryConfig| RecoveryConfig { hold: hold.unwrap_or(rule.hold), ..rule };
                config.recovery = rule.map(kept);
                Ok(())
            },
        ),
    Setting::new("outage_recovery_hold", WAIT)
        .within(recovering)
        .purpose("How long the number of available endpoints must be stable until all calls are admitted; with outage_recovery_min_working")
        .cost("Calls are refused for longer after an outage.")
        .setter("set_outage_recovery")
        .field(
            |config| config.recovery.map(|rule| rule.hold.into()),
            |config, value| {
                let hold = value.duration()?;
                let missing = || Problem::from("needs outage_recovery_min_working");
                config.recovery.as_mut().ok_or_else(missing)?.hold = hold;
                Ok(())
            },
        ),
];

/// Each of its settings turns it on, so their order does not matter.
fn slow_start(config: &mut BalancerConfig) -> &mut SlowStart {
    config.slow_start.get_or_insert_default()
}

fn slowly_started() -> BalancerConfig {
    BalancerConfig { slow_start: Some(SlowStart::default()), ..plain() }
}

fn recovering() -> BalancerConfig {
    BalancerConfig { recovery: Some(RecoveryConfig::new(NonZeroU32::MIN)), ..plain() }
}

/// `12@3/10` for client 3 of 10.
fn deterministic(text: &str) -> Result<Subset, Problem> {
    let odd = || Problem::from(format!("{text} is not such as 12@3/10"));
    let (size, client) = text.split_once('@').ok_or_else(odd)?;
    let (client, clients) = client.split_once('/').ok_or_else(odd)?;
    let size = positive("size", size)?;
    let clients = positive("clients", clients)?;
    let client = u32::try_from(number::count(client.trim())?).map_err(|_| odd())?;
    let subset = Subset::deterministic(size, client, clients);
    subset.map_err(|problem| Problem::Part("client", problem.to_owned()))
}

fn positive(part: &'static str, text: &str) -> Result<NonZeroU32, Problem> {
    let number = u32::try_from(number::count(text.trim())?).ok().and_then(NonZeroU32::new);
    let problem = || Problem::Part(part, "is 0 or too large; the least is 1".to_owned());
    number.ok_or_else(problem)
}
