//! Asking a registry over HTTP/1.1, on the connections that calls have too: a forked child closes their sockets.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::time::timeout;

use super::connections::{connections, read};
use crate::discovery::config::RegistryConfig;
use crate::discovery::ground::Ground;
use crate::discovery::source::Ended;
use crate::endpoint::{Endpoint, Host, Scheme};
use crate::runtime::clock;
use crate::transport::{Direct, DirectConfig, Exchange, Live, Progress, Transport};

pub use crate::transport::Answer;

/// How `Authorization` carries the registry's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenForm {
    /// As `Bearer`; a user and a password as `Basic`.
    Bearer,
    /// As it is.
    Plain,
}

/// Asks the servers of one registry, in one session.
pub struct HttpClient {
    direct: Direct,
    /// In the order in which they are tried.
    servers: Vec<Arc<Endpoint>>,
    /// The one that answered last.
    preferred: AtomicUsize,
    connect_timeout: Duration,
    credentials: Credentials,
}

struct Credentials {
    registry: RegistryConfig,
    form: TokenForm,
    /// What the token's file said, and when.
    held: Mutex<Option<(Instant, HeaderValue)>>,
}

/// An answer's body as it comes.
pub struct Stream {
    /// The status.
    pub status: StatusCode,
    live: Option<Box<Live>>,
    server: Arc<Endpoint>,
}

/// One question.
struct Question<'a> {
    method: &'a Method,
    path: &'a str,
    headers: &'a HeaderMap,
    body: &'a Bytes,
    /// For the answer's head, or for all of it where it is read whole.
    limit: Duration,
    is_streamed: bool,
}

impl HttpClient {
    /// A client for `servers`.
    ///
    /// # Errors
    /// A file that an option names cannot be read, or a server is none.
    pub fn new(
        registry: &RegistryConfig,
        servers: &[(String, u16)],
        form: TokenForm,
        ground: &Ground,
    ) -> Result<Self, Ended> {
        let scheme = if registry.tls { Scheme::Https } else { Scheme::Http };
        let endpoint = |(address, port): &(String, u16)| {
            let host = Host::checked(address, *port)
                .map_err(|problem| Ended::Refused(format!("a server {problem}")))?;
            Ok(Arc::new(Endpoint::new(Host { scheme: Some(scheme), ..host })))
        };
        let servers = servers.iter().map(endpoint).collect::<Result<_, _>>()?;
        Ok(Self::over(connections(registry, ground)?, servers, registry, form))
    }

    /// A client for `servers` over connections that are made as `config` says.
    #[must_use]
    pub fn over(
        config: Arc<DirectConfig>,
        servers: Vec<Arc<Endpoint>>,
        registry: &RegistryConfig,
        form: TokenForm,
    ) -> Self {
        Self {
            direct: Direct::new(config),
            servers,
            preferred: AtomicUsize::new(0),
            connect_timeout: registry.connect_timeout,
            credentials: Credentials { registry: registry.clone(), form, held: Mutex::default() },
        }
    }

    /// Gets `path`, whose answer is to be there within `limit`. Any status is an answer.
    ///
    /// # Errors
    /// No server answers.
    pub async fn get(
        &self,
        path: &str,
        headers: &HeaderMap,
        limit: Duration,
    ) -> Result<Answer, Ended> {
        self.answer(&Method::GET, path, headers, &Bytes::new(), limit).await
    }

