//! The user's store of roots, which shows the machine's as well.

use rustls::pki_types::CertificateDer;
use schannel::cert_context::{CertContext, ValidUses};
use schannel::cert_store::CertStore;

/// Those that are valid now and may vouch for servers.
pub(in crate::transport::tls) fn load() -> Vec<CertificateDer<'static>> {
    let Ok(store) = CertStore::open_current_user("ROOT") else { return Vec::new() };
    let usable =
        store.certs().filter(|it| it.is_time_valid().unwrap_or(false) && is_for_servers(it));
    usable.map(|it| CertificateDer::from(it.to_der().to_vec())).collect()
}

fn is_for_servers(certificate: &CertContext) -> bool {
    match certificate.valid_uses() {
        Ok(ValidUses::All) => true,
        Ok(ValidUses::Oids(uses)) => uses.iter().any(|usage| usage == SERVER_AUTHENTICATION),
        Err(_) => false,
    }
}

const SERVER_AUTHENTICATION: &str = "1.3.6.1.5.5.7.3.1";
