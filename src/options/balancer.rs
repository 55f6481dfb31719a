//! What ahoy_balancer_set knows.

use std::sync::Arc;

use super::ConfigOption;
use super::values::{boolean, count, duration, number, positive, ratio, real, unless_off};
use crate::config::{BalancerConfig, HealthCheck, KeySource, Misfit, Subset, Zone};
use crate::policy::balance::RingConfig;
use crate::policy::{HealthConfig, RecoveryConfig, SlowStart};
use crate::request::{check_target, header_name};

/// Every option of a balancer, sorted by key.
pub const BALANCER: &[ConfigOption<BalancerConfig>] = &[
    ConfigOption {
        key: "bounded_load",
        description: "how many times its share of the attempts in flight an endpoint carries, for ring hash and maglev: a number from 1, or off; default off",
        apply: |config, value| {
            let factor = unless_off(value, real)?;
            config.set_bounded_load(factor).map_err(said)
        },
    },
    ConfigOption {
        key: "choices",
        description: "how many endpoints are compared, for p2c and peak EWMA: a number from 1 to 8; default 2 of up to 8 endpoints and 3 of more",
        apply: |config, value| config.set_choices(number(value)?).map_err(said),
    },
    ConfigOption {
        key: "ejection",
        description: "take outliers out of rotation: true or false; default false",
        apply: |config, value| {
            let on = boolean(value)?;
            config.ejection = on.then(|| config.ejection.unwrap_or_default());
            Ok(())
        },
    },
    ConfigOption {
        key: "ejection_base",
        description: "how long an outlier is out the first time, which turns ejection on: a duration; default 30s",
        apply: |config, value| {
            config.ejection.get_or_insert_default().base = positive(duration(value)?)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "ejection_interval",
        description: "how often outliers are looked for, which turns ejection on: a duration; default 10s",
        apply: |config, value| {
            config.ejection.get_or_insert_default().interval = positive(duration(value)?)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "ejection_max",
        description: "how long an outlier is out at most, which turns ejection on: a duration; default 300s",
        apply: |config, value| {
            config.ejection.get_or_insert_default().max = positive(duration(value)?)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "hash_cookie",
        description: "the cookie that a call's key is taken from, for balancers that go by key: a name; default none",
        apply: |config, value| config.set_key(KeySource::cookie(value)?).map_err(said),
    },
    ConfigOption {
        key: "hash_header",
        description: "the header that a call's key is taken from, for balancers that go by key: a name; default none",
        apply: |config, value| config.set_key(KeySource::header(value)?).map_err(said),
    },
    ConfigOption {
        key: "health_interval",
        description: "how often an endpoint is checked, which turns checks on: a duration; default 3s",
        apply: |config, value| {
            let interval = positive(duration(value)?)?;
            health_rule(config, |rule| {
                rule.interval = interval;
                rule.out_interval = rule.out_interval.min(interval);
            });
            Ok(())
        },
    },
    ConfigOption {
        key: "health_path",
        description: "what a check asks for, which turns checks on: a path, or tcp for a mere connect; default tcp",
        apply: |config, value| {
            let path = if value == "tcp" { None } else { Some(checked_path(value)?.into()) };
            health(config).path = path;
            Ok(())
        },
    },
    ConfigOption {
        key: "health_timeout",
        description: "how long a check may take, which turns checks on: a duration; default 1s",
        apply: |config, value| {
            health(config).timeout = positive(duration(value)?)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "load_header",
        description: "the header in which endpoints tell their load, for balancers that go by cost: a name, or off; default off",
        apply: |config, value| {
            let name = unless_off(value, |name| {
                header_name(name).map_err(|_| "is not a header name".to_owned())
            })?;
            config.set_load_header(name).map_err(said)
        },
    },
    ConfigOption {
        key: "max_in_flight",
        description: "how many attempts an endpoint gets at once: a number from 1, or off; default off",
        apply: |config, value| {
            config.max_in_flight = unless_off(value, count)?.map(u32::from);
            Ok(())
        },
    },
    ConfigOption {
        key: "panic_threshold",
        description: "the share of well endpoints below which those serve too that are out by their answers: a number from 0 to 1, or off; default off",
        apply: |config, value| {
            config.panic = unless_off(value, ratio)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "prequal_at_once",
        description: "how many probes may be under way at once, for prequal: a number from 1 to 1024; default 64",
        apply: |config, value| {
            let at_once = number(value)?;
            config.set_probing(|probing| probing.at_once = at_once).map_err(said)
        },
    },
    ConfigOption {
        key: "prequal_hot",
        description: "the share of the answers that an endpoint's attempts in flight must exceed to be hot, for prequal: a number from 0 to 1; default 0.84",
        apply: |config, value| {
            let hot = ratio(value)?;
            config.set_probing(|probing| probing.rule.hot = hot).map_err(said)
        },
    },
    ConfigOption {
        key: "prequal_max_age",
        description: "how long the answer to a probe is kept, for prequal: a duration; default 1s",
        apply: |config, value| {
            let max_age = positive(duration(value)?)?;
            config.set_probing(|probing| probing.rule.max_age = max_age).map_err(said)
        },
    },
    ConfigOption {
        key: "prequal_pool",
        description: "how many answers to probes are kept, for prequal: a number from 2 to 256; default 16",
        apply: |config, value| {
            let pool = number(value)? as usize;
            config.set_probing(|probing| probing.rule.pool = pool).map_err(said)
        },
    },
    ConfigOption {
        key: "prequal_probes",
        description: "how many probes are sent for each call, for prequal: a number up to 100, above the removals; default 3",
        apply: |config, value| {
            let probes = real(value)?;
            config.set_probing(|probing| probing.rule.probes_per_call = probes).map_err(said)
        },
    },
    ConfigOption {
        key: "prequal_removals",
        description: "how many answers each call removes beside those used up, for prequal: a number from 0, below the probes; default 1",
        apply: |config, value| {
            let removals = real(value)?;
            config.set_probing(|probing| probing.rule.removals_per_call = removals).map_err(said)
        },
    },
    ConfigOption {
        key: "prequal_timeout",
        description: "how long the answer to a probe is waited for, for prequal: a duration; default 3ms",
        apply: |config, value| {
            let timeout = positive(duration(value)?)?;
            config.set_probing(|probing| probing.rule.timeout = timeout).map_err(said)
        },
    },
    ConfigOption {
        key: "profile",
        description: "many options at once: resilient, which turns on slow start, ejection, a panic threshold of 0.5 and checks by connect; default none",
        apply: |config, value| {
            match value {
                "resilient" => config.make_resilient(),
                _ => return Err("is not resilient".to_owned()),
            }
            Ok(())
        },
    },
    ConfigOption {
        key: "recovery_min_working",
        description: "how many endpoints can just bear all traffic, so that it comes back slowly after an outage of all: a number from 1, or off; default off",
        apply: |config, value| {
            config.recovery = unless_off(value, count)?.map(RecoveryConfig::new);
            Ok(())
        },
    },
    ConfigOption {
        key: "ring_max_size",
        description: "the most points of the ring, for ring hash: a number up to 8388608; default 8388608",
        apply: |config, value| {
            let max_size = number(value)?;
            config.set_ring(|ring| RingConfig { max_size, ..ring }).map_err(said)
        },
    },
    ConfigOption {
        key: "ring_min_size",
        description: "the fewest points of the ring, for ring hash: a number from 1; default 100 for each endpoint, but at least 1024",
        apply: |config, value| {
            let min_size = Some(count(value)?.get());
            config.set_ring(|ring| RingConfig { min_size, ..ring }).map_err(said)
        },
    },
    ConfigOption {
        key: "slow_start_aggression",
        description: "the bend of a slow start, which this turns on: a number above 0; default 1, a straight line",
        apply: |config, value| {
            slow_start(config).aggression = above_zero(real(value)?)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "slow_start_min_ratio",
        description: "the share that a slow start begins with, which this turns on: a number from 0 to 1; default 0.1",
        apply: |config, value| {
            slow_start(config).min_ratio = ratio(value)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "slow_start_window",
        description: "how long an endpoint that joins or comes back takes to its full share: a duration, or off; default off, and 2s where another option turns it on",
        apply: |config, value| {
            match unless_off(value, |value| positive(duration(value)?))? {
                Some(window) => slow_start(config).window = window,
                None => config.slow_start = None,
            }
            Ok(())
        },
    },
    ConfigOption {
        key: "subset",
        description: "how many endpoints of a large set are used: a number from 1, or off; as 12@3/10 so that client 3 of 10 (from 0) fits the others; default off",
        apply: |config, value| {
            config.subset = unless_off(value, subset)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "table_size",
        description: "how many slots the table has, for maglev: a prime number up to 5000011; default 65537",
        apply: |config, value| config.set_table_size(number(value)?).map_err(said),
    },
    ConfigOption {
        key: "zone",
        description: "where this process stands, so that endpoints of the same zone come first: a name; default none, zones do not matter",
        apply: |config, value| {
            config.zone = Some(Zone::new(value)?);
            Ok(())
        },
    },
];

fn said(misfit: Misfit) -> String {
    match misfit {
        Misfit::Balancer(problem) => format!("the balancer {problem}"),
        Misfit::Value(problem) => problem,
    }
}

/// Each of its options turns it on, so their order does not matter.
fn slow_start(config: &mut BalancerConfig) -> &mut SlowStart {
    config.slow_start.get_or_insert_with(SlowStart::default)
}

fn above_zero(number: f64) -> Result<f64, String> {
    if number > 0.0 { Ok(number) } else { Err("is not above 0".to_owned()) }
}

fn health(config: &mut BalancerConfig) -> &mut HealthCheck {
    config.health.get_or_insert_default()
}

fn health_rule(config: &mut BalancerConfig, change: impl FnOnce(&mut HealthConfig)) {
    change(Arc::make_mut(&mut health(config).rule));
}

fn checked_path(value: &str) -> Result<&str, String> {
    check_target("health_path", value).map_err(|error| error.message().to_owned())?;
    if value.starts_with('/') { Ok(value) } else { Err("does not start with /".to_owned()) }
}

/// `12`, or `12@3/10` for client 3 of 10.
fn subset(value: &str) -> Result<Subset, String> {
    let Some((size, who)) = value.split_once('@') else {
        return Ok(Subset::Rendezvous { size: count(value)? });
    };
    let (client, clients) = who.split_once('/').ok_or("has no / after its @")?;
    Ok(Subset::deterministic(count(size)?, number(client)?, count(clients)?)?)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;
    use crate::config::{Algorithm, PrequalProbing};
    use crate::error::{Error, ErrorKind};
    use crate::options::set;
    use crate::policy::balance::Maglev;
    use crate::policy::{LoadModel, P2c, PrequalConfig, Ratio};

    const RING: Algorithm =
        Algorithm::Ring(RingConfig { min_size: None, max_size: 8_388_608 }, None);
    const MAGLEV: Algorithm = Algorithm::Maglev(Maglev::DEFAULT_SIZE, None);

    fn after(algorithm: Algorithm, options: &[(&str, &str)]) -> Result<BalancerConfig, Error> {
        let mut config = BalancerConfig::new(algorithm);
        for (key, value) in options {
            set(BALANCER, &mut config, key, value)?;
        }
        Ok(config)
    }

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn rules_of_any_balancer_are_set() {
        let options = [
            ("max_in_flight", "3"),
            ("panic_threshold", "0.5"),
            ("zone", "a"),
            ("slow_start_aggression", "2"),
            ("slow_start_window", "10s"),
            ("subset", "5"),
        ];
        let config = after(Algorithm::RoundRobin, &options).unwrap();
        assert_eq!((config.max_in_flight, config.panic), (Some(3), Some(Ratio::HALF)));
        assert_eq!(config.zone.unwrap().own.as_ref(), "a");
        let window = Duration::from_secs(10);
        let bent = SlowStart { window, aggression: 2.0, ..SlowStart::default() };
        assert_eq!(config.slow_start, Some(bent));
        assert_eq!(config.subset, Some(Subset::Rendezvous { size: number(5) }));
    }

    #[test]
    fn off_takes_a_rule_back() {
        let keys = ["max_in_flight", "panic_threshold", "subset", "bounded_load"];
        for key in keys {
            let config = after(MAGLEV, &[(key, "1"), (key, "off")]).unwrap();
            let off = config.max_in_flight.is_none() && config.panic.is_none();
            assert!(off && config.subset.is_none() && !config.algorithm.is_bounded(), "{key}");
        }
        let slow = [("slow_start_min_ratio", "0.3"), ("slow_start_window", "off")];
        assert_eq!(after(MAGLEV, &slow).unwrap().slow_start, None);
    }

    #[test]
    fn probes_are_set_one_by_one_and_checked_as_a_whole() {
        let prequal = || Algorithm::Prequal(PrequalProbing::new("/load".into()));
        let options = [
            ("prequal_at_once", "8"),
            ("prequal_hot", "0.5"),
            ("prequal_max_age", "2s"),
            ("prequal_pool", "32"),
            ("prequal_probes", "1.5"),
            ("prequal_removals", "0.25"),
            ("prequal_timeout", "5ms"),
        ];
        let Algorithm::Prequal(probing) = after(prequal(), &options).unwrap().algorithm else {
            panic!("prequal")
        };
        let rule = PrequalConfig {
            pool: 32,
            max_age: Duration::from_secs(2),
            probes_per_call: 1.5,
            removals_per_call: 0.25,
            hot: Ratio::HALF,
            timeout: Duration::from_millis(5),
        };
        assert_eq!((probing.rule, probing.at_once), (rule, 8));
        let refused = [
            ("prequal_at_once", "0"),
            ("prequal_at_once", "1025"),
            ("prequal_hot", "1.5"),
            ("prequal_max_age", "0"),
            ("prequal_pool", "1"),
            ("prequal_pool", "257"),
            ("prequal_probes", "1"),
            ("prequal_probes", "NaN"),
            ("prequal_probes", "101"),
            ("prequal_removals", "-1"),
            ("prequal_removals", "3"),
            ("prequal_timeout", "0"),
        ];
        for (key, value) in refused {
            assert!(after(prequal(), &[(key, value)]).is_err(), "{key} {value}");
        }
        for (key, value) in options {
            assert!(after(Algorithm::Random, &[(key, value)]).is_err(), "{key}");
        }
    }

    #[test]
    fn a_deterministic_subset_says_who_this_is() {
        let config = after(Algorithm::Random, &[("subset", "12@3/10")]).unwrap();
        let wanted = Subset::Deterministic { size: number(12), client: 3, clients: number(10) };
        assert_eq!(config.subset, Some(wanted));
    }

    #[test]
    fn rules_of_one_balancer_are_set() {
        let sizes = [("ring_max_size", "9000"), ("ring_min_size", "7000")];
        let Algorithm::Ring(ring, _) = after(RING, &sizes).unwrap().algorithm else {
            panic!("a ring")
        };
        assert_eq!(ring, RingConfig { min_size: Some(7000), max_size: 9000 });
        let keyed = after(RING, &[("hash_header", "X-User")]).unwrap();
        assert!(matches!(keyed.key, KeySource::Header(name) if name == "x-user"));
        let table = [("table_size", "7"), ("bounded_load", "1.25"), ("hash_cookie", "id")];
        let config = after(MAGLEV, &table).unwrap();
        assert!(matches!(config.algorithm, Algorithm::Maglev(7, Some(_))));
        assert_eq!(config.key, KeySource::Cookie("id".to_owned()));
        let p2c = Algorithm::P2c { rule: P2c::new(), model: LoadModel::default() };
        assert!(after(p2c, &[("choices", "3")]).is_ok());
    }

    #[test]
    fn nonsense_is_refused_and_named() {
        for (key, value) in [
            ("bounded_load", "0.5"),
            ("choices", "2"),
            ("hash_cookie", "a=b"),
            ("hash_header", "a b"),
            ("max_in_flight", "0"),
            ("panic_threshold", "2"),
            ("ring_max_size", "8388609"),
            ("ring_min_size", "0"),
            ("ring_min_size", "8388609"),
            ("slow_start_aggression", "0"),
            ("slow_start_min_ratio", "-1"),
            ("slow_start_window", "0"),
            ("subset", "0"),
            ("subset", "12@10/10"),
            ("subset", "12@3"),
            ("table_size", "7"),
            ("zone", ""),
        ] {
            let error = after(RING, &[(key, value)]).unwrap_err();
            assert!(error.message().contains(key), "{}", error.message());
        }
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = after(RING, &[("panic_treshold", "1")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownOption);
        assert!(error.message().ends_with("panic_threshold"), "{}", error.message());
    }
}
