//! What is trusted, and which identity this client shows: one configuration for all connections.
//!
//! Inputs are checked when the client is built, where the mistake can still be shown to its author.
//! Roots are read at the first https use, since that takes tens of milliseconds.

mod files;
mod key_log;
mod roots;
mod validity;
mod verifier;
pub(super) mod words;

use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use once_cell::sync::OnceCell;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CipherSuite, ClientConfig, RootCertStore, WantsVerifier};

pub use self::files::CertificateFiles;
use self::files::{Contents, FileWatch, Look};
use self::key_log::KeyLines;
pub use self::key_log::KeyLogSink;
use self::validity::Validity;
use self::verifier::CertVerifier;
#[cfg(any(fuzzing, test))]
pub(super) use self::verifier::{common_name, is_common_name};
use crate::event::{Event, Observer};
use crate::runtime::clock;

/// What the user says about TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// Certificates trusted besides the platform's; each entry holds one or more in PEM.
    pub extra_roots_pem: Vec<Vec<u8>>,
    /// Whether the platform's roots are trusted; default true.
    pub platform_roots: bool,
    /// Certificate chain and private key, both in PEM, for servers that ask for the client's.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// More of both, in files that are read again when they change. An identity here counts before the other.
    pub files: CertificateFiles,
    /// Gets the secrets of each session, a line each; `None` for nobody.
    pub key_log: Option<KeyLogSink>,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            extra_roots_pem: Vec::new(),
            platform_roots: true,
            identity: None,
            files: CertificateFiles::default(),
            key_log: None,
        }
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig")
            .field("extra_roots_pem", &self.extra_roots_pem.len())
            .field("platform_roots", &self.platform_roots)
            .field("identity", &self.identity.is_some())
            .field("files", &self.files)
            .field("key_log", &self.key_log.is_some())
            .finish()
    }
}

/// Checked TLS settings, and the configuration made of them when first needed.
pub struct Tls {
    provider: Arc<CryptoProvider>,
    platform_roots: bool,
    /// What stays as it is.
    fixed: Material,
    /// What is used: the fixed part, and what the files hold.
    material: ArcSwap<Material>,
    /// Where there is anything that may change or end.
    watch: Option<FileWatch>,
    /// Told of renewals, and of certificates that end.
    log: Option<Arc<dyn Observer>>,
    key_log: Option<KeyLogSink>,
}

/// Certificates and a key, and the configurations made of them.
#[derive(Clone, Default)]
struct Material {
    extra_roots: Vec<CertificateDer<'static>>,
    identity: Option<Arc<CertifiedKey>>,
    /// What the certificates of the client and of its files are called, and their dates.
    dates: Vec<(&'static str, Validity)>,
    /// Why the files could not be read: there is none to fall back on. Only in a forked child.
    fault: Option<String>,
    /// One for each of [`AlpnProtocols`].
    clients: [OnceCell<Arc<ClientConfig>>; 4],
}

/// The protocols that a handshake offers (ALPN).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlpnProtocols {
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2, or else HTTP/1.1.
    Either,
    /// HTTP/2 alone.
    Http2,
    /// None, for what is not HTTP.
    None,
}

impl AlpnProtocols {
    fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            Self::Http1 => vec![b"http/1.1".to_vec()],
            Self::Either => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Self::Http2 => vec![b"h2".to_vec()],
            Self::None => Vec::new(),
        }
    }
}

impl Tls {
    /// Checks `config`.
    ///
    /// # Errors
    ///
    /// Says which input is wrong and why; never shows any of it.
    pub fn new(config: TlsConfig, log: Option<Arc<dyn Observer>>) -> Result<Self, String> {
        let tls = Self::unread(config, log)?;
        if let Some(watch) = &tls.watch {
            tls.material.store(Arc::new(tls.with(watch.read()?)?));
        }
        if tls.material.load().extra_roots.is_empty() && !tls.platform_roots {
            return Err(
                "platform_roots: no root certificate, so nothing would be trusted".to_owned()
            );
        }
        Ok(tls)
    }

    /// For a forked child, which has to go on with a configuration that was good: where its files cannot be read, each
    /// handshake fails until they can.
    ///
    /// # Errors
    ///
    /// What is no file is wrong, so that it was never good.
    pub fn again(config: TlsConfig, log: Option<Arc<dyn Observer>>) -> Result<Self, String> {
        let tls = Self::unread(config, log)?;
        let read = tls.watch.as_ref().map(|watch| watch.read().and_then(|read| tls.with(read)));
        let material = match read {
            None => return Ok(tls),
            Some(Ok(material)) => material,
            Some(Err(fault)) => {
                // Whatever is there next is read.
                tls.watch.iter().for_each(|watch| watch.took(Default::default()));
                Material { fault: Some(fault), ..tls.fixed.clone() }
            }
        };
        tls.material.store(Arc::new(material));
        Ok(tls)
    }

