//! Roots, and a client's certificate with its key, in PEM: what is refused is not quoted.
#![no_main]

use ahoy::transport::{Tls, TlsConfig};

libfuzzer_sys::fuzz_target!(|pem: &[u8]| {
    let roots =
        TlsConfig { extra_roots_pem: vec![pem.to_vec()], platform_roots: false, identity: None };
    let identity = (pem.to_vec(), pem.to_vec());
    let identity = TlsConfig { identity: Some(identity), ..TlsConfig::default() };
    for config in [roots, identity] {
        let Err(message) = Tls::new(config) else { continue };
        // Long enough not to be in a message by chance.
        let quoted = |line: &[u8]| {
            let text = String::from_utf8_lossy(line);
            text.trim().len() >= 8 && message.contains(text.trim())
        };
        assert!(!pem.split(|&byte| byte == b'\n').any(quoted), "{message}");
    }
});
