//! What kinds of endpoints an attempt may go to.

use crate::policy::{ProbeEligibility, TowardsOverdue};

/// What kinds of endpoints an attempt may go to.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Whether it may go where a probe is due.
    pub probing: ProbeEligibility,
    /// Whether it goes where an answer is owed.
    pub overdue: TowardsOverdue,
}

impl Terms {
    /// Any endpoint that admits.
    pub const ANY: Self = Self { probing: ProbeEligibility::Due, overdue: TowardsOverdue::Take };

    /// Of an attempt that is sent beside a late one.
    pub const BESIDE: Self =
        Self { probing: ProbeEligibility::Due, overdue: TowardsOverdue::Avoid };
}
