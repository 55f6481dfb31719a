//! Roots, and a client's certificate with its key, in PEM, the key behind the first empty line where there is one: what
//! is refused is not quoted.
#![no_main]

use ahoy::transport::{Tls, TlsConfig};

libfuzzer_sys::fuzz_target!(|pem: &[u8]| {
    let roots =
        TlsConfig { extra_roots_pem: vec![pem.to_vec()], platform_roots: false, ..TlsConfig::default() };
    let empty = pem.windows(2).position(|two| two == b"\n\n");
    let (chain, key) = empty.map_or((pem, pem), |at| pem.split_at(at));
    let identity = (chain.to_vec(), key.to_vec());
    let identity = TlsConfig { identity: Some(identity), ..TlsConfig::default() };
    for config in [roots, identity] {
        let Err(message) = Tls::new(config, None) else { continue };
        // To look for the input's lines in the message is no use: the fuzzer learns the message and puts it there.
        let is_known = PROBLEMS.iter().any(|problem| message.ends_with(problem));
        assert!(is_known && message.len() < 80, "{message}");
    }
});

/// What a message ends with.
const PROBLEMS: [&str; 8] = [
    ": not valid PEM",
    ": no certificate in it",
    " not usable: damaged",
    ": no private key in it",
    ": encrypted, and only a key without a passphrase can be used",
    ": does not belong to the client certificate",
    ": not valid",
    ": none of RSA, P-256, P-384 and Ed25519, or damaged",
];
