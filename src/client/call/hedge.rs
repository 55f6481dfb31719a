//! A copy of an attempt at another endpoint, where the first takes longer than most do; the better one wins.
//!
//! Who lost is dropped: its server sees the exchange end, and its endpoint is not blamed, but its load remembers how
//! long it was waited for in vain. Where one fails,
//! its circuit learns of it at once, but the call waits for the others: only when all have failed is there
//! something to retry.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::call::Call;
use super::flight::{Flight, Landed};
use crate::balancer::member::Member;
use crate::balancer::tried::Tried;
use crate::outcome::Class;
use crate::policy::{HedgeFacts, Probing, class};
use crate::runtime::clock;
use crate::transport::Transport;

/// How a race ended.
#[derive(Debug)]
pub(crate) struct Race {
    /// What the call goes by.
    pub(crate) last: Landed,
    /// Those that were dropped under way.
    pub(crate) dropped: Vec<Dropped>,
}

/// An attempt that was given up since another was faster, or the call was ended from outside.
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

type Copy<'a> = Pin<Box<dyn Future<Output = Landed> + Send + 'a>>;

/// Sends `first`, the `number`th attempt of the call, and copies of it where it takes long and the client may. Tells
/// `failed` those that failed while others were under way.
pub(crate) async fn race<'a>(
    call: &'a Call<'a>,
    first: Flight,
    number: usize,
    tried: &mut Tried,
    transport: &'a impl Transport,
    mut failed: impl FnMut(Landed),
) -> Race {
    let mut racing = Racing { under_way: Vec::new() };
    let mut copies = 0;
    racing.add(call, first, transport);
    loop {
        let delay = call.client.hedge_delay(clock::now());
        let last = match delay {
            Some(delay) => {
                match tokio::time::timeout(delay, racing.next(call, &mut failed)).await {
                    Ok(last) => last,
                    Err(_) => match copy(call, copies, number, tried) {
                        Some(flight) => {
                            copies += 1;
                            racing.add(call, flight, transport);
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
fn copy(call: &Call<'_>, copies: u32, first: usize, tried: &mut Tried) -> Option<Flight> {
    let now = clock::now();
    let overload = call.client.overload();
    let facts = HedgeFacts {
        idempotent: call.request.is_idempotent(),
        untried: call.way.has_untried(tried, now),
        copies,
        limit_pressed: overload.is_pressed(now),
        time_left: call.deadline.map(|at| at.saturating_duration_since(now)),
        p50: overload.usual_latency(now),
    };
    let hedge = &call.client.config.hedge;
    if !hedge.may_start(&facts, || overload.may_hedge(now)) {
        return None;
    }
    let lease = call.way.lease(tried, call.key, Probing::Due, now).ok()?;
    let number = first + 1 + copies as usize;
    // The hook may refuse the copy; the first attempt goes on then. As it does where the other endpoints have no
    // room any more.
    let flight = Flight::new(call, lease, tried, None, number, now).ok()?;
    flight.first_on_endpoint.then(|| flight.into_hedge())
}

/// The attempts of one race.
struct Racing<'a> {
    under_way: Vec<(Dropped, Copy<'a>)>,
}

impl<'a> Racing<'a> {
    fn add(&mut self, call: &'a Call<'a>, flight: Flight, transport: &'a impl Transport) {
        let note = Dropped {
            url: Arc::clone(flight.lease.endpoint().url()),
            began: flight.began,
            is_hedge: flight.is_hedge,
            member: flight.lease.member().cloned(),
        };
        self.under_way.push((note, Box::pin(flight.fly(call, transport))));
    }

    /// The next one that is not merely a failure while others are under way.
    async fn next(&mut self, call: &Call<'_>, failed: &mut impl FnMut(Landed)) -> Landed {
        loop {
            let landed = poll_fn(|cx| self.poll_any(cx)).await;
            let good = class(&landed.ended(), &call.client.config.retry) == Class::Success;
            if good || landed.asked().is_some() || self.under_way.is_empty() {
                return landed;
            }
            failed(landed);
        }
    }

    fn poll_any(&mut self, cx: &mut Context<'_>) -> Poll<Landed> {
        for index in 0..self.under_way.len() {
            if let Poll::Ready(landed) = pin!(&mut self.under_way[index].1).poll(cx) {
                drop(self.under_way.swap_remove(index));
                return Poll::Ready(landed);
            }
        }
        Poll::Pending
    }

    fn end(self, last: Landed) -> Race {
        let dropped = self.under_way.into_iter().map(|(note, _)| note).collect();
        Race { last, dropped }
    }
}
