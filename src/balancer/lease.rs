//! The right to send once to one endpoint.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::HeaderMap;

use super::member::{Granted, Member};
use super::outliers;
use super::pick::attempted::Attempted;
use crate::endpoint::Endpoint;
use crate::outcome::{Transition, Verdict};
use crate::policy::{self, AttemptOutcome, LoadOutcome, Observation, Permit, Report, Tick};
use crate::runtime::clock;
use crate::statistics::ClusterCounter;

/// An endpoint with the permit of its circuit, or none where it serves in spite of that. Dropped unsettled (a
/// cancelled call, a panic) it counts neither way and gives a half-open permit back.
#[derive(Debug)]
pub struct Lease {
    endpoint: Arc<Endpoint>,
    limit: Duration,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    member: Arc<Member>,
    /// None where an endpoint serves in spite of its circuit, which then learns nothing.
    permit: Option<Permit>,
    /// None once its load was told of the answer.
    started: Option<Tick>,
    /// The attempt has passed its limit and is in flight.
    late: AtomicBool,
    /// The attempt is counted of its endpoint already.
    counted: bool,
}

/// A streamed answer whose body is under way, which its endpoint is busy with until this is dropped.
#[derive(Debug)]
pub(crate) struct OpenStream(Arc<Member>);

/// What an attempt asks of the endpoint that it wants to use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseRequest {
    /// Also where its answers have opened its circuit.
    pub(crate) panic: bool,
    /// How many attempts may be in flight to it; `None` for any number.
    pub(crate) most: Option<u32>,
    pub(crate) now: Instant,
    /// The same, as loads count time.
    pub(crate) tick: Tick,
}

impl Lease {
    /// None where another caller has taken the last place below the limit, or the permit.
    pub(crate) fn acquire(member: &Arc<Member>, request: LeaseRequest) -> Option<Self> {
        let (hot, slot) = (member.hot(), member.slot());
        if !hot.start(slot, request.tick, request.most) {
            return None;
        }
        let Ok(Granted { endpoint, permit, half_opened }) =
            member.acquire(request.panic, request.now)
        else {
            hot.take_back(slot, request.tick);
            return None;
        };
        let started = Some(request.tick);
        let late = AtomicBool::new(false);
        let held = Held { member: Arc::clone(member), permit, started, late, counted: false };
        if held.is_probe() {
            hot.note_probe(slot, request.now);
        }
        if half_opened {
            member.tell_circuit(Transition::HalfOpened, false, request.now);
        }
        Some(Self { endpoint, limit: Duration::ZERO, held: Some(held) })
    }

    /// A lease on the one endpoint of a client without a balancer: it has no circuit.
    pub(crate) fn fixed(endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint, limit: Duration::ZERO, held: None }
    }

    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Whether it is a probe while no endpoint takes calls.
    pub(crate) fn is_probe_in_outage(&self) -> bool {
        let held = self.held.as_ref().filter(|held| held.is_probe());
        held.is_some_and(|held| held.member.cluster().outage.is_noted())
    }

    /// For a probe, how long it may take at most.
    pub(crate) fn probe_limit(&self) -> Option<Duration> {
        let held = self.held.as_ref().filter(|held| held.is_probe())?;
        Some(held.member.hot().shared().breaker.probe_timeout)
    }

    /// Whether the endpoint may hang: it did, or owes an answer while most others do not. One that refused, or answered
    /// 503, is given the usual time: a server that was restarted takes longer for its first answers, and a probe
    /// that is overtaken by a quick neighbour would leave it out for good.
    pub(crate) fn may_hang(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.hangs() || held.is_overdue())
    }

    /// Whether its endpoint is as late as nearly all others.
    pub(crate) fn is_late_with_all(&self) -> bool {
        self.held.as_ref().is_some_and(|held| {
            let cluster = held.member.cluster();
            policy::all_are_late(cluster.overdue(), cluster.known())
        })
    }

    /// Says that the attempt takes longer than usual.
    pub(crate) fn mark_overdue(&self, now: Instant) {
        if let Some(held) = &self.held {
            held.member.hot().mark_overdue(held.member.slot(), now);
        }
    }

    /// Says that the attempt has passed its limit.
    pub(crate) fn mark_late(&self, now: Instant) {
        if let Some(held) = &self.held {
            let (hot, slot) = (held.member.hot(), held.member.slot());
            hot.mark_late(slot, now);
            if !held.late.swap(true, Ordering::Relaxed) {
                hot.late_begins(slot);
            }
        }
    }

    /// Says that the attempt was overtaken before its limit by one that began later. Whether that happens so often
    /// that it counts as late.
    pub(crate) fn counts_as_late(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.member.hot().counts_as_late(held.member.slot()))
    }

    /// Says that another attempt of the call was faster than this one, which began then.
    pub(crate) fn overtaken(&self, began: Instant, now: Instant) {
        self.held.iter().for_each(|held| held.member.overtaken(began, now));
    }

    /// Says that the attempt had passed its limit and ended without an answer; one that cannot go on elsewhere would
    /// have cost its caller that much.
    pub(crate) fn ended_late(&self, cost: Duration, now: Instant) {
        if let Some(held) = &self.held {
            held.member.hot().ended_late(held.member.slot(), cost, now);
        }
    }

    /// Notes the endpoint as tried and says whether it is the first time.
    pub(crate) fn mark_attempted(&self, attempted: &mut Attempted) -> bool {
        let Some(held) = &self.held else {
            return false;
        };
        attempted.insert(&held.member)
    }

    /// Notes how long the attempt may take: what a failure counts as at least.
    pub(crate) const fn limit_to(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Has the attempt count as begun so much later, where this side held it up.
    pub(crate) fn postpone(&mut self, by: Duration) {
        let started =
            self.held.as_mut().and_then(|held| Some((&held.member, held.started.as_mut()?)));
        if let Some((member, started)) = started.filter(|_| !by.is_zero()) {
            let later = started.after(by);
            member.hot().postpone(member.slot(), *started, later);
            *started = later;
        }
    }

    /// Counts the body that is to come of a streamed answer; `None` where nothing looks at what is in flight. To be called
    /// before the attempt has ended, so that its endpoint never has fewer in flight than it has.
    pub(crate) fn open_stream(&self) -> Option<OpenStream> {
        let Held { member, .. } = self.held.as_ref()?;
        member.hot().stream_begins(member.slot()).then(|| OpenStream(Arc::clone(member)))
    }

    /// Says that an answer's head came whose body may take as long as it likes: that is no slow answer.
    pub(crate) fn answered(
        &mut self,
        in_time: bool,
        head: &AttemptOutcome,
        began: Instant,
        now: Instant,
    ) {
        if let Some(held) = &mut self.held {
            let elapsed = now.saturating_duration_since(began);
            held.member.count(&Observation::new(Verdict::Success, elapsed), head, now);
            held.counted = true;
            held.member.hot().answered(held.member.slot(), in_time, now);
            held.finish(now, answer_load(head));
            if !in_time {
                held.late_ends();
            }
        }
    }

    /// Takes in what an answer tells of its endpoint's load, where the balancer goes by that.
    pub(crate) fn report(&self, headers: &HeaderMap) {
        if let Some(held) = &self.held
            && let Some(name) = &held.member.cluster().load_header
            && let Some(report) = headers.get(name).and_then(|it| Report::parse(it.as_bytes()))
            && let Some(stats) = held.member.stats()
        {
            stats.utilization.update(&report, held.member.hot().shared().tick(clock::now()));
        }
    }

    /// Tells all that learn from attempts how this one ended; what that did to its endpoint's circuit.
    pub fn settle(
        mut self,
        observation: &Observation,
        outcome: &AttemptOutcome,
        now: Instant,
    ) -> Option<Transition> {
        // In place: to move it out takes longer than to look at it.
        let held = self.held.as_mut()?;
        if let AttemptOutcome::Answered { .. } | AttemptOutcome::Judged { .. } = outcome {
            held.member.hot().answered(held.member.slot(), !observation.late, now);
        }
        outliers::note(&held.member, outcome, now);
        held.finish(now, load_outcome(observation, outcome, self.limit));
        if observation.late {
            held.late_ends();
        }
        let counted = Some(outcome).filter(|_| !held.counted);
        let was_half_open = held.is_probe();
        let transition = match held.permit.take() {
            Some(permit) => settle_circuit(&held.member, permit, observation, counted, now),
            None => {
                held.member.cluster().cells.count(ClusterCounter::Panics);
                counted.into_iter().for_each(|it| held.member.count(observation, it, now));
                None
            }
        };
        if let Some(transition) = transition {
            held.member.tell_circuit(transition, was_half_open, now);
        }
        self.held = None;
        transition
    }
}

