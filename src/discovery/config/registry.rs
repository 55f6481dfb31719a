//! How a registry is reached, and by which credentials it is asked.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How a registry is reached, and by which credentials it is asked.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// Whether the registry speaks TLS.
    pub tls: bool,
    /// A file of certificates in PEM that are trusted instead of the platform's.
    pub ca_file: Option<PathBuf>,
    /// A file with the client's certificate chain in PEM.
    pub cert_file: Option<PathBuf>,
    /// A file with its private key in PEM.
    pub key_file: Option<PathBuf>,
    /// What is sent as a bearer token.
    pub token: Option<Secret>,
    /// A file with the token, read again within a minute.
    pub token_file: Option<PathBuf>,
    /// The user's name.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// Limit on resolving, TCP and TLS together, and how long an answer is waited for before another server is asked as
    /// well; default 5 s.
    pub connect_timeout: Duration,
    /// How long an answer may take, and a stream bring nothing before it is taken for dead; default 60 s.
    pub silence: Duration,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            tls: false,
            ca_file: None,
            cert_file: None,
            key_file: None,
            token: None,
            token_file: None,
            username: None,
            password: None,
            connect_timeout: Duration::from_secs(5),
            // Registries send something at least twice a minute where they are asked to.
            silence: Duration::from_secs(60),
        }
    }
}

impl RegistryConfig {
    /// Checks that the options go together.
    ///
    /// # Errors
    /// Names those that do not, and no value.
    pub fn check(&self) -> Result<(), String> {
        let token = self.token.is_some();
        let file = self.token_file.is_some();
        match (self.cert_file.is_some(), self.key_file.is_some()) {
            (true, false) => return Err("cert_file: needs key_file as well".to_owned()),
            (false, true) => return Err("key_file: needs cert_file as well".to_owned()),
            _ => {}
        }
        // One of them would be sent, and nothing told that the other is not.
        match (token, file, self.username.is_some()) {
            (true, true, _) => Err("token and token_file: only one of them is sent".to_owned()),
            (true, _, true) => Err("token and username: only one of them is sent".to_owned()),
            (_, true, true) => Err("token_file and username: only one of them is sent".to_owned()),
            _ => Ok(()),
        }
    }
}

/// Text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being shown.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the registry alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// What stands in place of a secret.
pub const HIDDEN: &str = "***";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_do_not_go_together_are_named() {
        let with = |change: fn(&mut RegistryConfig)| {
            let mut config = RegistryConfig::default();
            change(&mut config);
            config.check().err().unwrap_or_default()
        };
        let file = || Some(PathBuf::from("/x"));
        assert_eq!(with(|_| ()), "");
        assert_eq!(with(|it| it.key_file = Some("/x".into())), "key_file: needs cert_file as well");
        assert_eq!(
            with(|it| it.cert_file = Some("/x".into())),
            "cert_file: needs key_file as well"
        );
        let config = RegistryConfig { cert_file: file(), key_file: file(), ..Default::default() };
        assert_eq!(config.check(), Ok(()));
        let (token, username) = (Some(Secret::new("s3cret")), Some("me".to_owned()));
        for (token, token_file, username, named) in [
            (token.clone(), file(), None, "token and token_file"),
            (token, None, username.clone(), "token and username"),
            (None, file(), username, "token_file and username"),
        ] {
            let config = RegistryConfig { token, token_file, username, ..Default::default() };
            let problem = config.check().unwrap_err();
            assert_eq!(problem, format!("{named}: only one of them is sent"));
        }
    }
}
