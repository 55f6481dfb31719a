//! An event as the host gets it: kept, with its kind and its fields by numbers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::event::{EndpointChange, Event};
use crate::user_data::UserData;

/// One event, kept. Kinds and fields are numbers of the C interface, for ever.
#[derive(Clone, Debug)]
pub struct EventRecord {
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: SystemTime,
    /// The URL of the endpoint that it happened to; `None` where it did to none.
    pub endpoint: Option<String>,
    /// All of it in one sentence.
    pub text: String,
    /// What it tells in numbers.
    pub numbers: Vec<(EventField, i64)>,
    /// Why, in a few words; empty where there is no more to say.
    pub detail: String,
    /// What the host knows the call by that caused it; `None` where none did.
    pub user_data: Option<UserData>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum EventKind {
    /// A circuit opened.
    CircuitOpened = 1,
    /// A circuit lets a probe through.
    CircuitHalfOpened = 2,
    /// A circuit closed.
    CircuitClosed = 3,
    /// An endpoint was ejected.
    Ejected = 4,
    /// It is back.
    Returned = 5,
    /// An endpoint fails its checks.
    CheckFailed = 6,
    /// It passes them.
    CheckPassed = 7,
    /// An endpoint was drained by hand.
    Drained = 8,
    /// It gets attempts again.
    Resumed = 9,
    /// Endpoints joined or left.
    ListChanged = 10,
    /// The provider fails.
    SourceFailing = 11,
    /// It tells lists again.
    SourceWell = 12,
    /// The retry budget is used up.
    BudgetEmpty = 13,
    /// It grants again.
    BudgetFilled = 14,
    /// Calls are turned away.
    OverloadEntered = 15,
    /// They are let in again.
    OverloadLeft = 16,
    /// Too few endpoints are well, so all serve.
    PanicEntered = 17,
    /// Enough are again.
    PanicLeft = 18,
    /// Calls are held back after an outage.
    HoldingBack = 19,
    /// They are not any more.
    HoldingEnded = 20,
}

/// What a number of an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum EventField {
    /// Why: a number of the event's own kind.
    Reason = 1,
    /// The circuit's state before.
    OldState = 2,
    /// The circuit's state now.
    NewState = 3,
    /// Until when, in milliseconds since 1970.
    Until = 4,
    /// Endpoints that are known now.
    Known = 5,
    /// Endpoints that joined.
    Joined = 6,
    /// Endpoints that left.
    Left = 7,
    /// The age of the list before, in milliseconds.
    Age = 8,
}

/// States of circuits as C numbers them.
const CLOSED: i64 = 0;
const OPEN: i64 = 1;
const HALF_OPEN: i64 = 2;

impl EventRecord {
    /// The record of an event at `at`; `None` of one that hosts are told of in other ways.
    pub(super) fn of(event: &Event<'_>, at: SystemTime) -> Option<Self> {
        let (kind, numbers) = match event {
            Event::Endpoint { change, .. } => of_endpoint(*change, at),
            Event::ListChanged { known, joined, left, age } => {
                let mut numbers = vec![
                    (EventField::Known, *known as i64),
                    (EventField::Joined, *joined as i64),
                    (EventField::Left, *left as i64),
                ];
                numbers.extend(age_of(*age));
                (EventKind::ListChanged, numbers)
            }
            Event::SourceFailing { age, .. } => {
                (EventKind::SourceFailing, age_of(*age).into_iter().collect())
            }
            Event::SourceWell => (EventKind::SourceWell, Vec::new()),
            Event::BudgetExhausted => (EventKind::BudgetEmpty, Vec::new()),
            Event::BudgetAvailable => (EventKind::BudgetFilled, Vec::new()),
            Event::OverloadEntered { .. } => (EventKind::OverloadEntered, Vec::new()),
            Event::OverloadLeft => (EventKind::OverloadLeft, Vec::new()),
            Event::PanicEntered => (EventKind::PanicEntered, Vec::new()),
            Event::PanicLeft => (EventKind::PanicLeft, Vec::new()),
            Event::HoldingBack => (EventKind::HoldingBack, Vec::new()),
            Event::HoldingEnded => (EventKind::HoldingEnded, Vec::new()),
            Event::Attempt { .. }
            | Event::Body { .. }
            | Event::Certificates { .. }
            | Event::EntriesSkipped { .. }
            | Event::SnapshotFailing { .. }
            | Event::SnapshotWell => return None,
        };
        let endpoint = match event {
            Event::Endpoint { url, .. } => Some((*url).to_owned()),
            _ => None,
        };
        let detail = match event {
            Event::SourceFailing { reason, .. } | Event::OverloadEntered { reason } => *reason,
            _ => "",
        };
        let (text, detail) = (event.to_string(), detail.into());
        Some(Self { kind, at, endpoint, text, numbers, detail, user_data: None })
    }

