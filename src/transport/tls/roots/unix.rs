//! Well-known files, instead of the loader's own choice, which would read `SSL_CERT_FILE`.

use std::path::Path;

use rustls::pki_types::CertificateDer;

/// All of them.
pub(in crate::transport::tls) fn load() -> Vec<CertificateDer<'static>> {
    let file = BUNDLES.iter().map(Path::new).find(|path| path.is_file());
    let directory = match file {
        Some(_) => None,
        None => DIRECTORIES.iter().map(Path::new).find(|path| path.is_dir()),
    };
    rustls_native_certs::load_certs_from_paths(file, directory).certs
}

/// Where distributions keep all roots in one file, commonest first.
const BUNDLES: [&str; 9] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
    "/etc/openssl/certs/ca-certificates.crt",
];

/// Where they keep one file for each root, for systems without a bundle.
const DIRECTORIES: [&str; 3] = ["/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/openssl/certs"];
