//! Asking a registry over HTTP/1.1, on the connections that calls have too: a forked child closes their sockets.
//!
//! A server that is slow and one that hangs look alike. So a question that is not answered within the time of a connect
//! goes to the next server or address as well, where there is one, and the first answer counts.

use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::time::{Sleep, sleep, timeout};

use super::RegistryCache;
use super::connections::{connections, read};
use super::registry_cache::CachedToken;
use crate::discovery::config::RegistryConfig;
use crate::discovery::source::{SessionEnd, UpdateChannel};
use crate::discovery::source_context::SourceContext;
use crate::endpoint::{Endpoint, Host, Scheme};
use crate::policy::retry_after;
use crate::runtime::clock;
use crate::transport::{Direct, DirectConfig, Exchange, Progress, StreamedBody, Transport};

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
    config: Arc<DirectConfig>,
    /// In the order in which they are tried, from the one on that answered last.
    servers: Vec<Arc<Endpoint>>,
    cache: Arc<RegistryCache>,
    credentials: Credentials,
}

struct Credentials {
    registry: RegistryConfig,
    form: TokenForm,
    /// Each session reads the token's file.
    begun: Instant,
    cache: Arc<RegistryCache>,
}

/// An answer's body as it comes.
pub struct Stream {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    live: Option<Box<StreamedBody>>,
    server: Arc<Endpoint>,
}

/// One request to the registry, whichever server answers it.
struct RegistryRequest<'a> {
    method: &'a Method,
    path: &'a str,
    headers: &'a HeaderMap,
    body: &'a Bytes,
    /// After how long without an answer the next server is asked as well.
    patience: Duration,
    /// For the answer's head, or for all of it where it is read whole.
    limit: Duration,
    is_streamed: bool,
}

/// The request to one of the servers, under way.
type ServerAttempt<'a> =
    Pin<Box<dyn Future<Output = (usize, Result<ServerResult, SessionEnd>)> + Send + 'a>>;

/// What came of asking one server.
type ServerResult = Result<Answer, String>;

impl HttpClient {
    /// A client for `servers`.
    ///
    /// # Errors
    /// A file that an option names cannot be read, or a server is none.
    pub fn new(
        registry: &RegistryConfig,
        servers: &[(String, u16)],
        form: TokenForm,
        context: &SourceContext,
        cache: &Arc<RegistryCache>,
    ) -> Result<Self, SessionEnd> {
        let scheme = if registry.tls { Scheme::Https } else { Scheme::Http };
        let endpoint = |(address, port): &(String, u16)| {
            let host = Host::checked(address, *port)
                .map_err(|problem| SessionEnd::Refused(format!("a server {problem}")))?;
            Ok(Arc::new(Endpoint::new(Host { scheme: Some(scheme), ..host })))
        };
        let servers = servers.iter().map(endpoint).collect::<Result<_, _>>()?;
        Ok(Self::over(connections(registry, context, cache)?, servers, registry, form, cache))
    }

    /// A client for `servers` over connections that are made as `config` says.
    #[must_use]
    pub fn over(
        config: Arc<DirectConfig>,
        servers: Vec<Arc<Endpoint>>,
        registry: &RegistryConfig,
        form: TokenForm,
        cache: &Arc<RegistryCache>,
    ) -> Self {
        let cache = Arc::clone(cache);
        Self {
            direct: Direct::new(Arc::clone(&config)),
            config,
            servers,
            credentials: Credentials::new(registry, form, Arc::clone(&cache)),
            cache,
        }
    }

    fn connect_timeout(&self) -> Duration {
        self.credentials.registry.connect_timeout
    }

    /// Waits for what is asked, and tells where no server answered in its turn; the question goes on.
    pub async fn awaited<T>(&self, updates: &UpdateChannel, asked: impl Future<Output = T>) -> T {
        let mut asked = pin!(asked);
        let turns = u32::try_from(self.servers.len()).unwrap_or(u32::MAX);
        let limit = self.connect_timeout();
        let patience = limit.saturating_mul(turns).saturating_add(limit / 2);
        match timeout(patience, asked.as_mut()).await {
            Ok(answer) => answer,
            Err(_) => {
                updates.failing(format!("no answer for {patience:?} so far"));
                asked.await
            }
        }
    }

    /// Gets `path`. Any status is an answer.
    ///
    /// # Errors
    /// No server answers.
    pub async fn get(&self, path: &str, headers: &HeaderMap) -> Result<Answer, SessionEnd> {
        let limits = (self.connect_timeout(), self.credentials.registry.silence);
        self.answer(&Method::GET, path, headers, &Bytes::new(), limits).await
    }

    /// The same where the server holds its answer back for up to `held`.
    ///
    /// # Errors
    /// As for [`Self::get`].
    pub async fn get_held(
        &self,
        path: &str,
        headers: &HeaderMap,
        held: Duration,
    ) -> Result<Answer, SessionEnd> {
        let limit = held.saturating_add(self.connect_timeout());
        self.answer(&Method::GET, path, headers, &Bytes::new(), (limit, limit)).await
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
    ) -> Result<Answer, SessionEnd> {
        let limits = (self.connect_timeout(), self.credentials.registry.silence);
        self.answer(&Method::POST, path, headers, &body, limits).await
    }