    /// The number of a field; `None` where the event has none.
    #[must_use]
    pub fn number(&self, field: i32) -> Option<i64> {
        self.numbers.iter().find(|(it, _)| *it as i32 == field).map(|(_, number)| *number)
    }
}

fn of_endpoint(change: EndpointChange, at: SystemTime) -> (EventKind, Vec<(EventField, i64)>) {
    use EventField::{NewState, OldState, Reason, Until};
    let none = Vec::new();
    match change {
        EndpointChange::CircuitOpened { wait, by, from_half_open } => {
            let before = if from_half_open { HALF_OPEN } else { CLOSED };
            let mut numbers =
                vec![(Reason, i64::from(by as i32)), (OldState, before), (NewState, OPEN)];
            numbers.extend(wait.map(|wait| (Until, millis(at + wait))));
            (EventKind::CircuitOpened, numbers)
        }
        EndpointChange::CircuitHalfOpened => {
            (EventKind::CircuitHalfOpened, vec![(OldState, OPEN), (NewState, HALF_OPEN)])
        }
        EndpointChange::CircuitClosed => (EventKind::CircuitClosed, vec![(NewState, CLOSED)]),
        EndpointChange::Ejected { lasts, by } => {
            let numbers = vec![(Reason, i64::from(by as i32)), (Until, millis(at + lasts))];
            (EventKind::Ejected, numbers)
        }
        EndpointChange::Returned => (EventKind::Returned, none),
        EndpointChange::CheckFailed => (EventKind::CheckFailed, none),
        EndpointChange::CheckPassed => (EventKind::CheckPassed, none),
        EndpointChange::Drained => (EventKind::Drained, none),
        EndpointChange::Resumed => (EventKind::Resumed, none),
    }
}

fn age_of(age: Option<Duration>) -> Option<(EventField, i64)> {
    age.map(|age| (EventField::Age, age.as_millis() as i64))
}

/// Milliseconds since 1970.
#[must_use]
pub fn millis(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::OpenedBy;

    #[test]
    fn an_opened_circuit_tells_why_and_until_when() {
        let at = UNIX_EPOCH + Duration::from_secs(10);
        let change = EndpointChange::CircuitOpened {
            wait: Some(Duration::from_millis(500)),
            by: OpenedBy::Probe,
            from_half_open: true,
        };
        let record = EventRecord::of(&Event::Endpoint { url: "http://a:80", change }, at).unwrap();
        assert_eq!(record.kind, EventKind::CircuitOpened);
        assert_eq!(record.endpoint.as_deref(), Some("http://a:80"));
        let numbers = [1, 2, 3, 4, 5].map(|field| record.number(field));
        assert_eq!(numbers, [Some(4), Some(2), Some(1), Some(10_500), None]);
    }

    #[test]
    fn attempts_are_no_events() {
        let event = Event::Attempt {
            method: &http::Method::GET,
            target: "/",
            url: "http://a:80",
            status: Some(200),
            detail: "",
            elapsed: Duration::ZERO,
        };
        assert!(EventRecord::of(&event, UNIX_EPOCH).is_none());
    }
}
