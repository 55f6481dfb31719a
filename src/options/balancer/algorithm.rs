//! What belongs to some algorithms only, but prequal.

use crate::config::{Algorithm, BalancerConfig, KeySource};
use crate::options::form::{Form, HEADER};
use crate::options::setting::Setting;
use crate::options::value::{OFF, Problem, Value};
use crate::policy::balance::{Maglev, RingConfig};

const AUTO: &str = "auto";

/// More are of no use: from four on, endpoints are overrun.
const CHOICES: Form = Form::Count(1, 8);

pub(super) const SETTINGS: &[Setting<BalancerConfig>] = &[
    Setting::new("choices", CHOICES)
        .or(&[AUTO])
        .within(BalancerConfig::recommended)
        .purpose("How many endpoints are compared; auto is 2 of up to 8 endpoints and 3 of more. Only for p2c and peak EWMA")
        .cost("Balancers that learn of load late send more calls to the same endpoint.")
        .setter("set_choices")
        .field(
            |config| match config.algorithm {
                Algorithm::P2c { rule, .. } => {
                    Some(rule.fixed_choices().map_or(Value::Word(AUTO), |choices| choices.get().into()))
                }
                _ => None,
            },
            |config, value| {
                let choices = match value {
                    Value::Word(_) => None,
                    value => Some(value.count()?),
                };
                Ok(config.set_choices(choices)?)
            },
        ),
    Setting::new("load_header", HEADER)
        .or(&[OFF])
        .within(BalancerConfig::recommended)
        .purpose("The header of answers in which endpoints tell their load; only for balancers that go by cost")
        .cost("Each answer's header is read; an endpoint decides about its load.")
        .setter("set_load_header")
        .field(
            |config| {
                let by_cost = config.algorithm.is_by_cost();
                by_cost.then(|| Value::or_off(config.load_header.as_ref().map(|name| name.as_str())))
            },
            |config, value| Ok(config.set_load_header(value.unless_off(Value::header)?)?),
        ),
    Setting::new("ring_size_min", Form::Count(1, 8_388_608))
        .or(&[AUTO])
        .within(ring)
        .purpose("The fewest points of the ring; auto is 100 for each endpoint, but at least 1024. Only for ring hash")
        .cost("12 bytes for each point, and time to build the ring; keys spread more evenly.")
        .setter("set_ring_size")
        .field(
            |config| match config.algorithm {
                Algorithm::Ring(ring, _) => {
                    Some(ring.min_size.map_or(Value::Word(AUTO), Value::from))
                }
                _ => None,
            },
            |config, value| {
                let min_size = match value {
                    Value::Word(_) => None,
                    value => Some(value.count()?),
                };
                Ok(config.set_ring(|ring| RingConfig { min_size, ..ring })?)
            },
        ),
    Setting::new("ring_size_max", Form::Count(1, 8_388_608))
        .within(ring)
        .purpose("The most points of the ring; below the number of endpoints it leaves some without traffic. Only for ring hash")
        .cost("12 bytes for each point, and time to build the ring.")
        .setter("set_ring_size")
        .field(
            |config| match config.algorithm {
                Algorithm::Ring(ring, _) => Some(ring.max_size.into()),
                _ => None,
            },
            |config, value| {
                let max_size = value.count()?;
                Ok(config.set_ring(|ring| RingConfig { max_size, ..ring })?)
            },
        ),
    Setting::new("table_size", Form::Count(1, 5_000_011))
        .within(maglev)
        .purpose("How many slots the table has, a prime number; 65537 spreads up to 650 endpoints within 1 %. Only for maglev")
        .cost("4 bytes for each slot, and time to build the table.")
        .setter("set_table_size")
        .field(
            |config| match config.algorithm {
                Algorithm::Maglev(slots, _) => Some(slots.into()),
                _ => None,
            },
            |config, value| Ok(config.set_table_size(value.count()?)?),
        ),
    Setting::new("bounded_load", Form::Real(1.0, f64::MAX))
        .or(&[OFF])
        .within(ring)
        .purpose("How many times its share of the attempts in flight an endpoint carries; above it a key's calls go elsewhere. Only for ring hash and maglev")
        .cost("A popular key overloads its endpoint; lowering it moves more calls away from their endpoint.")
        .setter("set_bounded_load")
        .field(
            |config| match config.algorithm {
                Algorithm::Ring(_, bound) | Algorithm::Maglev(_, bound) => {
                    Some(Value::or_off(bound.map(|bound| bound.factor())))
                }
                _ => None,
            },
            |config, value| Ok(config.set_bounded_load(value.unless_off(Value::real)?)?),
        ),
    Setting::new("hash_header", HEADER)
        .or(&[OFF])
        .within(maglev)
        .purpose("The header that a call's key is taken from where its request states none, in place of hash_cookie; only for balancers that go by key")
        .cost("The value is hashed for each call.")
        .setter("set_hash_header")
        .field(
            |config| match &config.key {
                KeySource::Header(name) => Some(name.as_str().into()),
                KeySource::Request if config.algorithm.is_keyed() => Some(Value::Word(OFF)),
                _ => None,
            },
            |config, value| {
                let name = value.unless_off(Value::header)?;
                let other = matches!(config.key, KeySource::Cookie(_));
                set_key(config, name.map(KeySource::Header), other)
            },
        ),
    Setting::new("hash_cookie", Form::Text("a cookie name"))
        .or(&[OFF])
        .within(maglev)
        .purpose("The cookie that a call's key is taken from where its request states none, in place of hash_header; only for balancers that go by key")
        .cost("The cookies of each call are read.")
        .setter("set_hash_cookie")
        .field(
            |config| match &config.key {
                KeySource::Cookie(name) => Some(name.as_str().into()),
                KeySource::Request if config.algorithm.is_keyed() => Some(Value::Word(OFF)),
                _ => None,
            },
            |config, value| {
                let name = value.unless_off(Value::text)?;
                let source = name.map(|name| KeySource::cookie(&name)).transpose()?;
                let other = matches!(config.key, KeySource::Header(_));
                set_key(config, source, other)
            },
        ),
];

/// `off` takes back what this row set, and leaves what the `other` row did.
fn set_key(
    config: &mut BalancerConfig,
    source: Option<KeySource>,
    other: bool,
) -> Result<(), Problem> {
    let kept = if other { config.key.clone() } else { KeySource::Request };
    Ok(config.set_key(source.unwrap_or(kept))?)
}

fn ring() -> BalancerConfig {
    BalancerConfig::new(Algorithm::Ring(RingConfig::default(), None))
}

fn maglev() -> BalancerConfig {
    BalancerConfig::new(Algorithm::Maglev(Maglev::DEFAULT_SIZE, None))
}
