//! The balancers that go by weight or key, and the rules that any balancer can be given.

use std::ffi::c_char;
use std::num::NonZeroU32;

use super::balancer::{ahoy_balancer, change, make};
use super::provider::ahoy_provider;
use crate::config::{Algorithm, BalancerConfig, KeySource, Misfit, Subset, Zone};
use crate::error::Error;
use crate::ffi::call::error::ahoy_error;
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::text::{self, positive_duration};
use crate::options;
use crate::policy::balance::{Maglev, RingConfig};
use crate::policy::{LeastRequest, LoadModel, P2c, PeakEwmaConfig, Ratio, SlowStart};
use crate::request::header_name;

/// Endpoints one after the other by their weights, the heavy ones spread as evenly as can be: 5, 1 and 1 give
/// a a b a c a a (smooth weighted round robin, as in nginx). A pick looks at every endpoint, so it is for small
/// sets; a plain round robin over endpoints of different weights goes by weight as well, in constant time.
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_smooth_weighted_new(
    provider: *const ahoy_provider,
) -> *mut ahoy_balancer {
    // SAFETY: see the module `ffi`.
    unsafe { make(provider, Algorithm::SmoothWeighted) }
}

/// The recommended balancer: ahoy_balancer_p2c_new.
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_new(provider: *const ahoy_provider) -> *mut ahoy_balancer {
    // SAFETY: see the module `ffi`.
    unsafe { ahoy_balancer_p2c_new(provider) }
}

/// Of two endpoints (three of more than 8) drawn at random, the one that costs less: its average latency, or the age of
/// what is in flight to it where that says more, times the attempts in flight, over the square of its success
/// rate. So slow, hanging and failing endpoints lose their traffic before a limit or a circuit tells. What to take
/// where nothing speaks for another.
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_p2c_new(
    provider: *const ahoy_provider,
) -> *mut ahoy_balancer {
    // SAFETY: see the module `ffi`.
    unsafe { make(provider, Algorithm::P2c { rule: P2c::new(), model: LoadModel::default() }) }
}

/// Like ahoy_balancer_p2c_new, by a cost as Finagle has it: a peak-sensitive average of latency over 10 s, times the
/// attempts in flight; failures count as slow answers.
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_peak_ewma_new(
    provider: *const ahoy_provider,
) -> *mut ahoy_balancer {
    let model = LoadModel::PeakEwma(PeakEwmaConfig::default());
    // SAFETY: see the module `ffi`.
    unsafe { make(provider, Algorithm::P2c { rule: P2c::new(), model }) }
}

/// The endpoint with the fewest attempts in flight: of all up to 8, of two drawn at random among more; where weights
/// differ, by a draw in proportion to weight over attempts in flight (as in Envoy).
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_least_request_new(
    provider: *const ahoy_provider,
) -> *mut ahoy_balancer {
    // SAFETY: see the module `ffi`.
    unsafe { make(provider, Algorithm::LeastRequest(LeastRequest::new())) }
}

