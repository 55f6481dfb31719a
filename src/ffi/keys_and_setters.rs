//! Each key has its setter, each setter its key, and both do the same.

use std::fmt::Debug;
use std::ptr;

use super::balancer::balancer::*;
use super::balancer::balancing::*;
use super::balancer::breaker::*;
use super::balancer::health::*;
use super::balancer::prequal::*;
use super::balancer::provider::*;
use super::client::builder::*;
use super::client::certificates::*;
use super::client::faults::*;
use super::client::hooks::*;
use super::client::judging::*;
use super::client::names::*;
use super::client::protection::*;
use super::client::proxy::*;
use super::client::retry::*;
use super::client::sockets::*;
use super::values::error::ahoy_error;
use super::values::status::{AHOY_OK, ahoy_status};
use crate::options::{BALANCER, BREAKER, CLIENT, NO_KEYS, NO_SETTERS, RETRY, Row, Setter, Table};

const HEADER: &str = include_str!("../../include/ahoy.h");

/// A call of a setter, and the keys and values that must do the same.
struct Case<H> {
    function: &'static str,
    call: fn(*mut H, *mut *mut ahoy_error) -> ahoy_status,
    pairs: &'static [(&'static str, &'static str)],
}

/// `setter(its arguments) = "key": "value", ...;`
macro_rules! cases {
    ($($function:ident($($argument:expr),*) = $($key:literal: $value:literal),+;)*) => {
        [$(Case {
            function: stringify!($function),
            // SAFETY: the handle lives, and so does the text.
            call: |handle, err| unsafe { $function(handle, $($argument,)* err) },
            pairs: &[$(($key, $value)),+],
        }),*]
    };
}

