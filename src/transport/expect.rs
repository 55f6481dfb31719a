//! Holds a request's body back until the server wants it (RFC 9110, 10.1.1).
//!
//! The server consents by 100. One that says nothing gets the body after a while, since it may not know what is
//! expected of it; one that answers at once gets none.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use http::header::EXPECT;
use http::{HeaderValue, StatusCode};
use tokio::time::{Sleep, sleep};

use super::{Answer, Exchange};

/// Whether the body of `exchange` waits for the server's consent.
pub(super) fn expects(exchange: &Exchange<'_>) -> bool {
    exchange.headers.get(EXPECT).is_some_and(is_continue) && exchange.has_body()
}

/// Whether a value of `Expect` is the one that is known here; others are the host's own affair.
pub(super) fn is_continue(value: &HeaderValue) -> bool {
    value.as_bytes().eq_ignore_ascii_case(b"100-continue")
}

/// Whether a server refuses what was expected: the same is then sent without (RFC 9110, 15.5.18).
pub(super) fn is_unmet(answer: &Answer) -> bool {
    answer.status == StatusCode::EXPECTATION_FAILED
}

/// What the server has said so far to a body that waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Consent(Arc<Mutex<Said>>);

#[derive(Debug, Default)]
struct Said {
    state: State,
    body: Option<Waker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Nothing,
    Wanted,
    Answered,
}

impl Consent {
    /// Takes in an interim answer.
    pub(super) fn interim(&self, status: StatusCode) {
        if status == StatusCode::CONTINUE {
            self.say(State::Wanted);
        }
    }

    /// Takes in that the answer is there: a body that still waits is not sent.
    pub(super) fn answered(&self) {
        self.say(State::Answered);
    }

    fn say(&self, state: State) {
        let mut said = self.lock();
        if said.state == State::Nothing {
            said.state = state;
        }
        let body = said.body.take();
        drop(said);
        body.into_iter().for_each(Waker::wake);
    }

    /// A panic elsewhere cannot leave it half changed.
    fn lock(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body that waits.
pub(super) struct Awaiting<B> {
    pub(super) body: B,
    pub(super) consent: Consent,
    patience: Pin<Box<Sleep>>,
}

impl<B> Awaiting<B> {
    /// Must be called in the context of a runtime.
    pub(super) fn new(body: B) -> Self {
        Self { body, consent: Consent::default(), patience: Box::pin(sleep(PATIENCE)) }
    }

    /// Ready when the body may go.
    pub(super) fn poll_consent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut said = self.consent.lock();
        match said.state {
            State::Wanted => return Poll::Ready(()),
            State::Answered => return Poll::Pending,
            State::Nothing => said.body = Some(cx.waker().clone()),
        }
        ready!(self.patience.as_mut().poll(cx));
        said.state = State::Wanted;
        Poll::Ready(())
    }
}

impl<B: fmt::Debug> fmt::Debug for Awaiting<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Awaiting").field("body", &self.body).finish_non_exhaustive()
    }
}

/// curl's and Go's figure.
const PATIENCE: Duration = Duration::from_secs(1);
