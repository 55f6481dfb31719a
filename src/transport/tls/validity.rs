//! From when until when a certificate holds.
//!
//! webpki checks the dates of a server's certificate and shows none. The client's own are of interest before a server
//! refuses it, so the few fields before them are skipped here (X.509, in DER).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The two dates of a certificate, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    from: i64,
    until: i64,
}

impl Validity {
    /// The dates of a certificate in DER; none where they cannot be read.
    pub(super) fn of(certificate: &[u8]) -> Option<Self> {
        let (certificate, _) = element(certificate, SEQUENCE)?;
        let (mut fields, _) = element(certificate, SEQUENCE)?;
        if let Some((_, rest)) = element(fields, VERSION) {
            fields = rest;
        }
        for skipped in [INTEGER, SEQUENCE, SEQUENCE] {
            (_, fields) = element(fields, skipped)?;
        }
        let (dates, _) = element(fields, SEQUENCE)?;
        let (from, dates) = date(dates)?;
        let (until, _) = date(dates)?;
        Some(Self { from, until })
    }

    /// What is to be said of a certificate that ends soon or has ended: less than a tenth of its time is left, which a
    /// renewal that works does not let come (cert-manager renews after two thirds).
    pub(super) fn warning(self, what: &str, now: SystemTime) -> Option<String> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
        let (left, whole) = (self.until.saturating_sub(now), self.until.saturating_sub(self.from));
        match left {
            i64::MIN..=0 => Some(format!("{what} has expired")),
            _ if left > whole / 10 => None,
            _ => Some(format!("{what} expires within {}", rounded(left))),
        }
    }
}

/// Coarse, so that a warning is one and not another at each look.
fn rounded(seconds: i64) -> String {
    match seconds {
        0..=60 => "a minute".to_owned(),
        61..=3_600 => "an hour".to_owned(),
        3_601..=86_400 => "a day".to_owned(),
        _ => format!(
            "{} days",
            Duration::from_secs(seconds.unsigned_abs()).as_secs().div_ceil(86_400)
        ),
    }
}

/// The content of the first element where it has this tag, and what follows it.
fn element(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let [found, first, rest @ ..] = input else { return None };
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    (*found == tag).then(|| rest.split_at_checked(length))?
}

/// A date and what follows it: `YYMMDDHHMMSSZ`, or with a year of four digits.
fn date(input: &[u8]) -> Option<(i64, &[u8])> {
    let ((text, rest), century) = match element(input, UTC_TIME) {
        Some(found) => (found, None),
        None => (element(input, GENERALIZED_TIME)?, Some(())),
    };
    let text = std::str::from_utf8(text).ok()?;
    let (year, text) = text.split_at_checked(if century.is_some() { 4 } else { 2 })?;
    let year: i64 = year.parse().ok()?;
    // RFC 5280: two digits below 50 are of this century.
    let year = match century {
        Some(()) => year,
        None if year < 50 => 2_000 + year,
        None => 1_900 + year,
    };
    let digits = text.strip_suffix('Z')?;
    let two = |at: usize| digits.get(at..at + 2)?.parse::<i64>().ok();
    let (month, day) = (two(0)?, two(2)?);
    let time = two(4)? * 3_600 + two(6)? * 60 + two(8)?;
    Some((days(year, month, day)? * 86_400 + time, rest))
}

/// Days from 1970 to a date of the Gregorian calendar, whose year begins in March here.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(
        year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year
            - 719_468,
    )
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(from: (i32, u8, u8), until: (i32, u8, u8)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_dates_are_those_of_the_certificate() {
        for (from, until, seconds) in [
            ((2026, 1, 1), (2026, 3, 1), (1_767_225_600, 1_772_323_200)),
            ((1999, 12, 31), (2049, 12, 31), (946_598_400, 2_524_521_600)),
            ((2000, 2, 29), (2100, 1, 1), (951_782_400, 4_102_444_800)),
        ] {
            let dates = Validity::of(&certificate(from, until)).unwrap();
            assert_eq!((dates.from, dates.until), seconds);
        }
    }

    #[test]
    fn damaged_certificates_have_none() {
        let whole = certificate((2026, 1, 1), (2027, 1, 1));
        for length in 0..100 {
            assert_eq!(Validity::of(&whole[..length]), None);
        }
        for at in 0..60 {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            let _ = Validity::of(&damaged);
        }
    }

    #[test]
    fn it_warns_in_the_last_tenth() {
        let dates = Validity { from: 0, until: 100 * 86_400 };
        let at = |day: u64| dates.warning("it", UNIX_EPOCH + Duration::from_secs(day * 86_400));
        assert_eq!(at(89), None);
        assert_eq!(at(91).unwrap(), "it expires within 9 days");
        assert_eq!(at(99).unwrap(), "it expires within a day");
        assert_eq!(at(100).unwrap(), "it has expired");
    }
}
