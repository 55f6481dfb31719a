//! The secrets of TLS sessions, for readers of captures of their own traffic.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use rustls::KeyLog;

/// Takes a line in the format of NSS key logs, without its end.
#[derive(Clone)]
pub struct KeyLogSink(Arc<dyn Fn(&str) + Send + Sync>);

impl KeyLogSink {
    /// To this function.
    #[must_use]
    pub fn new(told: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }

    /// Gives it `line`.
    pub fn tell(&self, line: &str) {
        (self.0)(line);
    }
}

impl PartialEq for KeyLogSink {
    /// Whether it is the same function, registered once.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for KeyLogSink {}

/// What rustls tells of a session's secrets, as lines.
pub(super) struct KeyLines(pub(super) KeyLogSink);

impl fmt::Debug for KeyLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyLines").finish_non_exhaustive()
    }
}

impl KeyLog for KeyLines {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut line =
            String::with_capacity(label.len() + 2 * (client_random.len() + secret.len()) + 2);
        line.push_str(label);
        for bytes in [client_random, secret] {
            line.push(' ');
            for byte in bytes {
                // Text takes what is written.
                let _ = write!(line, "{byte:02x}");
            }
        }
        self.0.tell(&line);
    }
}
