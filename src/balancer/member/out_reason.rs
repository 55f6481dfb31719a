//! Why an endpoint is not simply in rotation, beside an open circuit.

use crate::balancer::locality_state::LocalityState;

/// A reason not to be simply in rotation, beside an open circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum OutReason {
    /// No longer listed.
    Departed = 1,
    /// Joined or came back a short time ago.
    Warming = 2,
    /// Fared worse than its neighbours.
    Ejected = 4,
    /// Did not pass its checks.
    Unhealthy = 8,
    /// Listed with a weight of 0.
    Drained = 16,
}

/// The reasons that go on in a balancer with these rules, a bit for each.
pub(super) fn stays_out_for(shared: &LocalityState) -> u8 {
    let rules = [
        (true, OutReason::Drained),
        (shared.warms_up, OutReason::Warming),
        (shared.cluster.ejection.is_some(), OutReason::Ejected),
        (shared.cluster.checks, OutReason::Unhealthy),
    ];
    rules.into_iter().filter(|(goes_on, _)| *goes_on).fold(0, |out, (_, reason)| out | reason as u8)
}

/// What keeps an endpoint out wherever it is listed.
pub(super) const OUT_BY_ITSELF: u8 =
    OutReason::Warming as u8 | OutReason::Ejected as u8 | OutReason::Unhealthy as u8;
