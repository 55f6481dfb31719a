//! The limit on a client's calls in flight, and the calls that wait for room below it.
//!
//! Without a queue no call waits and nothing is locked. With one, calls that come and calls that end go through its
//! lock, so that no call passes those that wait.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::balancer::pick::error::HELD_BACK;
use crate::criticality::Criticality;
use crate::outcome::FailureKind;
use crate::policy::{
    AttemptOutcome, Entered, LimitConfig, Limiter, SheddingConfig, Tick, Ticket, WaitQueue,
};
use crate::runtime::clock;

/// Why a call may not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The limit is reached; its value.
    Limit(u32),
    /// Waited for room, and none came.
    Waited(Duration),
    /// The service refuses most of what it is sent.
    Throttled,
    /// The service comes back from an outage of all its endpoints.
    Recovering,
}

impl Refused {
    /// What the caller is told.
    pub(crate) fn reason(self) -> String {
        match self {
            Self::Limit(limit) => format!("the limit of {limit} calls in flight is reached"),
            Self::Waited(waited) => {
                format!(
                    "no room below the limit of calls in flight within {} ms",
                    waited.as_millis()
                )
            }
            Self::Recovering => HELD_BACK.to_owned(),
            Self::Throttled => {
                "the service refuses most of its calls, so this one is not sent".into()
            }
        }
    }
}

/// The limit of one client.
#[derive(Debug)]
pub(crate) struct Limit {
    limiter: Limiter,
    began: Instant,
    shedding: SheddingConfig,
    /// Calls that wait for room; `None` where none may.
    waiting: Option<Mutex<WaitQueue<Waiter>>>,
}

#[derive(Debug)]
struct Waiter {
    /// Takes the permit that it waits for.
    room: oneshot::Sender<InFlightPermit>,
}

/// One call's place in the queue; left on drop, so that a cancelled call does not keep it.
struct QueuedCall<'a> {
    waiting: &'a Mutex<WaitQueue<Waiter>>,
    ticket: Ticket,
}

impl Drop for QueuedCall<'_> {
    fn drop(&mut self) {
        drop(lock(self.waiting).remove(self.ticket));
    }
}

/// One call's place below the limit; given back on drop, also by a waiter that never saw it.
#[derive(Debug)]
pub(crate) struct InFlightPermit {
    /// There until it is given back.
    limit: Option<Arc<Limit>>,
    /// How many were in flight with it.
    in_flight: u32,
}

impl Limit {
    pub(crate) fn new(limit: LimitConfig, shedding: SheddingConfig) -> Arc<Self> {
        let waits = shedding.queue_length > 0;
        Arc::new(Self {
            limiter: Limiter::new(limit),
            began: clock::now(),
            shedding,
            waiting: waits.then(|| Mutex::new(WaitQueue::new(&shedding))),
        })
    }

    /// The present limit, and how many wait.
    pub(crate) fn state(&self) -> (u32, usize) {
        (self.limiter.limit(), self.waiting.as_ref().map_or(0, |waiting| lock(waiting).len()))
    }

    /// Whether there is no room, or calls were turned away or waited a short time ago.
    pub(crate) fn is_pressed(&self, now: Instant) -> bool {
        self.limiter.is_pressed(self.tick(now))
    }

    fn tick(&self, now: Instant) -> Tick {
        Tick::after_origin(now.saturating_duration_since(self.began))
    }

