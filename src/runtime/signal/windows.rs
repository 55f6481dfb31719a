//! There are no signals: Ctrl-C runs the host's handlers on a thread of its own, and a write to a closed socket only fails.

/// Runs `start`.
pub fn with_all_blocked<R>(start: impl FnOnce() -> R) -> R {
    start()
}

/// Does nothing.
pub(in crate::runtime) fn block_all_here() {}

/// Nothing is to be kept from this thread.
#[derive(Debug, Default)]
pub struct SigpipeGuard(());

impl SigpipeGuard {
    /// Does nothing.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }

    /// Runs `f`.
    pub fn lifted<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }
}
