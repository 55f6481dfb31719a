//! What holds for every table, and what the tables make of text.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use super::*;
use crate::config::{
    Algorithm, BalancerConfig, ClientConfig, Http2, KeySource, PrequalProbing, Subset,
};
use crate::error::{Error, ErrorKind};
use crate::policy::balance::{Maglev, RingConfig};
use crate::policy::{
    BreakerConfig, GradientConfig, HedgeDelay, Jitter, LimitConfig, LoadModel, P2c, PrequalConfig,
    Ratio, RetryConfig, RetryOn, SlowStart, Span, TraceStart,
};

const RING: Algorithm = Algorithm::Ring(RingConfig { min_size: None, max_size: 8_388_608 }, None);
const MAGLEV: Algorithm = Algorithm::Maglev(Maglev::DEFAULT_SIZE, None);

fn p2c() -> Algorithm {
    Algorithm::P2c { rule: P2c::new(), model: LoadModel::default() }
}

fn prequal() -> Algorithm {
    Algorithm::Prequal(PrequalProbing::new("/load".into()))
}

fn client(key: &str, value: &str) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::default();
    CLIENT.set(&mut config, key, value)?;
    Ok(config)
}

fn retry(key: &str, value: &str) -> Result<RetryConfig, Error> {
    let mut config = RetryConfig::default();
    RETRY.set(&mut config, key, value)?;
    Ok(config)
}

fn breaker(key: &str, value: &str) -> Result<BreakerConfig, Error> {
    let mut config = BreakerConfig::default();
    BREAKER.set(&mut config, key, value)?;
    Ok(config)
}

fn balancer(algorithm: Algorithm, pairs: &[(&str, &str)]) -> Result<BalancerConfig, Error> {
    let mut config = BalancerConfig::new(algorithm);
    for (key, value) in pairs {
        BALANCER.set(&mut config, key, value)?;
    }
    Ok(config)
}

// The tables

fn is_whole<C: Clone + 'static>(table: &Table<C>) {
    let keys: Vec<_> = table.rows().iter().map(|row| row.key.as_str()).collect();
    assert!(keys.is_sorted_by(|a, b| a < b), "sorted, each once: {keys:?}");
    for row in table.rows() {
        assert!(
            row.key.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_'),
            "{}",
            row.key
        );
        let texts = [row.purpose, row.cost, &row.form, &row.default];
        assert!(texts.iter().all(|text| !text.is_empty()), "{}", row.key);
        assert!(!row.purpose.ends_with('.') && row.cost.ends_with('.'), "{}", row.key);
    }
}

#[test]
fn every_row_is_whole_and_the_tables_are_sorted() {
    is_whole(&CLIENT);
    is_whole(&RETRY);
    is_whole(&BALANCER);
    is_whole(&BREAKER);
}

/// What a table writes, it reads, and nothing is lost on the way.
fn reads_what_it_writes<C: Clone + 'static>(table: &Table<C>, config: &C, other: &C) {
    let text = table.text(config);
    let pairs = text.lines().map(|line| line.split_once(" = ").unwrap());
    let mut copy = other.clone();
    table.set_all(&mut copy, pairs).unwrap();
    assert_eq!(table.text(&copy), text);
}

#[test]
fn a_configuration_survives_being_text() {
    reads_what_it_writes(&CLIENT, &CLIENT.default(), &CLIENT.default());
    reads_what_it_writes(&RETRY, &RETRY.default(), &RETRY.default());
    reads_what_it_writes(&BREAKER, &BREAKER.default(), &BREAKER.default());
    let mut busy = ClientConfig::default();
    busy.make_resilient();
    let pairs = [
        ("adaptive_limit", "50:20-200"),
        ("retry_tries", "unlimited"),
        ("retry_jitter", "5ms-20ms"),
        ("retry_on", "connect,status"),
        ("retry_statuses", "429,500-504"),
        ("failure_statuses", "404,500-599"),
        ("fault_abort", "503@0.01"),
        ("fault_delay", "200ms@0.05"),
        ("fault_seed", "7"),
        ("retry_budget", "0.2"),
        ("max_connections_per_endpoint", "off"),
        ("timeout", "forever"),
    ];
    CLIENT.set_all(&mut busy, pairs).unwrap();
    reads_what_it_writes(&CLIENT, &busy, &CLIENT.default());
    for algorithm in [Algorithm::RoundRobin, RING, MAGLEV, p2c(), prequal()] {
        let plain = BalancerConfig::new(algorithm);
        reads_what_it_writes(&BALANCER, &plain, &plain);
        let mut resilient = plain.clone();
        resilient.make_resilient();
        reads_what_it_writes(&BALANCER, &resilient, &plain);
    }
}

