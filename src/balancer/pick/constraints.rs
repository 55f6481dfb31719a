//! What kinds of endpoints an attempt may go to.

use crate::policy::{OverduePolicy, ProbeEligibility};

/// What kinds of endpoints an attempt may go to.
#[derive(Clone, Copy, Debug)]
pub struct PickConstraints {
    /// Whether it may go where a probe is due.
    pub probing: ProbeEligibility,
    /// Whether it goes where an answer is owed.
    pub overdue: OverduePolicy,
}

impl PickConstraints {
    /// Any endpoint that admits.
    pub const ANY: Self = Self { probing: ProbeEligibility::Due, overdue: OverduePolicy::Take };

    /// Of an attempt that is sent beside a late one.
    pub const BESIDE: Self = Self { probing: ProbeEligibility::Due, overdue: OverduePolicy::Avoid };
}