    async fn answer(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: &Bytes,
        (patience, limit): (Duration, Duration),
    ) -> Result<Answer, SessionEnd> {
        let limit = limit.max(patience);
        let request =
            RegistryRequest { method, path, headers, body, patience, limit, is_streamed: false };
        self.ask(&request).await.map(|(answer, _)| answer)
    }

    /// Gets `path`, whose answer's body is read as it comes.
    ///
    /// # Errors
    /// As for [`Self::get`].
    pub async fn open(&self, path: &str, headers: &HeaderMap) -> Result<Stream, SessionEnd> {
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
    ) -> Result<Stream, SessionEnd> {
        self.stream(&Method::POST, path, headers, &body).await
    }

    async fn stream(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Stream, SessionEnd> {
        let limit = self.connect_timeout();
        let patience = limit;
        let request =
            RegistryRequest { method, path, headers, body, patience, limit, is_streamed: true };
        let (answer, server) = self.ask(&request).await?;
        Ok(Stream { status: answer.status, headers: answer.headers, live: answer.live, server })
    }

    /// Asks the server that answered last, and then the others. One that answers with a fault of its own, as a member
    /// without a leader does, counts only where no other answers better.
    async fn ask(
        &self,
        request: &RegistryRequest<'_>,
    ) -> Result<(Answer, Arc<Endpoint>), SessionEnd> {
        let count = self.servers.len();
        let first = self.cache.first(count);
        let (mut race, mut left) = (ServerRace::new(request.patience), count);
        let mut problem = "there is no server to ask".to_owned();
        let mut fault = None;
        loop {
            if let Some(next) = left.checked_sub(1) {
                left = next;
                let at = (first + race.begun) % count;
                race.begin(Box::pin(async move { (at, self.ask_one(at, request).await) }));
            } else if race.running.is_empty() {
                return fault.ok_or(SessionEnd::Failed(problem));
            }
            let Some((at, result)) = race.next(left > 0 || race.begun == count).await else {
                // Whether it hangs or is slow.
                self.cache.leave_address();
                left += if race.begun == count { self.more_addresses().await } else { 0 };
                continue;
            };
            match result? {
                Ok(answer) if is_fault(answer.status) => {
                    fault = Some((answer, Arc::clone(&self.servers[at])));
                }
                Ok(answer) => {
                    self.cache.prefer(at);
                    return Ok((answer, Arc::clone(&self.servers[at])));
                }
                Err(why) => problem = named(&self.servers[at], &why),
            }
        }
    }

    /// For how many more tries the servers' names have addresses.
    async fn more_addresses(&self) -> usize {
        let mut more = 0;
        for server in &self.servers {
            let found = self.config.resolver.lookup_as(server.address(), self.config.names);
            let found = timeout(self.connect_timeout(), found).await;
            more += found.map_or(0, |found| found.map_or(0, |all| all.len().saturating_sub(1)));
        }
        more.min(MOST_ADDRESSES)
    }

    async fn ask_one(
        &self,
        at: usize,
        request: &RegistryRequest<'_>,
    ) -> Result<ServerResult, SessionEnd> {
        let server = &self.servers[at];
        let answer = self.send(server, request, false).await?;
        let is_refused = answer.as_ref().is_ok_and(|answer| match answer.status {
            StatusCode::UNAUTHORIZED => true,
            // As Consul says it of a token that it does not know; or a token that is known and may not.
            StatusCode::FORBIDDEN => self.credentials.is_replaced(),
            _ => false,
        });
        if !is_refused || self.credentials.registry.token_file.is_none() {
            return Ok(answer);
        }
        self.send(server, request, true).await
    }

    /// One exchange, after another look at the token's file where `anew`.
    async fn send(
        &self,
        server: &Arc<Endpoint>,
        request: &RegistryRequest<'_>,
        anew: bool,
    ) -> Result<ServerResult, SessionEnd> {
        let mut headers = request.headers.clone();
        if !headers.contains_key(header::AUTHORIZATION)
            && let Some(value) = self.credentials.header(anew)?
        {
            headers.insert(header::AUTHORIZATION, value);
        }
        if !request.body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let (streams, progress) = (|_| request.is_streamed, Progress::default());
        let exchange = Exchange {
            method: request.method,
            headers: &headers,
            body: request.body,
            streams: Some(&streams),
            ..Exchange::get(server, request.path, self.connect_timeout(), MOST, &progress)
        };
        let answer = timeout(request.limit, self.direct.send(&exchange)).await;
        Ok(match answer {
            Ok(answer) => answer.map_err(|failure| failure.detail),
            Err(_) => {
                self.cache.leave_address();
                Err(format!("no answer within {:?}", request.limit))
            }
        })
    }
}

/// Whether another server may answer better.
fn is_fault(status: StatusCode) -> bool {
    let is_busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status);
    status.is_server_error() || is_busy
}