/// Tells the circuit. Answers never open the last closed circuits; failed connects may.
fn settle_circuit(
    member: &Member,
    permit: Permit,
    observation: &Observation,
    counted: Option<&AttemptOutcome>,
    now: Instant,
) -> Option<Transition> {
    let settled = member.settle(permit, observation, counted, now);
    match settled.wants_trip {
        true => member.latest().cluster().trip_unless_last(now, || member.trip(observation, now)),
        false => settled.transition,
    }
}

impl Held {
    fn is_probe(&self) -> bool {
        self.permit.as_ref().is_some_and(Permit::probe)
    }

    /// Whether its circuit is not closed, since the endpoint hangs. A closed circuit is not asked for it.
    fn hangs(&self) -> bool {
        let is_closed = self.permit.as_ref().is_some_and(|permit| !permit.probe());
        !is_closed && self.member.is_tripped_by_hang()
    }

    fn is_overdue(&self) -> bool {
        let hot = self.member.hot();
        hot.is_overdue(self.member.slot()) && self.member.cluster().few_are_overdue()
    }

    fn finish(&mut self, now: Instant, ending: LoadOutcome) {
        let hot = self.member.hot();
        if let Some(started) = self.started.take() {
            hot.finish(self.member.slot(), started, now, ending);
        }
    }

    /// If it had passed its limit, it is not in flight any more.
    #[cold]
    fn late_ends(&mut self) {
        if mem::take(self.late.get_mut()) {
            self.member.hot().late_ends(self.member.slot());
        }
    }
}

/// Maps a verdict to a load update. A throttled endpoint is not slow, but wants less for a while.
const fn load_outcome(
    observation: &Observation,
    outcome: &AttemptOutcome,
    limit: Duration,
) -> LoadOutcome {
    match observation.verdict {
        Verdict::Success => answer_load(outcome),
        Verdict::Neutral => LoadOutcome::Neutral,
        Verdict::Failure | Verdict::Throttled | Verdict::Unreachable => {
            LoadOutcome::Failure { limit, hint: observation.retry_after }
        }
    }
}

/// What an answer says of the load.
const fn answer_load(outcome: &AttemptOutcome) -> LoadOutcome {
    match outcome {
        AttemptOutcome::Answered { status: 400..=499 | 501 }
        | AttemptOutcome::Judged { status: 400..=499 | 501, .. } => LoadOutcome::Refused,
        _ => LoadOutcome::Success,
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let Self(member) = self;
        member.hot().stream_ends(member.slot());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(mut held) = self.held.take() {
            held.finish(clock::now(), LoadOutcome::Neutral);
            held.late_ends();
            held.permit.into_iter().for_each(|permit| held.member.release(permit));
        }
    }
}
