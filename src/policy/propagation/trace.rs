//! Which trace a request belongs to: the W3C `traceparent` header.
//!
//! A trace of calls through several services needs each hop to pass the trace on, and each
//! attempt to be told apart from the others. So an attempt keeps the trace's id and flags and gets
//! an id of its own; whether anything is recorded is the tracing system's decision. `tracestate`
//! is not looked into, and passes or not like any other inbound header.
//!
//! What came in is read as strictly as the standard says, since a damaged value that is passed on
//! joins traces which have nothing to do with each other. A version that is not known yet is read
//! by the fields that this one knows, and goes on as this one.
//!
//! Starting a trace where none came in is off: the first service that records does it better, by
//! its own rule of how many to record.

use rand::{Rng, RngExt};

/// What to do where no trace came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceStart {
    /// Send none; the default.
    #[default]
    Never,
    /// Start one that the services after this one need not record.
    Unsampled,
    /// Start one that they are asked to record. All calls then are, however many there are.
    Sampled,
}

/// A place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// Never zero.
    trace_id: u128,
    /// Never zero.
    span_id: u64,
    flags: u8,
}

impl TraceParent {
    /// Bytes of the header's value: two digits of version, 32 of trace, 16 of span and two of flags,
    /// and three dashes.
    pub const LENGTH: usize = 55;

    /// Reads the header's value, with blanks around it; none if it breaks the standard, as a zero id does.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let value = value.trim_ascii();
        let version = hex(field(value, 0, 2)?)?;
        let (trace_id, span_id) = (hex(field(value, 3, 32)?)?, hex(field(value, 36, 16)?)?);
        let flags = hex(field(value, 53, 2)?)?;
        let known_flags = match (version, value.len()) {
            (0, Self::LENGTH) => SAMPLED | RANDOM,
            // A later version may go on behind another dash, and vouches for one flag only.
            (1..=0xfe, _) => SAMPLED,
            _ => return None,
        };
        let (span_id, flags) = (u64::try_from(span_id).ok()?, u8::try_from(flags).ok()?);
        let valid = trace_id != 0 && span_id != 0;
        valid.then_some(Self { trace_id, span_id, flags: flags & known_flags })
    }

    /// The trace of a call: the one that came in, or else a new one if that is wanted.
    pub fn of_call(received: Option<&[u8]>, start: TraceStart, rng: &mut impl Rng) -> Option<Self> {
        let flags = match (received.and_then(Self::parse), start) {
            (Some(parent), _) => return Some(parent),
            (None, TraceStart::Never) => return None,
            (None, TraceStart::Unsampled) => RANDOM,
            (None, TraceStart::Sampled) => RANDOM | SAMPLED,
        };
        Some(Self { trace_id: rng.random_range(1..=u128::MAX), span_id: new_span(rng), flags })
    }

    /// The same trace with a new span, as each attempt gets one.
    #[must_use = "the attempt is the new place; this one stays where it is"]
    pub fn attempt(&self, rng: &mut impl Rng) -> Self {
        Self { span_id: new_span(rng), ..*self }
    }

    /// Whether the trace is asked to be recorded.
    #[must_use]
    pub const fn sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The header's value, in ASCII.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let mut value = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&mut value[3..35], self.trace_id);
        write_hex(&mut value[36..52], u128::from(self.span_id));
        write_hex(&mut value[53..55], u128::from(self.flags));
        value
    }
}

/// One draw, and never zero: a zero would make the whole header invalid.
fn new_span(rng: &mut impl Rng) -> u64 {
    rng.random_range(1..=u64::MAX)
}

/// A field of fixed place and length, which the value or a dash ends.
fn field(value: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    let ended = value.get(at + length).is_none_or(|after| *after == b'-');
    value.get(at..at + length).filter(|_| ended)
}

/// A number in lower-case digits of base 16, at most 32 of them.
fn hex(text: &[u8]) -> Option<u128> {
    text.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

fn write_hex(place: &mut [u8], mut number: u128) {
    for digit in place.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xf) as usize];
        number >>= 4;
    }
}

