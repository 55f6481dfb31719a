//! The balancers that go by weight or key, and the rules that any balancer can be given.

use std::ffi::c_char;
use std::ptr;

use super::balancer::{ahoy_balancer, make};
use super::provider::ahoy_provider;
use crate::config::Algorithm;
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::setter::{Configurable, ms};
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::{entry, guard};
use crate::options::Value;
use crate::policy::LeastRequest;
use crate::policy::balance::{Maglev, RingConfig};

/// Smooth weighted round robin, as in nginx: endpoints one after the other by their weights, each
/// spread as evenly as possible. Weights of 5, 1 and 1 give a a b a c a a. Each pick looks at every
/// endpoint, so this is for small sets; ahoy_balancer_round_robin_new honours weights as well, in
/// constant time.
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ahoy_balancer_smooth_weighted_new(
    provider: *const ahoy_provider,
) -> *mut ahoy_balancer {
    guard::value!(ptr::null_mut(), |provider: &ahoy_provider| {
        make(provider, Algorithm::SmoothWeighted)
    })
}

/// The recommended balancer: ahoy_balancer_p2c_new.
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ahoy_balancer_new(provider: *const ahoy_provider) -> *mut ahoy_balancer {
    guard::value!(ptr::null_mut(), |provider: &ahoy_provider| make(provider, Algorithm::p2c()))
}

/// Power of two choices, the recommended balancer; choose another for a reason below. Of two
/// endpoints drawn at random (three of more than 8) it picks the one that costs less: its average
/// latency, or the age of its attempts in flight where that says more, times the attempts in
/// flight, divided by the square of its success rate. So slow, hanging and failing endpoints lose
/// traffic before a limit or a circuit acts.
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ahoy_balancer_p2c_new(
    provider: *const ahoy_provider,
) -> *mut ahoy_balancer {
    guard::value!(ptr::null_mut(), |provider: &ahoy_provider| make(provider, Algorithm::p2c()))
}

/// Peak EWMA, as in Finagle: like ahoy_balancer_p2c_new, with another cost: a peak-sensitive
/// average of latency over 10 s, times the attempts in flight. Failures count as slow answers.
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ahoy_balancer_peak_ewma_new(
    provider: *const ahoy_provider,
) -> *mut ahoy_balancer {
    guard::value!(ptr::null_mut(), |provider: &ahoy_provider| {
        make(provider, Algorithm::peak_ewma())
    })
}

/// Least request: the endpoint with the fewest attempts in flight, of all up to 8, and of two drawn
/// at random among more. Where weights differ, a draw in proportion to weight over attempts in
/// flight (as in Envoy).
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ahoy_balancer_least_request_new(
    provider: *const ahoy_provider,
) -> *mut ahoy_balancer {
    guard::value!(ptr::null_mut(), |provider: &ahoy_provider| {
        make(provider, Algorithm::LeastRequest(LeastRequest::new()))
    })
}

/// Sets how many endpoints a p2c or peak EWMA balancer compares. Default 2 of up to 8 endpoints, 3
/// of more.
///
/// @param choices 1 to 8; 1 is a plain draw
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_choices(
    balancer: *const ahoy_balancer,
    choices: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer| balancer.set("choices", "choices", choices))
}

/// Lets endpoints tell their load in a header of their answers: `util=0.4` or `cpu=0.31`, the share
/// of their capacity in use, as the application sees it or of the processors; of both, util counts.
/// Other items between commas are skipped, so the text form of ORCA will do (endpoint-load-metrics,
/// with application_utilization and cpu_utilization). The cost of an endpoint is divided by the
/// share that is free, at least a tenth, and what it told fades within 3 s. So this client learns
/// of the load that other clients cause. A value longer than 1 KiB, or broken anywhere, is ignored.
/// Only for balancers that go by cost: p2c, peak EWMA, and prequal while it acts like p2c. Default:
/// off.
///
/// @param name a header name, such as ahoy-load
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_load_header(
    balancer: *const ahoy_balancer,
    name: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer, name: &str| {
        balancer.set("load_header", "name", name)
    })
}

/// Ring hash: endpoints by the key of a call (ahoy_request_set_hash_key), on a ring of hashes
/// (ketama style, with xxHash64). When an endpoint leaves, only its own keys move. A call without a
/// key goes to any endpoint.
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ahoy_balancer_ring_hash_new(
    provider: *const ahoy_provider,
) -> *mut ahoy_balancer {
    guard::value!(ptr::null_mut(), |provider: &ahoy_provider| {
        make(provider, Algorithm::Ring(RingConfig::default(), None))
    })
}