fn client_cases() -> impl IntoIterator<Item = Case<ahoy_client_builder>> {
    cases! {
        ahoy_client_builder_set_name(c"payments".as_ptr()) = "name": "payments";
        ahoy_client_builder_set_timeout_ms(90_000) = "timeout": "1m30s";
        ahoy_client_builder_set_attempt_timeout_ms(u64::MAX) = "attempt_timeout": "forever";
        ahoy_client_builder_set_attempt_timeout_hard(true) = "attempt_timeout_hard": "true";
        ahoy_client_builder_set_commit(AHOY_COMMIT_FIRST_BYTE) = "commit": "first_byte";
        ahoy_client_builder_set_connect_timeout_ms(1_500) = "connect_timeout": "1.5s";
        ahoy_client_builder_set_body_idle_timeout_ms(500) = "body_idle_timeout": "500ms";
        ahoy_client_builder_set_endpoint_updates(0) = "endpoint_updates": "0";
        ahoy_client_builder_set_wait_for_ready_ms(3_000) = "wait_for_ready": "3s";
        ahoy_client_builder_set_max_body_bytes(1024) = "max_body": "1KiB";
        ahoy_client_builder_set_gzip(false) = "gzip": "false";
        ahoy_client_builder_set_redirects(5) = "redirects": "5";
        ahoy_client_builder_set_resolver(AHOY_RESOLVER_SYSTEM) = "resolver": "system";
        ahoy_client_builder_set_max_stale_ms(0) = "max_stale": "0ms";
        ahoy_client_builder_set_expect_continue(true) = "expect_continue": "true";
        ahoy_client_builder_set_local_address(c"127.0.0.1".as_ptr()) = "local_address": "127.0.0.1";
        ahoy_client_builder_set_interface(c"lo".as_ptr()) = "interface": "lo";
        ahoy_client_builder_set_tcp_keepalive_ms(30_000) = "tcp_keepalive": "30s";
        ahoy_client_builder_set_tcp_user_timeout_ms(5_000) = "tcp_user_timeout": "5s";
        ahoy_client_builder_set_resolve(c"a.test:80:::1".as_ptr()) = "resolve": "a.test:80:::1";
        ahoy_client_builder_set_ca_file(c"/etc/ca.pem".as_ptr()) = "ca_file": "/etc/ca.pem";
        ahoy_client_builder_set_certificate_file(c"/a.crt".as_ptr()) = "certificate_file": "/a.crt";
        ahoy_client_builder_set_key_file(c"/a.key".as_ptr()) = "key_file": "/a.key";
        ahoy_client_builder_set_proxy(c"http://p:3128".as_ptr()) = "proxy": "http://p:3128";
        ahoy_client_builder_set_no_proxy(c"a.example".as_ptr()) = "no_proxy": "a.example";
        ahoy_client_builder_set_proxy_from_environment(true) = "proxy_from_environment": "true";
        ahoy_client_builder_set_fail_on_status(true) = "fail_on_status": "true";
        ahoy_client_builder_set_failure_statuses([404, 500].as_ptr(), 2)
            = "failure_statuses": "404,500";
        ahoy_client_builder_set_failure_statuses(ptr::null(), 0) = "failure_statuses": "none";
        ahoy_client_builder_set_interruptible(true) = "interruptible": "true";
        ahoy_client_builder_set_http2(AHOY_HTTP2_ALPN) = "http2": "true";
        ahoy_client_builder_set_http2(AHOY_HTTP2_PRIOR_KNOWLEDGE) = "http2": "prior_knowledge";
        ahoy_client_builder_set_idle_timeout_ms(7) = "idle_timeout": "7ms";
        ahoy_client_builder_set_max_idle_per_endpoint(0) = "max_idle_per_endpoint": "0";
        ahoy_client_builder_set_max_connections_per_endpoint(2)
            = "max_connections_per_endpoint": "2";
        ahoy_client_builder_set_max_connection_age_ms(60_000) = "max_connection_age": "1m";
        ahoy_client_builder_set_warm_up(2) = "warm_up": "2";
        ahoy_client_builder_set_platform_roots(false) = "platform_roots": "false";
        ahoy_client_builder_use_resilient_profile() = "profile": "resilient";
        ahoy_client_builder_set_retry_budget(0.2, 3, 20_000) = "retry_budget": "0.2",
            "retry_budget_floor": "3", "retry_budget_window": "20s";
        ahoy_client_builder_set_retry_budget_stock(20) = "retry_budget_stock": "20";
        ahoy_client_builder_disable_retry_budget() = "retry_budget": "off";
        ahoy_client_builder_set_hedge_delay_ms(30, 0.1) = "hedge_delay": "30ms",
            "hedge_max_extra": "0.1";
        ahoy_client_builder_set_hedge(0.1) = "hedge_max_extra": "0.1", "hedge_delay": "live";
        ahoy_client_builder_set_max_in_flight(9) = "max_in_flight": "9";
        ahoy_client_builder_set_adaptive_limit(20, 20, 200) = "adaptive_limit": "20-200";
        ahoy_client_builder_set_adaptive_limit(50, 20, 200) = "adaptive_limit": "50:20-200";
        ahoy_client_builder_set_wait_queue(4, 250) = "wait_queue_length": "4",
            "wait_queue_timeout": "250ms";
        ahoy_client_builder_set_adaptive_throttle(1.5, 60_000) = "adaptive_throttle": "1.5",
            "adaptive_throttle_window": "1m";
        ahoy_client_builder_set_deadline_header(c"x-left".as_ptr()) = "deadline_header": "x-left";
        ahoy_client_builder_set_attempt_header(c"x-number".as_ptr()) = "attempt_header": "x-number";
        ahoy_client_builder_set_pushback_header(c"x-push".as_ptr()) = "pushback_header": "x-push";
        ahoy_client_builder_set_fault_abort(503, 0.25) = "fault_abort": "503@0.25";
        ahoy_client_builder_set_fault_delay(200, 0.5) = "fault_delay": "200ms@0.5";
        ahoy_client_builder_set_fault_reset(0.1) = "fault_reset": "0.1";
        ahoy_client_builder_set_fault_header(c"x-fault".as_ptr()) = "fault_header": "x-fault";
        ahoy_client_builder_set_fault_seed(7) = "fault_seed": "7";
        ahoy_client_builder_set_trace(AHOY_TRACE_PASS_ON) = "trace": "pass_on";
        ahoy_client_builder_set_trace(AHOY_TRACE_START) = "trace": "start";
        ahoy_client_builder_set_trace(AHOY_TRACE_START_SAMPLED) = "trace": "start_sampled";
    }
}

fn retry_cases() -> impl IntoIterator<Item = Case<ahoy_retry>> {
    cases! {
        ahoy_retry_set_tries(5) = "tries": "5";
        ahoy_retry_set_tries(-1) = "tries": "unlimited";
        ahoy_retry_set_delay_ms(5) = "delay": "5ms";
        ahoy_retry_set_max_delay_ms(2_000) = "max_delay": "2s";
        ahoy_retry_set_backoff(1.5) = "backoff": "1.5";
        ahoy_retry_set_jitter_ms(5, 20) = "jitter": "5ms-20ms";
        ahoy_retry_set_on(AHOY_RETRY_ON_CONNECT | AHOY_RETRY_ON_STATUS) = "on": "connect,status";
        ahoy_retry_set_on(0) = "on": "none";
        ahoy_retry_set_statuses([429, 503].as_ptr(), 2) = "statuses": "429,503";
        ahoy_retry_set_statuses(ptr::null(), 0) = "statuses": "none";
        ahoy_retry_set_any_method(true) = "any_method": "true";
        ahoy_retry_set_retry_after_max_ms(u64::MAX) = "retry_after_max": "forever";
    }
}