/// The servers that are asked beside each other.
struct ServerRace<'a> {
    running: Vec<ServerAttempt<'a>>,
    /// How many were asked.
    begun: usize,
    patience: Duration,
    /// When the last one that was asked has been waited for as long as that.
    overdue: Pin<Box<Sleep>>,
}

impl<'a> ServerRace<'a> {
    fn new(patience: Duration) -> Self {
        Self { running: Vec::new(), begun: 0, patience, overdue: Box::pin(sleep(patience)) }
    }

    fn begin(&mut self, attempt: ServerAttempt<'a>) {
        self.running.push(attempt);
        self.begun += 1;
        self.overdue.set(sleep(self.patience));
    }

    /// The next that is done; none where another may be asked and the last one is overdue.
    async fn next(&mut self, may_ask: bool) -> Option<(usize, Result<ServerResult, SessionEnd>)> {
        poll_fn(|cx| self.poll(may_ask, cx)).await
    }

    fn poll(
        &mut self,
        may_ask: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(usize, Result<ServerResult, SessionEnd>)>> {
        for index in 0..self.running.len() {
            if let Poll::Ready(done) = self.running[index].as_mut().poll(cx) {
                drop(self.running.swap_remove(index));
                return Poll::Ready(Some(done));
            }
        }
        match may_ask && self.overdue.as_mut().poll(cx).is_ready() {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }
}

impl Stream {
    /// The next piece of the body; none at its end.
    ///
    /// # Errors
    /// It broke off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, SessionEnd> {
        let Some(live) = &mut self.live else { return Ok(None) };
        match live.next().await {
            Some(Ok(piece)) => Ok(Some(piece)),
            end => {
                self.live = None;
                let failed = |failure: &str| SessionEnd::Failed(named(&self.server, failure));
                end.transpose().map_err(|failure| failed(&failure.detail))
            }
        }
    }

    /// What comes until the end, up to `most` bytes, and within `limit`.
    ///
    /// # Errors
    /// As for [`Self::chunk`].
    pub async fn rest(&mut self, most: usize, limit: Duration) -> Result<Bytes, SessionEnd> {
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
    fn new(registry: &RegistryConfig, form: TokenForm, cache: Arc<RegistryCache>) -> Self {
        Self { registry: registry.clone(), form, begun: clock::now(), cache }
    }

    /// What is sent as `Authorization`.
    fn header(&self, anew: bool) -> Result<Option<HeaderValue>, SessionEnd> {
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
    fn is_replaced(&self) -> bool {
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

/// Why an answer with an error's status ends the session, which may ask to be left alone for a while.
#[must_use]
pub fn failed(problem: String, status: StatusCode, headers: &HeaderMap) -> SessionEnd {
    let asked = headers.get(header::RETRY_AFTER).filter(|_| retry_after::may_ask(status.as_u16()));
    let asked = asked
        .and_then(|value| retry_after::parse(value.as_bytes(), SystemTime::now(), LONGEST_WAIT));
    match asked {
        Some(asked) => SessionEnd::Busy { problem, wait: asked.wait },
        None => SessionEnd::Failed(problem),
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

fn named(server: &Endpoint, why: &str) -> String {
    format!("{}: {why}", server.authority())
}

/// What is held of one answer at most.
const MOST: usize = 32 * 1024 * 1024;
/// How many more tries the addresses of names are worth.
const MOST_ADDRESSES: usize = 8;
/// How long a registry is left alone at its own wish.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// How old a token from a file may be.
const TOKEN_AGE: Duration = Duration::from_secs(55);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_names_address_that_takes_connections_and_never_answers_makes_way_for_the_next() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let hung = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = hung.local_addr().unwrap().port();
        let well = tokio::net::TcpListener::bind(("127.0.0.3", port)).await.unwrap();
        let answers = async {
            loop {
                let (mut stream, _) = well.accept().await.unwrap();
                let _ = stream.read(&mut [0; 1000]).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
        };
        let context = SourceContext::for_tests();
        let silence = Duration::from_millis(200);
        let registry = RegistryConfig { silence, connect_timeout: silence, ..Default::default() };
        let cache = Arc::new(RegistryCache::default());
        // As in the sessions of one source.
        let ask = || async {
            let mut config = DirectConfig::clone(&*connections(&registry, &context, &cache)?);
            let overrides = format!("reg.test:{port}:127.0.0.2,127.0.0.3");
            config.sockets.overrides = overrides.parse().unwrap();
            let servers = vec![Arc::new(Endpoint::new(Host::new("reg.test", port)))];
            let form = TokenForm::Bearer;
            let http = HttpClient::over(Arc::new(config), servers, &registry, form, &cache);
            http.get("/", &HeaderMap::new()).await.map(|answer| answer.status)
        };
        let asked = async {
            let ended = ask().await.unwrap_err();
            assert!(
                matches!(&ended, SessionEnd::Failed(why) if why.contains("no answer")),
                "{ended:?}"
            );
            assert_eq!(ask().await.unwrap(), StatusCode::OK);
            assert_eq!(ask().await.unwrap(), StatusCode::OK);
        };
        tokio::select! { () = asked => {}, () = answers => {} }
    }

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
