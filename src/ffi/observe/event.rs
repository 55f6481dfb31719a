//! `ahoy_event`: something that changed.

use std::ffi::{CString, c_char, c_void};
use std::ptr;

use crate::client::{EventRecord, millis};
use crate::ffi::values::handle::{Handle, OutValue, Owned};
use crate::ffi::values::user_data::pointer_of;
use crate::ffi::values::{argument, guard, text};

/// Something that changed: a circuit, an endpoint, the list, a limit. docs/events.md has every kind
/// with its fields. A new version of the library may have more kinds.
///
/// Ownership: one from a queue is freed with ahoy_event_free; one that a function gets belongs to
/// the library and is valid inside the function only. Thread: one at a time.
pub struct ahoy_event {
    record: EventRecord,
    endpoint: Option<CString>,
    text: CString,
    detail: CString,
}

impl Handle for ahoy_event {
    type Held = Owned;
}

impl From<EventRecord> for ahoy_event {
    fn from(record: EventRecord) -> Self {
        Self {
            endpoint: record.endpoint.as_deref().map(text::owned),
            text: text::owned(&record.text),
            detail: text::owned(&record.detail),
            record,
        }
    }
}

/// A circuit opened. Fields: reason, old and new state, until (not where it was opened by hand). Of
/// a circuit that answers open and close again and again, it is told once a second at most.
pub const AHOY_EVENT_CIRCUIT_OPENED: i32 = 1;
/// A circuit lets a probe through. Fields: old and new state.
pub const AHOY_EVENT_CIRCUIT_HALF_OPENED: i32 = 2;
/// A circuit closed whose opening was told. Fields: new state.
pub const AHOY_EVENT_CIRCUIT_CLOSED: i32 = 3;
/// Outlier detection took an endpoint out. Fields: reason, until.
pub const AHOY_EVENT_EJECTED: i32 = 4;
/// An endpoint is back after an ejection.
pub const AHOY_EVENT_RETURNED: i32 = 5;
/// An endpoint fails its health checks, and is out.
pub const AHOY_EVENT_CHECK_FAILED: i32 = 6;
/// An endpoint passes its health checks, and is back.
pub const AHOY_EVENT_CHECK_PASSED: i32 = 7;
/// An endpoint was drained by hand.
pub const AHOY_EVENT_DRAINED: i32 = 8;
/// A drained endpoint gets attempts again.
pub const AHOY_EVENT_RESUMED: i32 = 9;
/// Endpoints joined or left. Fields: known, joined, left, and age where there was a list before.
pub const AHOY_EVENT_LIST_CHANGED: i32 = 10;
/// The provider fails; told once. Fields: age of the list that stays. The detail says why.
pub const AHOY_EVENT_SOURCE_FAILING: i32 = 11;
/// The provider tells lists again.
pub const AHOY_EVENT_SOURCE_WELL: i32 = 12;
/// The retry budget refused a retry, after it had granted the one before. Told once a second at
/// most.
pub const AHOY_EVENT_BUDGET_EMPTY: i32 = 13;
/// The retry budget grants retries again. Told once after each 13.
pub const AHOY_EVENT_BUDGET_FILLED: i32 = 14;
/// A call was turned away by a limit, after the one before was let in. The detail says by which.
/// Told once a second at most.
pub const AHOY_EVENT_OVERLOAD_ENTERED: i32 = 15;
/// A call was let in again. Told once after each 15.
pub const AHOY_EVENT_OVERLOAD_LEFT: i32 = 16;
/// Too few endpoints of a priority are well, so that all of them serve.
pub const AHOY_EVENT_PANIC_ENTERED: i32 = 17;
/// Enough endpoints are well again.
pub const AHOY_EVENT_PANIC_LEFT: i32 = 18;
/// Calls are held back while the service comes back from an outage of all its endpoints.
pub const AHOY_EVENT_HOLDING_BACK: i32 = 19;
/// Calls are no longer held back.
pub const AHOY_EVENT_HOLDING_ENDED: i32 = 20;

