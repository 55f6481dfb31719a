//! Status numbers: permanent, grouped by hundreds, never used again for another meaning.

use std::ffi::{CStr, c_char};

use crate::error::ErrorKind;
use crate::outcome::AttemptResult;

/// What a function that can fail returns: AHOY_OK or one of the AHOY_E_ numbers.
pub type ahoy_status = i32;

/// A wait or limit without end, for every parameter in milliseconds.
pub const AHOY_FOREVER: u64 = u64::MAX;

/// The function did what it says.
pub const AHOY_OK: i32 = 0;
/// A parameter is missing or out of range.
pub const AHOY_E_INVALID_ARGUMENT: i32 = 100;
/// The handle is in use and can no longer be changed, or is in that state already.
pub const AHOY_E_IN_USE: i32 = 101;
/// No option has this name.
pub const AHOY_E_UNKNOWN_OPTION: i32 = 102;
/// A blocking call inside a callback.
pub const AHOY_E_WOULD_DEADLOCK: i32 = 103;
/// The client is closed.
pub const AHOY_E_CLOSED: i32 = 104;
/// This kind of handle, or this build of the library, cannot do that. Where a function does not name
/// it, a handle of another kind is AHOY_E_INVALID_ARGUMENT.
pub const AHOY_E_UNSUPPORTED: i32 = 105;
/// The provider failed and no earlier list is known.
pub const AHOY_E_DISCOVERY: i32 = 200;
/// No endpoint is known, or no circuit admits.
pub const AHOY_E_NO_ENDPOINTS: i32 = 201;
/// The endpoint's name could not be resolved.
pub const AHOY_E_RESOLVE: i32 = 202;
/// The endpoint could not be connected to.
pub const AHOY_E_CONNECT: i32 = 300;
/// Connecting took longer than its limit.
pub const AHOY_E_CONNECT_TIMEOUT: i32 = 301;
/// The TLS handshake failed.
pub const AHOY_E_TLS: i32 = 302;
/// The connection ended before the answer did.
pub const AHOY_E_CONNECTION_LOST: i32 = 303;
/// The answer is not valid HTTP.
pub const AHOY_E_PROTOCOL: i32 = 304;
/// The attempt took longer than its limit.
pub const AHOY_E_TIMEOUT: i32 = 400;
/// The call took longer than its limit.
pub const AHOY_E_DEADLINE: i32 = 401;
/// The call was cancelled.
pub const AHOY_E_CANCELLED: i32 = 402;
/// A signal ended the call.
pub const AHOY_E_INTERRUPTED: i32 = 403;
/// The answer's body is above the bound.
pub const AHOY_E_BODY_TOO_LARGE: i32 = 500;
/// The answer's status is 4xx or 5xx and the client fails on those.
pub const AHOY_E_HTTP_STATUS: i32 = 501;
/// A bound of this process was reached.
pub const AHOY_E_OVERLOADED: i32 = 600;
/// The handle belongs to the parent process.
pub const AHOY_E_FORKED: i32 = 601;
/// A hook refused the attempt.
pub const AHOY_E_HOOK_REFUSED: i32 = 602;
/// The source of the request's body failed, or did not keep its length.
pub const AHOY_E_BODY_SOURCE: i32 = 603;
/// A defect of this library.
pub const AHOY_E_INTERNAL: i32 = 900;

/// The number of an error's kind. No catch-all arm: a new kind must get a number.
pub(crate) fn number(kind: ErrorKind) -> ahoy_status {
    match kind {
        ErrorKind::InvalidArgument => AHOY_E_INVALID_ARGUMENT,
        ErrorKind::InUse => AHOY_E_IN_USE,
        ErrorKind::UnknownOption => AHOY_E_UNKNOWN_OPTION,
        ErrorKind::WouldDeadlock => AHOY_E_WOULD_DEADLOCK,
        ErrorKind::Closed => AHOY_E_CLOSED,
        ErrorKind::Unsupported => AHOY_E_UNSUPPORTED,
        ErrorKind::Discovery => AHOY_E_DISCOVERY,
        ErrorKind::NoEndpoints => AHOY_E_NO_ENDPOINTS,
        ErrorKind::Resolve => AHOY_E_RESOLVE,
        ErrorKind::Connect => AHOY_E_CONNECT,
        ErrorKind::ConnectTimeout => AHOY_E_CONNECT_TIMEOUT,
        ErrorKind::Tls => AHOY_E_TLS,
        ErrorKind::Timeout => AHOY_E_TIMEOUT,
        ErrorKind::Deadline => AHOY_E_DEADLINE,
        ErrorKind::ConnectionLost => AHOY_E_CONNECTION_LOST,
        ErrorKind::Protocol => AHOY_E_PROTOCOL,
        ErrorKind::BodyTooLarge => AHOY_E_BODY_TOO_LARGE,
        ErrorKind::HttpStatus => AHOY_E_HTTP_STATUS,
        ErrorKind::Overloaded => AHOY_E_OVERLOADED,
        ErrorKind::Cancelled => AHOY_E_CANCELLED,
        ErrorKind::Interrupted => AHOY_E_INTERRUPTED,
        ErrorKind::Forked => AHOY_E_FORKED,
        ErrorKind::HookRefused => AHOY_E_HOOK_REFUSED,
        ErrorKind::BodySource => AHOY_E_BODY_SOURCE,
        ErrorKind::Internal => AHOY_E_INTERNAL,
    }
}

