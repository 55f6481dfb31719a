//! Copies of attempts that are slow, as `client/hedge.rs` sends them.

use std::time::Duration;

use ahoy::policy::{HedgeFacts, ProbeEligibility};

use crate::call::Kind;
use crate::server::Attempt;
use crate::time::{nanos, tick};
use crate::world::{Event, World};

impl World<'_> {
    /// Plans to look whether an attempt is worth a copy.
    pub(crate) fn plan_hedge(&mut self, attempt: Attempt) {
        let Some(hedge) = &self.rules.hedge else { return };
        let client = &self.clients[self.calls.get(attempt.call).client as usize];
        let quantile = client.times.as_ref().and_then(|times| times.most(self.at()));
        // The quantile itself is none while there are too few samples.
        if let Some(delay) = hedge.delay(quantile, u64::MAX) {
            self.queue.plan(self.queue.now() + nanos(delay), Event::Hedge(attempt));
        }
    }

    /// Sends a copy of an attempt that is slow, if it may.
    pub(crate) fn hedge(&mut self, attempt: Attempt) {
        if !self.calls.is_flying(attempt) || !self.may_hedge(attempt.call) {
            return;
        }
        let Some(lease) = self.lease(attempt.call, ProbeEligibility::Due) else { return };
        let limits = self.limits(attempt.call, &lease);
        self.stats.hedges += u64::from(self.stats.counts(self.calls.get(attempt.call).started));
        let copy = self.send(attempt.call, lease, limits);
        self.note_kind(copy, Kind::Hedge);
    }

    fn may_hedge(&mut self, call: u32) -> bool {
        let (now, clock) = self.at();
        let left = self.time_left(call, now);
        let Some(hedge) = &self.rules.hedge else { return false };
        let call = self.calls.get(call);
        let copies = call.flights.iter().flatten().count() as u32 - 1;
        let client = &self.clients[call.client as usize];
        let facts = HedgeFacts {
            idempotent: true,
            untried: client.has_untried(&call.tried, now, clock),
            copies,
            limit_pressed: client.limiter.as_ref().is_some_and(|it| it.is_pressed(tick(now))),
            time_left: Some(Duration::from_nanos(left)),
            p50: client.times.as_ref().and_then(|times| times.half((now, clock))),
        };
        let budget = || {
            client.hedges.may_send(clock.at(now))
                && client.budget.as_ref().is_some_and(|it| it.try_hedge(clock.at(now)))
        };
        hedge.may_start(&facts, budget)
    }
}
