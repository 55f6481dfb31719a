//! Options by name, one a line as in `key = value`: a value that is refused changes nothing, and settings that are
//! written out are read again as they were.
#![no_main]

use std::fmt::Debug;

use ahoy::config::{Algorithm, BalancerConfig, ClientConfig, PrequalProbing};
use ahoy::options::{self, Table};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let pairs: Vec<_> =
        text.lines().map(|line| line.split_once('=').unwrap_or((line, ""))).collect();
    let pairs: Vec<_> = pairs.into_iter().map(|(key, value)| (key.trim(), value)).collect();
    check(&options::CLIENT, ClientConfig::default(), &pairs);
    check(&options::BALANCER, BalancerConfig::new(Algorithm::RoundRobin), &pairs);
    // It has the most settings of its own.
    let prequal = Algorithm::Prequal(PrequalProbing::new("/".into()));
    check(&options::BALANCER, BalancerConfig::new(prequal), &pairs);
});

fn check<C: Clone + Debug + 'static>(table: &Table<C>, mut config: C, pairs: &[(&str, &str)]) {
    let new = config.clone();
    for (key, value) in pairs {
        let before = format!("{config:?}");
        if table.set(&mut config, key, value).is_err() {
            assert_eq!(format!("{config:?}"), before);
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
