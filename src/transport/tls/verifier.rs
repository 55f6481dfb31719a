//! Which servers are trusted: those with a chain to a root, and those whose own certificate was added as a root.
//!
//! `openssl req -x509` makes a certificate that says it is an authority's, and often names its server in the common
//! name alone. Used as a server's certificate, the rules of the web refuse it twice. A user that adds exactly this
//! certificate means that server: where the server's is the same, byte for byte, it is accepted. Its dates and its
//! name are checked as for any other.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

/// Verifies a server's certificate: by a chain to a root, or as one that was added itself.
#[derive(Debug)]
pub(super) struct CertVerifier {
    roots: Arc<WebPkiServerVerifier>,
    /// Accepted where a server's is the same.
    single: Vec<CertificateDer<'static>>,
}

impl CertVerifier {
    /// # Errors
    /// There are no roots.
    pub(super) fn new(
        roots: Arc<RootCertStore>,
        single: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let roots = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
        let roots = roots.map_err(|_| "no trusted root certificates".to_owned())?;
        Ok(Self { roots, single })
    }
}

impl ServerCertVerifier for CertVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let roots = &self.roots;
        let verified =
            roots.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(error) if self.single.contains(end_entity) => {
                accept_single(end_entity, server_name, error)
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.roots.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.roots.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.roots.supported_verify_schemes()
    }
}

/// The dates were checked before either of these two errors could arise.
fn accept_single(
    certificate: &CertificateDer<'_>,
    server_name: &ServerName<'_>,
    error: Error,
) -> Result<ServerCertVerified, Error> {
    let is_authority = matches!(&error, Error::InvalidCertificate(fault) if is_of_authority(fault));
    let name_is_wrong = matches!(
        &error,
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    );
    if !is_authority && !name_is_wrong {
        return Err(error);
    }
    match rustls::client::verify_server_name(
        &ParsedCertificate::try_from(certificate)?,
        server_name,
    ) {
        Ok(()) => Ok(ServerCertVerified::assertion()),
        Err(_) if is_common_name(certificate, server_name) => Ok(ServerCertVerified::assertion()),
        Err(error) => Err(error),
    }
}

/// Whether a server's certificate is refused since it says that it is an authority's.
pub(super) fn is_of_authority(fault: &CertificateError) -> bool {
    let CertificateError::Other(OtherError(inner)) = fault else { return false };
    matches!(inner.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

/// Whether the certificate states no other name than its common name, and that is the server's.
pub(in crate::transport) fn is_common_name(
    certificate: &CertificateDer<'_>,
    server_name: &ServerName<'_>,
) -> bool {
    let Ok(parsed) = webpki::EndEntityCert::try_from(certificate) else { return false };
    if parsed.valid_dns_names().next().is_some() || parsed.valid_uri_names().next().is_some() {
        return false;
    }
    let stated = common_name(parsed.subject()).and_then(|name| std::str::from_utf8(name).ok());
    stated.is_some_and(|stated| stated.eq_ignore_ascii_case(&server_name.to_str()))
}

/// The text behind the attribute's number, 2.5.4.3; texts of up to 127 bytes alone, as host names of use are.
pub(in crate::transport) fn common_name(subject: &[u8]) -> Option<&[u8]> {
    const NUMBER: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];
    let at = subject.windows(NUMBER.len()).position(|part| part == NUMBER)?;
    let [kind, length, rest @ ..] = subject.get(at + NUMBER.len()..)? else { return None };
    // UTF8String, PrintableString, T61String, IA5String.
    let is_text = matches!(kind, 0x0c | 0x13 | 0x14 | 0x16) && *length < 0x80;
    rest.get(..usize::from(*length)).filter(|_| is_text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{
        BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, SanType, date_time_ymd,
    };
    use rustls::crypto::ring;

    use super::*;

    /// A self-signed certificate of a common name, changed by `change`.
    fn certificate(
        common_name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "some");
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn verifier(certificates: &[&CertificateDer<'static>]) -> CertVerifier {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add((*certificate).clone()).unwrap();
        }
        let single = certificates.iter().map(|certificate| (*certificate).clone()).collect();
        CertVerifier::new(Arc::new(roots), single, Arc::new(ring::default_provider())).unwrap()
    }

    fn verify(
        verifier: &CertVerifier,
        certificate: &CertificateDer<'_>,
        name: &str,
    ) -> Result<(), Error> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
        verifier.verify_server_cert(certificate, &[], &name, &[], now).map(drop)
    }

    #[test]
    fn a_certificate_that_was_added_itself_is_accepted_under_its_names() {
        let by_common_name = certificate("db_1.test", |_| {});
        let by_alternative = certificate("other.test", |params| {
            params.subject_alt_names = vec![
                SanType::DnsName("a.test".try_into().unwrap()),
                SanType::IpAddress([127, 0, 0, 1].into()),
            ];
        });
        let verifier = verifier(&[&by_common_name, &by_alternative]);
        for (certificate, name) in [
            (&by_common_name, "db_1.test"),
            (&by_common_name, "DB_1.test"),
            (&by_alternative, "a.test"),
            (&by_alternative, "127.0.0.1"),
        ] {
            assert!(verify(&verifier, certificate, name).is_ok(), "{name}");
        }
        for (certificate, name) in [
            (&by_common_name, "x.test"),
            (&by_common_name, "some"),
            (&by_alternative, "other.test"),
            (&by_alternative, "b.test"),
            (&by_alternative, "127.0.0.2"),
        ] {
            assert!(verify(&verifier, certificate, name).is_err(), "{name}");
        }
    }

    #[test]
    fn its_dates_are_checked() {
        let old = certificate("a.test", |params| params.not_after = date_time_ymd(2020, 1, 1));
        let new = certificate("a.test", |params| params.not_before = date_time_ymd(2090, 1, 1));
        let verifier = verifier(&[&old, &new]);
        let fault = |certificate| verify(&verifier, certificate, "a.test").unwrap_err();
        assert!(matches!(
            fault(&old),
            Error::InvalidCertificate(CertificateError::ExpiredContext { .. })
        ));
        assert!(matches!(
            fault(&new),
            Error::InvalidCertificate(CertificateError::NotValidYetContext { .. })
        ));
    }

    #[test]
    fn another_certificate_of_the_same_name_is_not_accepted() {
        let (added, other) = (certificate("a.test", |_| {}), certificate("a.test", |_| {}));
        let verifier = verifier(&[&added]);
        assert!(verify(&verifier, &added, "a.test").is_ok());
        let Error::InvalidCertificate(fault) = verify(&verifier, &other, "a.test").unwrap_err()
        else {
            panic!("a fault of the certificate");
        };
        assert!(is_of_authority(&fault), "{fault:?}");
    }
}
