//! A name server's answer about a service: another reader finds the same numbers in the records, and each server is a host
//! on the level of its priority and with its share.
#![no_main]

use ahoy::discovery::sources::srv::fuzzing::{Numbers, answer};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((numbers, ttl)) = answer(bytes) else { return };
    let Some((found, least)) = read(bytes) else { return };
    assert_eq!(numbers, found);
    assert!(least.is_none_or(|least| least == ttl), "{least:?} is to be {ttl}");
});

/// The numbers of the SRV records and the least time to live; none where a record is odd, which the library's reader may
/// take as it likes.
fn read(message: &[u8]) -> Option<(Vec<Numbers>, Option<u64>)> {
    let number = |at: usize| Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?));
    let (questions, answers) = (number(4)?, number(6)?);
    let mut at = 12;
    for _ in 0..questions {
        at = behind_name(message, at)? + 4;
    }
    let (mut found, mut least) = (Vec::new(), None);
    for _ in 0..answers {
        at = behind_name(message, at)?;
        let (kind, class, length) = (number(at)?, number(at + 2)?, usize::from(number(at + 8)?));
        let ttl = u64::from(number(at + 4)?) << 16 | u64::from(number(at + 6)?);
        if length == 0 || class != 1 || ttl >= 1 << 31 {
            return None;
        }
        least = Some(least.unwrap_or(ttl).min(ttl));
        if kind == 33 {
            found.push((number(at + 10)?, number(at + 12)?, number(at + 14)?));
        }
        at += 10 + length;
    }
    Some((found, least))
}

fn behind_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            pointer if pointer >= 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}
