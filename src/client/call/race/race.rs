//! Attempts of one call beside each other. The first good answer wins, and the others are cancelled.
//!
//! A race begins when an attempt is slow: it has passed the time after which copies may start early (a hedge), or its
//! limit. A late attempt goes on, as its answer may still come. Another starts elsewhere if the rules allow it, and
//! where they do not, the call waits on and asks again later. At most two run at once, three if both are late.
//!
//! An attempt that fails is settled at once and followed by the ordinary rules of a retry, while the others go on.
//! The call waits for them only when nothing more may start.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::{Sleep, sleep};

use super::runner::{Kind, Runner, Work};
use crate::balancer::lease::Lease;
use crate::balancer::pick::attempted::Attempted;
use crate::balancer::pick::constraints::PickConstraints;
use crate::client::admission::limit::InFlightPermit;
use crate::client::call::done::AttemptDone;
use crate::client::call::send::Attempt;
use crate::client::call::state::CallState;
use crate::client::call::watch::{AttemptWatch, LimitPassed};
use crate::outcome::Class;
use crate::policy::{ASK_AGAIN, Decision, ElsewhereFacts, HedgeFacts, StopReason};
use crate::runtime::clock;
use crate::statistics::Counter;
use crate::transport::Transport;

/// Runs the first attempt of a race until it ends; `None` if it `may_race` and is slow before that.
pub(crate) async fn until_slow(
    mut first: Pin<&mut impl Future<Output = AttemptDone>>,
    watch: &AttemptWatch,
    may_race: bool,
) -> Option<AttemptDone> {
    poll_fn(|cx| match first.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if may_race && watch.has_passed(LimitPassed::Slow) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// What became of attempts.
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation of each call")]
pub(crate) enum Sent {
    /// The call goes by this one, which is not settled yet.
    Ended(AttemptDone),
    /// All have failed, and the retry that was decided on meanwhile is due then.
    Due(Instant),
}

/// Goes on with `first`, which is slow, and sends others beside it where the rules allow that. All are settled but what
/// the call goes by.
pub(crate) async fn race<'a, 'r, T: Transport>(
    state: &'r mut CallState<'a>,
    first: Work<'r>,
    watch: &'r AttemptWatch,
    transport: &'a T,
) -> Sent {
    let mut timer = pin!(sleep(ASK_AGAIN));
    let runners = vec![Runner::first(first, watch)];
    let refused = Attempted::default();
    let mut race = Race { state, transport, runners, retry: None, late_since: None, refused };
    race.look_elsewhere();
    loop {
        match poll_fn(|cx| race.poll(timer.as_mut(), cx)).await {
            Step::Ended(done, kind) => {
                let class = race.state.class(&done.outcome);
                race.judge_copy(kind, class);
                let is_last = race.runners.is_empty();
                let ends = class == Class::Success || done.asked().is_some();
                if ends || is_last && race.retry.is_none() {
                    race.cancel_others(&done, class);
                    return Sent::Ended(*done);
                }
                race.follow(*done, kind);
                if let Some((due, _)) = race.retry.filter(|_| is_last) {
                    race.grant();
                    return Sent::Due(due);
                }
            }
            Step::Slow => race.look_elsewhere(),
            Step::Woken => race.go_on(),
        }
        timer.as_mut().reset(race.wakes_at().into());
    }
}

/// What has happened.
enum Step {
    Ended(Box<AttemptDone>, Kind),
    /// An attempt has passed a limit.
    Slow,
    /// The time has come for what was put off.
    Woken,
}

struct Race<'r, 'a, T> {
    state: &'r mut CallState<'a>,
    transport: &'a T,
    runners: Vec<Runner<'r, 'a>>,
    /// When a retry is due that was decided on, and whether it costs no try.
    retry: Option<(Instant, bool)>,
    /// When an attempt was found late first.
    late_since: Option<Instant>,
    /// The endpoints that took none of the attempts that the race has sent them.
    refused: Attempted,
}

impl<'a, T: Transport> Race<'_, 'a, T> {
    fn poll(&mut self, timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<Step> {
        for index in 0..self.runners.len() {
            if let Poll::Ready(done) = self.runners[index].poll(cx) {
                let Runner { kind, .. } = self.runners.swap_remove(index);
                return Poll::Ready(Step::Ended(Box::new(done), kind));
            }
        }
        if self.runners.iter_mut().any(Runner::is_news) {
            return Poll::Ready(Step::Slow);
        }
        timer.poll(cx).map(|()| Step::Woken)
    }

    /// When something is to be looked at that no attempt tells.
    fn wakes_at(&self) -> Instant {
        self.retry.map_or_else(|| clock::now() + ASK_AGAIN, |(due, _)| due)
    }

    /// An attempt has failed while others are under way: it is settled, and where there is an endpoint for a retry,
    /// that is decided on.
    fn follow(&mut self, done: AttemptDone, kind: Kind) {
        // One that took nothing costs no try and no time, once for each endpoint.
        let was_refused = self.state.class(&done.outcome) == Class::Unprocessed
            && done.lease.mark_attempted(&mut self.refused);
        if was_refused && kind.costs_try() {
            self.state.retry.give_back();
        }
        let judged = self.state.judge(done);
        // That one was counted as a try: it is not decided on again.
        if self.retry.is_some() {
            return;
        }
        let now = clock::now();
        let decision = self.has_way_on(now).then(|| self.state.decide_beside(judged));
        match decision {
            Some(Decision::Retry { wait, free }) => {
                self.retry = now.checked_add(wait).map(|due| (due, free));
                if wait.is_zero() {
                    self.go_on();
                }
            }
            Some(Decision::Stop(StopReason::Budget)) => {
                self.state.record.meter.count(Counter::RetryOverBudget);
            }
            _ if was_refused => self.look_elsewhere(),
            _ => {}
        }
    }

    /// Starts what is due: a retry, or what was refused before.
    fn go_on(&mut self) {
        let now = clock::now();
        match self.retry {
            Some((due, free)) if due <= now => {
                let kind = Kind::Retry { free };
                self.retry = None;
                if self.start(kind, None, now) {
                    return self.grant();
                }
                // The endpoint that it was for is gone.
                if kind.costs_try() {
                    self.state.retry.give_back();
                }
                self.look_elsewhere();
            }
            Some(_) => {}
            None => self.look_elsewhere(),
        }
    }

    /// A retry is made that was decided on.
    fn grant(&self) {
        self.state.record.meter.count(Counter::RetryGranted);
    }

    /// Sends another attempt beside those under way, where the rules and the budget allow it.
    fn look_elsewhere(&mut self) {
        let now = clock::now();
        let late = self.count(LimitPassed::Soft);
        if late == 0 || !self.copy(late, now) {
            self.hedge(now);
        }
    }

    /// Whether an attempt was started beside a late one.
    fn copy(&mut self, late: usize, now: Instant) -> bool {
        let (call, admission) = (self.state.call, self.state.call.core.admission());
        let late_since = *self.late_since.get_or_insert(now);
        let late_for = now.saturating_duration_since(late_since);
        let facts = self.elsewhere_facts(late, late_for, now);
        if !facts.may_start() || !facts.elsewhere && !self.is_alone(now) {
            return false;
        }
        let permit = match admission.extra_permit(call.request.criticality) {
            Ok(permit) => permit,
            Err(()) if facts.needs_no_room() => None,
            Err(()) => {
                self.state.record.meter.count_once(Counter::PassedLimitOverLimit);
                return false;
            }
        };
        if !admission.copies().may_send(now) {
            return false;
        }
        let drew = &mut self.state.drew_late;
        let is_free = call.target.fail_alone(&self.state.attempted, now);
        if !is_free && !call.causing(|| call.core.may_retry(drew, now)) {
            self.state.record.meter.count_once(Counter::PassedLimitOverBudget);
            return false;
        }
        let starts = self.start(Kind::Copy, permit, now);
        if starts {
            self.state.record.meter.count(Counter::PassedLimitGranted);
            self.state.retry.start_beside();
        }
        starts
    }

    fn elsewhere_facts(&self, late: usize, late_for: Duration, now: Instant) -> ElsewhereFacts {
        let call = self.state.call;
        ElsewhereFacts {
            repeatable: call.is_repeatable(),
            held: call.body_reader.is_none(),
            has_try: self.state.retry.has_try(),
            on: call.retry().on,
            under_way: self.runners.len(),
            late,
            elsewhere: self.has_elsewhere(now),
            late_for,
            limit_pressed: call.core.admission().is_pressed(now),
            time_left: call.deadline.map(|at| at.saturating_duration_since(now)),
            p50: call.timing.usual(now),
        }
    }

    /// A copy that starts early has a budget of its own, and costs no try.
    fn hedge(&mut self, now: Instant) {
        let call = self.state.call;
        if !call.may_hedge() || self.count(LimitPassed::Slow) < self.runners.len() {
            return;
        }
        let (admission, facts) = (call.core.admission(), self.hedge_facts(now));
        let mut over_budget = false;
        let mut budget = || {
            over_budget = !admission.may_hedge(now);
            !over_budget
        };
        let config = &call.core.config.hedge;
        let may_start = config.may_start(&facts, &mut budget);
        if over_budget {
            self.state.record.meter.count_once(Counter::HedgeOverBudget);
        }
        let permit = match may_start {
            true => admission.extra_permit(call.request.criticality),
            false => Err(()),
        };
        if config.wants(&facts) && facts.limit_pressed || may_start && permit.is_err() {
            self.state.record.meter.count_once(Counter::HedgeOverLimit);
        }
        if let Ok(permit) = permit
            && self.start(Kind::Hedge, permit, now)
        {
            self.state.record.meter.count(Counter::HedgeGranted);
        }
    }

    fn hedge_facts(&self, now: Instant) -> HedgeFacts {
        let call = self.state.call;
        let copies = self.runners.iter().filter(|runner| runner.kind == Kind::Hedge).count();
        HedgeFacts {
            idempotent: call.is_repeatable(),
            untried: self.has_elsewhere(now),
            copies: copies as u32,
            limit_pressed: call.core.admission().is_pressed(now),
            time_left: call.deadline.map(|at| at.saturating_duration_since(now)),
            p50: call.timing.usual(now),
        }
    }

    fn count(&self, passed: LimitPassed) -> usize {
        self.runners.iter().filter(|runner| runner.watch.has_passed(passed)).count()
    }

    fn has_elsewhere(&self, now: Instant) -> bool {
        self.state.call.target.has_elsewhere(&self.state.attempted, now)
    }

    /// Whether there is an endpoint for a retry: one that was not asked yet, or as outside of a race one that was, unless it
    /// took nothing.
    fn has_way_on(&self, now: Instant) -> bool {
        let any = || self.state.call.target.has_elsewhere(&self.refused, now);
        self.has_elsewhere(now) || self.all_are_late() && any()
    }

    /// Whether each attempt under way is late, so that its endpoint is known to be.
    fn all_are_late(&self) -> bool {
        self.count(LimitPassed::Soft) == self.runners.len()
    }

    /// Whether the call has no other endpoint than the one that it waits for.
    fn is_alone(&self, now: Instant) -> bool {
        self.runners.len() == 1
            && !self.state.call.target.has_unattempted(&self.state.attempted, now)
    }

    /// Whether an attempt could be started.
    fn start(&mut self, kind: Kind, permit: Option<InFlightPermit>, now: Instant) -> bool {
        let Some(lease) = self.lease(kind, now) else {
            return false;
        };
        let met = self.met();
        let state = &mut *self.state;
        let number = state.record.attempt_count() + self.runners.len() + 1;
        let tries_left = state.retry.tries_left();
        // The hook may refuse it; those under way go on then.
        let attempt =
            Attempt::new(state.call, lease, &mut state.attempted, tries_left, number, now);
        let Ok(attempt) = attempt else { return false };
        let attempt = attempt.apart_from(met);
        let attempt = match kind {
            Kind::First | Kind::Retry { .. } => state.after_wait(attempt),
            Kind::Hedge => attempt.into_hedge(Counter::Hedge),
            Kind::Copy => attempt.into_hedge(Counter::PassedLimit),
        };
        state.record.meter.attempt_begins();
        self.runners.push(Runner::another(state, attempt, self.transport, kind, permit));
        true
    }

    /// The addresses that the call has met: those over which attempts have failed, and those over which they wait.
    fn met(&self) -> Vec<SocketAddr> {
        let connections = self.runners.iter().filter_map(|it| it.watch.progress.connection());
        let waiting = connections.filter_map(|connection| connection.ends.remote);
        self.state.met.iter().copied().chain(waiting).collect()
    }

    /// Another endpoint that owes no answer; where there is no other, one that failed before, or else the same one.
    fn lease(&self, kind: Kind, now: Instant) -> Option<Lease> {
        let (call, attempted) = (self.state.call, &self.state.attempted);
        if self.has_elsewhere(now) {
            return call.target.lease(attempted, call.key, PickConstraints::BESIDE, now).ok();
        }
        // One that took nothing a moment ago would cost a copy its chance: its circuit may be due for a probe all the same.
        let again = |constraints| call.target.lease(&self.refused, call.key, constraints, now).ok();
        let answers = kind != Kind::Hedge && self.all_are_late();
        let same = kind == Kind::Copy && self.is_alone(now);
        let answering = answers.then(|| again(PickConstraints::BESIDE)).flatten();
        answering.or_else(|| same.then(|| again(PickConstraints::ANY)).flatten())
    }

    /// The client's record learns whether a copy was worth it.
    fn judge_copy(&self, kind: Kind, class: Class) {
        let admission = self.state.call.core.admission();
        let record = match kind {
            Kind::First | Kind::Retry { .. } => return,
            // One that was not sent says nothing.
            _ if class == Class::Unprocessed => return,
            Kind::Hedge => admission.hedges(),
            Kind::Copy => admission.copies(),
        };
        if class == Class::Success { record.won() } else { record.lost() }
    }

    /// The race is over: the others give their leases back, and the winner judges their endpoints.
    fn cancel_others(&mut self, winner: &AttemptDone, class: Class) {
        let now = clock::now();
        for mut runner in std::mem::take(&mut self.runners) {
            let began = runner.watch.began;
            if class == Class::Success {
                self.judge_copy(runner.kind, Class::Final);
                runner.watch.overtaken_by(winner.began);
            } else {
                runner.watch.cancel();
            }
            if class == Class::Success && began < winner.began {
                let took = now.saturating_duration_since(began);
                self.state.call.timing.overtaken(took, now);
            }
            // An attempt that was overtaken, or whose call was cancelled, ends at its next poll.
            let mut cx = Context::from_waker(std::task::Waker::noop());
            if let Poll::Ready(done) = runner.poll(&mut cx) {
                self.state.judge(done);
            }
        }
    }
}
