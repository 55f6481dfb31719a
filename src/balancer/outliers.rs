//! What an attempt says to the rules that follow single endpoints beyond their circuits.

use std::time::Instant;

use super::member::{Member, OutReason};
use super::roster::Roster;
use crate::policy::{AttemptOutcome, Ejector, OutlierEvent};
use crate::runtime::entropy;

/// A run of failures may eject an endpoint at once, and what calls tell no check needs to ask.
pub(crate) fn note(member: &Member, outcome: &AttemptOutcome, now: Instant) {
    // First: where no rule follows endpoints, nobody needs the balancer that took over.
    if member.stats().is_none() {
        return;
    }
    let member = member.latest();
    let (Some(stats), Some(event)) = (member.stats(), OutlierEvent::of(outcome)) else {
        return;
    };
    if let Some(check) = &mut stats.background_state().check {
        check.traffic_told(now);
    }
    let Some(rule) = member.cluster().ejection else { return };
    if !stats.outlier.note(event, &rule.runs) {
        return;
    }
    let counts = member.cluster().counts();
    let eject = |rng: &mut _| {
        Ejector::new(rule).eject(&mut stats.background_state().ejection, counts, now, rng).is_some()
    };
    if entropy::with_rng(eject) {
        member.set_ejected(true, now);
    }
}

/// Brings those back that were ejected beside endpoints of which none is left: an endpoint is out for faring worse than others.
/// Whether there were any.
pub(crate) fn bring_back(roster: &Roster, now: Instant) -> bool {
    let ejected: Vec<_> =
        roster.members().map(|it| it.latest()).filter(|it| it.has(OutReason::Ejected)).collect();
    for member in &ejected {
        if let Some(stats) = member.stats() {
            stats.background_state().ejection.end(&stats.outlier);
        }
        member.set_ejected(false, now);
    }
    !ejected.is_empty()
}