    /// A permit, waited for at most `patience` where calls may wait.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        class: Criticality,
        patience: Duration,
    ) -> Result<InFlightPermit, Refused> {
        let full = || Refused::Limit(self.limiter.limit());
        let Some(waiting) = &self.waiting else {
            return self.permit(class).ok_or_else(full);
        };
        let began = clock::now();
        let (_place, told) = match self.sit_or_line_up(waiting, class) {
            Ok(permit) => return Ok(permit),
            Err(place) => place.ok_or_else(full)?,
        };
        let patience = patience.min(self.shedding.queue_wait);
        match tokio::time::timeout(patience, told).await {
            Ok(Ok(permit)) => Ok(permit),
            // The next call found this wait over before this call did.
            Ok(Err(_)) if clock::now().saturating_duration_since(began) >= patience => {
                Err(Refused::Waited(patience))
            }
            // A more critical call took the place in the queue.
            Ok(Err(_)) => Err(full()),
            Err(_) => Err(Refused::Waited(patience)),
        }
    }

    /// A permit for one more attempt of a call that has one: never waited for, and never before a call that waits.
    pub(crate) fn enter_at_once(self: &Arc<Self>, class: Criticality) -> Option<InFlightPermit> {
        let comes_before = |waiting: &Mutex<WaitQueue<Waiter>>| lock(waiting).comes_before(class);
        if self.waiting.as_ref().is_some_and(comes_before) {
            return None;
        }
        self.try_permit(class)
    }

    /// A permit at once, or where to wait for one; nothing where the queue is full.
    fn sit_or_line_up<'a>(
        self: &Arc<Self>,
        waiting: &'a Mutex<WaitQueue<Waiter>>,
        class: Criticality,
    ) -> Result<InFlightPermit, Option<(QueuedCall<'a>, oneshot::Receiver<InFlightPermit>)>> {
        let now = clock::now();
        let mut queue = lock(waiting);
        while queue.expire(now).is_some() {}
        if !queue.comes_before(class)
            && let Some(permit) = self.permit(class)
        {
            return Ok(permit);
        }
        let (room, told) = oneshot::channel();
        match queue.enter(class, Waiter { room }, now) {
            Entered::Waiting(ticket) | Entered::InPlaceOf(ticket, _) => {
                Err(Some((QueuedCall { waiting, ticket }, told)))
            }
            Entered::Full(_) => Err(None),
        }
    }

    fn permit(self: &Arc<Self>, class: Criticality) -> Option<InFlightPermit> {
        let permit = self.try_permit(class);
        if permit.is_none() {
            self.limiter.turned_away(self.tick(clock::now()));
        }
        permit
    }

    fn try_permit(self: &Arc<Self>, class: Criticality) -> Option<InFlightPermit> {
        let ceiling = self.shedding.ceiling(class, self.limiter.limit());
        let in_flight = self.limiter.try_acquire_below(ceiling)?;
        Some(InFlightPermit { limit: Some(Arc::clone(self)), in_flight })
    }

    /// Hands room on to the calls that wait.
    fn serve(self: &Arc<Self>) {
        while let Some((waiter, permit)) = self.next_to_seat() {
            // Outside of the lock. The permit of a call that was cancelled meanwhile is the next one's.
            if let Err(unwanted) = waiter.room.send(permit) {
                unwanted.give_back();
            }
        }
    }

    fn next_to_seat(self: &Arc<Self>) -> Option<(Waiter, InFlightPermit)> {
        let mut queue = lock(self.waiting.as_ref()?);
        // A call leaves the queue with its permit or stays: the limit may shrink at any time, and a retry takes room
        // without this lock.
        queue.next(clock::now(), |class| self.try_permit(class))
    }
}

impl InFlightPermit {
    /// Takes in how an attempt ended, and after which time.
    pub(crate) fn observe(&self, ended: &AttemptOutcome, elapsed: Duration) {
        let Some(Limit { limiter, .. }) = self.limit.as_deref() else { return };
        match ended {
            // A refusal that comes at once would make every answer look slow.
            AttemptOutcome::Answered { status } | AttemptOutcome::Judged { status, .. }
                if *status < 500 && *status != 429 =>
            {
                limiter.record(elapsed, self.in_flight);
            }
            AttemptOutcome::Failed {
                kind: FailureKind::Timeout | FailureKind::Deadline, ..
            } => {
                limiter.record_cut(self.in_flight);
            }
            _ => {}
        }
    }
}

impl InFlightPermit {
    /// Frees the place, without a look at the calls that wait.
    fn give_back(mut self) {
        if let Some(limit) = self.limit.take() {
            limit.limiter.release();
        }
    }
}

impl Drop for InFlightPermit {
    fn drop(&mut self) {
        if let Some(limit) = self.limit.take() {
            limit.limiter.release();
            limit.serve();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
