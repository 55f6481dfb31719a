//! Options by name: a value that is refused changes nothing.
#![no_main]

use ahoy::config::{Algorithm, BalancerConfig, ClientConfig};
use ahoy::options;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let mut client = ClientConfig::default();
    let before = format!("{client:?}");
    if options::set(options::CLIENT, &mut client, key, value).is_err() {
        assert_eq!(format!("{client:?}"), before);
    }
    let mut balancer = BalancerConfig::new(Algorithm::RoundRobin);
    let _ = options::set(options::BALANCER, &mut balancer, key, value);
});
