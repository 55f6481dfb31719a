//! `ahoy_breaker`: the rules by which circuits open and close.

use std::num::{NonZeroU16, NonZeroU32};

use crate::error::Error;
use crate::ffi::call::error::ahoy_error;
use crate::ffi::values::settings::Settings;
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::text::{duration, positive_duration};
use crate::ffi::values::{guard, handle};
use crate::policy::{BreakerConfig, Ratio, SlowCalls, Span};

/// The rules by which the circuits of a balancer open and close.
///
/// A circuit opens after 5 failures in a row, when half of at least 10 calls within 10 s failed, or at once
/// when the endpoint cannot be connected to (nothing was sent then). Failures are answers of 5xx but 501,
/// timeouts and broken connections; 429 counts for the ratio only. An open circuit lets a probe through after
/// 500 ms, doubled with each further trip up to 30 s (1 s where connecting failed), give or take a quarter; the
/// Retry-After of the 429 or 503 that opened it is kept to within the same bounds. Calls are the probes: retries only
/// where nobody else is left, and where hedges are sent, those before first attempts, which then wait for 200 ms.
///
/// Ownership: freed with ahoy_breaker_free; balancers copy it. Thread: configured from one, and frozen when a
/// balancer takes it; then any.
pub struct ahoy_breaker {
    rules: Settings<BreakerConfig>,
}

impl ahoy_breaker {
    /// The first use.
    pub(crate) fn freeze(&self) -> Result<BreakerConfig, Error> {
        let config = self.rules.freeze();
        if config.open_base > config.open_max {
            return Err(Error::invalid("breaker", "its base open time is above its max"));
        }
        Ok(config)
    }
}

/// A breaker with the default rules.
///
/// @return the breaker, never NULL
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_breaker_new() -> *mut ahoy_breaker {
    guard::value(std::ptr::null_mut(), || {
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
    let set = |rules: &mut BreakerConfig| {
        rules.consecutive_failures = Some(at_least_one("failures", failures)?);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(breaker, err, set) }
}

/// Failures in a row no longer open a circuit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_disable_consecutive_failures(
    breaker: *const ahoy_breaker,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |rules: &mut BreakerConfig| {
        rules.consecutive_failures = None;
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(breaker, err, set) }
}

/// Sets the share of failed calls that opens a circuit, counted over an exact window of time. Default 0.5 of
/// at least 10 calls in 10,000 ms.
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
    let set = |rules: &mut BreakerConfig| {
        let ratio = share(ratio)?;
        if window_ms < 10 {
            return Err(Error::invalid("window_ms", "is below 10"));
        }
        let min_calls = at_least_one("min_calls", min_calls)?.get();
        (rules.failure_ratio, rules.min_calls) = (Some(ratio), min_calls);
        rules.span = Span::Time(duration(window_ms));
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(breaker, err, set) }
}

/// Sets the share of failed calls that opens a circuit, counted over the last calls instead of a window of
/// time: for endpoints that are asked seldom. The last of the two setters counts.
///
/// @param ratio above 0, up to 1; reached counts
/// @param last_calls how many calls are remembered, two bytes each for every endpoint; 1 to 65,535
/// @param min_calls calls below which the rule does not act; at least 1, and above last_calls taken as that
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_set_failure_ratio_count(
    breaker: *const ahoy_breaker,
    ratio: f64,
    last_calls: u32,
    min_calls: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |rules: &mut BreakerConfig| {
        let ratio = share(ratio)?;
        let last_calls = u16::try_from(last_calls).ok().and_then(NonZeroU16::new);
        let last_calls =
            last_calls.ok_or_else(|| Error::invalid("last_calls", "is not 1 to 65535"))?;
        let min_calls = at_least_one("min_calls", min_calls)?.get();
        (rules.failure_ratio, rules.min_calls) = (Some(ratio), min_calls);
        rules.span = Span::Calls(last_calls);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(breaker, err, set) }
}

