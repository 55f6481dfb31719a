//! The addresses of a name that has several, and which of them to pass over.
//!
//! They are one endpoint, with one circuit, and mostly the first of them carries all of its calls. An address that
//! takes connections and answers nothing is then met by each call, however often it is repeated. So an address that has
//! failed is passed over for a while, as long as another one is known that has not. One of its connections that
//! answers well ends that.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How an attempt over an address failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressFault {
    /// It brought no answer, or its handshake failed: one of these is enough.
    Silent,
    /// It answered with a failure, as a service does now and then: three in a row are needed.
    Failing,
}

/// What is known of an endpoint's addresses.
#[derive(Debug, Default)]
pub(super) struct Addresses(Vec<Address>);

#[derive(Debug)]
struct Address {
    at: SocketAddr,
    /// Failures since the last good answer, or since it was passed over.
    failures: u32,
    /// How often in a row it was passed over.
    times: u32,
    /// Until when it is passed over.
    until: Option<Instant>,
    /// Since when a handshake waits for it, where none has ended since.
    handshake_since: Option<Instant>,
}

impl Addresses {
    /// Takes in the addresses that the name has now; what is known of those that stay is kept.
    pub(super) fn learn(&mut self, found: &[SocketAddr]) {
        let is_single = self.0.is_empty() && found.len() < 2;
        if is_single || self.0.iter().map(|known| &known.at).eq(found) {
            return;
        }
        let mut known = std::mem::take(&mut self.0);
        self.0 = found.iter().map(|at| taken(&mut known, *at)).collect();
    }

    /// Puts first the address to begin with: one that has not failed and that the call has not met, in the order of the
    /// list otherwise. Of several that have failed the one whose fault is oldest comes first.
    pub(super) fn sort(&self, addresses: &mut [SocketAddr], met: &[SocketAddr], now: Instant) {
        addresses.sort_by_cached_key(|at| (self.preference(*at, met, now), self.until(*at, now)));
    }

    /// Whether another address is to be used instead of this one.
    pub(super) fn passes_over(&self, at: SocketAddr, met: &[SocketAddr], now: Instant) -> bool {
        let own = self.preference(at, met, now);
        self.0.iter().any(|other| self.preference(other.at, met, now) < own)
    }

    pub(super) fn failed(&mut self, at: SocketAddr, fault: AddressFault, now: Instant) {
        let Some(address) = self.of(at) else { return };
        // Those that were under way tell nothing new.
        if address.is_passed_over(now) {
            return;
        }
        let is_old = |until: Instant| now.saturating_duration_since(until) >= FORGOTTEN;
        if address.until.is_some_and(is_old) {
            address.times = 0;
        }
        address.failures += match fault {
            AddressFault::Silent => FAILURES,
            AddressFault::Failing => 1,
        };
        if address.failures >= FAILURES {
            let time = PASSED_OVER * 2_u32.pow(address.times.min(MOST_DOUBLINGS));
            (address.failures, address.times) = (0, address.times + 1);
            address.until = now.checked_add(time);
        }
    }

    /// It has brought a good answer.
    pub(super) fn answered(&mut self, at: SocketAddr) {
        let Some(address) = self.of(at) else { return };
        (address.failures, address.times, address.until) = (0, 0, None);
    }

    /// A connection went to it because those before it could not be reached: nothing better can be had.
    pub(super) fn is_needed(&mut self, at: SocketAddr) {
        self.of(at).into_iter().for_each(|address| address.until = None);
    }

    /// A handshake begins.
    pub(super) fn handshake_began(&mut self, at: SocketAddr, now: Instant) {
        let Some(address) = self.of(at) else { return };
        address.handshake_since.get_or_insert(now);
    }

    /// A handshake has succeeded.
    pub(super) fn handshake_succeeded(&mut self, at: SocketAddr) {
        self.of(at).into_iter().for_each(|address| address.handshake_since = None);
    }

