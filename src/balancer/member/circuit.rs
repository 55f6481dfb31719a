//! What attempts, checks and hands do to the circuit of a member, and what attempts leave behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Member, MemberState, OutReason};
use crate::balancer::observe::history::History;
use crate::endpoint::Endpoint;
use crate::event::{EndpointChange, OpenedBy};
use crate::outcome::{Transition, Verdict};
use crate::policy::{
    AlreadyInState, AttemptOutcome, Breaker, CircuitState, NotPermitted, Observation, Permit,
    Settled,
};
use crate::runtime::entropy;

/// What an attempt is granted.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) endpoint: Arc<Endpoint>,
    /// None where it serves in spite of its circuit, which then learns nothing.
    pub(crate) permit: Option<Permit>,
    /// Its circuit was open until now, and lets this one through as a probe.
    pub(crate) half_opened: bool,
}

impl Member {
    /// The state of its circuit, whether it is drained, and what opened it last.
    pub(crate) fn circuit(&self) -> (CircuitState, bool, Option<OpenedBy>) {
        self.lock().history.as_ref().map_or((CircuitState::Closed, false, None), |history| {
            let breaker = &history.breaker;
            (breaker.state(), breaker.is_draining(), history.opened_by)
        })
    }

    /// The state of its circuit.
    #[must_use]
    pub fn state(&self) -> CircuitState {
        self.lock().breaker().map_or(CircuitState::Closed, Breaker::state)
    }

    /// Whether its answers have opened its circuit, or how late they were.
    pub(crate) fn is_tripped_by_answers(&self) -> bool {
        self.lock().breaker().is_some_and(Breaker::is_tripped_by_answers)
    }

    /// Whether its circuit is not closed, since it hangs.
    pub(crate) fn is_tripped_by_hang(&self) -> bool {
        self.lock().breaker().is_some_and(Breaker::is_tripped_by_hang)
    }

