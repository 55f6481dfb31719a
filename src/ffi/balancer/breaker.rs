//! `ahoy_breaker`: the rules by which circuits open and close.

use std::ffi::c_char;
use std::ptr;

use crate::error::Error;
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle::{Handle, Shared};
use crate::ffi::values::setter::{Configurable, ms, off};
use crate::ffi::values::settings::Settings;
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::{entry, guard, handle, setter};
use crate::options::{BREAKER, Table};
use crate::policy::BreakerConfig;

/// The rules by which the circuits of a balancer open and close. A circuit opens
///
/// - after 5 failures in a row;
/// - when half of at least 10 calls within 10 s failed;
/// - at once when the endpoint cannot be connected to, and has answered no other call meanwhile;
///   nothing was sent then.
///
/// Failures are answers of 5xx but 501, timeouts and lost connections; 429 counts for the ratio
/// only.
///
/// An open circuit lets a probe through after 500 ms. Each further trip doubles that time, up to
/// 2.4 s, or up to 1 s where connecting failed; each time varies at random by a quarter. Where the
/// 429 or 503 that opened it asked for a time (Retry-After), that holds instead, up to 30 s, with
/// up to a quarter added.
///
/// - While other endpoints take calls, a client sends an endpoint no more probes than a tenth of
///   its share of the calls, but always one in 30 s.
/// - While no endpoint takes calls, one that could not be connected to is probed sooner: see
///   ahoy_breaker_set_connect_open_max_ms.
///
/// A probe is an ordinary attempt of a call. At an endpoint that hung it has a short limit, past
/// which its call goes on elsewhere: 1.5 times the 99th percentile of the answers and at least 50
/// ms, or 250 ms before there are answers. Hedges make probes first. A first attempt leaves a probe
/// to them for 200 ms, and a retry makes one only where its call has no other endpoint left.
///
/// An endpoint with all its places taken refuses the rest at once, and answers later what it took.
/// So attempts that were under way when the circuit opened may close it again, unless the endpoint
/// hangs: by one good answer that took at least four times as long as the failure that opened it,
/// or by 5 good ones in a row.
///
/// Ownership: freed with ahoy_breaker_free; balancers copy it. Thread: configured from one, and
/// frozen when a balancer takes it; then any.
pub struct ahoy_breaker {
    rules: Settings<BreakerConfig>,
}

impl Handle for ahoy_breaker {
    type Held = Shared;
}

impl Configurable for &ahoy_breaker {
    type Config = BreakerConfig;

    fn table() -> &'static Table<BreakerConfig> {
        &BREAKER
    }

    fn change(
        self,
        change: impl FnOnce(&mut BreakerConfig) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.rules.change("breaker", change)
    }
}

impl ahoy_breaker {
    /// The first use.
    pub(crate) fn freeze(&self) -> Result<BreakerConfig, Error> {
        self.rules.freeze_if(|rules| match rules.open_base > rules.open_max {
            true => Err(Error::invalid("breaker", "its base open time is above its max")),
            false => Ok(()),
        })
    }
}

/// A breaker with the default rules.
///
/// @return the breaker, never NULL
#[unsafe(no_mangle)]
#[must_use]
pub extern "C" fn ahoy_breaker_new() -> *mut ahoy_breaker {
    guard::value_of(ptr::null_mut(), || {
        handle::new(ahoy_breaker { rules: Settings::new(BreakerConfig::default()) })
    })
}

/// Sets how many failures in a row open a circuit. Default 5.
///
/// @param failures at least 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_set_consecutive_failures(
    breaker: *const ahoy_breaker,
    failures: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |breaker: &ahoy_breaker| {
        breaker.set("consecutive_failures", "failures", failures)
    })
}

/// Failures in a row no longer open a circuit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_disable_consecutive_failures(
    breaker: *const ahoy_breaker,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |breaker: &ahoy_breaker| {
        breaker.set("consecutive_failures", "failures", off())
    })
}

/// Sets the share of failed calls that opens a circuit, counted over an exact window of time.
/// Default 0.5 of at least 10 calls in 10,000 ms.
///
/// @param ratio above 0, up to 1; reached counts
/// @param window_ms at least 10
/// @param min_calls calls in the window below which the rule does not act; at least 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_set_failure_ratio(
    breaker: *const ahoy_breaker,
    ratio: f64,
    window_ms: u64,
    min_calls: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let parameters = [
        ("failure_ratio", "ratio", ratio.into()),
        ("failure_ratio_window", "window_ms", ms(window_ms)),
        ("failure_ratio_min_calls", "min_calls", min_calls.into()),
    ];
    entry::status!(err, |breaker: &ahoy_breaker| breaker.set_all(parameters))
}

/// Sets the share of failed calls that opens a circuit, counted over the last calls instead of a
/// window of time: for endpoints that are asked seldom. The last of the two setters counts.
///
/// @param ratio above 0, up to 1; reached counts
/// @param last_calls how many calls are remembered, two bytes each for every endpoint; 1 to 65,535
/// @param min_calls calls below which the rule does not act; at least 1; a number above last_calls
///        counts as last_calls
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_set_failure_ratio_count(
    breaker: *const ahoy_breaker,
    ratio: f64,
    last_calls: u32,
    min_calls: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let parameters = [
        ("failure_ratio", "ratio", ratio.into()),
        ("failure_ratio_count", "last_calls", last_calls.into()),
        ("failure_ratio_min_calls", "min_calls", min_calls.into()),
    ];
    entry::status!(err, |breaker: &ahoy_breaker| breaker.set_all(parameters))
}

