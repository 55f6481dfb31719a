//! Certificates made for one test.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// A certificate authority.
pub struct Authority {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        // Two of one name would be taken for one whose signature is wrong.
        let name = format!("authority {}", COUNT.fetch_add(1, Ordering::SeqCst));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for `name` and its key, both in PEM.
    pub fn issue(&self, name: &str) -> (String, String) {
        self.issue_with(name, |_| {})
    }

    /// The same; it holds since `before` and for `after`.
    pub fn issue_for(&self, name: &str, before: Duration, after: Duration) -> (String, String) {
        self.issue_with(name, |params| {
            params.not_before = (SystemTime::now() - before).into();
            params.not_after = (SystemTime::now() + after).into();
        })
    }

    fn issue_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// A server that is `name`.
    pub fn server(&self, name: &str) -> ServerConfig {
        self.configured(name, None)
    }

    /// A server that is `name` and asks for a certificate of `clients`.
    pub fn strict_server(&self, name: &str, clients: &Self) -> ServerConfig {
        self.configured(name, Some(clients))
    }

    fn configured(&self, name: &str, clients: Option<&Self>) -> ServerConfig {
        let (certificate, key) = self.issue(name);
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let Some(clients) = clients else {
            return builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
        };
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(clients.pem.as_bytes()).unwrap()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = builder.with_client_cert_verifier(verifier.build().unwrap());
        builder.with_single_cert(chain, key).unwrap()
    }
}