/// The number for how one attempt ended.
pub(crate) fn of_attempt(result: &AttemptResult) -> ahoy_status {
    match result {
        AttemptResult::Answered(_) => AHOY_OK,
        AttemptResult::Failed(kind) => number(ErrorKind::from(*kind)),
    }
}

/// The name of a status, such as "AHOY_E_DEADLINE".
///
/// Returns static text, never NULL: "AHOY_E_UNKNOWN" for a number that is no status. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_status_name(status: ahoy_status) -> *const c_char {
    name(status).as_ptr()
}

/// A status that a function of the host returned, for people: its number alone could be one of HTTP.
pub(crate) fn described(status: ahoy_status) -> String {
    format!("{} ({status})", name(status).to_string_lossy())
}

fn name(status: ahoy_status) -> &'static CStr {
    match status {
        AHOY_OK => c"AHOY_OK",
        AHOY_E_INVALID_ARGUMENT => c"AHOY_E_INVALID_ARGUMENT",
        AHOY_E_IN_USE => c"AHOY_E_IN_USE",
        AHOY_E_UNKNOWN_OPTION => c"AHOY_E_UNKNOWN_OPTION",
        AHOY_E_WOULD_DEADLOCK => c"AHOY_E_WOULD_DEADLOCK",
        AHOY_E_CLOSED => c"AHOY_E_CLOSED",
        AHOY_E_UNSUPPORTED => c"AHOY_E_UNSUPPORTED",
        AHOY_E_DISCOVERY => c"AHOY_E_DISCOVERY",
        AHOY_E_NO_ENDPOINTS => c"AHOY_E_NO_ENDPOINTS",
        AHOY_E_RESOLVE => c"AHOY_E_RESOLVE",
        AHOY_E_CONNECT => c"AHOY_E_CONNECT",
        AHOY_E_CONNECT_TIMEOUT => c"AHOY_E_CONNECT_TIMEOUT",
        AHOY_E_TLS => c"AHOY_E_TLS",
        AHOY_E_CONNECTION_LOST => c"AHOY_E_CONNECTION_LOST",
        AHOY_E_PROTOCOL => c"AHOY_E_PROTOCOL",
        AHOY_E_TIMEOUT => c"AHOY_E_TIMEOUT",
        AHOY_E_DEADLINE => c"AHOY_E_DEADLINE",
        AHOY_E_CANCELLED => c"AHOY_E_CANCELLED",
        AHOY_E_INTERRUPTED => c"AHOY_E_INTERRUPTED",
        AHOY_E_BODY_TOO_LARGE => c"AHOY_E_BODY_TOO_LARGE",
        AHOY_E_HTTP_STATUS => c"AHOY_E_HTTP_STATUS",
        AHOY_E_OVERLOADED => c"AHOY_E_OVERLOADED",
        AHOY_E_FORKED => c"AHOY_E_FORKED",
        AHOY_E_HOOK_REFUSED => c"AHOY_E_HOOK_REFUSED",
        AHOY_E_BODY_SOURCE => c"AHOY_E_BODY_SOURCE",
        AHOY_E_INTERNAL => c"AHOY_E_INTERNAL",
        _ => c"AHOY_E_UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_and_messages_share_the_names() {
        for kind in
            [ErrorKind::Deadline, ErrorKind::Tls, ErrorKind::Internal, ErrorKind::NoEndpoints]
        {
            assert_eq!(name(number(kind)).to_str(), Ok(kind.name()));
        }
        assert_eq!(name(12345).to_str(), Ok("AHOY_E_UNKNOWN"));
    }
}
