//! POSIX numbers descriptors from 0, and a process may ask how many it may have.

#![allow(unsafe_code, reason = "a limit of the process")]

use crate::runtime::socket::Descriptor;

/// Asked each time: hosts raise it while they run. That takes a tenth of a microsecond, and a new connection fifty.
pub(super) fn limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a place for the answer.
    let answered = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0;
    let limit = answered.then_some(limit.rlim_cur);
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

pub(super) fn number(descriptor: Descriptor) -> Option<usize> {
    usize::try_from(descriptor).ok()
}
