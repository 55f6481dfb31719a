//! `ahoy_attempt`: one attempt of a call, as responses and errors tell it.

use std::ffi::{CString, c_char};
use std::net::SocketAddr;
use std::ptr;
use std::sync::OnceLock;
use std::time::Duration;

use crate::ffi::values::handle::{Handle, Lent};
use crate::ffi::values::status::{ahoy_status, of_attempt};
use crate::ffi::values::{argument, guard, text};
use crate::outcome::{AttemptLog, AttemptResult, CircuitNote, Faults};
use crate::phase::{ConnectionInfo, Phase, Phases, Protocol};

/// One attempt of a call. Borrowed from its response or error and valid until that is freed.
/// Thread: any.
pub struct ahoy_attempt {
    url: CString,
    detail: CString,
    status: ahoy_status,
    http_status: i32,
    elapsed_us: u64,
    ambiguous: bool,
    opened_circuit: bool,
    is_hedge: bool,
    number: usize,
    waited: Duration,
    faults: Faults,
    phases: Phases,
    connection: Option<ConnectionInfo>,
    local_address: OnceLock<CString>,
    remote_address: OnceLock<CString>,
}

impl Handle for ahoy_attempt {
    type Held = Lent;
}

impl From<&AttemptLog> for ahoy_attempt {
    fn from(attempt: &AttemptLog) -> Self {
        Self {
            url: text::owned(&attempt.url),
            detail: text::owned(&attempt.detail),
            status: of_attempt(&attempt.result),
            http_status: match attempt.result {
                AttemptResult::Answered(status) => i32::from(status),
                AttemptResult::Failed(_) => 0,
            },
            elapsed_us: text::micros(attempt.elapsed),
            ambiguous: attempt.ambiguous,
            opened_circuit: matches!(attempt.circuit, Some(CircuitNote::Opened(_))),
            is_hedge: attempt.is_hedge,
            number: attempt.number,
            waited: attempt.waited,
            faults: attempt.faults,
            phases: attempt.phases,
            connection: attempt.connection.clone(),
            local_address: OnceLock::new(),
            remote_address: OnceLock::new(),
        }
    }
}

/// "scheme://address:port" of the endpoint. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_url(attempt: *const ahoy_attempt) -> *const c_char {
    argument::lent!(attempt).map_or(ptr::null(), |attempt| attempt.url.as_ptr())
}

/// AHOY_OK if an answer came, whatever its status; else why none came. AHOY_E_INVALID_ARGUMENT for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_status(attempt: *const ahoy_attempt) -> ahoy_status {
    argument::lent!(attempt)
        .map_or(crate::ffi::values::status::AHOY_E_INVALID_ARGUMENT, |attempt| attempt.status)
}

/// The answer's status, such as 503; 0 where none came.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_http_status(attempt: *const ahoy_attempt) -> i32 {
    argument::lent!(attempt).map_or(0, |attempt| attempt.http_status)
}

/// What happened in a few words, such as "connect refused"; empty where an answer came. NULL for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_detail(attempt: *const ahoy_attempt) -> *const c_char {
    argument::lent!(attempt).map_or(ptr::null(), |attempt| attempt.detail.as_ptr())
}

/// How long it took, in microseconds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_elapsed_us(attempt: *const ahoy_attempt) -> u64 {
    argument::lent!(attempt).map_or(0, |attempt| attempt.elapsed_us)
}

/// Whether the request may have been carried out although no answer came.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_is_ambiguous(attempt: *const ahoy_attempt) -> bool {
    argument::lent!(attempt).is_some_and(|attempt| attempt.ambiguous)
}

/// Whether it opened the endpoint's circuit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_opened_circuit(attempt: *const ahoy_attempt) -> bool {
    argument::lent!(attempt).is_some_and(|attempt| attempt.opened_circuit)
}

/// Whether it was a hedge: a copy sent beside another attempt that took long
/// (ahoy_client_builder_set_hedge).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_is_hedge(attempt: *const ahoy_attempt) -> bool {
    argument::lent!(attempt).is_some_and(|attempt| attempt.is_hedge)
}

/// Fault on demand: the attempt was sent later (ahoy_client_builder_set_fault_delay).
pub const AHOY_FAULT_DELAY: u32 = 1;
/// Fault on demand: the attempt was answered and not sent (ahoy_client_builder_set_fault_abort).
pub const AHOY_FAULT_ABORT: u32 = 2;
/// Fault on demand: the attempt seemed lost and was not sent (ahoy_client_builder_set_fault_reset).
pub const AHOY_FAULT_RESET: u32 = 4;