fn breaker_cases() -> impl IntoIterator<Item = Case<ahoy_breaker>> {
    cases! {
        ahoy_breaker_set_consecutive_failures(7) = "consecutive_failures": "7";
        ahoy_breaker_disable_consecutive_failures() = "consecutive_failures": "off";
        ahoy_breaker_set_failure_ratio(0.3, 5_000, 4) = "failure_ratio": "0.3",
            "failure_ratio_window": "5s", "failure_ratio_min_calls": "4";
        ahoy_breaker_set_failure_ratio_count(0.3, 40, 4) = "failure_ratio_count": "40",
            "failure_ratio": "0.3", "failure_ratio_min_calls": "4";
        ahoy_breaker_disable_failure_ratio() = "failure_ratio": "off";
        ahoy_breaker_set_slow_calls(700, 0.2) = "slow_calls_duration": "700ms",
            "slow_calls_ratio": "0.2";
        ahoy_breaker_set_open_ms(100, 9_000) = "open_base": "100ms", "open_max": "9s";
        ahoy_breaker_set_retry_after_max_ms(7_000) = "retry_after_max": "7s";
        ahoy_breaker_set_connect_open_max_ms(300) = "connect_open_max": "300ms";
        ahoy_breaker_set_half_open_probes(2) = "half_open_probes": "2";
        ahoy_breaker_set_probe_timeout_ms(900) = "probe_timeout": "900ms";
        ahoy_breaker_set_reset_after_ms(3_600_000) = "reset_after": "1h";
        ahoy_breaker_set_min_closed(0) = "min_closed": "0";
    }
}

fn any_balancer_cases() -> impl IntoIterator<Item = Case<ahoy_balancer>> {
    cases! {
        ahoy_balancer_use_resilient_profile() = "profile": "resilient";
        ahoy_balancer_set_max_in_flight(3) = "max_in_flight": "3";
        ahoy_balancer_set_metrics_endpoints(7) = "metrics_endpoints": "7";
        ahoy_balancer_set_panic_threshold(0.5) = "panic_threshold": "0.5";
        ahoy_balancer_set_slow_start(5_000, 0.2, 2.0) = "slow_start_window": "5s",
            "slow_start_min_ratio": "0.2", "slow_start_aggression": "2";
        ahoy_balancer_set_zone(c"eu-1".as_ptr()) = "zone": "eu-1";
        ahoy_balancer_set_subset(12) = "subset": "12";
        ahoy_balancer_set_deterministic_subset(12, 3, 10) = "deterministic_subset": "12@3/10";
        ahoy_balancer_set_outage_recovery(2, 5_000) = "outage_recovery_min_working": "2",
            "outage_recovery_hold": "5s";
        ahoy_balancer_set_outlier_detection(true) = "outlier_detection": "true";
        ahoy_balancer_set_outlier_ejection(1_000, 2_000, 9_000, 0.3, 2)
            = "outlier_ejection_interval": "1s", "outlier_ejection_base": "2s",
            "outlier_ejection_max": "9s", "outlier_ejection_max_share": "0.3",
            "outlier_ejection_min_healthy": "2";
        ahoy_balancer_set_outlier_success_rate(3, 50, 1.5)
            = "outlier_success_rate_min_endpoints": "3", "outlier_success_rate_min_calls": "50",
            "outlier_success_rate_factor": "1.5";
        ahoy_balancer_set_outlier_failure_share(0.7, 3, 20) = "outlier_failure_share": "0.7",
            "outlier_failure_share_min_endpoints": "3", "outlier_failure_share_min_calls": "20";
        ahoy_balancer_set_health_check(c"/up".as_ptr(), 500, 200) = "health_check_path": "/up",
            "health_check_interval": "500ms", "health_check_timeout": "200ms";
        ahoy_balancer_set_health_check(ptr::null(), 500, 200) = "health_check_path": "tcp",
            "health_check_interval": "500ms", "health_check_timeout": "200ms";
    }
}

