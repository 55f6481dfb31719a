//! What a text says of the balancer and its circuits.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::faults::{Faults, below};
use super::json::Json;
use super::object::{MASK, MASKED, Object, text};
use super::section;
use crate::config::algorithm::{self, PREQUAL};
use crate::config::{Algorithm, BalancerConfig, PrequalProbing};
use crate::options::{BALANCER, BREAKER};
use crate::request::check_target;

/// What the object says beside its settings.
pub(super) const KEYS: [&str; 2] = ["name", "probe_path"];

/// The key of the balancer's own settings.
const BALANCER_KEY: &str = "balancer";

/// The key of the circuits' settings.
pub(super) const BREAKER_KEY: &str = "breaker";

/// The balancer that the sections `balancer` and `breaker` describe; `None` where the text has neither. A masked name
/// is the algorithm that is `present`.
pub(super) fn read(
    top: &mut Object<'_>,
    present: Option<&BalancerConfig>,
    faults: &mut Faults,
) -> Option<BalancerConfig> {
    let (section, breaker) = (top.take(BALANCER_KEY), top.take(BREAKER_KEY));
    if section.is_none() && breaker.is_none() {
        return None;
    }
    let mut config = BalancerConfig::recommended();
    match section {
        Some((name @ Json::Text(_), path)) => {
            let found = algorithm_of(name, &path, None, present, faults);
            found.into_iter().for_each(|it| config.algorithm = it);
        }
        Some((json, path)) => {
            let object = Object::of(json, &path, faults);
            object.into_iter().for_each(|object| described(object, &mut config, present, faults));
        }
        None => {}
    }
    if let Some((json, path)) = breaker
        && let Some(object) = Object::of(json, &path, faults)
    {
        section::read(&BREAKER, &mut config.breaker, object, &[], faults);
    }
    Some(config)
}

fn described(
    mut object: Object<'_>,
    config: &mut BalancerConfig,
    present: Option<&BalancerConfig>,
    faults: &mut Faults,
) {
    let probe_path = object.take("probe_path");
    match (object.take("name"), probe_path) {
        (Some((name, path)), probe_path) => {
            let found = algorithm_of(name, &path, probe_path, present, faults);
            found.into_iter().for_each(|it| config.algorithm = it);
        }
        (None, Some((_, path))) => faults.add(path, NEEDS_PREQUAL),
        (None, None) => {}
    }
    section::read(&BALANCER, config, object, &KEYS, faults);
}

const NEEDS_PREQUAL: &str = "goes with the balancer prequal alone";

fn algorithm_of(
    name: &Json,
    path: &str,
    probe_path: Option<(&Json, String)>,
    present: Option<&BalancerConfig>,
    faults: &mut Faults,
) -> Option<Algorithm> {
    if name.as_text() == Some(MASK) {
        let kept = present.map(|kept| kept.algorithm.clone()).filter(Algorithm::is_users);
        if kept.is_none() {
            faults.add(path, MASKED);
        }
        return kept;
    }
    let name = text(name, path, faults)?;
    let Some(found) = algorithm::named(name) else {
        let names: Vec<_> = algorithm::NAMED.iter().map(|(name, _)| *name).collect();
        faults.add(path, format!("is none of {}", names.join(", ")));
        return None;
    };
    match (name == PREQUAL, probe_path) {
        (true, Some((json, path))) => probing(json, &path, faults),
        (true, None) => {
            faults.add(path, "needs probe_path, the path that endpoints tell their load at");
            None
        }
        (false, Some((_, path))) => {
            faults.add(path, NEEDS_PREQUAL);
            Some(found)
        }
        (false, None) => Some(found),
    }
}

fn probing(json: &Json, path: &str, faults: &mut Faults) -> Option<Algorithm> {
    let target = text(json, path, faults)?;
    if let Err(error) = check_target("probe_path", target) {
        faults.add_error(path, &error);
        return None;
    }
    if !target.starts_with('/') {
        faults.add(path, "must start with /");
        return None;
    }
    Some(Algorithm::Prequal(PrequalProbing::new(Arc::from(target))))
}

/// Names what does not go together, unless its setting has a fault already.
pub(super) fn check(config: &BalancerConfig, faults: &mut Faults) {
    let Err(error) = config.check() else { return };
    for line in error.message().lines() {
        let (name, problem) = line.split_once(": ").unwrap_or((BALANCER_KEY, line));
        let path = match name.strip_prefix("breaker_") {
            Some(key) => below(BREAKER_KEY, key),
            None if name == BALANCER_KEY => name.to_owned(),
            None => below(BALANCER_KEY, name),
        };
        if !faults.has(&path) {
            faults.add(path, problem.replace("breaker_", "breaker."));
        }
    }
}

/// Both sections as a text has them.
pub(super) fn write(config: &BalancerConfig) -> [(&'static str, Value); 2] {
    let mut balancer = Map::new();
    let name = algorithm::name(&config.algorithm).unwrap_or(MASK);
    balancer.insert("name".to_owned(), name.into());
    if let Some(probing) = config.algorithm.probing() {
        balancer.insert("probe_path".to_owned(), (*probing.path).into());
    }
    balancer.extend(section::write(&BALANCER, config));
    let breaker = section::write(&BREAKER, &config.breaker);
    [(BALANCER_KEY, Value::Object(balancer)), (BREAKER_KEY, Value::Object(breaker))]
}