    /// When the next probe may go; none where its circuit is closed, or will not be probed by itself.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.lock().breaker().and_then(Breaker::retry_at)
    }

    /// When it may be probed before its wait is over, where no endpoint has taken calls for `age` and its circuit alone
    /// stands in the way.
    pub(crate) fn early_probe_at(&self, age: Duration) -> Option<Instant> {
        let is_out =
            [OutReason::Departed, OutReason::Drained, OutReason::Ejected, OutReason::Unhealthy];
        match is_out.into_iter().any(|out| self.has(out)) {
            true => None,
            false => self.lock().breaker()?.early_probe_at(age),
        }
    }

    /// When it may be probed at the earliest, where no endpoint has taken calls for `age`.
    pub(crate) fn probe_at(&self, age: Duration) -> Option<Instant> {
        self.early_probe_at(age).or_else(|| self.retry_at())
    }

    /// Asks to send once; none in `panic`, where its answers have opened the circuit, and what comes of it is
    /// not the circuit's.
    pub(crate) fn acquire(&self, panic: bool, now: Instant) -> Result<Granted, NotPermitted> {
        let mut state = self.lock();
        let was_open = state.breaker().is_some_and(|it| it.state() == CircuitState::Open);
        let permit =
            self.change_state(&mut state, |history| match history.breaker.acquire(now) {
                Err(_) if panic && history.breaker.serves_in_panic() => Ok(None),
                answer => answer.map(Some),
            })?;
        let half_opened = was_open && permit.is_some();
        Ok(Granted { endpoint: Arc::clone(&state.endpoint), permit, half_opened })
    }

    /// Takes in how an attempt ended, which is `counted` unless it was before.
    pub(crate) fn settle(
        &self,
        permit: Permit,
        observation: &Observation,
        counted: Option<&AttemptOutcome>,
        now: Instant,
    ) -> Settled {
        let settle = |history: &mut History| {
            let before = history.breaker.state();
            self.count_in(history, observation, counted, now);
            let settled =
                entropy::with_rng(|rng| history.breaker.settle(permit, observation, now, rng));
            history.note(settled.transition, before, observation);
            settled
        };
        let settled = self.change_state(&mut self.lock(), settle);
        if settled.transition == Some(Transition::Closed) {
            let latest = self.latest();
            latest.hot().closed(latest.slot());
            latest.warm_up(true, now);
        }
        settled
    }

    pub(crate) fn trip(&self, observation: &Observation, now: Instant) -> Option<Transition> {
        let trip = |history: &mut History| {
            let before = history.breaker.state();
            let transition = entropy::with_rng(|rng| history.breaker.trip(observation, now, rng));
            history.note(transition, before, observation);
            transition
        };
        self.change_state(&mut self.lock(), trip)
    }

    /// Counts an attempt that does not settle here and now: it told nothing of the circuit, or its body goes on.
    pub(crate) fn count(&self, observation: &Observation, outcome: &AttemptOutcome, now: Instant) {
        self.change_state(&mut self.lock(), |history| {
            self.count_in(history, observation, Some(outcome), now);
        });
    }

    #[inline]
    fn count_in(
        &self,
        history: &mut History,
        observation: &Observation,
        outcome: Option<&AttemptOutcome>,
        now: Instant,
    ) {
        let Some(outcome) = outcome else { return };
        self.find_series(history);
        history.count(outcome, observation.elapsed, &self.cluster().series_limit);
        if !matches!(observation.verdict, Verdict::Success | Verdict::Neutral) {
            history.last_failure = Some((now, *outcome));
        }
    }

    /// Finds where its attempts are counted, with the first that has ended, or that a snapshot sees under way.
    pub(crate) fn begin_series(&self) {
        self.change_state(&mut self.lock(), |history| self.find_series(history));
    }

    #[inline]
    fn find_series(&self, history: &mut History) {
        if history.is_unseen() {
            self.place_series(history);
        }
    }

    #[cold]
    fn place_series(&self, history: &mut History) {
        // One that a pick or a snapshot still had as it departed would keep its place for ever.
        match !self.latest().has(OutReason::Departed) && self.cluster().series_limit.grant() {
            true => history.leave_rest(),
            false => drop(history.join_rest()),
        }
    }

    pub(crate) fn release(&self, permit: Permit) {
        self.change(|breaker| breaker.release(permit));
    }

    /// A check passed: an open circuit need not wait for its next probe.
    pub(crate) fn half_open_early(&self, now: Instant) {
        let changed = self.change(|breaker| breaker.half_open_early(now));
        changed.into_iter().for_each(|transition| self.tell_circuit(transition, false, now));
    }

    /// Tells what an attempt did to its circuit, where that is news.
    pub(crate) fn tell_circuit(&self, transition: Transition, from_half_open: bool, now: Instant) {
        let (is_news, by) = self.change_state(&mut self.lock(), |history| {
            let by = history.opened_by.unwrap_or(OpenedBy::Answers);
            (history.event_filter.is_told(transition, by, now), by)
        });
        if let Transition::Opened { .. } = transition {
            self.cluster().count_opened(by);
        }
        if !is_news {
            return;
        }
        self.tell(match transition {
            Transition::Opened { retry_at } => EndpointChange::CircuitOpened {
                wait: Some(retry_at.saturating_duration_since(now)),
                by,
                from_half_open,
            },
            Transition::HalfOpened => EndpointChange::CircuitHalfOpened,
            Transition::Closed => EndpointChange::CircuitClosed,
        });
    }

    /// Opens its circuit until it is closed by hand.
    ///
    /// # Errors
    /// It is open already.
    pub fn force_open(&self) -> Result<(), AlreadyInState> {
        let from_half_open = self.change_state(&mut self.lock(), |history| {
            let before = history.breaker.state();
            history.breaker.force_open()?;
            history.opened_by = Some(OpenedBy::Hand);
            Ok(before == CircuitState::HalfOpen)
        })?;
        let by = OpenedBy::Hand;
        self.cluster().count_opened(by);
        self.tell(EndpointChange::CircuitOpened { wait: None, by, from_half_open });
        Ok(())
    }

    /// Closes its circuit, from where it warms up as any that comes back.
    ///
    /// # Errors
    /// It is closed already.
    pub fn force_close(&self, now: Instant) -> Result<(), AlreadyInState> {
        let before = self.change(|breaker| {
            let before = breaker.state();
            breaker.force_close(now).map(|()| before)
        })?;
        // One that was disabled let everything through.
        if before != CircuitState::Closed {
            self.tell(EndpointChange::CircuitClosed);
            self.warm_up(true, now);
        }
        Ok(())
    }

    /// Lets everything through and judges nothing, until it is opened or closed by hand.
    ///
    /// # Errors
    /// It does so already.
    pub fn disable(&self) -> Result<(), AlreadyInState> {
        let before = self.change(|breaker| {
            let before = breaker.state();
            breaker.disable().map(|()| before)
        })?;
        if before != CircuitState::Closed {
            self.tell(EndpointChange::CircuitClosed);
        }
        Ok(())
    }

    /// Grants nothing new, until [`Self::resume`].
    pub fn drain(&self) {
        if self.change(Breaker::drain) {
            self.tell(EndpointChange::Drained);
        }
    }

    /// Goes on after [`Self::drain`].
    pub fn resume(&self) {
        if self.change(Breaker::resume) {
            self.tell(EndpointChange::Resumed);
        }
    }

    /// Changes the circuit and shows the change.
    fn change<R>(&self, change: impl FnOnce(&mut Breaker) -> R) -> R {
        self.change_state(&mut self.lock(), |history| change(&mut history.breaker))
    }

    fn change_state<R>(
        &self,
        state: &mut MemberState,
        change: impl FnOnce(&mut History) -> R,
    ) -> R {
        let new = || History::new(&self.latest().hot().shared().breaker);
        let history = state.history.get_or_insert_with(new);
        let before = history.breaker.state();
        let result = change(history);
        // A new circuit is closed, as it was shown to be.
        if history.breaker.state() != before {
            self.publish(Some(&history.breaker));
        }
        result
    }
}