/// Sets the share of slow calls that opens a circuit, whether they failed or not. It is counted
/// over the same window and with the same min_calls as the failure ratio, also where that is
/// disabled. Default: off.
///
/// @param duration_ms from this time on a call is slow; at least 1
/// @param ratio above 0, up to 1; reached counts
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_set_slow_calls(
    breaker: *const ahoy_breaker,
    duration_ms: u64,
    ratio: f64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let parameters = [
        ("slow_calls_duration", "duration_ms", ms(duration_ms)),
        ("slow_calls_ratio", "ratio", ratio.into()),
    ];
    entry::status!(err, |breaker: &ahoy_breaker| breaker.set_all(parameters))
}

/// The share of failed calls no longer opens a circuit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_disable_failure_ratio(
    breaker: *const ahoy_breaker,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |breaker: &ahoy_breaker| breaker.set("failure_ratio", "ratio", off()))
}

/// Sets how long a circuit stays open: base at first, doubled with each further trip up to max,
/// each time give or take a quarter. After the time of ahoy_breaker_set_reset_after_ms closed it
/// starts from base again. Default 500 and 2,400 ms.
///
/// @param base_ms at least 1
/// @param max_ms at least base_ms
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_set_open_ms(
    breaker: *const ahoy_breaker,
    base_ms: u64,
    max_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let parameters = [("open_base", "base_ms", ms(base_ms)), ("open_max", "max_ms", ms(max_ms))];
    entry::status!(err, |breaker: &ahoy_breaker| breaker.change(|rules| {
        setter::put(&BREAKER, rules, parameters)?;
        match rules.open_max < rules.open_base {
            true => Err(Error::invalid("max_ms", "is below base_ms")),
            false => Ok(()),
        }
    }))
}

/// Sets the longest open time of a circuit that an answer opened which asked for a time itself
/// (Retry-After), to which up to a quarter is added at random. Default 30,000 ms.
///
/// @param max_ms at least 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_set_retry_after_max_ms(
    breaker: *const ahoy_breaker,
    max_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |breaker: &ahoy_breaker| {
        breaker.set("retry_after_max", "max_ms", ms(max_ms))
    })
}

/// Sets the longest open time of a circuit whose endpoint could not be connected to, give or take a
/// quarter. Default 1,000 ms: such a probe costs its caller nothing.
///
/// While no endpoint takes calls, such endpoints are probed sooner, one at a time. The wait after
/// such a probe is a twentieth of the first open time (ahoy_breaker_set_open_ms), 25 ms by default,
/// or a quarter of the time that the outage has lasted, whichever is longer. So a service that was
/// away for 1 s is used again within another 250 ms.
///
/// @param max_ms at least 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_set_connect_open_max_ms(
    breaker: *const ahoy_breaker,
    max_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |breaker: &ahoy_breaker| {
        breaker.set("connect_open_max", "max_ms", ms(max_ms))
    })
}

/// Sets how many probes a half-open circuit lets through at once, all of which must succeed to
/// close it. Default 1.
///
/// @param probes at least 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_set_half_open_probes(
    breaker: *const ahoy_breaker,
    probes: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |breaker: &ahoy_breaker| breaker.set("half_open_probes", "probes", probes))
}

/// Sets how long a probe may take; after that one more is let through, so that a circuit never
/// sticks. Default 3,000 ms.
///
/// @param timeout_ms at least 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_set_probe_timeout_ms(
    breaker: *const ahoy_breaker,
    timeout_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |breaker: &ahoy_breaker| {
        breaker.set("probe_timeout", "timeout_ms", ms(timeout_ms))
    })
}

/// Sets how long a circuit must be closed until its earlier trips are forgotten: one that opens
/// again before that stays open for longer. Default 60,000 ms.
///
/// @param reset_after_ms at least 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_set_reset_after_ms(
    breaker: *const ahoy_breaker,
    reset_after_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |breaker: &ahoy_breaker| {
        breaker.set("reset_after", "reset_after_ms", ms(reset_after_ms))
    })
}

/// Sets how many circuits stay closed whatever their endpoints answer, so that a service that
/// answers 5xx everywhere is still asked. Failed connects open these as well. A connect that timed
/// out within less than 1,250 ms by the default limit counts as a failed answer, since the call had
/// little time. Endpoints outside of a subset (ahoy_balancer_set_subset) count as closed: they
/// stand in for it. Default 1.
///
/// While these fail as well, all endpoints serve that are out by their answers, ejection or a check:
/// until half are available, or until ahoy_breaker_set_open_ms's max_ms and a quarter, at most 10 s,
/// have passed since the last such failure.
///
/// @param endpoints from 0; 0 lets answers open all
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_set_min_closed(
    breaker: *const ahoy_breaker,
    endpoints: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |breaker: &ahoy_breaker| breaker.set("min_closed", "endpoints", endpoints))
}

/// Sets an option by name, the same as its function does; ahoy_breaker_option_key_at lists them.
///
/// @param key such as "open_max"
/// @param value such as "1.5s" or "off"; a duration needs a unit. A value that is refused changes
///        nothing
/// @return AHOY_E_UNKNOWN_OPTION for a key that does not exist; the error names the nearest
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_set(
    breaker: *const ahoy_breaker,
    key: *const c_char,
    value: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |breaker: &ahoy_breaker, key: &str, value: &str| {
        breaker.set_text(key, value)
    })
}

/// Frees a breaker; NULL is fine. Balancers that took it go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_free(breaker: *mut ahoy_breaker) {
    guard::value!((), |breaker: Option<Box<ahoy_breaker>>| drop(breaker));
}
