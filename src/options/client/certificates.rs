//! Which certificates a client trusts and shows, where they are files.

use std::path::PathBuf;

use crate::config::ClientConfig;
use crate::options::form::Form;
use crate::options::setting::Setting;
use crate::options::value::{OFF, SetResult, Value};

pub(super) const SETTINGS: &[Setting<ClientConfig>] = &[
    Setting::new("ca_file", FILE)
        .or(&[OFF])
        .purpose("A file of certificates in PEM that are trusted for https besides the others; read again when it changes")
        .cost("The writer of the file decides which servers are trusted; a look at the file once a second while connections are made.")
        .setter("set_ca_file")
        .field(
            |config| Some(shown(config.tls.files.roots.as_ref())),
            |config, value| put(&mut config.tls.files.roots, value),
        ),
    Setting::new("certificate_file", FILE)
        .or(&[OFF])
        .purpose("A file with the client's certificate chain in PEM, for servers that ask for one; read again when it changes; needs key_file")
        .cost("A look at the file once a second while connections are made.")
        .setter("set_certificate_file")
        .field(
            |config| Some(shown(config.tls.files.certificate.as_ref())),
            |config, value| put(&mut config.tls.files.certificate, value),
        ),
    Setting::new("key_file", FILE)
        .or(&[OFF])
        .purpose("A file with the private key of certificate_file in PEM; read again when it changes")
        .cost("A look at the file once a second while connections are made.")
        .setter("set_key_file")
        .field(
            |config| Some(shown(config.tls.files.key.as_ref())),
            |config, value| put(&mut config.tls.files.key, value),
        ),
];

const FILE: Form = Form::Text("a path");

fn shown(path: Option<&PathBuf>) -> Value {
    Value::or_off(path.map(|path| path.display().to_string()))
}

fn put(field: &mut Option<PathBuf>, value: Value) -> SetResult {
    *field = value.unless_off(Value::text)?.map(PathBuf::from);
    Ok(())
}
