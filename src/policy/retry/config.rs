//! What is repeated, how often and how fast.

use std::num::NonZeroU32;
use std::ops::BitOr;
use std::time::Duration;

use super::backoff::BackoffConfig;

/// What is repeated, how often and how fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryConfig {
    /// Attempts in all, the first included and the free ones not; default 3, none for no limit. One
    /// try means exactly one attempt: nothing is free then.
    pub tries: Option<NonZeroU32>,
    /// The wait before each retry; see there for the defaults.
    pub backoff: BackoffConfig,
    /// The kinds of ending that are repeated; default all. Without [`RetryOn::CONNECT`] no attempt
    /// is free.
    pub on: RetryOn,
    /// The statuses that are repeated; default 429 and every 5xx but 501.
    pub statuses: StatusSet,
    /// Whether methods that are not idempotent are repeated as well, at the risk of doing things
    /// twice; default no.
    pub any_method: bool,
    /// The longest `Retry-After` that is waited for; default 300 s.
    pub retry_after_cap: Duration,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            tries: NonZeroU32::new(3),
            backoff: BackoffConfig::default(),
            on: RetryOn::ALL,
            statuses: StatusSet::default(),
            any_method: false,
            retry_after_cap: Duration::from_secs(300),
        }
    }
}

impl RetryConfig {
    /// Whether nothing but the limit on the call ends it: tries without number or wait.
    #[must_use]
    pub const fn hammers(&self) -> bool {
        self.tries.is_none() && self.backoff.vanishes()
    }
}

/// What one call has of its own, in place of its client's rules.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OwnRetry {
    /// All of them; none takes the client's.
    pub rules: Option<RetryConfig>,
    /// How many attempts the call may make, whichever rules hold; the inner none for no limit.
    pub tries: Option<Tries>,
}

/// How many attempts a call may make; none for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries(pub Option<NonZeroU32>);

impl OwnRetry {
    /// The rules of the call of a client that has these.
    #[must_use]
    pub fn over(&self, client: &RetryConfig) -> RetryConfig {
        let mut rules = self.rules.unwrap_or(*client);
        if let Some(Tries(tries)) = self.tries {
            rules.tries = tries;
        }
        rules
    }
}

/// A set of the kinds of ending that are repeated. The numbers are part of the C interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RetryOn(u32);

impl RetryOn {
    /// No connection: refused, unreachable, no such name, the resolver or this host failed.
    pub const CONNECT: Self = Self(1);
    /// The connect limit ran out.
    pub const CONNECT_TIMEOUT: Self = Self(2);
    /// The attempt's limit ran out.
    pub const TIMEOUT: Self = Self(4);
    /// The connection ended before anything was sent.
    pub const LOST_UNSENT: Self = Self(8);
    /// The connection ended, or talked nonsense, after something was sent.
    pub const LOST_SENT: Self = Self(16);
    /// An answer whose status is in the set of statuses.
    pub const STATUS: Self = Self(32);
    /// The peer refused the stream unprocessed.
    pub const REFUSED_STREAM: Self = Self(64);
    /// Everything above.
    pub const ALL: Self = Self(127);

    /// Takes a mask; none if it has a bit without a meaning.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Option<Self> {
        if bits & !Self::ALL.0 == 0 { Some(Self(bits)) } else { None }
    }

    /// The mask.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether all of `other` is in here.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for RetryOn {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A set of statuses, 100 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusSet([u64; WORDS]);

impl StatusSet {
    /// No status at all.
    pub const EMPTY: Self = Self([0; WORDS]);

    /// Every 5xx but 501.
    pub const SERVER_FAULTS: Self = {
        let (mut set, mut status) = (Self::EMPTY, FIRST_STATUS);
        while status <= LAST_STATUS {
            if is_server_fault(status) {
                // Every status of that range can be added.
                let _ = set.insert(status);
            }
            status += 1;
        }
        set
    };

    /// Adds a status, and says whether it could be: outside of 100 to 599 nothing happens.
    #[must_use = "a status outside of 100 to 599 is not added"]
    pub const fn insert(&mut self, status: u16) -> bool {
        match place(status) {
            Some((word, bit)) => {
                self.0[word] |= bit;
                true
            }
            None => false,
        }
    }

    /// Takes a status out, if it is in.
    pub const fn remove(&mut self, status: u16) {
        if let Some((word, bit)) = place(status) {
            self.0[word] &= !bit;
        }
    }

    /// Whether a status is in.
    #[must_use]
    pub const fn contains(&self, status: u16) -> bool {
        match place(status) {
            Some((word, bit)) => self.0[word] & bit != 0,
            None => false,
        }
    }
}

impl Default for StatusSet {
    fn default() -> Self {
        let mut set = Self::SERVER_FAULTS;
        // It can be added.
        let _ = set.insert(429);
        set
    }
}

/// Any 5xx but 501.
pub(crate) const fn is_server_fault(status: u16) -> bool {
    matches!(status, 500 | 502..=599)
}

const fn place(status: u16) -> Option<(usize, u64)> {
    if status < FIRST_STATUS || status > LAST_STATUS {
        return None;
    }
    let index = status - FIRST_STATUS;
    Some((index as usize / 64, 1 << (index % 64)))
}

const FIRST_STATUS: u16 = 100;
const LAST_STATUS: u16 = 599;
/// 500 statuses, 64 in a word.
const WORDS: usize = 8;
