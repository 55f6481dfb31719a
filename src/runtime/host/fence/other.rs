//! Elsewhere `pthread_exit` and `ExitThread` do not unwind: nothing aborts, and the thread is gone.

/// Calls the host by `call`.
#[inline(never)]
pub(in crate::runtime) fn fenced<F, R>(call: F) -> R
where
    F: FnOnce() -> R + Copy,
    R: Copy,
{
    call()
}
