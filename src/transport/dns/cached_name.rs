//! What is known of one name, and what a lookup does with it. Pure: the time comes in as an argument.
//!
//! A name has one part for each question that is asked about it: AAAA and A with `dns`, one question with `system`.
//! Each part is asked, answered and kept by itself, so that a question which is never answered delays the other one by
//! [`RESOLUTION_DELAY`] and no more (RFC 8305, section 3). Addresses whose time to live has run out are kept: they go
//! on serving while the name service is silent or fails (RFC 8767).

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::lookup_error::LookupError;

/// What one question brought.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// Addresses, and for how long they hold.
    Addresses(Vec<IpAddr>, Duration),
    /// A definite no, and for how long it holds.
    Nothing(LookupError, Duration),
    /// No answer: a time-out, or an error of the name service.
    Failed(LookupError),
}

/// What a lookup does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This is its result.
    Ready(Result<Vec<IpAddr>, LookupError>),
    /// It waits for an answer, until the instant where there is one.
    Wait(Option<Instant>),
}

/// What is known of one name.
#[derive(Debug)]
pub(super) struct CachedName {
    parts: Vec<CachedAnswer>,
}

#[derive(Debug, Default)]
/// What one question about the name brought last.
struct CachedAnswer {
    /// The last known addresses.
    addresses: Vec<IpAddr>,
    /// Until when the addresses hold.
    expires: Option<Instant>,
    /// Why the last answer brought no addresses.
    error: Option<LookupError>,
    /// Not asked again before that.
    settled_until: Option<Instant>,
    asked_at: Option<Instant>,
    settled_at: Option<Instant>,
}

impl CachedName {
    /// Nothing is known yet of a name about which `questions` are asked.
    pub(super) fn new(questions: usize) -> Self {
        Self { parts: (0..questions).map(|_| CachedAnswer::default()).collect() }
    }

    /// The questions to be asked now, for a lookup that has `begun`; they count as asked from here on.
    pub(super) fn ask(&mut self, begun: Instant, now: Instant) -> Vec<usize> {
        let due = |part: &CachedAnswer| part.asked_at.is_none() && !part.is_settled(begun, now);
        let asked: Vec<usize> =
            (0..self.parts.len()).filter(|&index| due(&self.parts[index])).collect();
        for &index in &asked {
            self.parts[index].asked_at = Some(now);
        }
        asked
    }

    /// What a lookup does that has `begun`; addresses serve for `max_stale` beyond their time to live.
    pub(super) fn next(&self, now: Instant, max_stale: Duration) -> Next {
        let Some(deadline) = self.deadline(now, max_stale) else {
            return Next::Ready(self.conclude(now, max_stale));
        };
        match deadline {
            Some(at) if now >= at => Next::Ready(self.conclude(now, max_stale)),
            at => Next::Wait(at),
        }
    }

    /// Notes the answer to a question.
    pub(super) fn settle(&mut self, index: usize, answer: Answer, now: Instant) {
        let serves = self.parts.iter().any(|part| !part.addresses.is_empty());
        let part = &mut self.parts[index];
        part.asked_at = None;
        part.settled_at = Some(now);
        match answer {
            Answer::Addresses(addresses, ttl) => {
                part.error = None;
                part.expires = now.checked_add(ttl);
                part.settled_until = part.expires;
                part.addresses = addresses;
            }
            Answer::Nothing(error, ttl) => {
                part.error = Some(error);
                part.addresses = Vec::new();
                part.settled_until = Some(now + ttl.min(MAX_NEGATIVE));
            }
            Answer::Failed(error) => {
                part.error = Some(error);
                part.settled_until = serves.then(|| now + FAILURE_HOLD);
            }
        }
    }

    /// The name service has changed: everything is asked again, and what was known serves only as last known.
    pub(super) fn outdate(&mut self, now: Instant) {
        for part in &mut self.parts {
            part.expires = part.expires.map(|expires| expires.min(now));
            part.settled_until = None;
            part.settled_at = None;
            part.asked_at = None;
        }
    }