    fn unread(config: TlsConfig, log: Option<Arc<dyn Observer>>) -> Result<Self, String> {
        let provider = Arc::new(provider());
        let names = ["certificate_pem: client certificate", "key_pem: client key"];
        let mut fixed =
            Material { extra_roots: extra_roots(&config.extra_roots_pem)?, ..Material::default() };
        if let Some((cert, key)) = &config.identity {
            fixed.show(identity(cert, key, &provider, names)?);
        }
        let may_change = config.files != CertificateFiles::default() || fixed.identity.is_some();
        let watch = may_change.then(|| {
            let versions = FileWatch::versions(&config.files);
            FileWatch::new(config.files, versions)
        });
        let material = ArcSwap::from_pointee(fixed.clone());
        let (platform_roots, key_log) = (config.platform_roots, config.key_log);
        Ok(Self { provider, platform_roots, fixed, material, watch, log, key_log })
    }

    /// The fixed part, with what files hold.
    fn with(&self, contents: Contents) -> Result<Material, String> {
        let mut material = self.fixed.clone();
        if let Some(pem) = contents.roots {
            let roots = certificates(&pem, "ca_file")?;
            with_extra(RootCertStore::empty(), &roots).map_err(|why| format!("ca_file: {why}"))?;
            material.note(ROOT, &roots);
            material.extra_roots.extend(roots);
        }
        if let Some((cert, key)) = contents.identity {
            material.show(identity(&cert, &key, &self.provider, ["certificate_file", "key_file"])?);
        }
        Ok(material)
    }

    /// Takes what files hold where they changed, and keeps what there is where that cannot be used. Connections that
    /// stand go on.
    fn renew(&self, watch: &FileWatch, now: Instant) {
        let renewed = match watch.look(now) {
            Look::TooSoon => return,
            Look::Same => None,
            Look::Changed(versions) => {
                Some((versions, watch.read().and_then(|read| self.with(read))))
            }
        };
        match renewed {
            None => {}
            Some((versions, Ok(material))) => {
                self.material.store(Arc::new(material));
                watch.took(versions);
                self.tell(false, "certificates were read anew");
            }
            Some((_, Err(why))) => {
                let message = format!("the certificates in use are kept: {why}");
                if watch.is_news(&message) {
                    self.tell(true, &message);
                }
                return;
            }
        }
        let (material, today) = (self.material.load(), SystemTime::now());
        let ending: Vec<_> =
            material.dates.iter().filter_map(|(what, dates)| dates.warning(what, today)).collect();
        let ending = ending.join("; ");
        if !ending.is_empty() && watch.is_news(&ending) {
            self.tell(true, &ending);
        }
    }

    fn tell(&self, is_wrong: bool, text: &str) {
        if let Some(log) = &self.log {
            log.observe(&Event::Certificates { text, is_wrong });
        }
    }

    /// The configuration for all connections that offer `alpn`; the first call in a process may read files for 3–90 ms.
    ///
    /// # Errors
    ///
    /// Where the platform has no roots and none were given; the next call tries again.
    pub fn client_config(&self, alpn: AlpnProtocols) -> Result<Arc<ClientConfig>, String> {
        if let Some(watch) = &self.watch {
            self.renew(watch, clock::now());
        }
        let material = self.material.load();
        material.clients[alpn as usize].get_or_try_init(|| self.build(&material, alpn)).cloned()
    }

    /// A configuration that trusts nobody, for connections that never use TLS.
    pub(super) fn unused_config() -> Result<ClientConfig, String> {
        let builder = versions(Arc::new(provider()))?;
        Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
    }

    fn build(&self, material: &Material, alpn: AlpnProtocols) -> Result<Arc<ClientConfig>, String> {
        if let Some(fault) = &material.fault {
            return Err(fault.clone());
        }
        let single = material.extra_roots.clone();
        let verifier =
            CertVerifier::new(self.roots(single.as_slice())?, single, Arc::clone(&self.provider))?;
        let builder = versions(Arc::clone(&self.provider))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &material.identity {
            Some(key) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(key))))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.protocols();
        if let Some(sink) = &self.key_log {
            config.key_log = Arc::new(KeyLines(sink.clone()));
        }
        Ok(Arc::new(config))
    }

    fn roots(&self, extra: &[CertificateDer<'static>]) -> Result<Arc<RootCertStore>, String> {
        if !self.platform_roots {
            return with_extra(RootCertStore::empty(), extra).map(Arc::new);
        }
        let platform = platform_roots();
        if extra.is_empty() {
            return match platform.is_empty() {
                true => Err("no trusted root certificates on this system".to_owned()),
                false => Ok(platform),
            };
        }
        with_extra(RootCertStore::clone(&platform), extra).map(Arc::new)
    }
}

