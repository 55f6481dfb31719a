//! There is no fork: one generation, and nothing is inherited.

use std::sync::Once;

use super::FIRST;
use crate::runtime::pinning;

static BEGIN: Once = Once::new();

/// The number of this process among its forks; no system call.
#[must_use]
#[inline]
pub fn generation() -> u32 {
    BEGIN.call_once(pinning::pin);
    FIRST
}

/// Does `work`.
pub fn without_fork<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// Nothing is noted, for no child inherits a socket: they are made so that programs which are started do not either.
pub mod sockets {
    use std::io;

    use crate::runtime::socket::Descriptor;

    /// Opens a socket.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn open<S>(
        open: impl FnOnce() -> io::Result<S>,
        _: impl FnOnce(&S) -> Descriptor,
    ) -> io::Result<S> {
        open()
    }

    /// Closes a socket.
    pub fn close(_: Descriptor, close: impl FnOnce()) {
        close();
    }

    /// Hands a socket to another owner.
    ///
    /// # Errors
    /// Those of `hand_over`.
    pub fn hand_over<S>(_: Descriptor, hand_over: impl FnOnce() -> io::Result<S>) -> io::Result<S> {
        hand_over()
    }
}
