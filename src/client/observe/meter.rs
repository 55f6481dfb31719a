//! Counts one call and its attempts, each once, however they end.

use std::time::{Duration, Instant};

use http::Method;

use crate::client::admission::limit::Refused;
use crate::client::call::call::Call;
use crate::criticality::Criticality;
use crate::error::{Error, ErrorKind};
use crate::outcome::{AttemptLog, AttemptResult};
use crate::response::Response;
use crate::runtime::clock;
use crate::statistics::{Counter, Key, Stripe};

/// What is counted of a call under way. A call that is dropped before its end counts as cancelled.
///
/// Small: it is moved with its call.
#[derive(Debug)]
pub(crate) struct CallMeter<'a> {
    call: &'a Call<'a>,
    /// When the last attempt ended, which saves a look at the clock.
    last: Option<Instant>,
    /// Attempts under way.
    running: u16,
    /// What was refused to the call so far, a bit each: a race asks again and again, and a call counts once.
    refused: u8,
    has_ended: bool,
}

impl<'a> CallMeter<'a> {
    /// A call has begun.
    pub(crate) fn new(call: &'a Call<'a>) -> Self {
        call.stripe.count(Counter::CallsStarted, 1);
        Self { call, last: None, running: 0, refused: 0, has_ended: false }
    }

    /// When the last attempt ended.
    pub(crate) const fn last(&self) -> Option<Instant> {
        self.last
    }

    fn method(&self) -> &'a Method {
        &self.call.request.method
    }

    /// An attempt begins.
    pub(crate) const fn attempt_begins(&mut self) {
        self.running = self.running.saturating_add(1);
    }

    /// An attempt that was made for `reason` has ended at `now`.
    pub(crate) fn attempt_ended(&mut self, attempt: &AttemptLog, reason: Counter, now: Instant) {
        let key = match attempt.result {
            AttemptResult::Answered(status) => Key::answered(self.method(), status),
            AttemptResult::Failed(kind) => Key::failed(self.method(), kind.into()),
        };
        self.call.stripe.record_attempt(reason, key, attempt.elapsed);
        self.running = self.running.saturating_sub(1);
        self.last = Some(now);
    }

    /// Counts on the thread that drives the call.
    pub(crate) fn count(&self, counter: Counter) {
        self.call.stripe.count(counter, 1);
    }

    /// Counts what was refused, once for each call.
    pub(crate) fn count_once(&mut self, counter: Counter) {
        // Those that are refused stand together in the list.
        let bit = 1 << ((counter as usize - Counter::RetryGranted as usize) % 8);
        if self.refused & bit == 0 {
            self.refused |= bit;
            self.count(counter);
        }
    }

    /// The call was turned away.
    pub(crate) fn count_shed(&self, refused: Refused, criticality: Criticality) {
        let by_class = match refused {
            Refused::Limit(_) => {
                [Counter::ShedLimit, Counter::ShedLimit1, Counter::ShedLimit2, Counter::ShedLimit3]
            }
            Refused::Waited(_) => [
                Counter::ShedWaited,
                Counter::ShedWaited1,
                Counter::ShedWaited2,
                Counter::ShedWaited3,
            ],
            Refused::Throttled => [
                Counter::ShedThrottled,
                Counter::ShedThrottled1,
                Counter::ShedThrottled2,
                Counter::ShedThrottled3,
            ],
            Refused::Recovering => [
                Counter::ShedRecovering,
                Counter::ShedRecovering1,
                Counter::ShedRecovering2,
                Counter::ShedRecovering3,
            ],
        };
        self.count(by_class[criticality as usize]);
    }

    /// The call has ended; where an attempt did, at once after it. How long it took.
    pub(crate) fn end(
        &mut self,
        outcome: &Result<Box<Response>, Error>,
        follows_attempt: bool,
    ) -> Duration {
        let last = self.last.filter(|_| follows_attempt);
        let now = last.unwrap_or_else(clock::now);
        let key = match outcome {
            Ok(response) => Key::answered(self.method(), response.status.as_u16()),
            Err(error) => self.key_of(error),
        };
        self.has_ended = true;
        if self.running > 0 {
            self.abandon(self.call.stripe);
        }
        let elapsed = now.saturating_duration_since(self.call.started);
        self.call.stripe.record_call(key, elapsed);
        elapsed
    }

    /// An answer whose status made it an error counts by that status, as without the setting.
    fn key_of(&self, error: &Error) -> Key {
        match error.response() {
            Some(response) => Key::answered(self.method(), response.status.as_u16()),
            None => Key::failed(self.method(), error.kind()),
        }
    }

    /// Attempts that nobody waits for any more.
    #[cold]
    fn abandon(&self, stripe: &Stripe) {
        for _ in 0..self.running {
            let key = Key::failed(self.method(), ErrorKind::Cancelled);
            stripe.record_attempt(Counter::First, key, Duration::ZERO);
        }
    }
}

/// A call that failed before it could begin.
pub(crate) fn count_unsent(shared: &Stripe, method: &Method, error: &Error) {
    shared.count(Counter::CallsStarted, 1);
    shared.record_call(Key::failed(method, error.kind()), error.elapsed());
}

impl Drop for CallMeter<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            // It may be dropped on any thread, whose stripe this is not.
            let shared = self.call.core.statistics().shared();
            self.abandon(shared);
            let elapsed = clock::now().saturating_duration_since(self.call.started);
            shared.record_call(Key::failed(self.method(), ErrorKind::Cancelled), elapsed);
        }
    }
}
