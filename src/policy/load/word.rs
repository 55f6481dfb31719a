//! The two words of a load in which several numbers must agree.

use super::tick::Tick;

/// The number of requests in flight, below the sum of their start ticks.
///
/// One addition counts a start and one subtraction a finish, so both numbers always belong together.
/// The sum keeps 44 bits and wraps around, which cancels out in a difference of sums: ages are right
/// until they add up to 101 days, and beyond that none is told. So are they with more than a million
/// in flight, when the count runs over into the sum; both are right again below that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InFlightWord(pub(crate) u64);

impl InFlightWord {
    /// One request with this start, to be added and subtracted.
    pub(crate) const fn one(started: Tick) -> u64 {
        started.0 << COUNT_BITS | 1
    }

    pub(crate) const fn pending(self) -> u64 {
        self.0 & COUNT
    }

    /// Microseconds that all in flight have taken together; none if most of them started in what
    /// this caller's clock takes for the future.
    pub(crate) fn total_age(self, now: Tick) -> u64 {
        let all_now = self.pending().wrapping_mul(now.0) << COUNT_BITS;
        let signed = all_now.wrapping_sub(self.0 & !COUNT) as i64 >> COUNT_BITS;
        u64::try_from(signed).unwrap_or(0)
    }

    /// Microseconds that one in flight has taken on average.
    pub(crate) fn mean_age(self, now: Tick) -> u64 {
        self.total_age(now).checked_div(self.pending()).unwrap_or(0)
    }
}

/// An average latency in microseconds, an `f32` above zero, over the time of its last sample; all
/// zero without history.
///
/// The time counts units of 1.024 ms and wraps around after 50 days. An endpoint that was idle for that long to
/// the second looks as if it had just been sampled, until that second is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Latency(pub(crate) u64);

/// An average latency as it is seen at some time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct History {
    /// The average, in microseconds, above zero.
    pub(crate) latency: f32,
    /// Microseconds since its last sample, to the millisecond.
    pub(crate) age: u64,
}

impl Latency {
    pub(crate) const fn micros(self) -> f32 {
        f32::from_bits((self.0 >> 32) as u32)
    }

    pub(crate) fn at(self, now: Tick) -> Option<History> {
        let age = (self.units_until(now) as u64) << UNIT_BITS;
        (self.0 != 0).then(|| History { latency: self.micros(), age })
    }

    /// The word that replaces this one. A time that was overtaken by another thread's does not go
    /// back.
    pub(crate) fn followed_by(self, latency: f32, now: Tick) -> Self {
        let units = (now.0 >> UNIT_BITS) as u32;
        let ahead = self.0 != 0 && self.units_until(now) == 0;
        let stamp = if ahead { self.0 as u32 } else { units };
        Self(u64::from(latency.to_bits()) << 32 | u64::from(stamp))
    }

    /// Units since the last sample; none if that lies up to a minute ahead.
    const fn units_until(self, now: Tick) -> u32 {
        let units = ((now.0 >> UNIT_BITS) as u32).wrapping_sub(self.0 as u32);
        if units > OVERTAKEN { 0 } else { units }
    }
}

/// A million in flight, which is more than one address has ports for.
const COUNT_BITS: u32 = 20;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// 1.024 ms: fine enough against averaging times of a second.
const UNIT_BITS: u32 = 10;

/// Threads overtake each other by microseconds, or by a scheduler's slice: a minute is plenty, and
/// small against the 50 days that it is cut from.
const OVERTAKEN: u32 = u32::MAX - (1 << 16);

#[cfg(test)]
mod tests {
    use super::*;

    const fn flight(starts: &[u64]) -> InFlightWord {
        let (mut word, mut index) = (0_u64, 0);
        while index < starts.len() {
            word = word.wrapping_add(InFlightWord::one(Tick(starts[index])));
            index += 1;
        }
        InFlightWord(word)
    }

    #[test]
    fn ages_are_summed_over_all_in_flight() {
        let flight = flight(&[1000, 2000, 4500]);
        assert_eq!(flight.pending(), 3);
        assert_eq!(flight.total_age(Tick(5000)), 4000 + 3000 + 500);
        assert_eq!(flight.mean_age(Tick(5000)), 2500);
    }

    #[test]
    fn an_idle_word_has_no_age() {
        assert_eq!(InFlightWord(0).total_age(Tick(u64::MAX)), 0);
        assert_eq!(InFlightWord(0).mean_age(Tick(u64::MAX)), 0);
    }

    #[test]
    fn the_sum_wraps_around_without_harm() {
        for start in [(1 << 44) - 7, (1 << 45) - 1, u64::MAX - 200] {
            let flight = flight(&[start, start, start + 100]);
            assert_eq!(flight.pending(), 3);
            assert_eq!(flight.total_age(Tick(start + 100)), 200, "{start}");
        }
    }

    #[test]
    fn starts_ahead_of_the_clock_are_no_age() {
        assert_eq!(flight(&[1000]).total_age(Tick(999)), 0);
        assert_eq!(flight(&[0, 1000, 1000]).total_age(Tick(900)), 700);
        assert_eq!(flight(&[u64::MAX]).total_age(Tick(0)), 1, "which wraps around");
    }

    #[test]
    fn a_hundred_days_are_told_and_more_are_not() {
        let day = 24 * 3600 * 1_000_000;
        assert_eq!(flight(&[5]).total_age(Tick(100 * day + 5)), 100 * day);
        assert_eq!(flight(&[5]).total_age(Tick(102 * day + 5)), 0);
    }

    #[test]
    fn more_than_a_million_in_flight_are_right_again_afterwards() {
        let mut word = 0_u64;
        (0..1_100_000).for_each(|start| word = word.wrapping_add(InFlightWord::one(Tick(start))));
        (10..1_100_000).for_each(|start| word = word.wrapping_sub(InFlightWord::one(Tick(start))));
        assert_eq!(InFlightWord(word), flight(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    }

    #[test]
    fn a_latency_knows_when_it_was_sampled() {
        assert_eq!(Latency(0).at(Tick(99)), None);
        let word = Latency(0).followed_by(250.0, Tick(10 << 10));
        assert_eq!(word.at(Tick(15 << 10)), Some(History { latency: 250.0, age: 5120 }));
        assert_eq!(word.followed_by(99.5, Tick(12 << 10)).micros(), 99.5);
    }

    #[test]
    fn a_time_that_was_overtaken_does_not_go_back() {
        let word = Latency(0).followed_by(250.0, Tick(10 << 10));
        assert_eq!(word.at(Tick(9 << 10)), Some(History { latency: 250.0, age: 0 }));
        let later = word.followed_by(300.0, Tick(4 << 10));
        assert_eq!(later.at(Tick(10 << 10)), Some(History { latency: 300.0, age: 0 }));
    }

    #[test]
    fn the_stamp_wraps_around_after_50_days() {
        let (stamp, later) = (Tick(((1_u64 << 32) - 3) << 10), Tick(((1_u64 << 32) + 2) << 10));
        let word = Latency(0).followed_by(1.0, stamp);
        assert_eq!(word.at(later).map(|history| history.age), Some(5120));
        let month = Tick(stamp.0 + 30 * 24 * 3600 * 1_000_000);
        assert!(word.at(month).is_some_and(|history| history.age > 2_500_000_000_000));
    }
}