fn p2c_cases() -> impl IntoIterator<Item = Case<ahoy_balancer>> {
    cases! {
        ahoy_balancer_set_choices(4) = "choices": "4";
        ahoy_balancer_set_load_header(c"ahoy-load".as_ptr()) = "load_header": "ahoy-load";
    }
}

fn ring_cases() -> impl IntoIterator<Item = Case<ahoy_balancer>> {
    cases! {
        ahoy_balancer_set_ring_size(2_000, 9_000) = "ring_size_min": "2000",
            "ring_size_max": "9000";
        ahoy_balancer_set_bounded_load(1.25) = "bounded_load": "1.25";
        ahoy_balancer_set_hash_header(c"x-user".as_ptr()) = "hash_header": "x-user";
        ahoy_balancer_set_hash_cookie(c"id".as_ptr()) = "hash_cookie": "id";
    }
}

fn maglev_cases() -> impl IntoIterator<Item = Case<ahoy_balancer>> {
    cases! {
        ahoy_balancer_set_table_size(7) = "table_size": "7";
    }
}

fn prequal_cases() -> impl IntoIterator<Item = Case<ahoy_balancer>> {
    cases! {
        ahoy_balancer_set_prequal(32, 2_000, 0.5, 0.25, 0.7) = "prequal_pool": "32",
            "prequal_max_age": "2s", "prequal_probes_per_call": "0.5",
            "prequal_removals_per_call": "0.25", "prequal_hot": "0.7";
        ahoy_balancer_set_prequal_probes(20, 8) = "prequal_probes_timeout": "20ms",
            "prequal_probes_at_once": "8";
    }
}

/// A balancer with checks, without which their thresholds cannot be set.
fn checked_cases() -> impl IntoIterator<Item = Case<ahoy_balancer>> {
    cases! {
        ahoy_balancer_set_health_thresholds(4, 3, 700) = "health_thresholds_unhealthy": "4",
            "health_thresholds_healthy": "3", "health_thresholds_out_interval": "700ms";
    }
}

/// A handle, by its constructor and its end.
struct Handle<H> {
    new: fn() -> *mut H,
    free: unsafe extern "C" fn(*mut H),
}

/// What was compared: each function with its keys.
type Compared = Vec<(&'static str, &'static [(&'static str, &'static str)])>;

/// Runs each case on one handle and its keys on the configuration of another, and compares.
fn compare<H, C: Clone + Debug + 'static>(
    handle: &Handle<H>,
    table: &Table<C>,
    config: fn(&H) -> C,
    cases: impl IntoIterator<Item = Case<H>>,
) -> Compared {
    let mut compared = Vec::new();
    for Case { function, call, pairs } in cases {
        let pointer = (handle.new)();
        assert_eq!(call(pointer, ptr::null_mut()), AHOY_OK, "{function}");
        let read = |pointer: *mut H| {
            // SAFETY: the handle is new.
            let config = config(unsafe { &*pointer });
            // SAFETY: freed once.
            unsafe { (handle.free)(pointer) };
            config
        };
        let by_setter = read(pointer);
        let plain = read((handle.new)());
        let mut by_keys = plain.clone();
        table.set_all(&mut by_keys, pairs.iter().copied()).unwrap();
        assert_eq!(format!("{by_setter:?}"), format!("{by_keys:?}"), "{function}");
        assert_ne!(format!("{by_setter:?}"), format!("{plain:?}"), "{function} does nothing");
        compared.push((function, pairs));
    }
    compared
}

fn of_balancers(
    new: fn() -> *mut ahoy_balancer,
    cases: impl IntoIterator<Item = Case<ahoy_balancer>>,
) -> Compared {
    let handle = Handle { new, free: ahoy_balancer_free };
    compare(&handle, &BALANCER, ahoy_balancer::config, cases)
}

fn made(
    constructor: unsafe extern "C" fn(*const ahoy_provider) -> *mut ahoy_balancer,
) -> *mut ahoy_balancer {
    let provider = ahoy_provider_list_new();
    // SAFETY: the provider lives until it is freed, once.
    unsafe {
        let balancer = constructor(provider);
        ahoy_provider_free(provider);
        balancer
    }
}

fn all_of_clients() -> Compared {
    let handle = Handle { new: || ahoy_client_builder_new(), free: ahoy_client_builder_free };
    compare(&handle, &CLIENT, |builder| builder.config.clone(), client_cases())
}

fn all_of_retries() -> Compared {
    let handle = Handle { new: || ahoy_retry_new(), free: ahoy_retry_free };
    compare(&handle, &RETRY, ahoy_retry::freeze, retry_cases())
}