#[test]
fn the_default_shown_is_that_of_the_field() {
    let default = |key: &str| {
        let row = CLIENT.rows().iter().find(|row| row.key == key);
        row.map(|row| row.default.as_str())
    };
    assert_eq!(default("idle_timeout"), Some("1m"));
    assert_eq!(default("max_body"), Some("64MiB"));
    assert_eq!(default("retry_tries"), Some("3"));
    assert_eq!(default("attempt_timeout"), Some("auto"));
    let row = BALANCER.rows().iter().find(|row| row.key == "slow_start_window");
    assert_eq!(row.unwrap().default, "off; 2s where another setting switches it on");
}

// Faults

#[test]
fn an_unknown_key_names_the_nearest() {
    for (key, nearest) in
        [("atempt_timout", "attempt_timeout"), ("retry_trys", "retry_tries"), ("http", "http2")]
    {
        let error = client(key, "1s").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownOption);
        assert!(error.message().ends_with(nearest), "{}", error.message());
    }
}

#[test]
fn all_faults_are_told_together_and_nothing_is_changed() {
    let mut config = ClientConfig::default();
    let before = CLIENT.text(&config);
    let pairs = [
        ("timeout", "5"),
        ("gzip", "false"),
        ("redirects", "51"),
        ("retry_delays", "1s"),
        ("retry_tries", "0"),
    ];
    let error = CLIENT.set_all(&mut config, pairs).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let mut lines: Vec<_> = error.message().lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "redirects: is 51; the most is 50",
            "retry_delays: no such option; the nearest is retry_delay",
            "retry_tries: is 0; the least is 1",
            "timeout: 5 has no unit; write 5s or 5ms",
        ]
    );
    assert_eq!(CLIENT.text(&config), before);
    let unknown = CLIENT.set_all(&mut config, [("gzipp", "true")]).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::UnknownOption);
}

#[test]
fn the_order_of_keys_does_not_matter() {
    let mut pairs = [("prequal_probes_per_call", "0.5"), ("prequal_removals_per_call", "0.1")];
    for _ in 0..2 {
        let mut config = BalancerConfig::new(prequal());
        BALANCER.set_all(&mut config, pairs).unwrap();
        let rule = config.algorithm.probing().unwrap().rule;
        assert_eq!((rule.probes_per_call, rule.removals_per_call), (0.5, 0.1));
        pairs.reverse();
    }
    let mut config = BalancerConfig::new(RING);
    let pairs = [("outage_recovery_hold", "1s"), ("outage_recovery_min_working", "2")];
    BALANCER.set_all(&mut config, pairs).unwrap();
    let hold = config.recovery.unwrap().hold;
    assert_eq!(hold, Duration::from_secs(1));
}

