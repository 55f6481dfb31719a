//! The balancer that asks endpoints how busy they are.

use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;

use super::balancer::{ahoy_balancer, make};
use super::provider::ahoy_provider;
use crate::config::{Algorithm, PrequalProbing};
use crate::error::Error;
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::setter::{Configurable, ms};
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::{entry, guard};
use crate::request::check_target;

/// Prequal, as in the paper of NSDI'24: picks by the load that endpoints report in answers to load
/// probes. These are small requests to random endpoints, sent on a library thread beside the calls;
/// no call waits for one. The last answers are kept. Of the endpoints with no more in flight than
/// most, the one with the lowest latency is picked, or else the one with the fewest in flight. That
/// reflects the load of all clients, where p2c sees only its own, and costs three load probes for
/// each call.
///
/// A load probe is a GET of probe_path over HTTP/1.1, on connections of its own. The server answers
/// with status 200 and a header `ahoy-load: in_flight=3, latency_ms=4.2`: the requests that it works
/// on, and how long such requests took lately at about that load. What the header lacks, or all of
/// it if any part is broken, is replaced by what this client knows: its own attempts in flight, and
/// the time that the load probe took. A load probe fails with any other status, and after 3 ms
/// (ahoy_balancer_set_prequal_probes). Load probes do not count for circuits.
///
/// While the answers say too little, the balancer acts like that of ahoy_balancer_p2c_new: with
/// fewer than 4 endpoints in rotation, where all clients would follow the same one; at first; and
/// while load probes fail. Weights count only then. Load probes begin with the first call of a
/// client, share its TLS settings, and are sent only while there are calls.
///
/// @param provider frozen from here on; still the caller's to free
/// @param probe_path begins with /; its answers should cost next to nothing
/// @return the balancer, or NULL where provider is NULL or probe_path is not such a path
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ahoy_balancer_prequal_new(
    provider: *const ahoy_provider,
    probe_path: *const c_char,
) -> *mut ahoy_balancer {
    guard::value!(ptr::null_mut(), |provider: &ahoy_provider, probe_path: &str| {
        let probing = probed(probe_path).map(PrequalProbing::new);
        probing.map_or(ptr::null_mut(), |probing| make(provider, Algorithm::Prequal(probing)))
    })
}

fn probed(path: &str) -> Result<Arc<str>, Error> {
    check_target("probe_path", path)?;
    match path.starts_with('/') {
        true => Ok(path.into()),
        false => Err(Error::invalid("probe_path", "must start with /")),
    }
}

/// Sets how many load probes a prequal balancer sends, and what it makes of their answers. The
/// defaults are the paper's.
///
/// @param pool answers kept, 2 to 256, at most half of the endpoints if there are few; default 16
/// @param max_age_ms how long an answer is kept, at least 1; default 1000
/// @param probes_per_call parts of one by chance, above removals_per_call, up to 100; default 3
/// @param removals_per_call answers removed by each call beside those used up, in turn the oldest
///        and the worst, 0 to 100; default 1
/// @param hot an endpoint is hot if it has more in flight than this share of the answers told, 0 to
///        1; default 0.84
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_prequal(
    balancer: *const ahoy_balancer,
    pool: u32,
    max_age_ms: u64,
    probes_per_call: f64,
    removals_per_call: f64,
    hot: f64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let parameters = [
        ("prequal_pool", "pool", pool.into()),
        ("prequal_max_age", "max_age_ms", ms(max_age_ms)),
        ("prequal_probes_per_call", "probes_per_call", probes_per_call.into()),
        ("prequal_removals_per_call", "removals_per_call", removals_per_call.into()),
        ("prequal_hot", "hot", hot.into()),
    ];
    entry::status!(err, |balancer: &ahoy_balancer| balancer.set_all(parameters))
}

/// Sets how the load probes of a prequal balancer are sent.
///
/// @param timeout_ms how long an answer is waited for, at least 1; default 3. Over a wide network
///        it must be longer
/// @param at_once how many may be under way at the same time, and one for each endpoint; further
///        ones are not sent; 1 to 1024; default 64
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_prequal_probes(
    balancer: *const ahoy_balancer,
    timeout_ms: u64,
    at_once: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let parameters = [
        ("prequal_probes_timeout", "timeout_ms", ms(timeout_ms)),
        ("prequal_probes_at_once", "at_once", at_once.into()),
    ];
    entry::status!(err, |balancer: &ahoy_balancer| balancer.set_all(parameters))
}
