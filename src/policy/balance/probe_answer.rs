//! What an endpoint answers to a probe of [`Prequal`](super::Prequal): how much it has in flight, and how
//! long its answers take.
//!
//! The header is a peer's, so it is read as strictly as a [`Report`](super::Report): a value that is
//! broken anywhere is no value. It may stand in the same header, for each passes over the other's names.
//!
//! | name | meaning |
//! |---|---|
//! | `in_flight` | requests that the endpoint works on, of all clients; a whole number |
//! | `latency_ms` | how long requests took lately, with about as many in flight |

use std::time::Duration;

use crate::policy::load::reported::{decimal, each_number};

/// What an endpoint told of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// Requests in flight, of all clients.
    pub in_flight: Option<u32>,
    /// How long an answer takes.
    pub latency: Option<Duration>,
}

impl ProbeAnswer {
    /// Reads a header's value, `in_flight=3, latency_ms=4.2`.
    ///
    /// Names that are not known are passed over. None for a value of more than 1 KiB, without any known
    /// name, with a name twice, or with a number that is not plain decimal digits.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut answer = Self::default();
        each_number(value, |name, number| {
            let twice = match name {
                "in_flight" => answer.in_flight.replace(whole(number)?).is_some(),
                "latency_ms" => answer.latency.replace(millis(number)?).is_some(),
                _ => false,
            };
            (!twice).then_some(())
        })?;
        (answer != Self::default()).then_some(answer)
    }
}

/// More than fits is as many as can be told.
fn whole(number: &str) -> Option<u32> {
    let number = decimal(number).filter(|_| !number.contains('.'))?;
    Some(number as u32)
}

fn millis(number: &str) -> Option<Duration> {
    Some(Duration::try_from_secs_f64(decimal(number)? / 1e3).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::test_inputs::ms;

    fn read(value: &str) -> Option<ProbeAnswer> {
        ProbeAnswer::parse(value.as_bytes())
    }

    #[test]
    fn an_answer_tells_what_is_in_flight_and_how_long_it_takes() {
        let latency = Some(Duration::from_micros(4200));
        let both = Some(ProbeAnswer { in_flight: Some(3), latency });
        assert_eq!(read("in_flight=3, latency_ms=4.2"), both);
        assert_eq!(read("\tlatency_ms = 4.20 ,in_flight=03 "), both);
        assert_eq!(read("in_flight=0"), Some(ProbeAnswer { in_flight: Some(0), latency: None }));
        assert_eq!(read("latency_ms=4.2"), Some(ProbeAnswer { in_flight: None, latency }));
    }

    #[test]
    fn a_report_of_load_may_stand_beside_it() {
        let found = Some(ProbeAnswer { in_flight: Some(3), latency: Some(ms(5)) });
        assert_eq!(read("util=0.4, in_flight=3, cpu=much, latency_ms=5"), found);
        assert_eq!(read("TEXT cpu_utilization=0.4"), None, "nothing known");
    }

    #[test]
    fn a_value_that_is_broken_anywhere_is_no_value() {
        let broken = [
            "",
            ",",
            "3",
            "in_flight",
            "in_flight=",
            "in_flight=3.0",
            "in_flight=-1",
            "in_flight=NaN",
            "in_flight=3,",
            "in_flight=3; latency_ms=4",
            "in_flight=3, latency_ms=1e3",
            "in_flight=3, latency_ms=4ms",
            "in_flight=3, in_flight=3",
            "latency_ms=1, latency_ms=1",
        ];
        for value in broken {
            assert_eq!(read(value), None, "{value:?}");
        }
        assert_eq!(ProbeAnswer::parse(b"in_flight=3, \xff=1"), None);
        assert_eq!(read(&format!("in_flight=3, x={}", "1".repeat(1024))), None);
    }

    #[test]
    fn a_number_that_does_not_fit_is_the_largest_that_does() {
        let most = Some(ProbeAnswer { in_flight: Some(u32::MAX), latency: Some(Duration::MAX) });
        assert_eq!(read(&format!("in_flight=99999999999, latency_ms=1{}", "0".repeat(60))), most);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(value in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = ProbeAnswer::parse(&value);
        }

        #[test]
        fn a_damaged_answer_is_read_or_refused(at in 0_usize..28, with in any::<u8>()) {
            let mut value = b"in_flight=3, latency_ms=4.25".to_vec();
            value[at] = with;
            let _ = ProbeAnswer::parse(&value);
        }

        #[test]
        fn every_number_reads_back(in_flight in any::<u32>(), millis in 0_u64..1 << 20) {
            let found = read(&format!("in_flight={in_flight}, latency_ms={millis}"));
            let latency = Some(Duration::from_millis(millis));
            prop_assert_eq!(found, Some(ProbeAnswer { in_flight: Some(in_flight), latency }));
        }
    }
}