    /// A handshake that had `begun` has failed, or was given up: where that was early, it may have been well.
    pub(super) fn handshake_failed(&mut self, at: SocketAddr, begun: Instant, now: Instant) {
        self.handshake_succeeded(at);
        if now.saturating_duration_since(begun) >= HANDSHAKE_LIMIT {
            self.failed(at, AddressFault::Silent, now);
        }
    }

    /// Whether any has failed lately or waits for a handshake: if none has, there is nothing to ask.
    pub(super) fn are_suspect(&self, now: Instant) -> bool {
        self.0.len() > 1 && self.0.iter().any(|address| address.is_suspect(now))
    }

    fn of(&mut self, at: SocketAddr) -> Option<&mut Address> {
        // Of one address alone there is nothing to choose.
        if self.0.len() < 2 {
            return None;
        }
        self.0.iter_mut().find(|address| address.at == at)
    }

    fn preference(&self, at: SocketAddr, met: &[SocketAddr], now: Instant) -> AddressPreference {
        let known = || self.0.iter().find(|address| address.at == at);
        match () {
            () if met.contains(&at) => AddressPreference::Met,
            () if known().is_some_and(|known| known.is_passed_over(now)) => {
                AddressPreference::PassedOver
            }
            () => AddressPreference::Good,
        }
    }

    fn until(&self, at: SocketAddr, now: Instant) -> Option<Instant> {
        let known = self.0.iter().find(|address| address.at == at);
        known.and_then(|known| known.until).filter(|until| now < *until)
    }
}

/// How much an address is preferred, from the best on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum AddressPreference {
    Good,
    PassedOver,
    /// An attempt of the same call has failed there, or waits there.
    Met,
}

impl Address {
    const fn new(at: SocketAddr) -> Self {
        Self { at, failures: 0, times: 0, until: None, handshake_since: None }
    }

    fn is_passed_over(&self, now: Instant) -> bool {
        let waits = |since: Instant| now.saturating_duration_since(since) >= HANDSHAKE_LIMIT;
        self.until.is_some_and(|until| now < until) || self.handshake_since.is_some_and(waits)
    }

    fn is_suspect(&self, now: Instant) -> bool {
        self.failures > 0
            || self.handshake_since.is_some()
            || self.until.is_some_and(|until| now < until)
    }
}

/// What is known of the address.
fn taken(known: &mut Vec<Address>, at: SocketAddr) -> Address {
    let index = known.iter().position(|address| address.at == at);
    index.map_or_else(|| Address::new(at), |index| known.swap_remove(index))
}

/// Failures in a row after which an address is passed over. One of a hundred answers may fail on each address, and
/// three of those in a row are one of a million.
const FAILURES: u32 = 3;

/// How long at first. With each further time it is twice as long, as the call that finds out may be lost.
const PASSED_OVER: Duration = Duration::from_secs(10);

/// Up to 320 s.
const MOST_DOUBLINGS: u32 = 5;