fn all_of_breakers() -> Compared {
    let handle = Handle { new: || ahoy_breaker_new(), free: ahoy_breaker_free };
    compare(&handle, &BREAKER, |breaker| breaker.freeze().unwrap(), breaker_cases())
}

fn all_of_balancers() -> Compared {
    let checked = || {
        let balancer = made(ahoy_balancer_random_new);
        // SAFETY: the balancer lives; NULL is a mere connect.
        unsafe { ahoy_balancer_set_health_check(balancer, ptr::null(), 900, 100, ptr::null_mut()) };
        balancer
    };
    let mut compared = of_balancers(|| made(ahoy_balancer_random_new), any_balancer_cases());
    compared.extend(of_balancers(|| made(ahoy_balancer_p2c_new), p2c_cases()));
    compared.extend(of_balancers(|| made(ahoy_balancer_ring_hash_new), ring_cases()));
    compared.extend(of_balancers(|| made(ahoy_balancer_maglev_new), maglev_cases()));
    compared.extend(of_balancers(prequal, prequal_cases()));
    compared.extend(of_balancers(checked, checked_cases()));
    compared
}

fn prequal() -> *mut ahoy_balancer {
    let provider = ahoy_provider_list_new();
    // SAFETY: the provider lives until it is freed, once.
    unsafe {
        let balancer = ahoy_balancer_prequal_new(provider, c"/load".as_ptr());
        ahoy_provider_free(provider);
        balancer
    }
}

#[test]
fn keys_do_what_their_setters_do() {
    let counts = [all_of_clients(), all_of_retries(), all_of_breakers(), all_of_balancers()];
    assert!(counts.iter().all(|compared| !compared.is_empty()));
}

/// The functions of `header` that set something, but those by name.
fn setters_of_the_header(prefix: &str) -> Vec<&'static str> {
    let words = HEADER.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let mut setters: Vec<_> =
        words.filter(|word| word.starts_with(&format!("{prefix}set_"))).collect();
    setters.sort_unstable();
    setters.dedup();
    setters
}

/// A word is shown by a case, or is the default, or is told why its setter cannot say it; one of the three.
fn each_word_has_its_setter<C>(row: &Row<C>, compared: &Compared) {
    let Row { key, function, default, .. } = row;
    let pairs: Vec<_> = compared.iter().flat_map(|(_, pairs)| pairs.iter()).collect();
    for word in row.words {
        let is_default = default.split(';').next() == Some(word);
        let is_shown = pairs.iter().any(|(known, value)| known == key && value == word);
        let is_told = NO_SETTERS.iter().any(|(known, told, _)| known == function && told == word);
        assert!(
            is_default || is_shown || is_told,
            "{key}: no setter says {word}, and no reason why"
        );
        assert!(!is_told || !(is_default || is_shown), "{key}: {word} needs no reason");
    }
}

fn each_has_its_other<C: Clone + 'static>(table: &Table<C>, compared: &Compared) {
    for row in table.rows().iter().filter(|row| !row.of_part) {
        let (key, function) = (row.key.as_str(), row.function.as_str());
        let of_row = compared.iter().filter(|(name, _)| *name == function);
        let shown = of_row.flat_map(|(_, pairs)| pairs.iter()).any(|(known, _)| *known == key);
        assert!(shown, "{key}: no case here shows that {function} sets it");
        assert!(HEADER.contains(&format!(" {function}(")), "{key}: no function {function}");
        each_word_has_its_setter(row, compared);
        if let Setter::Of(_) = row.setter {
            let agrees = key.starts_with(row.setter.stem());
            assert!(agrees, "{key} has not the stem of {function}");
        }
    }
    let has_no_key = |setter: &str| NO_KEYS.iter().any(|(function, _)| *function == setter);
    for setter in setters_of_the_header(table.prefix) {
        let has_key = table.rows().iter().any(|row| row.function == setter);
        assert!(has_key != has_no_key(setter), "{setter} has no key, and no reason for it");
    }
}

#[test]
fn each_key_has_its_setter_and_each_setter_its_key() {
    each_has_its_other(&CLIENT, &all_of_clients());
    each_has_its_other(&RETRY, &all_of_retries());
    each_has_its_other(&BREAKER, &all_of_breakers());
    each_has_its_other(&BALANCER, &all_of_balancers());
    assert!(setters_of_the_header("ahoy_client_builder_").len() > 20, "the header is read");
}