/// Maglev: endpoints by the key of a call, in a lookup table. Faster and more even than a ring, but
/// a few more keys move when an endpoint leaves. A call without a key goes to any endpoint.
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ahoy_balancer_maglev_new(
    provider: *const ahoy_provider,
) -> *mut ahoy_balancer {
    guard::value!(ptr::null_mut(), |provider: &ahoy_provider| {
        make(provider, Algorithm::Maglev(Maglev::DEFAULT_SIZE, None))
    })
}

/// Rendezvous hashing: endpoints by the key of a call, the one with the highest hash of key and
/// endpoint. Needs no table but looks at every endpoint, so this is for small sets. A call without
/// a key goes to any endpoint.
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ahoy_balancer_rendezvous_new(
    provider: *const ahoy_provider,
) -> *mut ahoy_balancer {
    guard::value!(ptr::null_mut(), |provider: &ahoy_provider| {
        make(provider, Algorithm::Rendezvous)
    })
}

/// Sets the fewest and the most points of a ring, each of which takes 12 bytes. Each priority, and
/// each zone where the balancer goes by zones, has a ring of its own. Unless set, a ring has 100
/// points for each endpoint, at least 1,024 and at most 8,388,608. A minimum that is set takes the
/// place of both 100 and 1,024: with 1024 the ring is Envoy's. Only for ring hash.
///
/// @param min at least 1
/// @param max min to 8388608
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_ring_size(
    balancer: *const ahoy_balancer,
    min: u32,
    max: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let parameters = [("ring_size_min", "min", min.into()), ("ring_size_max", "max", max.into())];
    entry::status!(err, |balancer: &ahoy_balancer| balancer.set_all(parameters))
}

/// Sets how many slots the table of a maglev balancer has. Default 65,537, which spreads up to 650
/// endpoints within 1 %.
///
/// @param size a prime number up to 5000011
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_table_size(
    balancer: *const ahoy_balancer,
    size: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer| balancer.set("table_size", "size", size))
}

/// Bounds the attempts in flight at an endpoint of a ring hash or maglev balancer to a multiple of
/// its share, so that a popular key does not overload it: above the bound the key's calls go
/// elsewhere (bounded loads). Default: not bounded.
///
/// @param factor at least 1; 1.25 is a good start
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_bounded_load(
    balancer: *const ahoy_balancer,
    factor: f64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer| balancer.set("bounded_load", "factor", factor))
}

/// Takes the key of a call from one of its headers, where its request states none: the value's
/// bytes are hashed. Replaces ahoy_balancer_set_hash_cookie. Only for balancers that go by key.
///
/// @param name a header name
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_hash_header(
    balancer: *const ahoy_balancer,
    name: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer, name: &str| {
        balancer.set("hash_header", "name", name)
    })
}

/// Takes the key of a call from one of its cookies, where its request states none. Replaces
/// ahoy_balancer_set_hash_header. Only for balancers that go by key.
///
/// @param name the cookie's name; case matters
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_hash_cookie(
    balancer: *const ahoy_balancer,
    name: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer, name: &str| {
        balancer.set("hash_cookie", "name", name)
    })
}

/// Slow start: lets an endpoint that joins, or whose circuit closes again, grow to its full share.
/// At a given time it takes the part (time / window) ^ (1 / aggression) of its turns, at least
/// min_ratio. Works with every balancer. Default: off.
///
/// @param window_ms how long it takes, at least 1; up to 1000 has no effect, as the first second
///        counts whole
/// @param min_ratio the share to begin with, 0 to 1; 0.1 is a good start
/// @param aggression the bend, above 0; 1 for a straight line, above 1 for faster at first
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_slow_start(
    balancer: *const ahoy_balancer,
    window_ms: u64,
    min_ratio: f64,
    aggression: f64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let parameters = [
        ("slow_start_window", "window_ms", ms(window_ms)),
        ("slow_start_min_ratio", "min_ratio", min_ratio.into()),
        ("slow_start_aggression", "aggression", aggression.into()),
    ];
    entry::status!(err, |balancer: &ahoy_balancer| balancer.set_all(parameters))
}