impl Material {
    /// Servers that ask for it are shown this certificate.
    fn show(&mut self, identity: CertifiedKey) {
        self.dates.retain(|(what, _)| *what != CLIENT);
        self.note(CLIENT, identity.cert.get(..1).unwrap_or_default());
        self.identity = Some(Arc::new(identity));
    }

    fn note(&mut self, what: &'static str, certificates: &[CertificateDer<'_>]) {
        let dates = certificates.iter().filter_map(|certificate| Validity::of(certificate));
        self.dates.extend(dates.map(|dates| (what, dates)));
    }
}

const CLIENT: &str = "the client's certificate";
const ROOT: &str = "a certificate of ca_file";

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("extra_roots", &self.material.load().extra_roots.len())
            .field("platform_roots", &self.platform_roots)
            .field("identity", &self.material.load().identity.is_some())
            .finish_non_exhaustive()
    }
}

/// ring's, with AES by keys of 128 bits before those of 256 within each version, as Go's, BoringSSL's and NSS's clients ask for
/// it: deciphering is most of what a large body costs, and takes 10 rounds instead of 14.
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| {
        let is_short = matches!(
            suite.suite(),
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        );
        (suite.tls13().is_none(), !is_short)
    });
    provider
}

type Builder = rustls::ConfigBuilder<ClientConfig, WantsVerifier>;

fn versions(provider: Arc<CryptoProvider>) -> Result<Builder, String> {
    let builder = ClientConfig::builder_with_provider(provider);
    builder.with_safe_default_protocol_versions().map_err(|_| "tls not usable".to_owned())
}

fn extra_roots(inputs: &[Vec<u8>]) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut all = Vec::new();
    for (index, pem) in inputs.iter().enumerate() {
        all.extend(certificates(pem, &format!("pem: root certificate input {}", index + 1))?);
    }
    // A certificate that cannot be trusted must be told now, not at the first handshake.
    with_extra(RootCertStore::empty(), &all)?;
    Ok(all)
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let parsed = parsed.map_err(|_| format!("{what}: not valid PEM"))?;
    if parsed.is_empty() {
        return Err(format!("{what}: no certificate in it"));
    }
    Ok(parsed)
}

fn with_extra(
    mut store: RootCertStore,
    extra: &[CertificateDer<'static>],
) -> Result<RootCertStore, String> {
    for (index, certificate) in extra.iter().enumerate() {
        store
            .add(certificate.clone())
            .map_err(|_| format!("pem: root certificate {} not usable: damaged", index + 1))?;
    }
    Ok(store)
}

/// The client's certificate with its key, by what the two are called.
fn identity(
    cert: &[u8],
    key_pem: &[u8],
    provider: &CryptoProvider,
    [cert_name, key_name]: [&str; 2],
) -> Result<CertifiedKey, String> {
    let chain = certificates(cert, cert_name)?;
    // The parser's message could quote its input.
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| match error {
        _ if is_encrypted(key_pem) => {
            format!("{key_name}: encrypted, and only a key without a passphrase can be used")
        }
        rustls::pki_types::pem::Error::NoItemsFound => {
            format!("{key_name}: no private key in it")
        }
        _ => format!("{key_name}: not valid PEM"),
    })?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            format!("{key_name}: does not belong to the client certificate")
        }
        rustls::Error::InvalidCertificate(_) => format!("{cert_name}: not valid"),
        // Those that the provider signs with; ring has no P-521.
        _ => format!("{key_name}: none of RSA, P-256, P-384 and Ed25519, or damaged"),
    })
}

/// Whether it says so, in either form: `BEGIN ENCRYPTED PRIVATE KEY`, or `Proc-Type: 4,ENCRYPTED`.
fn is_encrypted(key_pem: &[u8]) -> bool {
    const MARK: &[u8] = b"ENCRYPTED";
    key_pem.windows(MARK.len()).any(|bytes| bytes == MARK)
}

/// The platform's roots, read once a process and shared by all clients.
///
/// Not a once-cell: a process forked while another thread fills one would wait for ever. Two threads that
/// come first together both read, which harms nobody.
fn platform_roots() -> Arc<RootCertStore> {
    if let Some(loaded) = PLATFORM_ROOTS.load_full() {
        return loaded;
    }
    let loaded = Arc::new(store_of(roots::load()));
    // Found nothing: the next client looks again.
    if !loaded.is_empty() {
        PLATFORM_ROOTS.store(Some(Arc::clone(&loaded)));
    }
    loaded
}

