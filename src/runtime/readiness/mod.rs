//! A descriptor that is readable while there is something to read.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

use std::io;
use std::time::{Duration, Instant};

use self::platform::{End, Polled};
use super::socket::Descriptor;

/// Two connected ends, of which one has a byte to read while this is raised.
#[derive(Debug)]
pub struct Readiness {
    reader: End,
    writer: End,
}

impl Readiness {
    /// A lowered one; both ends close on exec and never block.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = platform::connected()?;
        Ok(Self { reader, writer })
    }

    /// The end to poll for reading; still this value's own.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        platform::descriptor(&self.reader)
    }

    /// Makes it readable; to be called only when it is not.
    pub fn raise(&self) {
        platform::put(&self.writer);
    }

    /// Makes it unreadable again.
    pub fn lower(&self) {
        platform::take(&self.reader);
    }

    /// Waits until it is readable; false when the time is up first. Signals do not end the wait.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        let until = Instant::now().checked_add(timeout);
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            match platform::poll(&self.reader, milliseconds(left)) {
                Polled::Readable => return true,
                Polled::TimeIsUp if left.is_some_and(|left| left <= LONGEST) => return false,
                Polled::TimeIsUp | Polled::Interrupted => {}
            }
        }
    }
}

/// What one look can wait for.
const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);

/// Rounded up, so that a wait of less than a millisecond is not none at all.
fn milliseconds(left: Option<Duration>) -> i32 {
    let left = left.unwrap_or(LONGEST).min(LONGEST);
    i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readable_while_raised() {
        let readiness = Readiness::new().unwrap();
        assert!(!readiness.wait(Duration::ZERO));
        for _ in 0..100 {
            readiness.raise();
            assert!(readiness.wait(Duration::MAX));
            readiness.lower();
            assert!(!readiness.wait(Duration::ZERO));
            readiness.raise();
            readiness.lower();
            assert!(!readiness.wait(Duration::ZERO));
        }
        assert!(!readiness.wait(Duration::from_millis(1)));
    }
}
