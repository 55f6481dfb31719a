//! Signal masks of threads.

#![allow(unsafe_code, reason = "signal masks")]

use std::mem::MaybeUninit;
#[cfg(not(target_vendor = "apple"))]
use std::ptr;

/// Signals that a fault raises in the thread itself; blocking these would hide a crash. A system call that a sandbox traps
/// raises SIGSYS: the host's handler sees to it, and where it is blocked the kernel ends the process.
const FAULTS: [libc::c_int; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGSYS,
];

/// Runs `start` with every signal but the fault ones blocked: a thread that it starts inherits the mask from
/// its first instruction. The caller's mask is restored.
pub fn with_all_blocked<R>(start: impl FnOnce() -> R) -> R {
    let _restore = Mask::block(&all_but_faults());
    start()
}

/// Blocks every signal but the fault ones on this thread, for good.
pub(in crate::runtime) fn block_all_here() {
    std::mem::forget(Mask::block(&all_but_faults()));
}

fn all_but_faults() -> libc::sigset_t {
    let mut all = empty_set();
    // SAFETY: `all` is an initialised signal set, and the faults are valid signals.
    unsafe {
        libc::sigfillset(&raw mut all);
        for fault in FAULTS {
            libc::sigdelset(&raw mut all, fault);
        }
    }
    all
}

/// Keeps SIGPIPE from this thread until dropped, and consumes one raised meanwhile.
///
/// For transports whose writes cannot be told `MSG_NOSIGNAL`.
#[derive(Debug)]
pub struct SigpipeGuard {
    was_pending: bool,
    mask: Mask,
}

impl SigpipeGuard {
    /// Blocks SIGPIPE on this thread.
    #[must_use]
    pub fn new() -> Self {
        let was_pending = sigpipe_is_pending();
        Self { was_pending, mask: Mask::block(&sigpipe()) }
    }

    /// Runs `f` under the caller's own mask.
    pub fn lifted<R>(&self, f: impl FnOnce() -> R) -> R {
        self.consume();
        let _again = Mask::set(&self.mask.before);
        f()
    }

    fn consume(&self) {
        if !self.was_pending && sigpipe_is_pending() {
            take_pending_sigpipe();
        }
    }
}

impl Default for SigpipeGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for SigpipeGuard {
    fn drop(&mut self) {
        // The mask itself is restored when the field drops, after this.
        self.consume();
    }
}

/// A changed signal mask that is restored on drop.
struct Mask {
    before: libc::sigset_t,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mask")
    }
}

impl Mask {
    fn block(set: &libc::sigset_t) -> Self {
        Self::change(libc::SIG_BLOCK, set)
    }

    fn set(set: &libc::sigset_t) -> Self {
        Self::change(libc::SIG_SETMASK, set)
    }

    fn change(how: libc::c_int, set: &libc::sigset_t) -> Self {
        Self { before: change_mask(how, set) }
    }
}

impl Drop for Mask {
    fn drop(&mut self) {
        change_mask(libc::SIG_SETMASK, &self.before);
    }
}

/// Changes the mask of this thread; returns the one before.
fn change_mask(how: libc::c_int, set: &libc::sigset_t) -> libc::sigset_t {
    let mut before = empty_set();
    // SAFETY: both sets are initialised and outlive the call.
    unsafe { libc::pthread_sigmask(how, set, &raw mut before) };
    before
}

fn empty_set() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the whole set.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    }
}

fn sigpipe() -> libc::sigset_t {
    let mut set = empty_set();
    // SAFETY: `set` is initialised and SIGPIPE a valid signal.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGPIPE) };
    set
}

fn sigpipe_is_pending() -> bool {
    let mut pending = empty_set();
    // SAFETY: `pending` is initialised and outlives the call.
    unsafe { libc::sigpending(&raw mut pending) };
    holds(&pending, libc::SIGPIPE)
}

/// Takes the one that is pending.
#[cfg(not(target_vendor = "apple"))]
fn take_pending_sigpipe() {
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both sets and the time outlive the call; no information is asked for.
    unsafe { libc::sigtimedwait(&sigpipe(), ptr::null_mut(), &raw const at_once) };
}

/// There is no `sigtimedwait` there; a signal that is pending is not waited for.
#[cfg(target_vendor = "apple")]
fn take_pending_sigpipe() {
    let mut taken = 0;
    // SAFETY: the set and the number outlive the call.
    unsafe { libc::sigwait(&sigpipe(), &raw mut taken) };
}

fn holds(set: &libc::sigset_t, signal: libc::c_int) -> bool {
    // SAFETY: `set` is initialised and outlives the call.
    unsafe { libc::sigismember(set, signal) == 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_blocked(signal: libc::c_int) -> bool {
        holds(&Mask::block(&empty_set()).before, signal)
    }

    fn raise_here() {
        // SAFETY: the thread is this one and SIGPIPE is blocked by the test.
        unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGPIPE) };
    }

    #[test]
    fn a_sigpipe_raised_under_the_guard_is_consumed() {
        let guard = SigpipeGuard::new();
        raise_here();
        assert!(sigpipe_is_pending());
        drop(guard);
        assert!(!sigpipe_is_pending());
        assert!(!is_blocked(libc::SIGPIPE));
    }

    #[test]
    fn one_that_was_pending_before_stays_the_hosts() {
        let _host = Mask::block(&sigpipe());
        raise_here();
        drop(SigpipeGuard::new());
        assert!(sigpipe_is_pending());
        let guard = SigpipeGuard { was_pending: false, mask: Mask::block(&sigpipe()) };
        guard.consume();
        assert!(!sigpipe_is_pending());
    }

    #[test]
    fn callbacks_see_the_callers_mask() {
        let guard = SigpipeGuard::new();
        assert!(is_blocked(libc::SIGPIPE));
        guard.lifted(|| assert!(!is_blocked(libc::SIGPIPE)));
        assert!(is_blocked(libc::SIGPIPE));
    }

    #[test]
    fn threads_started_blocked_take_no_signal_but_faults() {
        let thread = with_all_blocked(|| {
            std::thread::spawn(|| (is_blocked(libc::SIGINT), is_blocked(libc::SIGSEGV)))
        });
        assert_eq!(thread.join().ok(), Some((true, false)));
        assert!(!is_blocked(libc::SIGINT));
    }
}