/// A bundle may hold certificates that rustls does not take; the others still count.
fn store_of(certificates: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates);
    store
}

static PLATFORM_ROOTS: ArcSwapOption<RootCertStore> = ArcSwapOption::const_empty();

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::conformance::server::Authority;

    fn with_root(pem: &[u8]) -> Result<Tls, String> {
        Tls::new(TlsConfig { extra_roots_pem: vec![pem.to_vec()], ..TlsConfig::default() }, None)
    }

    fn with_identity(cert: &str, key: &str) -> Result<Tls, String> {
        Tls::new(
            TlsConfig { identity: Some((cert.into(), key.into())), ..TlsConfig::default() },
            None,
        )
    }

    #[test]
    fn newer_versions_come_first_and_in_each_of_them_the_shorter_aes() {
        let suites: Vec<_> =
            provider().cipher_suites.iter().map(|it| format!("{:?}", it.suite())).collect();
        assert_eq!(suites[..2], ["TLS13_AES_128_GCM_SHA256", "TLS13_AES_256_GCM_SHA384"]);
        let first_of_1_2 = suites.iter().position(|it| !it.starts_with("TLS13"));
        assert!(suites[3].contains("AES_128") && first_of_1_2 == Some(3), "{suites:?}");
        assert_eq!(suites.len(), ring::default_provider().cipher_suites.len());
    }

    #[test]
    fn roots_are_checked_at_once_and_by_number() {
        let root = Authority::new().pem;
        assert!(with_root(root.as_bytes()).is_ok());
        assert_eq!(
            with_root(b"no pem").unwrap_err(),
            "pem: root certificate input 1: no certificate in it"
        );
        let begun = "-----BEGIN CERTIFICATE-----\nAAAA";
        assert_eq!(
            with_root(begun.as_bytes()).unwrap_err(),
            "pem: root certificate input 1: not valid PEM"
        );
        let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let message = with_root(hollow.as_bytes()).unwrap_err();
        assert!(message.starts_with("pem: root certificate 1 not usable"), "{message}");
    }

    #[test]
    fn trusting_nobody_is_refused() {
        let nobody = TlsConfig { platform_roots: false, ..TlsConfig::default() };
        assert!(Tls::new(nobody, None).unwrap_err().contains("nothing would be trusted"));
    }

    #[test]
    fn an_identity_must_fit_together() {
        let authority = Authority::new();
        let (cert, key) = authority.issue("one");
        let (_, other_key) = authority.issue("two");
        assert!(with_identity(&cert, &key).is_ok());
        for (cert, key, expected) in [
            (&cert, &other_key, "key_pem: client key: does not belong to the client certificate"),
            (&cert, &cert, "key_pem: client key: no private key in it"),
            (&key, &key, "certificate_pem: client certificate: no certificate in it"),
            (
                &cert,
                &"-----BEGIN PRIVATE KEY-----\nAA".to_owned(),
                "key_pem: client key: not valid PEM",
            ),
        ] {
            assert_eq!(with_identity(cert, key).unwrap_err(), expected);
        }
    }

    #[test]
    fn nothing_shows_a_key() {
        let (cert, key) = Authority::new().issue("one");
        let secret: String = key.lines().nth(1).unwrap().chars().take(20).collect();
        let config = TlsConfig {
            identity: Some((cert.clone().into(), key.clone().into())),
            ..TlsConfig::default()
        };
        let shown = format!("{config:?} {:?}", Tls::new(config.clone(), None).unwrap());
        assert!(!shown.contains(&secret) && !shown.contains("45, 45, 45"), "{shown}");
        let damaged = key.replace(&secret, &"A".repeat(20));
        let message = with_identity(&cert, &damaged).unwrap_err();
        assert!(
            message.starts_with("key_pem: client key: ") && !message.contains('='),
            "{message}"
        );
    }

    #[test]
    fn one_configuration_serves_all_connections() {
        let tls = with_root(Authority::new().pem.as_bytes()).unwrap();
        for alpn in [AlpnProtocols::Http1, AlpnProtocols::Either, AlpnProtocols::Http2] {
            let first = tls.client_config(alpn).unwrap();
            assert!(Arc::ptr_eq(&first, &tls.client_config(alpn).unwrap()));
            assert_eq!(first.alpn_protocols, alpn.protocols());
        }
    }

    #[test]
    fn platform_roots_are_shared() {
        let roots = || platform_roots();
        if !roots().is_empty() {
            assert!(Arc::ptr_eq(&roots(), &roots()));
        }
    }
}