/// Sets the share of slow calls that opens a circuit, whether they failed or not. Counted over the same window
/// and with the same min_calls as the failure ratio, also where that is disabled. Off by default.
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
    let set = |rules: &mut BreakerConfig| {
        let duration = positive_duration("duration_ms", duration_ms)?;
        rules.slow_calls = Some(SlowCalls { duration, ratio: share(ratio)? });
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(breaker, err, set) }
}

/// The share of failed calls no longer opens a circuit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_disable_failure_ratio(
    breaker: *const ahoy_breaker,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |rules: &mut BreakerConfig| {
        rules.failure_ratio = None;
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(breaker, err, set) }
}

/// Sets how long a circuit stays open: base at first, doubled with each further trip up to max, each time
/// give or take a quarter. After the stable time closed (ahoy_breaker_set_reset_after_ms) it starts from base again.
/// Default 500 and 30,000 ms.
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
    let set = |rules: &mut BreakerConfig| {
        let base = positive_duration("base_ms", base_ms)?;
        if max_ms < base_ms {
            return Err(Error::invalid("max_ms", "is below base_ms"));
        }
        (rules.open_base, rules.open_max) = (base, duration(max_ms));
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(breaker, err, set) }
}

/// Sets the longest open time of a circuit whose endpoint could not be connected to. Default 1,000 ms: such a
/// probe costs its caller nothing.
///
/// @param max_ms at least 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_set_connect_open_max_ms(
    breaker: *const ahoy_breaker,
    max_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |rules: &mut BreakerConfig| {
        rules.connect_open_max = positive_duration("max_ms", max_ms)?;
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(breaker, err, set) }
}

/// Sets how many probes a half-open circuit lets through at once, all of which must succeed to close it.
/// Default 1.
///
/// @param probes at least 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_set_half_open_probes(
    breaker: *const ahoy_breaker,
    probes: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |rules: &mut BreakerConfig| {
        rules.half_open_probes = at_least_one("probes", probes)?;
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(breaker, err, set) }
}

/// Sets how long a probe may take; after that one more is let through, so that a circuit never sticks.
/// Default 3,000 ms.
///
/// @param interval_ms at least 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_set_probe_timeout_ms(
    breaker: *const ahoy_breaker,
    interval_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |rules: &mut BreakerConfig| {
        rules.probe_timeout = positive_duration("interval_ms", interval_ms)?;
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(breaker, err, set) }
}

/// Sets how long a circuit must be closed until its earlier trips are forgotten: one that opens again before
/// that stays open for longer. Default 60,000 ms.
///
/// @param reset_after_ms at least 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_set_reset_after_ms(
    breaker: *const ahoy_breaker,
    reset_after_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |rules: &mut BreakerConfig| {
        rules.stable_period = positive_duration("reset_after_ms", reset_after_ms)?;
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(breaker, err, set) }
}

/// Sets how many circuits answers must leave closed: a service that answers 5xx everywhere is still asked.
/// Failed connects may open the last one all the same. Default 1; 0 lets answers open all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_set_min_closed(
    breaker: *const ahoy_breaker,
    endpoints: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |rules: &mut BreakerConfig| {
        rules.min_closed = endpoints;
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(breaker, err, set) }
}

fn share(ratio: f64) -> Result<Ratio, Error> {
    let ratio = Ratio::new(ratio).filter(|ratio| ratio.value() > 0.0);
    ratio.ok_or_else(|| Error::invalid("ratio", "is not above 0 and up to 1"))
}

fn at_least_one(name: &str, value: u32) -> Result<NonZeroU32, Error> {
    NonZeroU32::new(value).ok_or_else(|| Error::invalid(name, "is 0; the least is 1"))
}

unsafe fn change(
    breaker: *const ahoy_breaker,
    err: *mut *mut ahoy_error,
    set: impl FnOnce(&mut BreakerConfig) -> Result<(), Error>,
) -> ahoy_status {
    // SAFETY: as this function's callers promise.
    unsafe {
        guard::status(err, || handle::required("breaker", breaker)?.rules.change("breaker", set))
    }
}

/// Frees a breaker; NULL is fine. Balancers that took it go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_breaker_free(breaker: *mut ahoy_breaker) {
    // SAFETY: see the module `ffi`.
    guard::value((), || unsafe { handle::free(breaker) });
}
