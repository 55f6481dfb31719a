//! The one clock that all processes of a cell share: CLOCK_MONOTONIC in nanoseconds.

/// A second in nanoseconds.
pub(crate) const SECOND: u64 = 1_000_000_000;
/// A millisecond in nanoseconds.
pub(crate) const MS: u64 = 1_000_000;
/// A microsecond in nanoseconds.
pub(crate) const US: u64 = 1_000;

/// Nanoseconds since some fixed moment, the same for every process of this machine.
pub(crate) fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the place is a local.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec.unsigned_abs() * SECOND + time.tv_nsec.unsigned_abs()
}

/// Sleeps until the clock says `at`; returns at once where it is past.
pub(crate) fn sleep_until(at: u64) {
    let time = timespec(at);
    let (clock, absolute) = (libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME);
    while now() < at {
        // SAFETY: the time is a local. A signal only makes the wait shorter, and the loop goes on.
        unsafe { libc::clock_nanosleep(clock, absolute, &raw const time, std::ptr::null_mut()) };
    }
}

/// Wakes this thread at the microsecond it asked for; by default the kernel adds up to 50.
pub(crate) fn wake_exactly() {
    // SAFETY: plain numbers.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
}

/// The same moment in the kernel's form.
pub(crate) fn timespec(at: u64) -> libc::timespec {
    libc::timespec { tv_sec: (at / SECOND) as libc::time_t, tv_nsec: (at % SECOND) as libc::c_long }
}
