//! Why an endpoint is available or not, in a word and in a sentence.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::balancer::member::{Member, OutReason};
use crate::event::{EjectedBy, OpenedBy};
use crate::outcome::in_ms;
use crate::policy::{AttemptOutcome, CircuitState};

/// Why an endpoint is available or not: the first that holds. The numbers are part of the C interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum Reason {
    /// It gets its share.
    Available = 0,
    /// Its circuit is open until a probe is due.
    CircuitOpen = 1,
    /// Its circuit lets probes through, and nothing else.
    CircuitHalfOpen = 2,
    /// Its circuit was opened by hand.
    OpenedByHand = 3,
    /// It was drained by hand.
    Drained = 4,
    /// Outlier detection took it out.
    Ejected = 5,
    /// It fails its health checks.
    CheckFailing = 6,
    /// It is listed with a weight of 0.
    WeightZero = 7,
    /// It warms up: it gets a part of its share.
    Warming = 8,
    /// Endpoints of another priority or zone get the calls.
    OtherLocality = 9,
    /// It has as many attempts in flight as it may.
    Full = 10,
    /// It is no longer listed.
    Departed = 11,
}

/// What is known of an endpoint's state.
#[derive(Clone, Debug)]
pub struct Status {
    /// Why it is available or not.
    pub reason: Reason,
    /// The state of its circuit.
    pub circuit: CircuitState,
    /// In one sentence, without its name.
    pub text: String,
    /// Attempts in flight, where the balancer counts them.
    pub in_flight: Option<u32>,
}

impl Reason {
    /// All of them, by their numbers.
    pub const ALL: [Self; 12] = [
        Self::Available,
        Self::CircuitOpen,
        Self::CircuitHalfOpen,
        Self::OpenedByHand,
        Self::Drained,
        Self::Ejected,
        Self::CheckFailing,
        Self::WeightZero,
        Self::Warming,
        Self::OtherLocality,
        Self::Full,
        Self::Departed,
    ];

    /// A word for it, as labels of statistics have.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::CircuitOpen => "circuit_open",
            Self::CircuitHalfOpen => "circuit_half_open",
            Self::OpenedByHand => "opened_by_hand",
            Self::Drained => "drained",
            Self::Ejected => "ejected",
            Self::CheckFailing => "check_failing",
            Self::WeightZero => "weight_zero",
            Self::Warming => "warming",
            Self::OtherLocality => "other_locality",
            Self::Full => "full",
            Self::Departed => "departed",
        }
    }
}

/// Where an endpoint stands among the others, which it does not know itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StatusContext {
    /// Its locality gets no calls now.
    pub(crate) passed_over: bool,
    /// How many attempts may be in flight to it.
    pub(crate) most: Option<u32>,
}

impl Member {
    /// Why it is available or not.
    pub(crate) fn reason(&self, context: StatusContext) -> Reason {
        let (circuit, draining, opened_by) = self.circuit();
        let by_hand = opened_by == Some(OpenedBy::Hand);
        match circuit {
            _ if self.has(OutReason::Departed) => Reason::Departed,
            _ if draining => Reason::Drained,
            _ if self.has(OutReason::Drained) => Reason::WeightZero,
            CircuitState::Open if by_hand => Reason::OpenedByHand,
            // Before its circuit, which no probe can close meanwhile.
            _ if self.has(OutReason::Ejected) => Reason::Ejected,
            _ if self.has(OutReason::Unhealthy) => Reason::CheckFailing,
            CircuitState::Open => Reason::CircuitOpen,
            CircuitState::HalfOpen => Reason::CircuitHalfOpen,
            CircuitState::Closed if self.is_full(context.most) => Reason::Full,
            CircuitState::Closed if context.passed_over => Reason::OtherLocality,
            CircuitState::Closed if self.has(OutReason::Warming) => Reason::Warming,
            CircuitState::Closed => Reason::Available,
        }
    }

    /// When its last attempt failed, and how.
    fn last_failure(&self) -> Option<(Instant, AttemptOutcome)> {
        self.with_history(|history| history?.last_failure)
    }