    /// Whether a lookup at `now` would be answered without a question.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.parts.iter().all(|part| part.settled_until.is_some_and(|until| now < until))
    }

    /// Whether an answer is still to come.
    pub(super) fn is_asked(&self) -> bool {
        self.parts.iter().any(|part| part.asked_at.is_some())
    }

    /// `None` where no answer is awaited; otherwise until when one is, without a limit where nothing could serve.
    fn deadline(&self, now: Instant, max_stale: Duration) -> Option<Option<Instant>> {
        if !self.is_asked() {
            return None;
        }
        let newest = self.parts.iter().filter(|part| part.holds(now)).filter_map(|p| p.settled_at);
        let ready_at = newest.max();
        let serves = self.parts.iter().any(|part| part.serves(now, max_stale));
        let pending = self.parts.iter().filter(|part| part.asked_at.is_some());
        Some(match (ready_at, serves) {
            (Some(ready), _) => {
                pending.filter_map(|part| part.awaited_beside(ready)).max().or(Some(now))
            }
            (None, true) => {
                pending.filter_map(CachedAnswer::awaited_before_stale).max().or(Some(now))
            }
            (None, false) => None,
        })
    }

    fn conclude(&self, now: Instant, max_stale: Duration) -> Result<Vec<IpAddr>, LookupError> {
        let serving = self.parts.iter().filter(|part| part.serves(now, max_stale));
        let addresses: Vec<IpAddr> = serving.flat_map(|part| part.addresses.clone()).collect();
        if !addresses.is_empty() {
            return Ok(addresses);
        }
        // A failure says that nothing is certain; a name that does not exist has no address of any kind.
        let errors = self.parts.iter().filter_map(|part| part.error.clone());
        Err(errors.max_by_key(LookupError::weight).unwrap_or_else(LookupError::stopped))
    }
}

impl CachedAnswer {
    /// Whether the answer holds, or came while the lookup waited, which makes it good enough for that one.
    fn is_settled(&self, begun: Instant, now: Instant) -> bool {
        self.settled_until.is_some_and(|until| now < until)
            || self.settled_at.is_some_and(|at| at >= begun)
    }

    fn failed(&self) -> bool {
        self.error.as_ref().is_some_and(LookupError::is_uncertain)
    }

    /// Whether it has addresses that were just given or hold.
    fn holds(&self, now: Instant) -> bool {
        let fresh = self.expires.is_some_and(|expires| now < expires);
        !self.addresses.is_empty() && (fresh || (self.asked_at.is_none() && self.error.is_none()))
    }

    fn serves(&self, now: Instant, max_stale: Duration) -> bool {
        let last = self.expires.and_then(|expires| expires.checked_add(max_stale));
        self.holds(now) || (!self.addresses.is_empty() && last.is_none_or(|last| now < last))
    }

    /// Until when the answer is worth waiting for, where the other one came at `ready`. One that had nothing to say
    /// the last time is not waited for.
    fn awaited_beside(&self, ready: Instant) -> Option<Instant> {
        let promising = self.settled_at.is_none() || (!self.failed() && !self.addresses.is_empty());
        promising.then(|| self.asked_at.unwrap_or(ready).max(ready) + RESOLUTION_DELAY)
    }

    /// Until when a new answer is waited for although the last known one could serve.
    fn awaited_before_stale(&self) -> Option<Instant> {
        self.asked_at.filter(|_| !self.failed()).map(|at| at + STALE_DELAY)
    }
}

/// RFC 8305's recommendation for the answer of the other family.
pub(super) const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// Above the round trip to any name service near by, and little beside a connect limit. RFC 8767 has 1.8 s, which is
/// more than many calls have.
const STALE_DELAY: Duration = Duration::from_millis(250);

