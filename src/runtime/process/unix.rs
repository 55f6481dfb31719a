//! The number stands in a page that the kernel empties in every child, so one load tells. Fork handlers do the same
//! where the kernel does not (before Linux 4.14), and see to the sockets before the child's first line: a child that
//! was made past them (`_Fork`, `clone`) closes its parent's sockets with its first use of the library.

#![allow(unsafe_code, reason = "fork handlers")]

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

use super::FIRST;
use crate::runtime::pinning;

/// The number of this process among its forks, where the kernel empties no page.
static UNEMPTIED: AtomicU32 = AtomicU32::new(FIRST);
/// Where the number stands.
static GENERATION: AtomicPtr<AtomicU32> = AtomicPtr::new((&raw const UNEMPTIED).cast_mut());
/// The last number given in this process or those that it descends from.
static LAST: AtomicU32 = AtomicU32::new(FIRST);
/// Whether all below was begun.
static HAS_BEGUN: AtomicBool = AtomicBool::new(false);

/// In an emptied page.
const UNKNOWN: u32 = 0;
/// A thread of this process is seeing to what was inherited.
const BEGINNING: u32 = u32::MAX;

/// The number of this process among its forks; no system call.
#[must_use]
#[inline]
pub fn generation() -> u32 {
    if !HAS_BEGUN.load(Ordering::Acquire) {
        begin();
    }
    match number().load(Ordering::Acquire) {
        UNKNOWN | BEGINNING => begin_generation(),
        generation => generation,
    }
}

/// Does `work` as one step for a fork, which waits for it. So no child has a lock that `work` holds; it should be short, and
/// make no such step itself.
pub fn without_fork<R>(work: impl FnOnce() -> R) -> R {
    // The handlers have to be there.
    let _ = generation();
    let _step = sockets::Step::begin();
    work()
}

fn number() -> &'static AtomicU32 {
    // SAFETY: a static or a page that is never unmapped.
    unsafe { &*GENERATION.load(Ordering::Acquire) }
}

/// Threads that are first together begin once each, and none waits for another: a child that was forked in that moment
/// would wait for ever. Handlers that are registered twice do no harm, and of several pages the first one counts.
#[cold]
fn begin() {
    pinning::pin();
    if let Some(page) = emptied_by_forks() {
        page.store(FIRST, Ordering::Relaxed);
        let (none, page) = ((&raw const UNEMPTIED).cast_mut(), ptr::from_ref(page).cast_mut());
        let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
        let _ = GENERATION.compare_exchange(none, page, success, failure);
    }
    let (before, after, in_child) = (before_fork, in_parent, in_child);
    // SAFETY: the handlers only use atomics, `sched_yield` and `close`, as a forked child may.
    unsafe { libc::pthread_atfork(Some(before), Some(after), Some(in_child)) };
    HAS_BEGUN.store(true, Ordering::Release);
}

/// A page that is all zeros in every child; none where the kernel does not do that.
#[cfg(target_os = "linux")]
fn emptied_by_forks() -> Option<&'static AtomicU32> {
    // SAFETY: plain numbers.
    let size = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    let (access, kind) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, wherever there is room.
    let page = unsafe { libc::mmap(ptr::null_mut(), size, access, kind, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the mapping above.
    if unsafe { libc::madvise(page, size, libc::MADV_WIPEONFORK) } != 0 {
        // SAFETY: as above; no pointer to it was published.
        unsafe { libc::munmap(page, size) };
        return None;
    }
    // SAFETY: zeros are a number, and the mapping stays.
    Some(unsafe { &*page.cast::<AtomicU32>() })
}

/// Other kernels have no such page.
#[cfg(not(target_os = "linux"))]
fn emptied_by_forks() -> Option<&'static AtomicU32> {
    None
}

/// The first look of a child: sees to what was inherited, and gives it a number. Other threads wait for that.
#[cold]
fn begin_generation() -> u32 {
    let (claim, seen) = (Ordering::AcqRel, Ordering::Acquire);
    loop {
        match number().compare_exchange(UNKNOWN, BEGINNING, claim, seen) {
            Ok(_) => {
                sockets::close_inherited();
                let next = LAST.fetch_add(1, Ordering::Relaxed) + 1;
                number().store(next, Ordering::Release);
                return next;
            }
            Err(BEGINNING) => std::thread::yield_now(),
            Err(generation) => return generation,
        }
    }
}

extern "C" fn before_fork() {
    sockets::hold_still();
}

extern "C" fn in_parent() {
    sockets::go_on();
}