    /// What is known of its state without its balancer.
    #[must_use]
    pub fn own_status(&self, now: Instant) -> Status {
        self.status(StatusContext::default(), now)
    }

    fn is_full(&self, most: Option<u32>) -> bool {
        most.is_some_and(|most| self.hot().in_flight(self.slot()) >= most)
    }

    /// What is known of its state.
    pub(crate) fn status(&self, context: StatusContext, now: Instant) -> Status {
        let reason = self.reason(context);
        let (circuit, ..) = self.circuit();
        let in_flight = self.hot().counted_in_flight(self.slot());
        let mut text = self.sentence(reason, now);
        if let Some((at, outcome)) = self.last_failure() {
            let ago = in_ms(now.saturating_duration_since(at));
            let _ = write!(text, "; last failure {ago} ago: {}", shown(&outcome));
        }
        Status { reason, circuit, text, in_flight }
    }

    fn sentence(&self, reason: Reason, now: Instant) -> String {
        let stats = self.stats();
        match reason {
            Reason::Available => "available".to_owned(),
            Reason::CircuitOpen => {
                let by = self.circuit().2.map_or("", because);
                format!("circuit open{by}, {}", probe(self.retry_at(), now))
            }
            Reason::CircuitHalfOpen => {
                let by = self.circuit().2.map_or("", because);
                format!("circuit half-open{by}, a probe decides")
            }
            Reason::OpenedByHand => "circuit opened by hand".to_owned(),
            Reason::Drained => "drained by hand".to_owned(),
            Reason::Ejected => {
                let ejection = stats.map(|stats| stats.background_state().ejection);
                let by = ejection.and_then(|it| it.ejected_by()).map_or("", rule);
                let until = ejection.and_then(|it| it.until());
                let left = until.map_or(Duration::ZERO, |it| it.saturating_duration_since(now));
                format!("ejected{by}, back in {}", in_ms(left))
            }
            Reason::CheckFailing => {
                let since = stats.and_then(|stats| stats.background_state().unhealthy_since);
                let since = since.map_or(Duration::ZERO, |it| now.saturating_duration_since(it));
                format!("fails its health checks for {}", in_ms(since))
            }
            Reason::WeightZero => "listed with weight 0".to_owned(),
            Reason::Warming => {
                let millis = self.hot().shared().millis(now);
                let warm = stats.map_or(Duration::ZERO, |stats| stats.warming_for(millis));
                format!("warming up for {}", in_ms(warm))
            }
            Reason::OtherLocality => "available, but another locality gets the calls".to_owned(),
            Reason::Full => "has as many attempts in flight as it may".to_owned(),
            Reason::Departed => "no longer listed".to_owned(),
        }
    }
}

fn probe(retry_at: Option<Instant>, now: Instant) -> String {
    match retry_at {
        None => "probed by nobody".to_owned(),
        Some(at) if at <= now => "a probe is due".to_owned(),
        Some(at) => format!("next probe in {}", in_ms(at - now)),
    }
}

const fn because(by: OpenedBy) -> &'static str {
    match by {
        OpenedBy::Unreachable => " since it could not be connected to",
        OpenedBy::Answers => " by its failures",
        OpenedBy::Hang => " by attempts that passed their limit",
        OpenedBy::Probe => " by a failed probe",
        OpenedBy::Hand => " by hand",
    }
}

const fn rule(by: EjectedBy) -> &'static str {
    match by {
        EjectedBy::SuccessRate => " by its success rate",
        EjectedBy::FailureShare => " by its share of failures",
        EjectedBy::Run => " by a run of failures",
    }
}

fn shown(outcome: &AttemptOutcome) -> String {
    match outcome {
        AttemptOutcome::Answered { status } => format!("status {status}"),
        AttemptOutcome::Judged { status, .. } => format!("status {status}, judged a failure"),
        AttemptOutcome::Failed { kind, .. } => {
            let name = crate::error::ErrorKind::from(*kind).name();
            name.trim_start_matches("AHOY_E_").to_ascii_lowercase().replace('_', " ")
        }
    }
}