    /// Posts JSON that asks and changes nothing, so that it may be sent twice.
    ///
    /// # Errors
    /// As for [`Self::get`].
    pub async fn post(
        &self,
        path: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Ended> {
        self.answer(&Method::POST, path, headers, &body, self.connect_timeout).await
    }

    async fn answer(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: &Bytes,
        limit: Duration,
    ) -> Result<Answer, Ended> {
        let question = Question { method, path, headers, body, limit, is_streamed: false };
        self.ask(&question).await.map(|(answer, _)| answer)
    }

    /// Gets `path`, whose answer's body is read as it comes.
    ///
    /// # Errors
    /// As for [`Self::get`].
    pub async fn open(&self, path: &str, headers: &HeaderMap) -> Result<Stream, Ended> {
        self.stream(&Method::GET, path, headers, &Bytes::new()).await
    }

    /// The same of a post.
    ///
    /// # Errors
    /// As for [`Self::get`].
    pub async fn open_post(
        &self,
        path: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Stream, Ended> {
        self.stream(&Method::POST, path, headers, &body).await
    }

    async fn stream(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Stream, Ended> {
        let limit = self.connect_timeout;
        let question = Question { method, path, headers, body, limit, is_streamed: true };
        let (answer, server) = self.ask(&question).await?;
        Ok(Stream { status: answer.status, live: answer.live, server })
    }

    /// Asks the server that answered last, and then the others. One that answers with a fault of its own, as a member
    /// without a leader does, counts only where no other answers better.
    async fn ask(&self, question: &Question<'_>) -> Result<(Answer, Arc<Endpoint>), Ended> {
        let count = self.servers.len();
        let first = self.preferred.load(Ordering::Relaxed);
        let mut problem = "there is no server to ask".to_owned();
        let mut fault = None;
        for at in (first..first + count).map(|at| at % count) {
            let server = &self.servers[at];
            match self.ask_one(server, question).await? {
                Ok(answer) if answer.status.is_server_error() => {
                    fault = Some((answer, Arc::clone(server)));
                }
                Ok(answer) => {
                    self.preferred.store(at, Ordering::Relaxed);
                    return Ok((answer, Arc::clone(server)));
                }
                Err(why) => problem = named(server, &why),
            }
        }
        fault.ok_or(Ended::Failed(problem))
    }

    async fn ask_one(
        &self,
        server: &Arc<Endpoint>,
        question: &Question<'_>,
    ) -> Result<Result<Answer, String>, Ended> {
        let answer = self.send(server, question, false).await?;
        let is_refused = answer.as_ref().is_ok_and(|answer| match answer.status {
            StatusCode::UNAUTHORIZED => true,
            // As Consul says it of a token that it does not know; or a token that is known and may not.
            StatusCode::FORBIDDEN => self.credentials.is_replaced(),
            _ => false,
        });
        if !is_refused || self.credentials.registry.token_file.is_none() {
            return Ok(answer);
        }
        self.send(server, question, true).await
    }

    /// One exchange, after another look at the token's file where `anew`.
    async fn send(
        &self,
        server: &Arc<Endpoint>,
        question: &Question<'_>,
        anew: bool,
    ) -> Result<Result<Answer, String>, Ended> {
        let mut headers = question.headers.clone();
        if !headers.contains_key(header::AUTHORIZATION)
            && let Some(value) = self.credentials.header(anew)?
        {
            headers.insert(header::AUTHORIZATION, value);
        }
        if !question.body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let (streams, progress) = (|_| question.is_streamed, Progress::default());
        let exchange = Exchange {
            method: question.method,
            headers: &headers,
            body: question.body,
            streams: Some(&streams),
            ..Exchange::get(server, question.path, self.connect_timeout, MOST, &progress)
        };
        let answer = timeout(question.limit, self.direct.send(&exchange)).await;
        Ok(match answer {
            Ok(answer) => answer.map_err(|failure| failure.detail),
            Err(_) => Err(format!("no answer within {:?}", question.limit)),
        })
    }
}

impl Stream {
    /// The next piece of the body; none at its end.
    ///
    /// # Errors
    /// It broke off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Ended> {
        let Some(live) = &mut self.live else { return Ok(None) };
        match live.next().await {
            Some(Ok(piece)) => Ok(Some(piece)),
            end => {
                self.live = None;
                let failed = |failure: &str| Ended::Failed(named(&self.server, failure));
                end.transpose().map_err(|failure| failed(&failure.detail))
            }
        }
    }

    /// What comes until the end, up to `most` bytes, and within `limit`.
    ///
    /// # Errors
    /// As for [`Self::chunk`].
    pub async fn rest(&mut self, most: usize, limit: Duration) -> Result<Bytes, Ended> {
        let mut all = Vec::new();
        let whole = async {
            while all.len() < most
                && let Some(piece) = self.chunk().await?
            {
                all.extend_from_slice(&piece[..piece.len().min(most - all.len())]);
            }
            Ok(())
        };
        if let Ok(ended) = timeout(limit, whole).await {
            ended?;
        }
        Ok(all.into())
    }
}

impl Credentials {
    /// What is sent as `Authorization`.
    fn header(&self, anew: bool) -> Result<Option<HeaderValue>, Ended> {
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

    fn of_token(&self, token: &str) -> Result<HeaderValue, Ended> {
        match self.form {
            TokenForm::Bearer => sensitive(format!("Bearer {token}"), "token"),
            TokenForm::Plain => sensitive(token.to_owned(), "token"),
        }
    }

    /// Whether the token's file says something else than when it was read.
    fn is_replaced(&self) -> bool {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some((_, held)), Some(path)) = (&*held, &self.registry.token_file) else {
            return false;
        };
        self.token_of(path).is_ok_and(|token| token != *held)
    }

    fn token_of(&self, path: &Path) -> Result<HeaderValue, Ended> {
        let token = read("token_file", path)?;
        self.of_token(String::from_utf8_lossy(&token).trim())
    }

    /// Read again once a minute, as tokens of Kubernetes are renewed well before their end.
    fn of_file(&self, path: &Path, anew: bool) -> Result<HeaderValue, Ended> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::now();
        if let Some((at, value)) = &*held
            && !anew
            && now.saturating_duration_since(*at) < TOKEN_AGE
        {
            return Ok(value.clone());
        }
        let value = self.token_of(path)?;
        *held = Some((now, value.clone()));
        Ok(value)
    }
}

/// What is sent as `Authorization`, a token being read from its file now.
///
/// # Errors
/// The file cannot be read, or holds what no header can.
#[cfg(feature = "xds")]
pub(crate) fn authorization(registry: &RegistryConfig) -> Result<Option<HeaderValue>, Ended> {
    let registry = registry.clone();
    Credentials { registry, form: TokenForm::Bearer, held: Mutex::default() }.header(true)
}

fn sensitive(text: String, option: &str) -> Result<HeaderValue, Ended> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Ended::Refused(format!("{option} holds what no header can")))?;
    value.set_sensitive(true);
    Ok(value)
}

fn named(server: &Endpoint, why: &str) -> String {
    format!("{}: {why}", server.authority())
}

/// What is held of one answer at most.
const MOST: usize = 32 * 1024 * 1024;
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
        let credentials = Credentials {
            registry: RegistryConfig { token_file: Some(path.clone()), ..Default::default() },
            form: TokenForm::Bearer,
            held: Mutex::default(),
        };
        // As if the file had been read that many seconds ago.
        let sent = |age: u64, anew: bool| {
            let mut held = credentials.held.lock().unwrap();
            held.iter_mut().for_each(|(at, _)| *at = clock::now() - Duration::from_secs(age));
            drop(held);
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
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