/// After so long without a fault the next one is a first one.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// Beyond it a handshake counts as one that hangs, while it lasts: the call's next attempt is not to meet the same.
const HANDSHAKE_LIMIT: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(last: u8) -> SocketAddr {
        ([127, 0, 0, last], 80).into()
    }

    fn three() -> Addresses {
        let mut addresses = Addresses::default();
        addresses.learn(&[at(1), at(2), at(3)]);
        addresses
    }

    fn sorted(addresses: &Addresses, met: &[SocketAddr], now: Instant) -> [u8; 3] {
        let mut order = [at(1), at(2), at(3)];
        addresses.sort(&mut order, met, now);
        order.map(|at| at.to_string().as_bytes()[8] - b'0')
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_call_begins_at_an_address_that_it_has_not_met() {
        let (addresses, now) = (three(), Instant::now());
        assert_eq!(sorted(&addresses, &[], now), [1, 2, 3]);
        assert_eq!(sorted(&addresses, &[at(1)], now), [2, 3, 1]);
        assert_eq!(sorted(&addresses, &[at(1), at(2)], now), [3, 1, 2]);
        assert!(addresses.passes_over(at(1), &[at(1)], now));
        let met = [at(1), at(2), at(3)];
        assert!(!addresses.passes_over(at(1), &met, now), "there is no other");
    }

    #[test]
    fn a_silent_address_is_passed_over_for_a_while_and_then_for_longer() {
        let (mut addresses, now) = (three(), Instant::now());
        addresses.failed(at(1), AddressFault::Silent, now);
        addresses.failed(at(1), AddressFault::Silent, now);
        assert_eq!(sorted(&addresses, &[], now), [2, 3, 1]);
        assert_eq!(sorted(&addresses, &[at(2)], now), [3, 1, 2], "better than one that was met");
        assert!(addresses.passes_over(at(1), &[], now + 9 * SECOND));
        let again = now + 10 * SECOND;
        assert!(!addresses.passes_over(at(1), &[], again));
        addresses.failed(at(1), AddressFault::Silent, again);
        assert!(addresses.passes_over(at(1), &[], again + 19 * SECOND));
        addresses.answered(at(1));
        assert!(!addresses.passes_over(at(1), &[], again) && !addresses.are_suspect(again));
    }

    #[test]
    fn a_failing_answer_now_and_then_is_no_reason_to_leave() {
        let (mut addresses, now) = (three(), Instant::now());
        for _ in 0..10 {
            addresses.failed(at(1), AddressFault::Failing, now);
            addresses.failed(at(1), AddressFault::Failing, now);
            addresses.answered(at(1));
        }
        assert!(!addresses.passes_over(at(1), &[], now));
        for _ in 0..3 {
            addresses.failed(at(1), AddressFault::Failing, now);
        }
        assert!(addresses.passes_over(at(1), &[], now));
    }

    #[test]
    fn where_all_have_failed_none_is_passed_over_and_the_oldest_fault_comes_first() {
        let (mut addresses, now) = (three(), Instant::now());
        for (number, last) in [2, 3, 1].into_iter().enumerate() {
            addresses.failed(at(last), AddressFault::Silent, now + number as u32 * SECOND);
        }
        let now = now + 3 * SECOND;
        assert!((1..=3).all(|last| !addresses.passes_over(at(last), &[], now)));
        assert_eq!(sorted(&addresses, &[], now), [2, 3, 1]);
        addresses.is_needed(at(3));
        assert!(addresses.passes_over(at(1), &[], now) && !addresses.passes_over(at(3), &[], now));
    }

    #[test]
    fn a_handshake_that_hangs_counts_while_it_lasts() {
        let (mut addresses, now) = (three(), Instant::now());
        addresses.handshake_began(at(1), now);
        assert!(!addresses.passes_over(at(1), &[], now + SECOND / 4));
        addresses.handshake_began(at(1), now + SECOND / 4);
        assert!(addresses.passes_over(at(1), &[], now + SECOND / 2), "by the first of them");
        addresses.handshake_succeeded(at(1));
        assert!(!addresses.passes_over(at(1), &[], now + SECOND));
        addresses.handshake_failed(at(1), now, now + SECOND / 4);
        assert!(!addresses.passes_over(at(1), &[], now + SECOND), "given up early");
        addresses.handshake_failed(at(1), now, now + SECOND);
        assert!(addresses.passes_over(at(1), &[], now + SECOND));
    }

    #[test]
    fn a_single_address_is_never_suspect_and_a_new_list_keeps_what_is_known() {
        let now = Instant::now();
        let mut addresses = Addresses::default();
        addresses.learn(&[at(1)]);
        addresses.failed(at(1), AddressFault::Silent, now);
        assert!(!addresses.are_suspect(now));
        addresses.learn(&[at(1), at(2)]);
        addresses.failed(at(1), AddressFault::Silent, now);
        addresses.learn(&[at(3), at(1)]);
        assert!(addresses.passes_over(at(1), &[], now) && addresses.are_suspect(now));
        addresses.learn(&[at(3), at(2)]);
        assert!(!addresses.are_suspect(now));
    }
}
