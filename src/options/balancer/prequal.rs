//! What belongs to prequal balancers.

use crate::config::{
    Algorithm, BalancerConfig, MOST_PROBE_ANSWERS, MOST_PROBES_AT_ONCE, MOST_PROBES_PER_CALL,
    PrequalProbing, SettingError,
};
use crate::options::form::{Form, LIMIT, RATIO};
use crate::options::setting::Setting;
use crate::options::value::{Problem, SetResult, Value};

const ANSWERS: Form = Form::Count(2, MOST_PROBE_ANSWERS as u64);
const AT_ONCE: Form = Form::Count(1, MOST_PROBES_AT_ONCE as u64);
const PER_CALL: Form = Form::Real(0.0, MOST_PROBES_PER_CALL);

pub(super) const SETTINGS: &[Setting<BalancerConfig>] = &[
    Setting::new("prequal_pool", ANSWERS)
        .within(prequal)
        .purpose("How many answers to load probes are kept, at most half of the endpoints if there are few. Only for prequal")
        .cost("Each call compares that many; old answers count for longer.")
        .setter("set_prequal")
        .field(
            |config| read(config, |probing| probing.rule.pool.into()),
            |config, value| {
                let pool = value.size()?;
                Ok(config.set_probing(|probing| probing.rule.pool = pool)?)
            },
        ),
    Setting::new("prequal_max_age", LIMIT)
        .within(prequal)
        .purpose("How long the answer to a load probe is kept. Only for prequal")
        .cost("Calls follow answers that no longer hold.")
        .setter("set_prequal")
        .field(
            |config| read(config, |probing| probing.rule.max_age.into()),
            |config, value| {
                let max_age = value.duration()?;
                Ok(config.set_probing(|probing| probing.rule.max_age = max_age)?)
            },
        ),
    Setting::new("prequal_probes_per_call", PER_CALL)
        .within(prequal)
        .purpose("How many load probes are sent for each call, parts of one by chance; above prequal_removals_per_call. Only for prequal")
        .cost("That many small requests for each call.")
        .setter("set_prequal")
        .field(
            |config| read(config, |probing| probing.rule.probes_per_call.into()),
            |config, value| {
                let probes = value.real()?;
                rates(config.set_probing(|probing| probing.rule.probes_per_call = probes))
            },
        ),
    Setting::new("prequal_removals_per_call", PER_CALL)
        .within(prequal)
        .purpose("How many answers each call removes beside those used up, in turn the oldest and the worst. Only for prequal")
        .cost("More load probes are needed to keep answers.")
        .setter("set_prequal")
        .field(
            |config| read(config, |probing| probing.rule.removals_per_call.into()),
            |config, value| {
                let removals = value.real()?;
                rates(config.set_probing(|probing| probing.rule.removals_per_call = removals))
            },
        ),
    Setting::new("prequal_hot", RATIO)
        .within(prequal)
        .purpose("The share of the answers that an endpoint's attempts in flight must exceed to be hot. Only for prequal")
        .cost("Quick endpoints get more load before others are preferred.")
        .setter("set_prequal")
        .field(
            |config| read(config, |probing| probing.rule.hot.into()),
            |config, value| {
                let hot = value.ratio()?;
                Ok(config.set_probing(|probing| probing.rule.hot = hot)?)
            },
        ),
    Setting::new("prequal_probes_timeout", LIMIT)
        .within(prequal)
        .purpose("How long the answer to a load probe is waited for; over a wide network it must be longer. Only for prequal")
        .cost("Load probes that hang hold their places for longer.")
        .setter("set_prequal_probes")
        .field(
            |config| read(config, |probing| probing.rule.timeout.into()),
            |config, value| {
                let timeout = value.duration()?;
                Ok(config.set_probing(|probing| probing.rule.timeout = timeout)?)
            },
        ),
    Setting::new("prequal_probes_at_once", AT_ONCE)
        .within(prequal)
        .purpose("How many load probes may be under way at once, and one for each endpoint; more are not sent. Only for prequal")
        .cost("A connection for each.")
        .setter("set_prequal_probes")
        .field(
            |config| read(config, |probing| probing.at_once.into()),
            |config, value| {
                let at_once = value.count()?;
                Ok(config.set_probing(|probing| probing.at_once = at_once)?)
            },
        ),
];

/// Each rate is in range by itself, so what is refused is that the probes are no more than the removals,
/// whichever of the two was set last.
fn rates(set: Result<(), SettingError>) -> SetResult {
    set.map_err(|error| match error {
        SettingError::Value(problem) => Problem::Part("probes_per_call", problem),
        error => error.into(),
    })
}

fn read(config: &BalancerConfig, field: impl FnOnce(&PrequalProbing) -> Value) -> Option<Value> {
    config.algorithm.probing().map(field)
}

fn prequal() -> BalancerConfig {
    BalancerConfig::new(Algorithm::Prequal(PrequalProbing::new("/".into())))
}
