//! A thread that its host ends inside a callback: it is kept there, and nothing of this library is unwound.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other.rs")]
mod platform;

use super::super::signal;
use super::{callback, lost, panics};

pub(in crate::runtime) use platform::fenced;

/// Gives up everything that this thread carries: it runs nothing of the library any more.
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nothing is seen of its end there"))]
fn give_up_here() {
    // First of all: a signal handler of the host may do what the host does no more on this thread.
    signal::block_all_here();
    let _defect = panics::caught(|| {
        callback::leave_for_good();
        lost::run_cleanups();
    });
}
