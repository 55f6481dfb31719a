//! What an attempt spends its time on, and over which connection it goes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What an attempt spends its time on, in order. The numbers are part of the C interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// For a connection that is in use.
    Wait = 0,
    /// For the addresses of a name.
    Resolve = 1,
    /// Until the connection stands.
    Connect = 2,
    /// For the handshake.
    Tls = 3,
    /// From a connection that stands to the head of the answer.
    FirstByte = 4,
    /// For the rest of the answer's body.
    Body = 5,
}

impl Phase {
    /// How many there are.
    pub const COUNT: usize = Self::Body as usize + 1;

    /// The phase of that number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Wait,
            1 => Self::Resolve,
            2 => Self::Connect,
            3 => Self::Tls,
            4 => Self::FirstByte,
            5 => Self::Body,
            _ => return None,
        })
    }
}

/// How much of its time an attempt spent on each phase, which are all of it together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases([u64; Phase::COUNT]);

impl Phases {
    /// Of an attempt that has spent these nanoseconds on each phase, and has been in `last` since then.
    #[must_use]
    pub const fn under_way(spent: [u64; Phase::COUNT], last: Phase, since: u64) -> PhasesSoFar {
        PhasesSoFar { spent, last, since }
    }

    /// The same of an attempt that spent this `time` more on a phase.
    #[must_use]
    pub const fn with(mut self, phase: Phase, time: Duration) -> Self {
        self.0[phase as usize] += time.as_nanos() as u64;
        self
    }

    /// The time of one phase; zero where it was not needed.
    #[must_use]
    pub const fn of(&self, phase: Phase) -> Duration {
        Duration::from_nanos(self.0[phase as usize])
    }
}

/// The phases of an attempt whose end is not known yet.
#[derive(Clone, Copy, Debug)]
pub struct PhasesSoFar {
    spent: [u64; Phase::COUNT],
    last: Phase,
    /// In nanoseconds after the beginning.
    since: u64,
}

impl PhasesSoFar {
    /// All of its time, which ends at `elapsed` after its beginning.
    #[must_use]
    pub fn ended(mut self, elapsed: Duration) -> Phases {
        self.spent[self.last as usize] += (elapsed.as_nanos() as u64).saturating_sub(self.since);
        Phases(self.spent)
    }
}

/// The two ends of a connection.
#[derive(Debug)]
pub struct Ends {
    /// This host's; none where the system did not tell it.
    pub local: Option<SocketAddr>,
    /// The peer's; none of a unix socket.
    pub remote: Option<SocketAddr>,
}

/// The connection that carried an attempt.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// Where it begins and ends.
    pub ends: Arc<Ends>,
    /// What is spoken over it.
    pub protocol: Protocol,
    /// It had carried another attempt before.
    pub reused: bool,
}

/// What is spoken over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}
