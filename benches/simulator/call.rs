//! The calls under way.
//!
//! A call is found by its place and a serial. The serial is new for each attempt and each wait, and is not
//! used again in that place, so a limit or an answer that comes too late finds nobody.

use ahoy::policy::Retry;

use crate::client::Lease;
use crate::server::Attempt;
use crate::time::Nanos;

/// One call.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) client: u32,
    /// Which of all requests it is.
    pub(crate) request: u64,
    pub(crate) started: Nanos,
    pub(crate) retry: Retry<'a>,
    pub(crate) attempts: u32,
    /// How many were in flight with it, where that is limited.
    pub(crate) in_flight: Option<u32>,
    /// The members that it tried.
    pub(crate) tried: Vec<u32>,
    pub(crate) flights: [Option<Flight>; 3],
    /// When one of its attempts passed its limit first.
    pub(crate) late_since: Option<Nanos>,
    /// It has drawn on the budget's stock.
    pub(crate) drew: bool,
    serial: u32,
}

/// Why an attempt was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing else of its call was under way.
    Alone,
    /// Beside one that was slow.
    Hedge,
    /// Beside one that was late.
    Copy,
}

/// An attempt under way.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) serial: u32,
    pub(crate) lease: Lease,
    pub(crate) server: u32,
    pub(crate) first_on_endpoint: bool,
    pub(crate) connected: bool,
    pub(crate) limit: Nanos,
    pub(crate) by_deadline: bool,
    /// It is no copy.
    pub(crate) first: bool,
    pub(crate) kind: Kind,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Calls<'a> {
    calls: Vec<Call<'a>>,
    free: Vec<u32>,
}

impl<'a> Calls<'a> {
    /// Makes place for a call that begins.
    pub(crate) fn open(&mut self, client: u32, request: u64, now: Nanos, retry: Retry<'a>) -> u32 {
        match self.free.pop() {
            Some(place) => {
                let call = &mut self.calls[place as usize];
                (call.client, call.request, call.started) = (client, request, now);
                (call.retry, call.attempts, call.drew) = (retry, 0, false);
                call.late_since = None;
                call.tried.clear();
                place
            }
            None => {
                self.calls.push(Call {
                    client,
                    request,
                    started: now,
                    retry,
                    attempts: 0,
                    in_flight: None,
                    tried: Vec::new(),
                    flights: [None, None, None],
                    late_since: None,
                    drew: false,
                    serial: 0,
                });
                self.calls.len() as u32 - 1
            }
        }
    }

    /// Gives a place back.
    pub(crate) fn close(&mut self, place: u32) {
        self.get(place).next_serial();
        self.free.push(place);
    }

    pub(crate) fn get(&mut self, place: u32) -> &mut Call<'a> {
        &mut self.calls[place as usize]
    }

    /// Whether an attempt is still under way.
    pub(crate) fn is_flying(&self, attempt: Attempt) -> bool {
        let flights = &self.calls[attempt.call as usize].flights;
        flights.iter().flatten().any(|flight| flight.serial == attempt.serial)
    }

    /// Takes an attempt out that has ended.
    pub(crate) fn land(&mut self, attempt: Attempt) -> Option<Flight> {
        let is_it = |flight: &&mut Option<Flight>| {
            flight.as_ref().is_some_and(|flight| flight.serial == attempt.serial)
        };
        self.get(attempt.call).flights.iter_mut().find(is_it)?.take()
    }
}

impl Call<'_> {
    pub(crate) const fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    /// Whether nothing has happened to the call since this serial was given out.
    pub(crate) const fn is_at(&self, serial: u32) -> bool {
        self.serial == serial
    }

    pub(crate) fn is_flying(&self) -> bool {
        self.flights.iter().any(Option::is_some)
    }
}
