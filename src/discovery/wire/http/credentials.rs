//! The credentials that a registry is sent.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use crate::discovery::config::RegistryConfig;
use crate::discovery::source::SessionEnd;
use crate::discovery::wire::RegistryCache;
use crate::discovery::wire::connections::read;
use crate::discovery::wire::registry_cache::CachedToken;
use crate::runtime::clock;

/// How `Authorization` carries the registry's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenForm {
    /// As `Bearer`; a user and a password as `Basic`.
    Bearer,
    /// As it is.
    Plain,
}

/// What `Authorization` carries, in one session.
pub(super) struct Credentials {
    pub(super) registry: RegistryConfig,
    form: TokenForm,
    /// Each session reads the token's file.
    begun: Instant,
    cache: Arc<RegistryCache>,
}

impl Credentials {
    pub(super) fn new(
        registry: &RegistryConfig,
        form: TokenForm,
        cache: Arc<RegistryCache>,
    ) -> Self {
        Self { registry: registry.clone(), form, begun: clock::now(), cache }
    }

    /// What is sent as `Authorization`.
    pub(super) fn header(&self, anew: bool) -> Result<Option<HeaderValue>, SessionEnd> {
        let registry = &self.registry;
        if let Some(path) = &registry.token_file {
            return self.of_file(path, anew).map(Some);
        }
        if let Some(token) = &registry.token {
            return self.of_token(token.reveal()).map(Some);
        }
        let Some(name) = registry.username.as_ref().filter(|_| self.form == TokenForm::Bearer)
        else {
            return Ok(None);
        };
        let password = registry.password.as_ref().map_or("", |password| password.reveal());
        let pair = STANDARD.encode(format!("{name}:{password}"));
        sensitive(format!("Basic {pair}"), "username").map(Some)
    }

    fn of_token(&self, token: &str) -> Result<HeaderValue, SessionEnd> {
        match self.form {
            TokenForm::Bearer => sensitive(format!("Bearer {token}"), "token"),
            TokenForm::Plain => sensitive(token.to_owned(), "token"),
        }
    }

    /// Whether the token's file says something else than when it was read.
    pub(super) fn is_replaced(&self) -> bool {
        let Some(path) = &self.registry.token_file else { return false };
        let Some(held) = self.cache.token(path) else { return false };
        self.token_of(path).is_ok_and(|token| token != held.value)
    }

    fn token_of(&self, path: &Path) -> Result<HeaderValue, SessionEnd> {
        let token = read("token_file", path)?;
        self.of_token(String::from_utf8_lossy(&token).trim())
    }

    /// Read again once a minute, as tokens of Kubernetes are renewed well before their end. While it cannot be read, as
    /// while it is written anew, what it said before counts.
    fn of_file(&self, path: &Path, anew: bool) -> Result<HeaderValue, SessionEnd> {
        let (held, now) = (self.cache.token(path), clock::now());
        if let Some(held) = &held
            && !anew
            && held.read_at >= self.begun
            && now.saturating_duration_since(held.read_at) < TOKEN_AGE
        {
            return Ok(held.value.clone());
        }
        match (self.token_of(path), held) {
            (Ok(value), _) => {
                let token =
                    CachedToken { path: path.to_owned(), read_at: now, value: value.clone() };
                self.cache.cache_token(token);
                Ok(value)
            }
            (Err(_), Some(held)) => Ok(held.value.clone()),
            (Err(ended), None) => Err(ended),
        }
    }
}

/// What is sent as `Authorization`, a token being read from its file now.
///
/// # Errors
/// The file cannot be read, or holds what no header can.
#[cfg(feature = "xds")]
pub(crate) fn authorization(
    registry: &RegistryConfig,
    cache: &Arc<RegistryCache>,
) -> Result<Option<HeaderValue>, SessionEnd> {
    Credentials::new(registry, TokenForm::Bearer, Arc::clone(cache)).header(true)
}

fn sensitive(text: String, option: &str) -> Result<HeaderValue, SessionEnd> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| SessionEnd::Refused(format!("{option} holds what no header can")))?;
    value.set_sensitive(true);
    Ok(value)
}

/// How old a token from a file may be.
const TOKEN_AGE: Duration = Duration::from_secs(55);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p17_a_tokens_file_is_read_again_after_55_seconds_and_when_it_is_refused() {
        let folder = std::env::temp_dir().join(format!("ahoy-token-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("token");
        let registry = RegistryConfig { token_file: Some(path.clone()), ..Default::default() };
        let cache = Arc::new(RegistryCache::default());
        let mut credentials = Credentials::new(&registry, TokenForm::Bearer, Arc::clone(&cache));
        let second = Duration::from_secs(1);
        credentials.begun -= 100 * second;
        // As if the file had been read that many seconds ago.
        let sent = |age: u32, anew: bool| {
            if let Some(held) = cache.token(&path) {
                let (path, value) = (held.path.clone(), held.value.clone());
                cache.cache_token(CachedToken {
                    path,
                    read_at: clock::now() - age * second,
                    value,
                });
            }
            credentials.header(anew).unwrap().unwrap()
        };
        std::fs::write(&path, "one\n").unwrap();
        assert_eq!(sent(0, false), "Bearer one");
        std::fs::write(&path, "two").unwrap();
        assert_eq!(sent(54, false), "Bearer one");
        assert_eq!(sent(56, false), "Bearer two");
        std::fs::write(&path, "three").unwrap();
        assert!(credentials.is_replaced());
        assert_eq!(sent(0, false), "Bearer two");
        assert_eq!(sent(0, true), "Bearer three", "the registry refused the last one");
        assert!(!credentials.is_replaced());
        // For a moment, as where it is written anew: also to the next session.
        std::fs::remove_file(&path).unwrap();
        assert_eq!(sent(56, false), "Bearer three");
        assert_eq!(sent(0, true), "Bearer three");
        let next = || Credentials::new(&registry, TokenForm::Bearer, Arc::clone(&cache));
        assert_eq!(next().header(false).unwrap().unwrap(), "Bearer three");
        std::fs::write(&path, "four").unwrap();
        assert_eq!(next().header(false).unwrap().unwrap(), "Bearer four");
        std::fs::remove_file(&path).unwrap();
        let none = Credentials::new(&registry, TokenForm::Bearer, Arc::default()).header(false);
        let ended = none.unwrap_err();
        assert!(
            matches!(&ended, SessionEnd::Failed(why) if why.contains("token_file")),
            "{ended:?}"
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