#[test]
fn nonsense_is_refused_and_named() {
    for (key, value) in [
        ("timeout", "soon"),
        ("timeout", "-1s"),
        ("timeout", "5"),
        ("timeout", "99999999999999999h"),
        ("attempt_timeout", "0s"),
        ("max_body", "1TB"),
        ("gzip", "yes"),
        ("http2", "h2c"),
        ("redirects", "51"),
        ("endpoint_updates", "1.5"),
        ("adaptive_limit", "200-20"),
        ("adaptive_limit", "5:20-200"),
        ("adaptive_limit", "0-200"),
        ("deadline_header", "a b"),
        ("deadline_header", "content-length"),
        ("hedge_delay", "soon"),
        ("hedge_max_extra", "1.5"),
        ("max_in_flight", "0"),
        ("max_connections_per_endpoint", "0"),
        ("max_idle_per_endpoint", "-1"),
        ("max_connection_age", "0s"),
        ("warm_up", "65"),
        ("profile", "fast"),
        ("retry_budget", "-0.1"),
        ("retry_budget_window", "999ms"),
        ("adaptive_throttle", "0.5"),
        ("trace", "yes"),
        ("retry_tries", "0"),
        ("retry_on", "connect,luck"),
        ("retry_statuses", "99"),
        ("failure_statuses", "600"),
        ("fault_abort", "503"),
        ("fault_abort", "99@0.1"),
        ("fault_delay", "200@0.1"),
        ("fault_delay", "1s@2"),
        ("fault_reset", "1.1"),
        ("retry_jitter", "20ms-5ms"),
    ] {
        let error = client(key, value).unwrap_err();
        assert!(error.message().contains(key), "{}", error.message());
    }
}

#[test]
fn nonsense_is_refused_by_balancers_and_breakers_too() {
    for (key, value) in [
        ("bounded_load", "0.5"),
        ("choices", "2"),
        ("hash_cookie", "a=b"),
        ("hash_header", "a b"),
        ("max_in_flight", "0"),
        ("panic_threshold", "2"),
        ("ring_size_max", "8388609"),
        ("ring_size_min", "0"),
        ("ring_size_min", "8388609"),
        ("slow_start_aggression", "0"),
        ("slow_start_min_ratio", "-1"),
        ("slow_start_window", "0s"),
        ("subset", "0"),
        ("deterministic_subset", "12@10/10"),
        ("deterministic_subset", "12@3"),
        ("table_size", "7"),
        ("zone", ""),
        ("health_check_path", "health"),
        ("health_thresholds_healthy", "256"),
        ("outage_recovery_hold", "1s"),
        ("breaker_failure_ratio", "0"),
        ("breaker_failure_ratio_window", "9ms"),
        ("breaker_failure_ratio_count", "65536"),
    ] {
        let error = balancer(RING, &[(key, value)]).unwrap_err();
        assert!(error.message().contains(key), "{}", error.message());
    }
    for (key, value) in [
        ("prequal_probes_at_once", "0"),
        ("prequal_probes_at_once", "1025"),
        ("prequal_hot", "1.5"),
        ("prequal_max_age", "0s"),
        ("prequal_pool", "1"),
        ("prequal_pool", "257"),
        ("prequal_probes_per_call", "1"),
        ("prequal_probes_per_call", "NaN"),
        ("prequal_probes_per_call", "101"),
        ("prequal_removals_per_call", "-1"),
        ("prequal_removals_per_call", "3"),
        ("prequal_probes_timeout", "0s"),
    ] {
        assert!(balancer(prequal(), &[(key, value)]).is_err(), "{key} {value}");
    }
}

// Values

#[test]
#[cfg(feature = "http2")]
fn http2_is_read() {
    assert_eq!(client("http2", "true").unwrap().http2, Http2::Alpn);
    assert_eq!(client("http2", "prior_knowledge").unwrap().http2, Http2::PriorKnowledge);
}

#[test]
fn sources_that_are_not_built_in_are_refused() {
    for (url, feature) in [
        ("etcd://127.0.0.1/services/web", cfg!(feature = "registries")),
        ("http+sd://127.0.0.1/targets", cfg!(feature = "registries")),
        ("xds://127.0.0.1:1/web", cfg!(feature = "xds")),
        ("dns://localhost:80", true),
    ] {
        match provider_of(url) {
            Ok(_) => assert!(feature, "{url}"),
            Err(error) => {
                assert!(!feature, "{url}: {}", error.message());
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{url}: {}", error.message());
            }
        }
    }
}

