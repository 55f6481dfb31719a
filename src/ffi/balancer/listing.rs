//! How a balancer's list is known: whether there is one, how old it is, and why it is not current.

use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use super::balancer::ahoy_balancer;
use crate::balancer::provider::ListState;
use crate::client::check_may_wait;
use crate::error::{Error, ErrorKind};
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle;
use crate::ffi::values::made_text::ahoy_text;
use crate::ffi::values::status::{AHOY_FOREVER, ahoy_status};
use crate::ffi::values::text::duration;
use crate::ffi::values::{entry, guard};
use crate::runtime::waiter;

/// No list is known yet: the balancer was not used, or its provider did not answer so far.
pub const AHOY_LIST_NONE: i32 = 0;
/// The list is what the provider told last.
pub const AHOY_LIST_CURRENT: i32 = 1;
/// The last list serves: the provider fails, or has not answered since a start with a snapshot.
pub const AHOY_LIST_LAST: i32 = 2;
/// The provider has failed for longer than its option max_stale: its last list serves no more.
pub const AHOY_LIST_STALE: i32 = 3;
/// No list is known, and the provider refuses what it is asked: a wrong token, path or option.
pub const AHOY_LIST_REFUSED: i32 = 4;

/// Waits until the balancer knows a list of endpoints, be it an empty one, as a program does before
/// it says that it is ready. It is a first use: it freezes the balancer and begins to watch its
/// provider. Calls need not wait for it: each waits for the list within its own limit. Blocks up to
/// timeout_ms.
///
/// @param timeout_ms how long at most; 0 only looks, AHOY_FOREVER waits without end
/// @return AHOY_E_DISCOVERY if the provider fails or refuses and the time is up or no wait would
///        help; AHOY_E_DEADLINE if it was silent; AHOY_E_WOULD_DEADLOCK inside a callback
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_wait_ready(
    balancer: *const ahoy_balancer,
    timeout_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer| {
        check_may_wait()?;
        let live = Arc::clone(balancer.live()?);
        waiter::wait(live.ready(), duration(timeout_ms)).unwrap_or_else(|| {
            Err(match live.list_problem() {
                Some(problem) => Error::new(ErrorKind::Discovery, format!("provider: {problem}")),
                None => {
                    let message = format!("provider: told no list within {timeout_ms} ms");
                    Error::new(ErrorKind::Deadline, message)
                }
            })
        })
    })
}

/// How the balancer's list is known: an AHOY_LIST_ number. AHOY_LIST_NONE for NULL and before the
/// first use. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_list_state(balancer: *const ahoy_balancer) -> i32 {
    guard::value!(AHOY_LIST_NONE, |balancer: Option<&ahoy_balancer>| {
        let state = balancer.and_then(ahoy_balancer::used).map(|live| live.list_state());
        match state.unwrap_or(ListState::None) {
            ListState::None => AHOY_LIST_NONE,
            ListState::Current => AHOY_LIST_CURRENT,
            ListState::Last => AHOY_LIST_LAST,
            ListState::Stale => AHOY_LIST_STALE,
            ListState::Refused => AHOY_LIST_REFUSED,
        }
    })
}

/// How many milliseconds ago the provider last said that its list holds: with a list, by a change
/// or by a sign of life. AHOY_FOREVER where it never did, and for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_list_age_ms(balancer: *const ahoy_balancer) -> u64 {
    guard::value!(AHOY_FOREVER, |balancer: Option<&ahoy_balancer>| {
        let age = balancer.and_then(ahoy_balancer::used).and_then(|live| live.list_age());
        age.map_or(AHOY_FOREVER, millis)
    })
}

fn millis(age: Duration) -> u64 {
    u64::try_from(age.as_millis()).unwrap_or(AHOY_FOREVER - 1)
}

/// Why the provider fails now, without secrets; where it does not fail, why its list is empty, if
/// its answer says so, such as "web.example: no such name". Any thread.
///
/// @return the text, to be freed with ahoy_text_free; NULL where there is none, and for NULL
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ahoy_balancer_list_error(
    balancer: *const ahoy_balancer,
) -> *mut ahoy_text {
    guard::value!(ptr::null_mut(), |balancer: Option<&ahoy_balancer>| {
        let problem = balancer.and_then(ahoy_balancer::used).and_then(|live| live.list_problem());
        problem.map_or(ptr::null_mut(), |problem| handle::new(ahoy_text::from(problem.as_str())))
    })
}