/// Sets the share of available endpoints below which those are used too that failed answers,
/// ejection or a check took out: with few left, overloading them does more harm than asking the
/// others (panic threshold, as in Envoy). Such calls do not count for a circuit that would not have
/// admitted them. Endpoints that hang, cannot be connected to, or were opened by hand, are still
/// left alone. Default: off. Then calls fail while no circuit admits, after the wait of
/// ahoy_client_builder_set_wait_for_ready_ms.
///
/// @param ratio 0 to 1; 0.5 is a good start
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_panic_threshold(
    balancer: *const ahoy_balancer,
    ratio: f64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer| balancer.set("panic_threshold", "ratio", ratio))
}

/// Sets the zone of this process. Endpoints of the same zone (ahoy_host_set_zone) get all its calls
/// while the zone's part of the endpoints is as large as its part of the callers, taken to be even;
/// otherwise the excess goes to the zones that have room. With fewer than 6 endpoints in rotation,
/// zones do not matter. Balancers that go by key ignore zones. Default: zones do not matter.
///
/// @param zone the zone's name; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_zone(
    balancer: *const ahoy_balancer,
    zone: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer, zone: &str| balancer.set("zone", "zone", zone))
}

/// Uses this many healthy endpoints of a large set, drawn at random for this process; when one
/// comes or goes, one connection changes at most (rendezvous subsetting, gRFC A68). The number
/// holds for each priority by itself. Where more than half of them are late or out, as many others
/// are added as are late, until it is clear whether the whole service is slow. Replaces
/// ahoy_balancer_set_deterministic_subset. Default: all are used.
///
/// @param size at least 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_subset(
    balancer: *const ahoy_balancer,
    size: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer| balancer.set("subset", "size", size))
}

/// Uses at least this many endpoints of a large set, chosen so that all clients together load every
/// endpoint alike (deterministic aperture, as in Finagle). The number holds for each priority by
/// itself. All clients must see the endpoints in the same order. Where fewer of them take calls,
/// the next ones in that order stand in. Replaces ahoy_balancer_set_subset. Default: all are used.
///
/// @param size at least 1; 12 is a good start
/// @param client the number of this client, from 0
/// @param clients how many clients there are; above client
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_deterministic_subset(
    balancer: *const ahoy_balancer,
    size: u32,
    client: u32,
    clients: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer| balancer.set(
        "deterministic_subset",
        "client",
        format!("{size}@{client}/{clients}")
    ))
}

/// Switches on slow start over 2 s, outlier detection and health checks by connect. What is on
/// already stays as it is. None of it is a default: outlier detection needs a handful of endpoints
/// to compare, health checks open connections of their own, and slow start sends less to an
/// endpoint that has just come back. The client's part is
/// ahoy_client_builder_use_resilient_profile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_use_resilient_profile(
    balancer: *const ahoy_balancer,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer| {
        balancer.set("profile", "profile", Value::Word("resilient"))
    })
}

/// Sets how many endpoints statistics show one by one: the busiest, by the attempts between two
/// snapshots. The others are shown as one, whose address is "other". Each costs 160 bytes. Default
/// 100.
///
/// @param endpoints 0 to 10,000
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_metrics_endpoints(
    balancer: *const ahoy_balancer,
    endpoints: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer| {
        balancer.set("metrics_endpoints", "endpoints", endpoints)
    })
}

/// Limits the attempts in flight at each endpoint; above it, others are picked. Where all are full,
/// the call has no endpoint. One whose answer is streamed is in flight until the end of the body.
/// Default: no limit.
///
/// @param attempts at least 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_max_in_flight(
    balancer: *const ahoy_balancer,
    attempts: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer| {
        balancer.set("max_in_flight", "attempts", attempts)
    })
}

/// Sets an option by name, the same as its function does; ahoy_balancer_option_key_at lists them.
/// The rules of circuits are options of the balancer as well, as in "breaker_open_max".
///
/// @param key such as "slow_start_window"
/// @param value such as "1.5s", "0.5" or "off"; a duration needs a unit. A value that is refused
///        changes nothing
/// @return AHOY_E_UNKNOWN_OPTION for a key that does not exist; the error names the nearest
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set(
    balancer: *const ahoy_balancer,
    key: *const c_char,
    value: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer, key: &str, value: &str| {
        balancer.set_text(key, value)
    })
}