/// Why a circuit opened: its endpoint could not be connected to.
pub const AHOY_OPENED_UNREACHABLE: i32 = 1;
/// Why a circuit opened: its endpoint's answers, or that there were none.
pub const AHOY_OPENED_BY_ANSWERS: i32 = 2;
/// Why a circuit opened: attempts that passed their limit.
pub const AHOY_OPENED_BY_HANG: i32 = 3;
/// Why a circuit opened: a probe that failed.
pub const AHOY_OPENED_BY_PROBE: i32 = 4;
/// Why a circuit opened: ahoy_endpoint_open_circuit.
pub const AHOY_OPENED_BY_HAND: i32 = 5;

/// Why an endpoint was ejected: its success rate lies far below the mean.
pub const AHOY_EJECTED_BY_SUCCESS_RATE: i32 = 1;
/// Why an endpoint was ejected: its share of failures.
pub const AHOY_EJECTED_BY_FAILURE_SHARE: i32 = 2;
/// Why an endpoint was ejected: too many failures in a row.
pub const AHOY_EJECTED_BY_RUN: i32 = 3;

/// Why: an AHOY_OPENED_ number of an opened circuit, an AHOY_EJECTED_ number of an ejection.
pub const AHOY_FIELD_REASON: i32 = 1;
/// The circuit's state before: an AHOY_CIRCUIT_ number.
pub const AHOY_FIELD_OLD_STATE: i32 = 2;
/// The circuit's state now: an AHOY_CIRCUIT_ number.
pub const AHOY_FIELD_NEW_STATE: i32 = 3;
/// Until when, in milliseconds since 1970: the next probe, or the end of an ejection.
pub const AHOY_FIELD_UNTIL_MS: i32 = 4;
/// How many endpoints are known now.
pub const AHOY_FIELD_KNOWN: i32 = 5;
/// How many endpoints joined.
pub const AHOY_FIELD_JOINED: i32 = 6;
/// How many endpoints left.
pub const AHOY_FIELD_LEFT: i32 = 7;
/// How old the list of endpoints was, in milliseconds.
pub const AHOY_FIELD_AGE_MS: i32 = 8;

/// What happened: an AHOY_EVENT_ number; 0 for NULL. Numbers never change their meaning.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_event_kind(event: *const ahoy_event) -> i32 {
    argument::lent!(event).map_or(0, |event| event.record.kind as i32)
}

/// When it happened, in milliseconds since 1970; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_event_time_ms(event: *const ahoy_event) -> i64 {
    argument::lent!(event).map_or(0, |event| millis(event.record.at))
}

/// The URL of the endpoint that it happened to. Valid as long as the event; NULL where it happened
/// to none, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_event_endpoint_url(event: *const ahoy_event) -> *const c_char {
    let url = argument::lent!(event).and_then(|event| event.endpoint.as_ref());
    url.map_or(ptr::null(), |url| url.as_ptr())
}

/// All of it in one sentence for people, which changes between versions. Valid as long as the
/// event; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_event_text(event: *const ahoy_event) -> *const c_char {
    argument::lent!(event).map_or(ptr::null(), |event| event.text.as_ptr())
}

/// Why, in a few words; empty where there is no more to say than the kind does. Valid as long as
/// the event; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_event_detail(event: *const ahoy_event) -> *const c_char {
    argument::lent!(event).map_or(ptr::null(), |event| event.detail.as_ptr())
}

/// What ahoy_request_set_user_data gave the call that caused the event; NULL where no call did, or
/// it has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_event_user_data(event: *const ahoy_event) -> *mut c_void {
    pointer_of(argument::lent!(event).and_then(|event| event.record.user_data.as_ref()))
}

/// A number that the event tells.
///
/// @param field an AHOY_FIELD_ number
/// @param number gets it; 0 where the event has no such field. May be NULL
/// @return whether the event has the field; false for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_event_number(
    event: *const ahoy_event,
    field: i32,
    number: *mut i64,
) -> bool {
    guard::value!(false, |number: Option<OutValue<i64>>, event: Option<&ahoy_event>| {
        let found = event.and_then(|event| event.record.number(field));
        if let Some(number) = number {
            number.set(found.unwrap_or(0));
        }
        found.is_some()
    })
}

/// Frees an event that came from a queue; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_event_free(event: *mut ahoy_event) {
    guard::value!((), |event: Option<Box<ahoy_event>>| drop(event));
}
