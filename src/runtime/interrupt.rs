//! Ctrl-C in a blocking call: a signal that the host caught while its thread waited for the network.
//!
//! tokio hides EINTR, but its park hooks run right around the wait: one clears errno, the other sees what the
//! wait left there, remembers it and wakes the call that this thread drives.

#![allow(unsafe_code, reason = "errno is the only trace that a signal leaves of itself")]

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::runtime::Builder;

thread_local! {
    static SEEN: Cell<bool> = const { Cell::new(false) };
    static DRIVER: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// How often a call asks whether it should stop although no signal came to this thread.
const ASK_INTERVAL: Duration = Duration::from_millis(50);

/// Lets a runtime notice signals while it waits.
pub(super) fn noticed_by(builder: &mut Builder) -> &mut Builder {
    builder.on_thread_park(|| set_errno(0)).on_thread_unpark(|| {
        if errno() == libc::EINTR {
            SEEN.set(true);
            DRIVER.with_borrow(|waker| {
                if let Some(waker) = waker {
                    waker.wake_by_ref();
                }
            });
        }
    })
}

/// Runs `work`, which the caller has pinned and drops, until it ends or `should_stop` says yes, which is asked
/// after each caught signal (then with `true`) and at least every 50 ms. `None` where it was stopped.
pub async fn watch<W: Future + Unpin>(
    mut work: W,
    should_stop: impl Fn(bool) -> bool,
) -> Option<W::Output> {
    let _registered = Registered;
    SEEN.set(false);
    let mut ask = pin!(tokio::time::sleep(ASK_INTERVAL));
    std::future::poll_fn(|cx| {
        DRIVER.set(Some(cx.waker().clone()));
        let signalled = SEEN.replace(false);
        let due = ask.as_mut().poll(cx).is_ready();
        if (signalled || due) && should_stop(signalled) {
            return Poll::Ready(None);
        }
        if due {
            ask.as_mut().reset(tokio::time::Instant::now() + ASK_INTERVAL);
            let _ = ask.as_mut().poll(cx);
        }
        Pin::new(&mut work).poll(cx).map(Some)
    })
    .await
}

struct Registered;

impl Drop for Registered {
    fn drop(&mut self) {
        DRIVER.set(None);
    }
}

#[cfg(target_os = "linux")]
fn errno_location() -> *mut libc::c_int {
    // SAFETY: always valid for the calling thread.
    unsafe { libc::__errno_location() }
}

#[cfg(any(target_os = "macos", target_os = "ios", target_os = "freebsd"))]
fn errno_location() -> *mut libc::c_int {
    // SAFETY: always valid for the calling thread.
    unsafe { libc::__error() }
}

fn errno() -> libc::c_int {
    // SAFETY: the location is valid and this thread's own.
    unsafe { *errno_location() }
}

fn set_errno(value: libc::c_int) {
    // SAFETY: the location is valid and this thread's own.
    unsafe { *errno_location() = value };
}