/// Sets how many endpoints a p2c or peak EWMA balancer compares. Default 2 of up to 8 endpoints, 3 of more.
///
/// @param choices 1 to 8; 1 is a plain draw
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_choices(
    balancer: *const ahoy_balancer,
    choices: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        config.set_choices(choices).map_err(|misfit| refused("choices", misfit))
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

/// Lets endpoints tell their load, in a header of their answers: `util=0.4` or `cpu=0.31`, the share of their capacity
/// that is in use, as the application sees it or of the processors; of both, util counts. What else stands there,
/// after commas, is passed over, so the text form of ORCA will do (endpoint-load-metrics, with application_utilization and
/// cpu_utilization). The cost of an endpoint is divided by the share that is free, but by no less than a tenth, and what
/// it told fades within 3 s. So this client learns what others send. A value longer than 1 KiB, or broken anywhere, is
/// ignored. Only for balancers that go by cost: p2c, peak EWMA, and prequal where it does as p2c. Default: off.
///
/// @param name a header name, such as ahoy-load
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_load_header(
    balancer: *const ahoy_balancer,
    name: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        // SAFETY: see the module `ffi`.
        let name = header_name(unsafe { text::required("name", name) }?)?;
        config.set_load_header(Some(name)).map_err(|misfit| refused("name", misfit))
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

/// Endpoints by the key of a call, on a hash ring (ketama style, with xxHash64; see ahoy_request_set_hash_key):
/// when an endpoint leaves, only its own keys move. A call without a key goes anywhere.
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_ring_hash_new(
    provider: *const ahoy_provider,
) -> *mut ahoy_balancer {
    // SAFETY: see the module `ffi`.
    unsafe { make(provider, Algorithm::Ring(RingConfig::default(), None)) }
}

/// Endpoints by the key of a call, in a lookup table (Maglev): faster and more even than a ring, and a few keys
/// more move when an endpoint leaves. A call without a key goes anywhere.
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_maglev_new(
    provider: *const ahoy_provider,
) -> *mut ahoy_balancer {
    // SAFETY: see the module `ffi`.
    unsafe { make(provider, Algorithm::Maglev(Maglev::DEFAULT_SIZE, None)) }
}

/// Endpoints by the key of a call, by the highest of a draw for each (rendezvous hashing): needs no table, but
/// looks at every endpoint, so it is for small sets. A call without a key goes anywhere.
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_rendezvous_new(
    provider: *const ahoy_provider,
) -> *mut ahoy_balancer {
    // SAFETY: see the module `ffi`.
    unsafe { make(provider, Algorithm::Rendezvous) }
}

/// Sets how many points a ring has: 100 for each endpoint unless that is outside of these bounds. Default at
/// least 1,024 and at most 8,388,608; each takes 12 bytes.
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
    let set = |config: &mut BalancerConfig| {
        let min_size = Some(at_least_one("min", min)?.get());
        let size = |_| RingConfig { min_size, max_size: max };
        config.set_ring(size).map_err(|misfit| refused("max", misfit))
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

/// Sets how many slots the table of a maglev balancer has. Default 65,537, which spreads up to 650 endpoints
/// within 1 %.
///
/// @param slots a prime number up to 5000011
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_table_size(
    balancer: *const ahoy_balancer,
    slots: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        config.set_table_size(slots).map_err(|misfit| refused("slots", misfit))
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

/// Bounds what an endpoint of a ring hash or maglev balancer carries: so many times its share of the attempts
/// in flight, so that a popular key does not overload it; above it the key's calls go elsewhere (bounded loads, by jumps).
/// Default: not bounded.
///
/// @param factor at least 1; 1.25 is a good start
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_bounded_load(
    balancer: *const ahoy_balancer,
    factor: f64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        config.set_bounded_load(Some(factor)).map_err(|misfit| refused("factor", misfit))
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

/// Takes the key of a call from one of its headers, where its request states none: the value's bytes are hashed.
/// Only for balancers that go by key.
///
/// @param name a header name
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_hash_header(
    balancer: *const ahoy_balancer,
    name: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        // SAFETY: see the module `ffi`.
        let name = unsafe { text::required("name", name) }?;
        set_key(config, KeySource::header(name))
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

/// Takes the key of a call from one of its cookies, likewise.
///
/// @param name the cookie's name; case matters
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_hash_cookie(
    balancer: *const ahoy_balancer,
    name: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        // SAFETY: see the module `ffi`.
        let name = unsafe { text::required("name", name) }?;
        set_key(config, KeySource::cookie(name))
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

fn set_key(
    config: &mut BalancerConfig,
    source: Result<KeySource, &'static str>,
) -> Result<(), Error> {
    let source = source.map_err(|problem| Error::invalid("name", problem))?;
    config.set_key(source).map_err(|misfit| refused("name", misfit))
}

/// Lets an endpoint that joins, or whose circuit closes again, by hand too, grow to its full share: of its turns it gets the
/// part (time / window) ^ (1 / aggression), at least min_ratio. Works with every balancer. Default: off.
///
/// @param window_ms how long it takes; with 1000 or less there is no effect, as the first second counts whole
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
    let set = |config: &mut BalancerConfig| {
        if aggression.is_nan() || aggression <= 0.0 || aggression.is_infinite() {
            return Err(Error::invalid("aggression", "is not a number above 0"));
        }
        let window = positive_duration("window_ms", window_ms)?;
        config.slow_start =
            Some(SlowStart { window, min_ratio: ratio("min_ratio", min_ratio)?, aggression });
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

/// Below this share of endpoints that are well, those that are out by their answers, by ejection or by a check get
/// traffic too: with so few left, more harm comes from overloading them than from asking the others (panic threshold,
/// as in Envoy). What comes of it does not count for a circuit that would not have let it through. Endpoints that
/// cannot be connected to, or were opened by hand, are still left alone. Default: off, calls then fail at once
/// where no circuit admits.
///
/// @param ratio 0 to 1; 0.5 is a good start
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_panic_threshold(
    balancer: *const ahoy_balancer,
    ratio: f64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        config.panic = Some(self::ratio("ratio", ratio)?);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

/// Says where this process stands. Endpoints of the same zone (ahoy_host_set_zone) then get all its calls while their
/// part of the endpoints is as large as a zone's part of the callers, taken to be even; else what is above goes to
/// the zones that have room. With fewer than 6 endpoints in rotation, zones do not matter. Balancers that go by key do
/// not look at zones. Default: zones do not matter.
///
/// @param zone the zone's name; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_zone(
    balancer: *const ahoy_balancer,
    zone: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        // SAFETY: see the module `ffi`.
        let own = unsafe { text::required("zone", zone) }?;
        let zone = Zone::new(own).map_err(|problem| Error::invalid("zone", problem))?;
        config.zone = Some(zone);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

/// Uses so many healthy endpoints of a large set, drawn at random for this process; when one comes or goes, one
/// connection changes at most (rendezvous subsetting, gRFC A68). Default: all are used.
///
/// @param size at least 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_subset(
    balancer: *const ahoy_balancer,
    size: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        config.subset = Some(Subset::Rendezvous { size: at_least_one("size", size)? });
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

/// Uses at least so many endpoints of a large set, and those so that all clients together load every endpoint
/// alike: this one is number client of clients (deterministic aperture, as in Finagle). All clients must see the
/// endpoints in the same order. Default: all are used.
///
/// @param size at least 1; 12 is a good start
/// @param client from 0
/// @param clients how many there are; above client
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_deterministic_subset(
    balancer: *const ahoy_balancer,
    size: u32,
    client: u32,
    clients: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        let size = at_least_one("size", size)?;
        let clients = at_least_one("clients", clients)?;
        let subset = Subset::deterministic(size, client, clients);
        config.subset = Some(subset.map_err(|problem| Error::invalid("client", problem))?);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

/// Switches on what helps where endpoints fail in odd ways: slow start over 2 s, outlier ejection, a panic threshold of
/// 0.5, and checks by connect. What was set before stays as it was set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_use_resilient_profile(
    balancer: *const ahoy_balancer,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        config.make_resilient();
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

/// Sends an endpoint no more attempts than this at once; above it, others are picked. Where all are full, the
/// call has no endpoint. Default: no limit.
///
/// @param attempts at least 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_max_in_flight(
    balancer: *const ahoy_balancer,
    attempts: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        config.max_in_flight = Some(at_least_one("attempts", attempts)?.get());
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

/// Sets a rule by name; ahoy_balancer_option_key_at lists them.
///
/// @param key such as "slow_start_window"
/// @param value text, with a unit where it is a duration: "250ms", "0.5"; an unusable one changes nothing
/// @return AHOY_E_UNKNOWN_OPTION for a key that is none; the error names the nearest
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set(
    balancer: *const ahoy_balancer,
    key: *const c_char,
    value: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |config: &mut BalancerConfig| {
        // SAFETY: see the module `ffi`.
        let key = unsafe { text::required("key", key) }?;
        // SAFETY: see the module `ffi`.
        let value = unsafe { text::required("value", value) }?;
        options::set(options::BALANCER, config, key, value)
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(balancer, err, set) }
}

/// An error that names the balancer, or the parameter called `name`.
fn refused(name: &str, misfit: Misfit) -> Error {
    match misfit {
        Misfit::Balancer(problem) => Error::invalid("balancer", problem),
        Misfit::Value(problem) => Error::invalid(name, problem),
    }
}

pub(crate) fn ratio(name: &str, value: f64) -> Result<Ratio, Error> {
    Ratio::new(value).ok_or_else(|| Error::invalid(name, "is not between 0 and 1"))
}

fn at_least_one(name: &str, value: u32) -> Result<NonZeroU32, Error> {
    NonZeroU32::new(value).ok_or_else(|| Error::invalid(name, "is 0; the least is 1"))
}