/// The trace is asked to be recorded.
const SAMPLED: u8 = 1;
/// The trace's id is random (level 2 of the standard). All other flags have no meaning yet and must be sent
/// as zero.
const RANDOM: u8 = 2;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::policy::test_inputs::rng;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parse(value: &str) -> Option<TraceParent> {
        TraceParent::parse(value.as_bytes())
    }

    fn text(trace: TraceParent) -> String {
        String::from_utf8(trace.to_bytes().to_vec()).unwrap()
    }

    #[test]
    fn the_standards_example_reads_and_writes() {
        let trace = parse(EXAMPLE).unwrap();
        assert_eq!(trace.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(trace.span_id, 0x00f0_67aa_0ba9_02b7);
        assert!(trace.sampled());
        assert_eq!(text(trace), EXAMPLE);
    }

    #[test]
    fn each_attempt_is_a_span_of_its_own_in_the_same_trace() {
        let (trace, mut rng) = (parse(EXAMPLE).unwrap(), rng());
        let attempts: Vec<_> = (0..100).map(|_| trace.attempt(&mut rng)).collect();
        let spans: HashSet<_> = attempts.iter().map(|attempt| attempt.span_id).collect();
        assert_eq!(spans.len(), 100);
        assert!(!spans.contains(&0) && !spans.contains(&trace.span_id));
        for attempt in attempts {
            assert_eq!((attempt.trace_id, attempt.flags), (trace.trace_id, trace.flags));
        }
    }

    #[test]
    fn what_breaks_the_standard_is_no_trace() {
        let broken = [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00 -4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ];
        for value in broken {
            assert_eq!(parse(value), None, "{value:?}");
        }
    }

    #[test]
    fn a_later_version_is_read_by_what_is_known_and_goes_on_as_this_one() {
        let same = parse(EXAMPLE);
        for version in ["01", "7f", "fe"] {
            let later = EXAMPLE.replacen("00", version, 1);
            assert_eq!(parse(&later), same, "{version}");
            assert_eq!(parse(&format!("{later}-what-comes")), same, "{version}");
            assert_eq!(parse(&format!("{later}.what")), None, "{version}");
            assert_eq!(parse(&later[..54]), None, "{version}");
        }
        let all_flags = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff";
        assert_eq!(parse(all_flags), same);
    }

    #[test]
    fn flags_without_a_meaning_are_dropped() {
        let flags = |flags: &str| parse(&format!("{}{flags}", &EXAMPLE[..53])).unwrap().flags;
        assert_eq!((flags("00"), flags("01"), flags("02"), flags("ff")), (0, 1, 2, 3));
        assert_eq!(flags("f8"), 0);
    }

    #[test]
    fn a_trace_is_started_only_if_wanted_and_none_came() {
        let mut rng = rng();
        let mut of = |received: Option<&str>, start| {
            TraceParent::of_call(received.map(str::as_bytes), start, &mut rng)
        };
        assert_eq!(of(None, TraceStart::Never), None);
        assert_eq!(of(Some("garbage"), TraceStart::default()), None);
        assert_eq!(of(Some(EXAMPLE), TraceStart::Never), parse(EXAMPLE));
        assert_eq!(of(Some(EXAMPLE), TraceStart::Sampled), parse(EXAMPLE));
        let sampled = of(Some("garbage"), TraceStart::Sampled).unwrap();
        let unsampled = of(None, TraceStart::Unsampled).unwrap();
        assert!(sampled.sampled() && !unsampled.sampled());
        assert_ne!(sampled.trace_id, unsampled.trace_id);
        assert_eq!(parse(&text(sampled)), Some(sampled));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(value in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = TraceParent::parse(&value);
        }

        #[test]
        fn what_reads_from_a_damaged_value_is_valid(
            at in 0_usize..55,
            with in any::<u8>(),
            cut in 0_usize..60,
        ) {
            let mut value = EXAMPLE.as_bytes().to_vec();
            value[at] = with;
            value.truncate(cut);
            if let Some(trace) = TraceParent::parse(&value) {
                prop_assert!(value.len() == TraceParent::LENGTH && trace.trace_id != 0 && trace.span_id != 0);
                prop_assert_eq!(TraceParent::parse(&trace.to_bytes()), Some(trace));
            }
        }

        #[test]
        fn every_trace_reads_back(
            trace_id in 1..=u128::MAX,
            span_id in 1..=u64::MAX,
            flags in 0_u8..4,
            seed in any::<u64>(),
        ) {
            let trace = TraceParent { trace_id, span_id, flags };
            prop_assert_eq!(TraceParent::parse(&trace.to_bytes()), Some(trace));
            let attempt = trace.attempt(&mut StdRng::seed_from_u64(seed));
            prop_assert_eq!(TraceParent::parse(&attempt.to_bytes()), Some(attempt));
        }
    }
}