/// The faults on demand that the attempt suffered: AHOY_FAULT_ numbers, combined with |; 0 for none
/// and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_faults(attempt: *const ahoy_attempt) -> u32 {
    let Faults { delay, abort, reset } =
        argument::lent!(attempt).map_or_else(Faults::default, |attempt| attempt.faults);
    let faults = [(delay, AHOY_FAULT_DELAY), (abort, AHOY_FAULT_ABORT), (reset, AHOY_FAULT_RESET)];
    faults.iter().filter(|(is, _)| *is).map(|(_, bit)| bit).sum()
}

/// The attempt's number within its call, from 1, as ahoy_request_attempt_number told it to the hook
/// before it; 0 for NULL. Attempts are listed in the order of their ends.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_number(attempt: *const ahoy_attempt) -> usize {
    argument::lent!(attempt).map_or(0, |attempt| attempt.number)
}

/// How long the call waited before this attempt, in microseconds: from the end of the one before,
/// or from its own beginning, which is the wait for room where calls are limited. 0 for one that
/// was sent beside another, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_wait_us(attempt: *const ahoy_attempt) -> u64 {
    argument::lent!(attempt).map_or(0, |attempt| text::micros(attempt.waited))
}

/// Phase of an attempt: all connections to the endpoint that there may be were in use.
pub const AHOY_PHASE_WAIT: i32 = 0;
/// Phase of an attempt: the endpoint's name was resolved.
pub const AHOY_PHASE_RESOLVE: i32 = 1;
/// Phase of an attempt: a connection was made.
pub const AHOY_PHASE_CONNECT: i32 = 2;
/// Phase of an attempt: TLS was agreed on.
pub const AHOY_PHASE_TLS: i32 = 3;
/// Phase of an attempt: from a connection that stands to the head of the answer.
pub const AHOY_PHASE_FIRST_BYTE: i32 = 4;
/// Phase of an attempt: the rest of the answer's body. 0 where it came together with the head, and
/// where the answer is streamed, whose attempt ends with the head. Where a streamed body broke off,
/// the attempt of the error goes on up to there, and that time is here.
pub const AHOY_PHASE_BODY: i32 = 5;

/// How long the attempt spent on a phase, in microseconds. All phases together are what
/// ahoy_attempt_elapsed_us tells; one that did not come that far spent the rest on its last. Where
/// a connection is shared (HTTP/2), the attempts that waited for it spent time on its phases. A
/// call through a proxy has but AHOY_PHASE_FIRST_BYTE. 0 for NULL and an unknown number.
///
/// @param phase an AHOY_PHASE_ number
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_phase_us(attempt: *const ahoy_attempt, phase: i32) -> u64 {
    let phase = u8::try_from(phase).ok().and_then(Phase::from_number);
    let spent = argument::lent!(attempt).and_then(|it| Some(it.phases.of(phase?)));
    spent.map_or(0, text::micros)
}

/// Whether the attempt went over a connection that had carried another before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_is_reused(attempt: *const ahoy_attempt) -> bool {
    let connection = argument::lent!(attempt).and_then(|attempt| attempt.connection.as_ref());
    connection.is_some_and(|connection| connection.reused)
}

/// What was spoken over the attempt's connection: "HTTP/1.1" or "HTTP/2". Empty where none stood,
/// through a proxy, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_protocol(attempt: *const ahoy_attempt) -> *const c_char {
    let connection = argument::lent!(attempt).and_then(|attempt| attempt.connection.as_ref());
    let name = match connection.map(|connection| connection.protocol) {
        Some(Protocol::Http1) => c"HTTP/1.1",
        Some(Protocol::Http2) => c"HTTP/2",
        None => c"",
    };
    name.as_ptr()
}

/// This host's end of the attempt's connection, such as "10.0.0.1:50123" or "[::1]:50123". Empty
/// where none stood, through a proxy, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_local_address(attempt: *const ahoy_attempt) -> *const c_char {
    guard::value!(c"".as_ptr(), |attempt: Option<&ahoy_attempt>| {
        attempt.map_or(c"".as_ptr(), |attempt| {
            let end = attempt.connection.as_ref().and_then(|connection| connection.ends.local);
            attempt.local_address.get_or_init(|| shown(end)).as_ptr()
        })
    })
}

/// The peer's end of the attempt's connection, such as "10.0.0.7:80" or "[::1]:80". Empty where none
/// stood, through a proxy, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_remote_address(
    attempt: *const ahoy_attempt,
) -> *const c_char {
    guard::value!(c"".as_ptr(), |attempt: Option<&ahoy_attempt>| {
        attempt.map_or(c"".as_ptr(), |attempt| {
            let end = attempt.connection.as_ref().and_then(|connection| connection.ends.remote);
            attempt.remote_address.get_or_init(|| shown(end)).as_ptr()
        })
    })
}

fn shown(end: Option<SocketAddr>) -> CString {
    text::owned(&end.map(|end| end.to_string()).unwrap_or_default())
}
