//! How many descriptors this process may have, and which of them are left to its host.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

use std::io;

use socket2::Domain;

use super::os_error;
use super::process::without_fork;
use super::socket::{self, Descriptor};

/// Whether the host's part of the descriptors is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserve {
    /// What would take one of it fails, as it does where the system has none left.
    Spared,
    /// It is there for what there is little of.
    Used,
}

impl Reserve {
    /// Refuses a socket that takes one of the host's descriptors.
    ///
    /// # Errors
    /// That of a system that has none left.
    pub fn check(self, descriptor: Descriptor) -> io::Result<()> {
        match self == Self::Spared && is_of_host(descriptor) {
            true => Err(os_error::no_descriptor()),
            false => Ok(()),
        }
    }
}

/// Whether there is a descriptor for one more socket. Another thread may take it meanwhile.
#[must_use]
pub fn has_free(reserve: Reserve) -> bool {
    // One step for a fork: no child is to have it.
    let socket = || {
        let socket = socket::stream(Domain::IPV4)?;
        reserve.check(socket::descriptor(&socket))
    };
    without_fork(socket).err().and_then(|error| os_error::shortage(&error)).is_none()
}

/// How many are few for one use, of all that this process may have: one in sixteen, which is 64 of the usual 1,024.
#[must_use]
pub fn few() -> usize {
    limit() / 16
}

/// How many descriptors this process may have now; `usize::MAX` where the system sets no such limit.
fn limit() -> usize {
    platform::limit()
}

/// Whether a descriptor of this number is one of the last eighth, which is left to the host. The system gives the lowest
/// number that is free: as high a one says that nearly all descriptors are taken.
fn is_of_host(descriptor: Descriptor) -> bool {
    let limit = limit();
    platform::number(descriptor).is_some_and(|number| number >= limit - limit / SHARE_OF_HOST)
}

/// An eighth of the usual 1,024: 128, enough for files, logs and what a host accepts meanwhile.
const SHARE_OF_HOST: usize = 8;

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_last_eighth_is_the_hosts() {
        // There may be no limit.
        let Ok(first) = i32::try_from(limit() - limit() / 8) else { return };
        assert_eq!((is_of_host(first - 1), is_of_host(first)), (false, true));
        assert!(!is_of_host(-1));
    }
}