/// A server that came up must be found soon, whatever the zone's SOA says.
const MAX_NEGATIVE: Duration = Duration::from_secs(5);

/// While something else serves, a failing name service is asked once in this time.
const FAILURE_HOLD: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const V6: usize = 0;
    const V4: usize = 1;
    const STALE: Duration = Duration::from_secs(3600);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn one(text: &str, ttl: Duration) -> Answer {
        Answer::Addresses(vec![ip(text)], ttl)
    }

    fn ready(text: &str) -> Next {
        Next::Ready(Ok(vec![ip(text)]))
    }

    /// A name whose A record is known for a minute, and which has no AAAA record.
    fn v4_only(now: Instant) -> CachedName {
        let mut known = CachedName::new(2);
        known.ask(now, now);
        known.settle(V4, one("127.0.0.1", ms(60_000)), now);
        known.settle(V6, Answer::Nothing(LookupError::no_address(), ms(60_000)), now);
        known
    }

    #[test]
    fn both_questions_are_asked_at_once_and_no_more_while_they_are_open() {
        let (start, mut known) = (Instant::now(), CachedName::new(2));
        assert_eq!(known.ask(start, start), [V6, V4]);
        assert!(known.ask(start + ms(1), start + ms(1)).is_empty());
        assert_eq!(known.next(start, STALE), Next::Wait(None));
    }

    #[test]
    fn the_other_family_is_awaited_for_fifty_milliseconds_once() {
        let (start, mut known) = (Instant::now(), CachedName::new(2));
        known.ask(start, start);
        let came = start + ms(20);
        known.settle(V4, one("127.0.0.1", ms(60_000)), came);
        assert_eq!(known.next(came, STALE), Next::Wait(Some(came + ms(50))));
        assert_eq!(known.next(came + ms(50), STALE), ready("127.0.0.1"));
        // A later lookup finds the question still open and does not wait at all.
        let later = came + ms(3000);
        assert!(known.ask(later, later).is_empty());
        assert_eq!(known.next(later, STALE), ready("127.0.0.1"));
        // Once it has failed, the question is repeated in the background.
        known.settle(V6, Answer::Failed(LookupError::resolve("silent")), later);
        assert!(known.ask(later + ms(500), later + ms(500)).is_empty());
        let again = later + ms(1500);
        assert_eq!(known.ask(again, again), [V6]);
        assert_eq!(known.next(again, STALE), ready("127.0.0.1"));
    }

    #[test]
    fn both_families_come_ipv6_first() {
        let (start, mut known) = (Instant::now(), CachedName::new(2));
        known.ask(start, start);
        known.settle(V4, one("127.0.0.1", ms(60_000)), start);
        known.settle(V6, one("::1", ms(60_000)), start + ms(5));
        assert_eq!(known.next(start, STALE), Next::Ready(Ok(vec![ip("::1"), ip("127.0.0.1")])));
    }

    #[test]
    fn a_definite_no_holds_for_five_seconds_at_most() {
        let (start, mut known) = (Instant::now(), CachedName::new(2));
        known.ask(start, start);
        let no = || Answer::Nothing(LookupError::no_such_name(), ms(3_600_000));
        known.settle(V6, no(), start);
        known.settle(V4, no(), start);
        let error = || Next::Ready(Err(LookupError::no_such_name()));
        assert_eq!(known.next(start, STALE), error());
        let before = start + ms(4999);
        assert!(known.ask(before, before).is_empty() && known.is_fresh(before));
        assert_eq!(known.next(before, STALE), error());
        let after = start + ms(5000);
        assert_eq!(known.ask(after, after), [V6, V4]);
    }

    #[test]
    fn a_family_that_had_no_address_is_not_waited_for_again() {
        let start = Instant::now();
        let mut known = v4_only(start);
        let later = start + ms(6000);
        assert_eq!(known.ask(later, later), [V6]);
        assert_eq!(known.next(later, STALE), ready("127.0.0.1"));
    }

    #[test]
    fn an_answer_without_a_time_to_live_serves_those_who_waited_and_no_one_else() {
        let (start, mut known) = (Instant::now(), CachedName::new(1));
        known.ask(start, start);
        known.settle(0, one("127.0.0.1", Duration::ZERO), start + ms(2));
        assert!(known.ask(start, start + ms(3)).is_empty());
        assert_eq!(known.next(start + ms(3), Duration::ZERO), ready("127.0.0.1"));
        assert_eq!(known.ask(start + ms(4), start + ms(4)), [0]);
        assert_eq!(known.next(start + ms(4), Duration::ZERO), Next::Wait(None));
    }

    #[test]
    fn the_last_known_addresses_serve_while_the_name_service_is_silent_or_fails() {
        let start = Instant::now();
        let mut known = v4_only(start);
        let expired = start + ms(60_000);
        assert_eq!(known.ask(expired, expired), [V6, V4]);
        assert_eq!(known.next(expired, STALE), Next::Wait(Some(expired + ms(250))));
        assert_eq!(known.next(expired + ms(250), STALE), ready("127.0.0.1"));
        known.settle(V4, Answer::Failed(LookupError::resolve("silent")), expired + ms(300));
        known.settle(V6, Answer::Failed(LookupError::resolve("silent")), expired + ms(300));
        assert_eq!(known.next(expired + ms(301), STALE), ready("127.0.0.1"));
        // From now on nobody waits for it.
        let again = expired + ms(2000);
        assert_eq!(known.ask(again, again), [V6, V4]);
        assert_eq!(known.next(again, STALE), ready("127.0.0.1"));
    }

    #[test]
    fn the_last_known_addresses_serve_for_max_stale_only() {
        let start = Instant::now();
        for (max_stale, at, serves) in [
            (ms(10_000), ms(69_999), true),
            (ms(10_000), ms(70_000), false),
            (Duration::ZERO, ms(60_000), false),
            (Duration::MAX, ms(9_000_000), true),
        ] {
            let mut known = v4_only(start);
            let now = start + at;
            known.ask(now, now);
            for part in [V6, V4] {
                known.settle(part, Answer::Failed(LookupError::resolve("silent")), now);
            }
            let expected = if serves {
                ready("127.0.0.1")
            } else {
                Next::Ready(Err(LookupError::resolve("silent")))
            };
            assert_eq!(known.next(now, max_stale), expected, "{max_stale:?} at {at:?}");
        }
    }

    #[test]
    fn a_definite_no_ends_the_last_known_addresses() {
        let start = Instant::now();
        let mut known = v4_only(start);
        let now = start + ms(60_000);
        known.ask(now, now);
        for part in [V6, V4] {
            known.settle(part, Answer::Nothing(LookupError::no_such_name(), ms(1000)), now);
        }
        assert_eq!(known.next(now, STALE), Next::Ready(Err(LookupError::no_such_name())));
    }

    #[test]
    fn a_failure_hides_a_family_without_addresses_and_is_not_kept() {
        let (start, mut known) = (Instant::now(), CachedName::new(2));
        known.ask(start, start);
        known.settle(V6, Answer::Nothing(LookupError::no_address(), ms(1000)), start);
        known.settle(V4, Answer::Failed(LookupError::resolve("broken")), start);
        assert_eq!(known.next(start, STALE), Next::Ready(Err(LookupError::resolve("broken"))));
        assert_eq!(known.ask(start + ms(1), start + ms(1)), [V4]);
    }

    #[test]
    fn after_a_change_of_the_name_service_everything_is_asked_again() {
        let start = Instant::now();
        let mut known = v4_only(start);
        let now = start + ms(1000);
        known.outdate(now);
        assert!(!known.is_fresh(now));
        assert_eq!(known.ask(now, now), [V6, V4]);
        assert_eq!(known.next(now + ms(250), STALE), ready("127.0.0.1"));
    }
}
