//! Options by name, one a line as in `key = value`: a value that is refused changes nothing, and settings that are
//! written out are read again as they were.
#![no_main]

use std::fmt::Debug;

use ahoy::config::{Algorithm, BalancerConfig, ClientConfig, PrequalProbing};
use ahoy::options::{self, Table};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let pairs = text.lines().map(|line| line.split_once('=').unwrap_or((line, "")));
    // Each copies the whole configuration a few times: with more, there were seven inputs a second.
    let pairs: Vec<_> = pairs.map(|(key, value)| (key.trim(), value)).take(8).collect();
    // The first key says what is set: a key that is not there is compared with each that is, which takes long.
    let first = pairs.first().map_or("", |(key, _)| *key);
    if !options::BALANCER.rows().iter().any(|row| row.key == first) {
        return check(&options::CLIENT, ClientConfig::default(), &pairs);
    }
    let algorithm = match text.len() % 2 {
        0 => Algorithm::RoundRobin,
        // It has the most settings of its own.
        _ => Algorithm::Prequal(PrequalProbing::new("/".into())),
    };
    check(&options::BALANCER, BalancerConfig::new(algorithm), &pairs);
});

fn check<C: Clone + Debug + 'static>(table: &Table<C>, mut config: C, pairs: &[(&str, &str)]) {
    let new = config.clone();
    for (key, value) in pairs {
        let before = config.clone();
        if table.set(&mut config, key, value).is_err() {
            assert_eq!(format!("{config:?}"), format!("{before:?}"));
        }
    }
    let mut at_once = new.clone();
    if table.set_all(&mut at_once, pairs.iter().copied()).is_err() {
        assert_eq!(format!("{at_once:?}"), format!("{new:?}"));
    }
    let text = table.text(&config);
    let mut read = new;
    let lines = text.lines().filter_map(|line| line.split_once(" = "));
    table.set_all(&mut read, lines).expect("what is written is read");
    assert_eq!(table.text(&read), text);
}
