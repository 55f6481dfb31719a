//! The trust settings of the user, over those of the machine's owner, over the system's.

use std::collections::HashMap;

use rustls::pki_types::CertificateDer;
use security_framework::trust_settings::{Domain, TrustSettings, TrustSettingsForCertificate};

/// All of them.
pub(in crate::transport::tls) fn load() -> Vec<CertificateDer<'static>> {
    let mut found = HashMap::new();
    for domain in [Domain::User, Domain::Admin, Domain::System] {
        let settings = TrustSettings::new(domain);
        for certificate in settings.iter().into_iter().flatten() {
            let Ok(trust) = settings.tls_trust_settings_for_certificate(&certificate) else {
                continue;
            };
            // Without a setting of its own it is a root that is trusted.
            let trust = trust.unwrap_or(TrustSettingsForCertificate::TrustRoot);
            found.entry(certificate.to_der()).or_insert(trust);
        }
    }
    let trusted = found.into_iter().filter(|(_, trust)| {
        use TrustSettingsForCertificate::{TrustAsRoot, TrustRoot};
        matches!(trust, TrustRoot | TrustAsRoot)
    });
    trusted.map(|(der, _)| CertificateDer::from(der)).collect()
}
