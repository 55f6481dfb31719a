//! A descriptor that is readable while there is something to read.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use self::platform::{End, Polled};
use super::socket::Descriptor;

/// Two connected ends, of which one has a byte to read while this is raised.
///
/// Its owner decides under a lock of its own whether to raise it, and raises it without that lock: a thread that waits
/// wakes before the byte's writer is back, and would at once be put to sleep again by the lock.
#[derive(Debug)]
pub struct Readiness {
    reader: End,
    writer: End,
    begun: AtomicUsize,
    done: AtomicUsize,
}

/// A raise that has begun: the duty to make it readable.
#[derive(Debug)]
#[must_use = "whoever waits would not be woken"]
pub struct PendingRaise(());

impl Readiness {
    /// A lowered one; both ends close on exec and never block.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = platform::connected()?;
        Ok(Self { reader, writer, begun: AtomicUsize::new(0), done: AtomicUsize::new(0) })
    }

    /// The end to poll for reading; still this value's own.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        platform::descriptor(&self.reader)
    }

    /// Begins to make it readable: under the owner's lock, and only when it is not.
    pub fn begin_raise(&self) -> PendingRaise {
        self.begun.fetch_add(1, Ordering::AcqRel);
        PendingRaise(())
    }

    /// Makes it readable: without the lock.
    pub fn raise(&self, _begun: PendingRaise) {
        #[cfg(all(test, ahoy_loom))]
        loom::thread::yield_now();
        platform::put(&self.writer);
        self.done.fetch_add(1, Ordering::AcqRel);
    }

    /// Makes it unreadable again, under the owner's lock. A byte that is on its way is waited for; none comes where the
    /// host reads the descriptor itself, as Node does.
    pub fn lower(&self) {
        while !platform::take(&self.reader) {
            let all_came = self.done.load(Ordering::Acquire) == self.begun.load(Ordering::Acquire);
            if all_came && !matches!(platform::poll(&self.reader, 0), Polled::Readable) {
                break;
            }
            #[cfg(all(test, ahoy_loom))]
            loom::thread::yield_now();
            platform::poll(&self.reader, i32::from(cfg!(not(all(test, ahoy_loom)))));
        }
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
            readiness.raise(readiness.begin_raise());
            assert!(readiness.wait(Duration::MAX));
            readiness.lower();
            assert!(!readiness.wait(Duration::ZERO));
            readiness.raise(readiness.begin_raise());
            readiness.lower();
            assert!(!readiness.wait(Duration::ZERO));
        }
        assert!(!readiness.wait(Duration::from_millis(1)));
    }

    #[test]
    fn what_is_about_to_be_raised_is_waited_for() {
        let readiness = Readiness::new().unwrap();
        let raise = readiness.begin_raise();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                readiness.raise(raise);
            });
            readiness.lower();
        });
        assert!(!readiness.wait(Duration::ZERO));
    }

    #[cfg(unix)]
    #[test]
    fn a_byte_that_the_host_has_read_is_not_waited_for() {
        let readiness = Readiness::new().unwrap();
        readiness.raise(readiness.begin_raise());
        assert!(platform::take(&readiness.reader));
        readiness.lower();
    }
}
