//! What is counted of one endpoint: 160 bytes, and no method, so that a hundred endpoints cost 16 KB.

use std::time::Duration;

use super::cell::Cell;
use super::histogram::{Distribution, Histogram};
use crate::outcome::FailureKind;

/// The cells of one endpoint, shared by all shards. Attempts that end meet at the endpoint's lock anyway, and so
/// count alone.
#[derive(Debug, Default)]
pub struct EndpointCells {
    durations: Histogram,
    /// By [`ResultLabel`], but for the good ones: those are what the others leave.
    results: [Cell; 4],
}

/// The label `result` of an endpoint's attempts: how one ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultLabel {
    /// An answer of 4xx.
    ClientError,
    /// An answer of 5xx.
    ServerError,
    /// No answer.
    Failed,
    /// Ended by its call, or since another attempt was faster.
    Cancelled,
    /// Any other answer.
    Good,
}

impl ResultLabel {
    /// Of an answer.
    #[must_use]
    #[inline]
    pub const fn answered(status: u16) -> Self {
        match status {
            400..500 => Self::ClientError,
            500.. => Self::ServerError,
            _ => Self::Good,
        }
    }

    /// Of a failure.
    #[must_use]
    pub const fn failed(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Cancelled | FailureKind::Closed | FailureKind::Interrupted => {
                Self::Cancelled
            }
            _ => Self::Failed,
        }
    }

    /// What it is shown as.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Good => "good",
        }
    }

    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::ClientError, Self::ServerError, Self::Failed, Self::Cancelled, Self::Good];
}

impl EndpointCells {
    /// An attempt has ended; by a thread that is `alone` with the cells or not.
    #[inline]
    pub fn record(&self, result: ResultLabel, elapsed: Duration, alone: bool) {
        self.durations.record(elapsed, alone);
        if let Some(cell) = self.results.get(result as usize) {
            cell.add_as(1, alone);
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn read(&self) -> EndpointCounts {
        let results = std::array::from_fn(|index| self.results[index].get());
        EndpointCounts { durations: self.durations.read(), results }
    }
}

/// What the cells of an endpoint held at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointCounts {
    /// How long its attempts took.
    pub durations: Distribution,
    results: [u64; 4],
}

impl EndpointCounts {
    /// Takes in what other cells held.
    pub fn merge(&mut self, other: &Self) {
        self.durations.merge(&other.durations);
        for (own, others) in self.results.iter_mut().zip(other.results) {
            *own += others;
        }
    }

    /// How many attempts ended so.
    #[must_use]
    pub fn of(&self, result: ResultLabel) -> u64 {
        let bad: u64 = self.results.iter().sum();
        let good = || self.durations.count().saturating_sub(bad);
        self.results.get(result as usize).copied().unwrap_or_else(good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates_add_up_to_all_attempts() {
        let cells = EndpointCells::default();
        for status in [200, 204, 404, 503] {
            cells.record(ResultLabel::answered(status), Duration::from_millis(1), true);
        }
        for kind in [FailureKind::Connect, FailureKind::Cancelled] {
            cells.record(ResultLabel::failed(kind), Duration::from_millis(1), true);
        }
        let read = cells.read();
        assert_eq!(ResultLabel::ALL.map(|result| read.of(result)), [1, 1, 1, 1, 2]);
        assert_eq!(read.durations.count(), 6);
        assert_eq!(size_of::<EndpointCells>(), 160);
    }
}
