//! Attempts beside late ones, as `client/call/race` starts them.

use std::time::Duration;

use ahoy::policy::{ASK_AGAIN, ElsewhereFacts};

use crate::call::Kind;
use crate::server::Attempt;
use crate::time::{MS, nanos, tick};
use crate::world::{Event, World};

impl World<'_> {
    /// An attempt takes longer than usual.
    pub(crate) fn overdue(&mut self, attempt: Attempt) {
        let call = self.calls.get(attempt.call);
        let flight = call.flights.iter().flatten().find(|it| it.serial == attempt.serial);
        let (client, member) = (call.client, flight.map(|it| it.lease.member));
        if let Some(member) = member {
            self.clients[client as usize].members[member as usize].is_overdue = true;
        }
    }

    /// An attempt has passed its limit, and goes on.
    pub(crate) fn late(&mut self, attempt: Attempt) {
        let now = self.queue.now();
        let call = self.calls.get(attempt.call);
        let number = call.client;
        let flight = call.flights.iter_mut().flatten().find(|it| it.serial == attempt.serial);
        let Some(flight) = flight else { return };
        flight.lease.late = true;
        call.late_since.get_or_insert(now);
        let member = &mut self.clients[number as usize].members[flight.lease.member as usize];
        member.is_overdue = true;
        member.overdue.is_late_since(now / MS);
        member.overdue.late_begins();
        self.look_elsewhere(attempt);
    }

    /// Sends another attempt beside a late one, if it may; if not, it asks again later.
    pub(crate) fn look_elsewhere(&mut self, attempt: Attempt) {
        if !self.calls.is_flying(attempt) {
            return;
        }
        let (now, clock) = self.at();
        if self.may_copy(attempt.call) {
            let call = self.calls.get(attempt.call);
            let client = &mut self.clients[call.client as usize];
            if let Some(lease) = client.lease_beside(&call.tried, now, clock) {
                call.retry.start_beside();
                let limits = self.limits(attempt.call, &lease);
                let copy = self.send(attempt.call, lease, limits);
                self.note_kind(copy, Kind::Copy);
                return;
            }
        }
        self.queue.plan(now + nanos(ASK_AGAIN), Event::Ask(attempt));
    }

    /// Notes why an attempt was sent that has just begun.
    pub(crate) fn note_kind(&mut self, attempt: Attempt, kind: Kind) {
        let flights = &mut self.calls.get(attempt.call).flights;
        let flight = flights.iter_mut().flatten().find(|it| it.serial == attempt.serial);
        flight.into_iter().for_each(|flight| flight.kind = kind);
    }

    fn may_copy(&mut self, place: u32) -> bool {
        let (now, clock) = self.at();
        let left = self.time_left(place, now);
        let retry = &self.rules.retry;
        let call = self.calls.get(place);
        let client = &self.clients[call.client as usize];
        let elsewhere = client.has_elsewhere(&call.tried, now, clock);
        let facts = ElsewhereFacts {
            repeatable: true,
            held: true,
            has_try: call.retry.has_try(),
            on: retry.on,
            under_way: call.flights.iter().flatten().count(),
            late: call.flights.iter().flatten().filter(|flight| flight.lease.late).count(),
            elsewhere,
            late_for: Duration::from_nanos(now - call.late_since.unwrap_or(now)),
            limit_pressed: client.limiter.as_ref().is_some_and(|it| it.is_pressed(tick(now))),
            time_left: Some(Duration::from_nanos(left)),
            p50: client.usual((now, clock)),
        };
        let budget = client.budget.as_ref();
        let drew = &mut call.drew;
        facts.may_start()
            && elsewhere
            && client.copies.may_send(clock.at(now))
            && (client.all_fail_alone(&call.tried, now)
                || budget.is_none_or(|budget| budget.try_extra(drew, clock.at(now))))
    }
}
