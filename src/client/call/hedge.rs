//! A copy of an attempt at another endpoint, where the first takes longer than most do; the better one wins.
//!
//! Losing attempts are cancelled: their servers see the exchange end, their endpoints are not blamed, and their loads
//! get a lower bound of the latency. Where one fails,
//! its circuit learns of it at once, but the call waits for the others: only when all have failed is there
//! something to retry.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::call::Call;
use super::send::{Attempt, AttemptDone};
use crate::balancer::member::Member;
use crate::balancer::pick::attempted::Attempted;
use crate::outcome::Class;
use crate::policy::{HedgeFacts, ProbeEligibility, class};
use crate::runtime::clock;
use crate::transport::Transport;

/// How a race ended.
#[derive(Debug)]
pub(crate) struct Race {
    /// What the call goes by.
    pub(crate) last: AttemptDone,
    /// Those that were dropped under way.
    pub(crate) dropped: Vec<Dropped>,
}

/// An attempt that was cancelled because another answered first, or the call was ended from outside.
#[derive(Debug)]
pub(crate) struct Dropped {
    pub(crate) url: Arc<str>,
    pub(crate) began: Instant,
    pub(crate) is_hedge: bool,
    member: Option<Arc<Member>>,
}

impl Dropped {
    /// Tells its endpoint's load that another attempt of the call was faster.
    pub(crate) fn tell_overtaken(&self) {
        self.member.iter().for_each(|member| member.overtaken(self.began, clock::now()));
    }
}

type Copy<'a> = Pin<Box<dyn Future<Output = AttemptDone> + Send + 'a>>;

/// Sends `first`, the `number`th attempt of the call, and copies of it where it takes long and the client may. Tells
/// `failed` those that failed while others were under way.
pub(crate) async fn race<'a>(
    call: &'a Call<'a>,
    first: Attempt,
    number: usize,
    attempted: &mut Attempted,
    transport: &'a impl Transport,
    mut failed: impl FnMut(AttemptDone),
) -> Race {
    let mut racing = Racing { under_way: Vec::new() };
    let mut copies = 0;
    racing.add(call, first, transport);
    loop {
        let delay = call.core.hedge_delay(clock::now());
        let last = match delay {
            Some(delay) => {
                match tokio::time::timeout(delay, racing.next(call, &mut failed)).await {
                    Ok(last) => last,
                    Err(_) => match copy(call, copies, number, attempted) {
                        Some(attempt) => {
                            copies += 1;
                            racing.add(call, attempt, transport);
                            continue;
                        }
                        None => racing.next(call, &mut failed).await,
                    },
                }
            }
            None => racing.next(call, &mut failed).await,
        };
        return racing.end(last);
    }
}

/// One more attempt beside those under way, where the rules and the budget allow it.
fn copy(call: &Call<'_>, copies: u32, first: usize, attempted: &mut Attempted) -> Option<Attempt> {
    let now = clock::now();
    let admission = call.core.admission();
    let facts = HedgeFacts {
        idempotent: call.request.is_idempotent(),
        untried: call.target.has_unattempted(attempted, now),
        copies,
        limit_pressed: admission.is_pressed(now),
        time_left: call.deadline.map(|at| at.saturating_duration_since(now)),
        p50: admission.usual_latency(now),
    };
    let hedge = &call.core.config.hedge;
    if !hedge.may_start(&facts, || admission.may_hedge(now)) {
        return None;
    }
    let lease = call.target.lease(attempted, call.key, ProbeEligibility::Due, now).ok()?;
    let number = first + 1 + copies as usize;
    // The hook may refuse the copy; the first attempt goes on then. As it does where the other endpoints have no
    // room any more.
    let attempt = Attempt::new(call, lease, attempted, None, number, now).ok()?;
    attempt.first_on_endpoint.then(|| attempt.into_hedge())
}

/// The attempts of one race.
struct Racing<'a> {
    under_way: Vec<(Dropped, Copy<'a>)>,
}

impl<'a> Racing<'a> {
    fn add(&mut self, call: &'a Call<'a>, attempt: Attempt, transport: &'a impl Transport) {
        let note = Dropped {
            url: Arc::clone(attempt.lease.endpoint().url()),
            began: attempt.began,
            is_hedge: attempt.is_hedge,
            member: attempt.lease.member().cloned(),
        };
        self.under_way.push((note, Box::pin(attempt.send(call, transport))));
    }

    /// The next one that is not merely a failure while others are under way.
    async fn next(&mut self, call: &Call<'_>, failed: &mut impl FnMut(AttemptDone)) -> AttemptDone {
        loop {
            let done = poll_fn(|cx| self.poll_any(cx)).await;
            let good = class(&done.outcome(), &call.core.config.retry) == Class::Success;
            if good || done.asked().is_some() || self.under_way.is_empty() {
                return done;
            }
            failed(done);
        }
    }

    fn poll_any(&mut self, cx: &mut Context<'_>) -> Poll<AttemptDone> {
        for index in 0..self.under_way.len() {
            if let Poll::Ready(done) = pin!(&mut self.under_way[index].1).poll(cx) {
                drop(self.under_way.swap_remove(index));
                return Poll::Ready(done);
            }
        }
        Poll::Pending
    }

    fn end(self, last: AttemptDone) -> Race {
        let dropped = self.under_way.into_iter().map(|(note, _)| note).collect();
        Race { last, dropped }
    }
}