extern "C" fn in_child() {
    number().store(UNKNOWN, Ordering::Relaxed);
    begin_generation();
}

/// Which descriptors are this library's sockets: one bit each, for a child must find them without a lock.
///
/// Opening and noting a socket is one step for a fork, and so is closing one: a fork waits for those under
/// way. Otherwise a child would keep a socket that was not noted yet, or close the host's in its place.
pub mod sockets {
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
    use std::time::{Duration, Instant};

    /// Sockets above this number stay open in a child until it ends or executes another program.
    const MOST: usize = 65_536;

    /// A fork waits no longer: it may come from a signal handler that interrupted a step. A step itself takes
    /// microseconds, unless its thread is not run.
    const PATIENCE: Duration = Duration::from_millis(250);

    static OPEN: [AtomicU64; MOST / 64] = [const { AtomicU64::new(0) }; MOST / 64];
    static STEPS: AtomicU32 = AtomicU32::new(0);
    static FORKS: AtomicU32 = AtomicU32::new(0);

    /// Opens a socket and notes it; `number` tells its descriptor.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn open<S>(
        open: impl FnOnce() -> std::io::Result<S>,
        number: impl FnOnce(&S) -> i32,
    ) -> std::io::Result<S> {
        let _step = Step::begin();
        let socket = open()?;
        if let Some((word, bit)) = place(number(&socket)) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Ok(socket)
    }

    /// Closes a socket that was noted.
    pub fn close(descriptor: i32, close: impl FnOnce()) {
        let _step = Step::begin();
        if let Some((word, bit)) = place(descriptor) {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
        close();
    }

    /// Hands a socket that was noted to another owner. Where that fails, it is closed on the way and noted no longer.
    ///
    /// # Errors
    /// Those of `hand_over`.
    pub fn hand_over<S>(
        descriptor: i32,
        hand_over: impl FnOnce() -> std::io::Result<S>,
    ) -> std::io::Result<S> {
        let _step = Step::begin();
        let note = place(descriptor);
        if let Some((word, bit)) = note {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
        let socket = hand_over()?;
        if let Some((word, bit)) = note {
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Ok(socket)
    }

    pub(super) struct Step;

    impl Step {
        pub(super) fn begin() -> Self {
            loop {
                STEPS.fetch_add(1, Ordering::SeqCst);
                if FORKS.load(Ordering::SeqCst) == 0 {
                    return Self;
                }
                STEPS.fetch_sub(1, Ordering::SeqCst);
                std::thread::yield_now();
            }
        }
    }

    impl Drop for Step {
        fn drop(&mut self) {
            STEPS.fetch_sub(1, Ordering::SeqCst);
        }
    }

    pub(super) fn hold_still() {
        FORKS.fetch_add(1, Ordering::SeqCst);
        let until = Instant::now() + PATIENCE;
        while STEPS.load(Ordering::SeqCst) > 0 && Instant::now() < until {
            std::thread::yield_now();
        }
    }

    pub(super) fn go_on() {
        FORKS.fetch_sub(1, Ordering::SeqCst);
    }

    fn place(descriptor: i32) -> Option<(&'static AtomicU64, u64)> {
        let number = usize::try_from(descriptor).ok()?;
        Some((OPEN.get(number / 64)?, 1 << (number % 64)))
    }

    /// In the child, where no other thread is left.
    pub(super) fn close_inherited() {
        STEPS.store(0, Ordering::SeqCst);
        FORKS.store(0, Ordering::SeqCst);
        for (index, word) in OPEN.iter().enumerate() {
            let mut bits = word.swap(0, Ordering::Relaxed);
            while bits != 0 {
                let descriptor = index * 64 + bits.trailing_zeros() as usize;
                // SAFETY: a socket of this library, whose owner in this process is never used again.
                unsafe { libc::close(descriptor as i32) };
                bits &= bits - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::PerProcess;
    use super::*;

    #[test]
    fn a_forked_child_gets_a_fresh_value() {
        static VALUE: PerProcess<AtomicU32> = PerProcess::new();
        VALUE.get().store(7, Ordering::Relaxed);
        // SAFETY: the child only reads atomics and leaves by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let fresh = VALUE.get().load(Ordering::Relaxed);
            // SAFETY: leaves without running anything of the parent's.
            unsafe { libc::_exit(fresh as i32) };
        }
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!((libc::WIFEXITED(status), libc::WEXITSTATUS(status)), (true, 0));
        assert_eq!(VALUE.get().load(Ordering::Relaxed), 7);
    }
}
