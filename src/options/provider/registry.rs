//! How a registry is reached, and by which credentials it is asked.

use std::path::PathBuf;

use crate::discovery::config::HIDDEN;
use crate::discovery::{ProviderConfig, Secret};
use crate::options::form::{Form, LIMIT};
use crate::options::setting::Setting;
use crate::options::value::{OFF, Problem, SetResult, Value};

pub(super) const SETTINGS: &[Setting<ProviderConfig>] = &[
    Setting::new("tls", Form::Flag)
        .purpose("Whether the registry speaks TLS")
        .cost("A handshake for each connection to the registry.")
        .by_text()
        .field(
            |config| Some(Value::Flag(config.registry.tls)),
            |config, value| {
                config.registry.tls = value.flag()?;
                Ok(())
            },
        ),
    Setting::new("ca_file", FILE)
        .or(&[OFF])
        .purpose("The certificates in PEM that are trusted for the registry instead of the platform's")
        .cost("Nothing.")
        .by_text()
        .field(
            |config| Some(file_or_off(config.registry.ca_file.as_ref())),
            |config, value| put_file(&mut config.registry.ca_file, value),
        ),
    Setting::new("cert_file", FILE)
        .or(&[OFF])
        .purpose("The client's certificate chain in PEM, for a registry that asks for one; needs key_file")
        .cost("Nothing.")
        .by_text()
        .field(
            |config| Some(file_or_off(config.registry.cert_file.as_ref())),
            |config, value| put_file(&mut config.registry.cert_file, value),
        ),
    Setting::new("key_file", FILE)
        .or(&[OFF])
        .purpose("The private key of cert_file in PEM")
        .cost("Nothing.")
        .by_text()
        .field(
            |config| Some(file_or_off(config.registry.key_file.as_ref())),
            |config, value| put_file(&mut config.registry.key_file, value),
        ),
    Setting::new("token", SECRET)
        .or(&[OFF])
        .purpose("The token that the registry is sent; never shown")
        .cost("Nothing.")
        .by_text()
        .field(
            |config| Some(shown(config.registry.token.as_ref())),
            |config, value| put_secret(&mut config.registry.token, value),
        ),
    Setting::new("token_file", FILE)
        .or(&[OFF])
        .purpose("The file with the token, read again each minute and when the registry refuses the old one")
        .cost("A small file read each minute.")
        .by_text()
        .field(
            |config| Some(file_or_off(config.registry.token_file.as_ref())),
            |config, value| put_file(&mut config.registry.token_file, value),
        ),
    Setting::new("username", Form::Text("a name"))
        .or(&[OFF])
        .purpose("The user that asks the registry")
        .cost("Nothing.")
        .by_text()
        .field(
            |config| Some(Value::or_off(config.registry.username.clone())),
            |config, value| {
                config.registry.username = value.unless_off(Value::text)?;
                Ok(())
            },
        ),
    Setting::new("password", SECRET)
        .or(&[OFF])
        .purpose("The user's password; never shown")
        .cost("Nothing.")
        .by_text()
        .field(
            |config| Some(shown(config.registry.password.as_ref())),
            |config, value| put_secret(&mut config.registry.password, value),
        ),
    Setting::new("connect_timeout", LIMIT)
        .purpose("The limit on resolving, TCP and TLS with the registry, and how long an answer is waited for, beyond what it was asked to wait, before another server or address is asked as well")
        .cost("A registry that does not answer is left for another one that much later.")
        .by_text()
        .field(
            |config| Some(Value::Duration(config.registry.connect_timeout)),
            |config, value| {
                config.registry.connect_timeout = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("silence", LIMIT)
        .purpose("How long an answer may take, and a stream of changes bring nothing before it is opened anew")
        .cost("A registry that hangs is noticed that much later.")
        .by_text()
        .field(
            |config| Some(Value::Duration(config.registry.silence)),
            |config, value| {
                config.registry.silence = value.duration()?;
                Ok(())
            },
        ),
];

const FILE: Form = Form::Text("a path");
const SECRET: Form = Form::Text("a secret");

fn file_or_off(path: Option<&PathBuf>) -> Value {
    Value::or_off(path.map(|path| path.display().to_string()))
}

fn put_file(field: &mut Option<PathBuf>, value: Value) -> SetResult {
    *field = value.unless_off(Value::text)?.map(PathBuf::from);
    Ok(())
}

fn shown(secret: Option<&Secret>) -> Value {
    Value::or_off(secret.map(|_| HIDDEN))
}

/// What a header cannot carry is no secret of a registry's.
fn put_secret(field: &mut Option<Secret>, value: Value) -> SetResult {
    let text = value.unless_off(Value::text)?;
    if text.as_ref().is_some_and(|text| text.is_empty() || text.chars().any(char::is_control)) {
        return Err(Problem::Value("is empty or holds a control character".to_owned()));
    }
    *field = text.map(Secret::new);
    Ok(())
}
