//! What went wrong in a TLS handshake, in words: the library's own texts name its types.

use rustls::{AlertDescription as Alert, CertificateError as Certificate, Error, OtherError};

use super::verifier::is_of_authority;

/// What `error` means.
pub(in crate::transport) fn describe(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(fault) => certificate(fault),
        Error::AlertReceived(received) => alert(*received).to_owned(),
        Error::NoCertificatesPresented => "peer sent no certificate".to_owned(),
        Error::InvalidMessage(_) => {
            "peer does not speak tls: its port may be one for http".to_owned()
        }
        Error::PeerIncompatible(_) => "no tls version or cipher in common".to_owned(),
        Error::NoApplicationProtocol => "no http version in common".to_owned(),
        Error::PeerMisbehaved(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerSentOversizedRecord => "peer breaks the rules of tls".to_owned(),
        Error::DecryptError => "a record of the peer cannot be decrypted".to_owned(),
        Error::FailedToGetCurrentTime => "this system's clock cannot be read".to_owned(),
        _ => "tls failed".to_owned(),
    }
}

/// Whether the server said that it does not accept the client, which it says in a handshake alone (RFC 8446, 6.2).
pub(in crate::transport) const fn refuses_client(error: &Error) -> bool {
    matches!(
        error,
        Error::AlertReceived(
            Alert::CertificateRequired
                | Alert::NoCertificate
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied
                | Alert::HandshakeFailure
        )
    )
}

/// What the server said before it ended the connection (RFC 8446, 6.2).
fn alert(received: Alert) -> &'static str {
    match received {
        Alert::CertificateRequired | Alert::NoCertificate => {
            "the server asks for a certificate, none is set"
        }
        Alert::HandshakeFailure => {
            "the server refused the handshake: no cipher or kind of key in common, or it asks for a certificate and none is set"
        }
        Alert::ProtocolVersion | Alert::InsufficientSecurity => {
            "no tls version or cipher in common"
        }
        Alert::UnknownCA => "the server does not trust the client certificate's issuer",
        Alert::BadCertificate | Alert::UnsupportedCertificate | Alert::CertificateUnknown => {
            "the server does not accept the client certificate"
        }
        Alert::CertificateExpired => "the client certificate expired",
        Alert::CertificateRevoked => "the client certificate is revoked",
        Alert::AccessDenied => "the server denies access to this client",
        Alert::UnrecognisedName => "the server does not know the name",
        Alert::NoApplicationProtocol => "no http version in common",
        Alert::InternalError => "the server failed within the handshake",
        Alert::CloseNotify | Alert::UserCanceled => "the server ended the handshake",
        Alert::DecryptError | Alert::BadRecordMac | Alert::DecryptionFailed => {
            "the server could not decrypt or verify the handshake"
        }
        _ => "the server refused the handshake",
    }
}

fn certificate(fault: &Certificate) -> String {
    let text = match fault {
        Certificate::NotValidForNameContext { expected, .. } => {
            return format!("certificate not valid for name {}", expected.to_str());
        }
        Certificate::NotValidForName => "certificate not valid for the name",
        Certificate::UnknownIssuer => "certificate of an unknown issuer",
        Certificate::BadSignature => "certificate with a wrong signature",
        Certificate::Expired | Certificate::ExpiredContext { .. } => "certificate expired",
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            "certificate not valid yet"
        }
        Certificate::Revoked => "certificate revoked",
        Certificate::InvalidPurpose | Certificate::InvalidPurposeContext { .. } => {
            "certificate not made for servers"
        }
        Certificate::BadEncoding => "certificate not readable",
        Certificate::UnhandledCriticalExtension => {
            "certificate with a critical extension that is not known"
        }
        Certificate::UnsupportedSignatureAlgorithmContext { .. }
        | Certificate::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "certificate with a signature of an unknown kind"
        }
        other if is_of_authority(other) => {
            "certificate of an authority, not of a server: to be trusted, exactly this one must be added"
        }
        Certificate::Other(OtherError(fault)) => rarer(fault.downcast_ref()),
        _ => "certificate not valid",
    };
    text.to_owned()
}

/// Faults that rustls has no name for.
fn rarer(fault: Option<&webpki::Error>) -> &'static str {
    match fault {
        // As `openssl x509 -req` makes them where it is not told of extensions.
        Some(webpki::Error::UnsupportedCertVersion) => {
            "certificate of version 1, without a subject alternative name: it must be made with one"
        }
        Some(webpki::Error::NameConstraintViolation) => {
            "certificate for a name that its issuer may not certify"
        }
        Some(webpki::Error::EndEntityUsedAsCa | webpki::Error::PathLenConstraintViolated) => {
            "certificate by an issuer that is no authority"
        }
        _ => "certificate not valid",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{InvalidMessage, PeerMisbehaved};

    use super::*;

    #[test]
    fn nothing_is_told_in_the_librarys_own_words() {
        let faults = [
            Error::AlertReceived(Alert::Unknown(200)),
            Error::AlertReceived(Alert::HandshakeFailure),
            Error::InvalidMessage(InvalidMessage::InvalidContentType),
            Error::PeerMisbehaved(PeerMisbehaved::TooMuchEarlyDataReceived),
            Error::InvalidCertificate(Certificate::UnhandledCriticalExtension),
            Error::InvalidCertificate(Certificate::Other(OtherError(Arc::new(
                webpki::Error::BadDer,
            )))),
            Error::General("Some::Type { field: 1 }".to_owned()),
        ];
        for fault in faults {
            let text = describe(&fault);
            let is_word = |word: &str| !word.chars().skip(1).any(char::is_uppercase);
            assert!(text.split(' ').all(is_word) && !text.contains(['{', '(', '_']), "{text}");
        }
    }

    #[test]
    fn a_certificate_without_extensions_is_told_what_it_lacks() {
        let other = |fault| Certificate::Other(OtherError(Arc::new(fault)));
        let text = certificate(&other(webpki::Error::UnsupportedCertVersion));
        assert!(text.contains("without a subject alternative name"), "{text}");
        assert_eq!(certificate(&other(webpki::Error::BadDer)), "certificate not valid");
    }

    #[test]
    fn a_missing_certificate_and_another_protocol_are_hinted_at() {
        let alert = |alert| describe(&Error::AlertReceived(alert));
        assert_eq!(
            alert(Alert::CertificateRequired),
            "the server asks for a certificate, none is set"
        );
        let http = describe(&Error::InvalidMessage(InvalidMessage::InvalidContentType));
        assert!(http.contains("http"), "{http}");
    }
}
