//! The way of one call, from the first pick to the last answer: the loop of `client/attempt.rs`, as
//! events, and with the budgets and limits of the policies around it. Copies are in `hedge.rs`.

use std::time::Duration;

use ahoy::outcome::{Class, FailureKind, Verdict};
use ahoy::policy::{
    AttemptOutcome, Decision, Facts, Limiter, Observation, Permit, ProbeEligibility, RaceEnd,
    blamed, class, verdict,
};
use rand::RngExt;

use crate::call::{Flight, Kind};
use crate::client::Lease;
use crate::contestant::LimitKind;
use crate::fault::Refusal;
use crate::server::{Attempt, Job};
use crate::time::{MS, NEVER, Nanos, nanos, tick};
use crate::world::{Event, World};

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With a 200.
    Good,
    /// With a 503.
    Unavailable,
    /// No connection.
    Refused,
    /// Its connection ended.
    Lost,
    /// It took too long.
    Cut,
}

impl World<'_> {
    /// A call begins, if the client lets it.
    pub(crate) fn begin(&mut self, place: u32) {
        let (now, clock) = self.at();
        let call = self.calls.get(place);
        let client = &mut self.clients[call.client as usize];
        let admitted = match &mut client.throttle {
            Some(throttle) => throttle.admit(clock.at(now), &mut client.draws),
            None => true,
        };
        call.in_flight =
            client.limiter.as_ref().filter(|_| admitted).and_then(Limiter::try_acquire);
        if let (Some(limiter), None) = (&client.limiter, call.in_flight)
            && admitted
        {
            limiter.turned_away(tick(now));
        }
        if !admitted || client.limiter.is_some() && call.in_flight.is_none() {
            return self.over(place, false);
        }
        if let Some(budget) = &client.budget {
            budget.deposit(clock.at(now));
        }
        self.attempt(place);
    }

    /// The next attempt of a call, or its end.
    fn attempt(&mut self, call: u32) {
        let now = self.queue.now();
        let left = self.time_left(call, now);
        let retries = !self.calls.get(call).tried.is_empty();
        let probing = ProbeEligibility::of_attempt(retries, self.rules.hedge.is_some());
        let lease = if left == 0 { None } else { self.lease(call, probing) };
        let Some(lease) = lease else {
            // Those under way may yet bring the answer.
            if !self.calls.get(call).is_flying() {
                self.end(call, None);
            }
            return;
        };
        let limits = self.limits(call, &lease);
        let attempt = self.send(call, lease, limits);
        self.plan_hedge(attempt);
    }

    /// The limits of an attempt, as `client/call/limits.rs` has them.
    pub(crate) fn limits(&mut self, place: u32, lease: &Lease) -> Limits {
        let at = self.at();
        let left = self.time_left(place, at.0);
        let own = self.rules.attempt_timeout;
        let call = self.calls.get(place);
        let (number, tries) = (call.client, call.retry.tries_left());
        let client = &self.clients[number as usize];
        if self.rules.limit_kind == LimitKind::Hard {
            let probe = lease.permit.as_ref().is_some_and(Permit::probe);
            let probe_limit =
                self.rules.breaker.filter(|_| probe).map(|it| nanos(it.probe_timeout));
            let own = probe_limit.map_or(own, |it| it.min(own));
            return Limits { soft: None, usual: own, end: own.min(left), by_deadline: own >= left };
        }
        let known = client.known(at);
        let share =
            Duration::from_nanos(tries.map_or(left, |tries| left / u64::from(tries.max(1))));
        let usual = match self.rules.limit_kind {
            LimitKind::Follows => known.soft(share),
            _ => Duration::from_nanos(own),
        };
        let short = known.short(usual);
        let soft = if client.may_hang(lease) { short } else { usual };
        let soft = Some((nanos(short), nanos(soft)));
        Limits { soft, usual: nanos(usual), end: left, by_deadline: true }
    }

    pub(crate) fn lease(&mut self, call: u32, probing: ProbeEligibility) -> Option<Lease> {
        let (now, clock) = self.at();
        let call = self.calls.get(call);
        self.clients[call.client as usize].lease(&call.tried, probing, now, clock)
    }

    pub(crate) fn send(&mut self, call: u32, lease: Lease, limits: Limits) -> Attempt {
        let now = self.queue.now();
        let place = call;
        let call = self.calls.get(place);
        let server = self.clients[call.client as usize].members[lease.member as usize].server;
        let attempt = Attempt { call: place, serial: call.next_serial() };
        let (number, request, started) = (call.attempts, call.request, call.started);
        call.attempts += 1;
        let first_on_endpoint = !call.tried.contains(&lease.member);
        if first_on_endpoint {
            call.tried.push(lease.member);
        }
        let refusal = self.servers[server as usize].refusal(now);
        let connected = !matches!(refusal, Some(Refusal::Silence | Refusal::Refused));
        let serial = attempt.serial;
        let flight = Flight {
            serial,
            lease,
            server,
            first_on_endpoint,
            connected,
            limit: limits.usual,
            by_deadline: limits.by_deadline,
            kind: Kind::Alone,
            first: call.flights.iter().all(Option::is_none),
        };
        let free = call.flights.iter_mut().position(|flight| flight.is_none());
        call.flights[free.unwrap_or(0)] = Some(flight);
        if number == 0 {
            self.stats.first_attempt(now, self.is_faulty(server));
        }
        self.stats.attempts += u64::from(self.stats.counts(started));
        if limits.end < NEVER {
            self.queue.plan(now + limits.end, Event::Limit(attempt));
        }
        if let Some((short, soft)) = limits.soft.filter(|(short, _)| *short < limits.end) {
            self.queue.plan(now + short, Event::Short(attempt));
            self.queue.plan(now + soft, Event::Late(attempt));
        }
        match refusal {
            None => self.give(server, Job { attempt, work: self.work(request, number) }),
            Some(Refusal::Unavailable) => self.answer(attempt, End::Unavailable),
            Some(Refusal::Refused) => self.answer(attempt, End::Refused),
            Some(Refusal::Silence) => {}
        }
        attempt
    }

    fn give(&mut self, server: u32, job: Job) {
        let now = self.queue.now();
        let taker = &mut self.servers[server as usize];
        taker.taken += u64::from(self.stats.counts(now));
        let begun = taker.accept(job, now);
        if let Some(begun) = begun {
            let done = Event::Done { server, slot: begun.slot, attempt: begun.attempt };
            self.queue.plan(begun.done, done);
        }
    }

    fn answer(&mut self, attempt: Attempt, end: End) {
        self.queue.plan(self.queue.now() + AT_ONCE, Event::Answer { attempt, end });
    }

    /// An attempt has taken as long as it may.
    pub(crate) fn cut(&mut self, attempt: Attempt) {
        if self.calls.is_flying(attempt) {
            self.ended(attempt, End::Cut);
        }
    }

    /// An attempt has ended: its endpoint learns of it, and then the call.
    pub(crate) fn ended(&mut self, attempt: Attempt, end: End) {
        let Some(flight) = self.calls.land(attempt) else { return };
        let ended = told(end, &flight);
        let first_on_endpoint = flight.first_on_endpoint;
        let began = flight.lease.began;
        let good = class(&ended, &self.rules.retry) == Class::Success;
        self.judge_copy(attempt.call, flight.kind, good);
        self.settle(attempt, flight, &ended, end);
        if good {
            return self.end(attempt.call, (end == End::Good).then_some(began));
        }
        let (now, clock) = self.at();
        let call = self.calls.get(attempt.call);
        let is_flying = call.is_flying();
        let client = &self.clients[call.client as usize];
        // While others are under way they may yet bring the answer; elsewhere a retry follows at once.
        let may_follow = self.rules.limit_kind != LimitKind::Hard
            && client.has_elsewhere(&call.tried, now, clock);
        if !is_flying || may_follow {
            self.decide(attempt.call, ended, first_on_endpoint);
        }
    }

    fn judge_copy(&mut self, call: u32, kind: Kind, good: bool) {
        let client = &self.clients[self.calls.get(call).client as usize];
        let record = match kind {
            Kind::Alone => return,
            Kind::Hedge => &client.hedges,
            Kind::Copy => &client.copies,
        };
        if good { record.won() } else { record.lost() }
    }

    fn settle(&mut self, attempt: Attempt, flight: Flight, ended: &AttemptOutcome, end: End) {
        let (now, clock) = self.at();
        let call = self.calls.get(attempt.call);
        let number = call.client;
        let client = &mut self.clients[number as usize];
        let took = now - flight.lease.began;
        client.observe(took, end, call.in_flight, (now, clock));
        let member = flight.lease.member;
        let answered = matches!(ended, AttemptOutcome::Answered { .. });
        client.members[member as usize].heard(answered, flight.lease.late, now);
        let blamed = match self.rules.limit_kind {
            LimitKind::Hard => *ended,
            LimitKind::Soft | LimitKind::Follows => {
                blamed(*ended, RaceEnd::Ended, flight.lease.late)
            }
        };
        let mut observation = Observation::new(verdict(&blamed), Duration::from_nanos(took));
        observation.late = flight.lease.late;
        let was_rotating = client.members[member as usize].rotating;
        client.settle(flight.lease, &observation, flight.limit, (now, clock));
        if was_rotating && !client.members[member as usize].rotating {
            self.plan_check(number, member);
        }
        if end == End::Cut {
            self.abandon(flight.server, attempt);
        }
    }

    /// The server may stop working for an attempt, if it is told.
    fn abandon(&mut self, server: u32, attempt: Attempt) {
        if self.rules.cancels && self.servers[server as usize].drop_running(attempt) {
            self.go_on(server);
        }
    }

    fn decide(&mut self, place: u32, ended: AttemptOutcome, first_on_endpoint: bool) {
        let (now, clock) = self.at();
        let time_left = Some(Duration::from_nanos(self.time_left(place, now)));
        let call = self.calls.get(place);
        let client = &mut self.clients[call.client as usize];
        let facts = Facts {
            ended,
            idempotent: true,
            untried: client.has_untried(&call.tried, now, clock),
            first_on_endpoint,
            in_outage: false,
            resendable: true,
            retry_after: None,
            pushback: None,
            time_left,
            p50: client.usual((now, clock)),
        };
        let (drew, is_free) = (&mut call.drew, client.all_fail_alone(&call.tried, now));
        let budget = client.budget.as_ref();
        let afford =
            || is_free || budget.is_none_or(|budget| budget.try_extra(drew, clock.at(now)));
        let decision = call.retry.decide(&facts, &mut client.draws, afford);
        let is_flying = call.is_flying();
        match decision {
            Decision::Stop(_) if is_flying => {}
            Decision::Stop(_) => self.end(place, None),
            Decision::Retry { wait, .. } if wait.is_zero() => self.attempt(place),
            Decision::Retry { .. } if !client.has_untried(&[], now, clock) => self.attempt(place),
            Decision::Retry { wait, .. } => {
                let serial = call.next_serial();
                let resume = Event::Resume(Attempt { call: place, serial });
                self.queue.plan(now + nanos(wait), resume);
            }
        }
    }

    /// A call has waited for its next attempt.
    pub(crate) fn resume(&mut self, attempt: Attempt) {
        if self.calls.get(attempt.call).is_at(attempt.serial) {
            self.attempt(attempt.call);
        }
    }

    /// The end of a call that was sent; with an answer, when the attempt that brought it began.
    fn end(&mut self, place: u32, winner: Option<Nanos>) {
        let (now, clock) = self.at();
        let call = self.calls.get(place);
        let number = call.client;
        let losers = call.flights.each_mut().map(Option::take);
        for flight in losers.into_iter().flatten() {
            self.judge_copy(place, flight.kind, false);
            let client = &mut self.clients[number as usize];
            if let (Some(times), true) =
                (&client.times, winner.is_some() && flight.first && self.rules.learns_from_losers)
            {
                times.record(now - flight.lease.began, (now, clock));
            }
            let (server, serial) = (flight.server, flight.serial);
            self.lose(number, flight, winner);
            self.abandon(server, Attempt { call: place, serial });
        }
        self.clients[number as usize].limiter.iter().for_each(Limiter::release);
        self.over(place, winner.is_some());
    }

    /// An attempt was overtaken: the faster one says what that shows of its endpoint.
    fn lose(&mut self, number: u32, flight: Flight, winner: Option<Nanos>) {
        let (now, clock) = self.at();
        let client = &mut self.clients[number as usize];
        let by_later = winner.is_some_and(|winner| winner > flight.lease.began);
        let member = flight.lease.member;
        let soft = self.rules.limit_kind != LimitKind::Hard;
        let overdue = &client.members[member as usize].overdue;
        let late = soft && by_later && (flight.lease.late || overdue.overtaken());
        if !late {
            return client.release(flight.lease, winner.is_some(), now);
        }
        overdue.is_late_since(now / MS);
        client.members[member as usize].is_overdue = true;
        let took = Duration::from_nanos(now - flight.lease.began);
        let mut observation = Observation::new(Verdict::Failure, took);
        observation.late = true;
        let was_rotating = client.members[member as usize].rotating;
        client.settle(flight.lease, &observation, flight.limit, (now, clock));
        if was_rotating && !client.members[member as usize].rotating {
            self.plan_check(number, member);
        }
    }

    /// The end of any call.
    fn over(&mut self, place: u32, good: bool) {
        let started = self.calls.get(place).started;
        self.stats.ended(started, self.queue.now(), good, self.rules.deadline);
        self.calls.close(place);
    }

    pub(crate) fn time_left(&mut self, call: u32, now: Nanos) -> Nanos {
        self.calls.get(call).started.saturating_add(self.rules.deadline).saturating_sub(now)
    }

    fn plan_check(&mut self, client: u32, member: u32) {
        if let Some(every) = self.rules.checks.interval() {
            let draws = &mut self.clients[client as usize].draws;
            let wait = every as f64 * draws.random_range(0.8..1.2);
            self.queue.plan(self.queue.now() + wait as Nanos, Event::Check { client, member });
        }
    }

    /// A client looks whether an endpoint is well again.
    pub(crate) fn check(&mut self, client: u32, member: u32) {
        let at = self.at();
        let held = &mut self.clients[client as usize];
        let server = held.members[member as usize].server;
        let well = self.servers[server as usize].health.is_well(at.0);
        held.check(member, well, at);
        if !held.members[member as usize].rotating {
            self.plan_check(client, member);
        }
    }
}

/// The limits of an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// When its endpoint is overdue, and when it is late; none where it is cut instead.
    pub(crate) soft: Option<(Nanos, Nanos)>,
    /// What a failure counts as at least.
    pub(crate) usual: Nanos,
    /// When it is cut.
    pub(crate) end: Nanos,
    pub(crate) by_deadline: bool,
}

/// An end, as the transport tells it.
fn told(end: End, flight: &Flight) -> AttemptOutcome {
    let failed = |kind, sent| AttemptOutcome::Failed { kind, sent };
    match end {
        End::Good => AttemptOutcome::Answered { status: 200 },
        End::Unavailable => AttemptOutcome::Answered { status: 503 },
        End::Refused => failed(FailureKind::Connect, false),
        End::Lost => failed(FailureKind::ConnectionLost, true),
        End::Cut if flight.by_deadline => failed(FailureKind::Deadline, flight.connected),
        End::Cut if flight.connected => failed(FailureKind::Timeout, true),
        End::Cut => failed(FailureKind::ConnectTimeout, false),
    }
}

/// How long an answer takes that costs no work.
const AT_ONCE: Nanos = MS / 2;