#[test]
#[cfg(not(any(feature = "http2", feature = "proxy")))]
fn what_is_not_built_in_is_refused_alone_and_among_others() {
    assert_eq!(client("http2", "true").unwrap_err().kind(), ErrorKind::Unsupported);
    let mut config = ClientConfig::default();
    let both = [("http2", "true"), ("proxy", "http://a:1")];
    let error = CLIENT.set_all(&mut config, both).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{}", error.message());
    let error = CLIENT.set_all(&mut config, [("http2", "true"), ("tries", "x")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "of two kinds: {}", error.message());
}

#[test]
fn what_limits_a_call_is_read() {
    assert_eq!(client("timeout", "1m30s").unwrap().timeout, Duration::from_secs(90));
    assert_eq!(client("timeout", "forever").unwrap().timeout, Duration::MAX);
    assert_eq!(client("attempt_timeout", "auto").unwrap().attempt_timeout, None);
    assert_eq!(client("max_body", "64 KiB").unwrap().max_body, 65_536);
    assert!(!client("gzip", "false").unwrap().gzip);
    assert_eq!(client("redirects", "5").unwrap().redirects, 5);
    assert_eq!(client("http2", "false").unwrap().http2, Http2::Off);
}

#[test]
fn what_bounds_connections_is_read() {
    let limited = client("max_connections_per_endpoint", "7").unwrap();
    assert_eq!(limited.max_connections_per_endpoint, NonZeroUsize::new(7));
    let unlimited = client("max_connections_per_endpoint", "off").unwrap();
    assert_eq!(unlimited.max_connections_per_endpoint, None);
    assert_eq!(client("max_idle_per_endpoint", "0").unwrap().max_idle_per_endpoint, 0);
    assert_eq!(client("warm_up", "2").unwrap().warm_up, 2);
}

#[test]
fn what_protects_a_service_is_read() {
    assert!(client("retry_budget", "off").unwrap().retry_budget().is_none());
    let budget = client("retry_budget", "0.2").unwrap().retry_budget().unwrap();
    assert_eq!((budget.ratio.value(), budget.floor_per_second), (0.2, 1));
    assert_eq!(client("hedge_delay", "live").unwrap().hedge.delay, Some(HedgeDelay::Live));
    let limit = client("adaptive_limit", "5-50").unwrap().limit;
    let gradient = GradientConfig { start: 5, floor: 5, ceiling: 50 };
    assert_eq!(limit, Some(LimitConfig::Gradient(gradient)));
    let resilient = client("profile", "resilient").unwrap();
    assert!(resilient.hedge.delay.is_some());
    assert_eq!(resilient.shedding.queue_length, 1024, "as many may wait as the limit is");
    assert_eq!(resilient.shedding.queue_wait, Duration::from_secs(1));
    let mut limited = client("max_in_flight", "20").unwrap();
    limited.make_resilient();
    assert_eq!(limited.shedding.queue_length, 0, "a limit that is set has the queue that is set");
    assert_eq!(client("trace", "start").unwrap().trace, Some(TraceStart::Unsampled));
    assert!(client("deadline_header", "x-time-left").unwrap().adds_attempt_headers());
}

#[test]
fn off_takes_back_what_the_same_key_set() {
    let mut config = client("max_in_flight", "5").unwrap();
    CLIENT.set(&mut config, "adaptive_limit", "off").unwrap();
    assert!(config.limit.is_some(), "the other one");
    CLIENT.set(&mut config, "max_in_flight", "off").unwrap();
    assert!(config.limit.is_none());
    for key in ["max_in_flight", "panic_threshold", "subset", "bounded_load"] {
        let config = balancer(MAGLEV, &[(key, "1"), (key, "off")]).unwrap();
        let off = config.max_in_flight.is_none() && config.panic.is_none();
        assert!(off && config.subset.is_none() && !config.algorithm.is_bounded(), "{key}");
    }
    let slow = [("slow_start_min_ratio", "0.3"), ("slow_start_window", "off")];
    assert_eq!(balancer(MAGLEV, &slow).unwrap().slow_start, None);
}

#[test]
fn rules_of_retries_are_read() {
    assert_eq!(retry("tries", "unlimited").unwrap().tries, None);
    let jitter = Jitter::Range { min: Duration::ZERO, max: Duration::from_millis(20) };
    assert_eq!(retry("jitter", "0ms-20ms").unwrap().backoff.jitter, jitter);
    let on = retry("on", "connect, timeout").unwrap().on;
    assert_eq!(on, RetryOn::CONNECT | RetryOn::TIMEOUT);
    assert_eq!(retry("on", "none").unwrap().on.bits(), 0);
    let statuses = retry("statuses", "429, 502-503").unwrap().statuses;
    let held = (100..=599).filter(|status| statuses.contains(*status));
    assert_eq!(held.collect::<Vec<_>>(), [429, 502, 503]);
    assert_eq!(client("retry_max_delay", "3s").unwrap().retry.backoff.max_delay.as_secs(), 3);
}

#[test]
fn rules_of_circuits_are_read() {
    let last = breaker("failure_ratio_count", "20").unwrap().span;
    assert!(matches!(last, Span::Calls(count) if count.get() == 20));
    assert_eq!(breaker("consecutive_failures", "off").unwrap().consecutive_failures, None);
    assert!(breaker("slow_calls_ratio", "0.3").unwrap().slow_calls.is_some());
    let config = balancer(RING, &[("breaker_min_closed", "3")]).unwrap();
    assert_eq!(config.breaker.min_closed, 3);
}

#[test]
fn rules_of_any_balancer_are_read() {
    let pairs = [
        ("max_in_flight", "3"),
        ("panic_threshold", "0.5"),
        ("zone", "a"),
        ("slow_start_aggression", "2"),
        ("slow_start_window", "10s"),
        ("subset", "5"),
    ];
    let config = balancer(Algorithm::RoundRobin, &pairs).unwrap();
    assert_eq!((config.max_in_flight, config.panic), (Some(3), Some(Ratio::HALF)));
    assert_eq!(config.zone.unwrap().own.as_ref(), "a");
    let window = Duration::from_secs(10);
    let bent = SlowStart { window, aggression: 2.0, ..SlowStart::default() };
    assert_eq!(config.slow_start, Some(bent));
    let number = |number| NonZeroU32::new(number).unwrap();
    assert_eq!(config.subset, Some(Subset::Rendezvous { size: number(5) }));
    let config = balancer(Algorithm::Random, &[("deterministic_subset", "12@3/10")]).unwrap();
    let wanted = Subset::Deterministic { size: number(12), client: 3, clients: number(10) };
    assert_eq!(config.subset, Some(wanted));
}

#[test]
fn rules_of_one_balancer_are_read_and_refused_by_others() {
    let sizes = [("ring_size_max", "9000"), ("ring_size_min", "7000")];
    let Algorithm::Ring(ring, _) = balancer(RING, &sizes).unwrap().algorithm else {
        panic!("a ring")
    };
    assert_eq!(ring, RingConfig { min_size: Some(7000), max_size: 9000 });
    let keyed = balancer(RING, &[("hash_header", "X-User")]).unwrap();
    assert!(matches!(keyed.key, KeySource::Header(name) if name == "x-user"));
    let table = [("table_size", "7"), ("bounded_load", "1.25"), ("hash_cookie", "id")];
    let config = balancer(MAGLEV, &table).unwrap();
    assert!(matches!(config.algorithm, Algorithm::Maglev(7, Some(_))));
    assert_eq!(config.key, KeySource::Cookie("id".to_owned()));
    assert!(balancer(p2c(), &[("choices", "3")]).is_ok());
    for (key, value) in sizes.into_iter().chain(table) {
        assert!(balancer(Algorithm::Random, &[(key, value)]).is_err(), "{key}");
    }
}

#[test]
fn probes_are_read_one_by_one() {
    let pairs = [
        ("prequal_probes_at_once", "8"),
        ("prequal_hot", "0.5"),
        ("prequal_max_age", "2s"),
        ("prequal_pool", "32"),
        ("prequal_probes_per_call", "1.5"),
        ("prequal_removals_per_call", "0.25"),
        ("prequal_probes_timeout", "5ms"),
    ];
    let Algorithm::Prequal(probing) = balancer(prequal(), &pairs).unwrap().algorithm else {
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
    for (key, value) in pairs {
        assert!(balancer(Algorithm::Random, &[(key, value)]).is_err(), "{key}");
    }
}
