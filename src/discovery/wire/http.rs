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

use super::Memory;
use super::connections::{connections, read};
use super::memory::HeldToken;
use crate::discovery::config::RegistryConfig;
use crate::discovery::ground::Ground;
use crate::discovery::source::{Ended, Teller};
use crate::endpoint::{Endpoint, Host, Scheme};
use crate::policy::retry_after;
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
    config: Arc<DirectConfig>,
    /// In the order in which they are tried, from the one on that answered last.
    servers: Vec<Arc<Endpoint>>,
    memory: Arc<Memory>,
    credentials: Credentials,
}

struct Credentials {
    registry: RegistryConfig,
    form: TokenForm,
    /// Each session reads the token's file.
    begun: Instant,
    memory: Arc<Memory>,
}

/// An answer's body as it comes.
pub struct Stream {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    live: Option<Box<Live>>,
    server: Arc<Endpoint>,
}

/// One question.
struct Question<'a> {
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

type Trying<'a> = Pin<Box<dyn Future<Output = (usize, Result<Tried, Ended>)> + Send + 'a>>;

/// What came of asking one server.
type Tried = Result<Answer, String>;

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
        memory: &Arc<Memory>,
    ) -> Result<Self, Ended> {
        let scheme = if registry.tls { Scheme::Https } else { Scheme::Http };
        let endpoint = |(address, port): &(String, u16)| {
            let host = Host::checked(address, *port)
                .map_err(|problem| Ended::Refused(format!("a server {problem}")))?;
            Ok(Arc::new(Endpoint::new(Host { scheme: Some(scheme), ..host })))
        };
        let servers = servers.iter().map(endpoint).collect::<Result<_, _>>()?;
        Ok(Self::over(connections(registry, ground, memory)?, servers, registry, form, memory))
    }

    /// A client for `servers` over connections that are made as `config` says.
    #[must_use]
    pub fn over(
        config: Arc<DirectConfig>,
        servers: Vec<Arc<Endpoint>>,
        registry: &RegistryConfig,
        form: TokenForm,
        memory: &Arc<Memory>,
    ) -> Self {
        let memory = Arc::clone(memory);
        Self {
            direct: Direct::new(Arc::clone(&config)),
            config,
            servers,
            credentials: Credentials::new(registry, form, Arc::clone(&memory)),
            memory,
        }
    }

    fn connect_timeout(&self) -> Duration {
        self.credentials.registry.connect_timeout
    }

    /// Waits for what is asked, and tells where no server answered in its turn; the question goes on.
    pub async fn awaited<T>(&self, teller: &Teller, asked: impl Future<Output = T>) -> T {
        let mut asked = pin!(asked);
        let turns = u32::try_from(self.servers.len()).unwrap_or(u32::MAX);
        let limit = self.connect_timeout();
        let patience = limit.saturating_mul(turns).saturating_add(limit / 2);
        match timeout(patience, asked.as_mut()).await {
            Ok(answer) => answer,
            Err(_) => {
                teller.failing(format!("no answer for {patience:?} so far"));
                asked.await
            }
        }
    }

    /// Gets `path`. Any status is an answer.
    ///
    /// # Errors
    /// No server answers.
    pub async fn get(&self, path: &str, headers: &HeaderMap) -> Result<Answer, Ended> {
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
    ) -> Result<Answer, Ended> {
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
    ) -> Result<Answer, Ended> {
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
    ) -> Result<Answer, Ended> {
        let limit = limit.max(patience);
        let question =
            Question { method, path, headers, body, patience, limit, is_streamed: false };
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
        let limit = self.connect_timeout();
        let patience = limit;
        let question = Question { method, path, headers, body, patience, limit, is_streamed: true };
        let (answer, server) = self.ask(&question).await?;
        Ok(Stream { status: answer.status, headers: answer.headers, live: answer.live, server })
    }

    /// Asks the server that answered last, and then the others. One that answers with a fault of its own, as a member
    /// without a leader does, counts only where no other answers better.
    async fn ask(&self, question: &Question<'_>) -> Result<(Answer, Arc<Endpoint>), Ended> {
        let count = self.servers.len();
        let first = self.memory.first(count);
        let (mut tries, mut left) = (Tries::new(question.patience), count);
        let mut problem = "there is no server to ask".to_owned();
        let mut fault = None;
        loop {
            if let Some(next) = left.checked_sub(1) {
                left = next;
                let at = (first + tries.begun) % count;
                tries.begin(Box::pin(async move { (at, self.ask_one(at, question).await) }));
            } else if tries.running.is_empty() {
                return fault.ok_or(Ended::Failed(problem));
            }
            let Some((at, tried)) = tries.next(left > 0 || tries.begun == count).await else {
                // Whether it hangs or is slow.
                self.memory.leave_address();
                left += if tries.begun == count { self.more_addresses().await } else { 0 };
                continue;
            };
            match tried? {
                Ok(answer) if is_fault(answer.status) => {
                    fault = Some((answer, Arc::clone(&self.servers[at])));
                }
                Ok(answer) => {
                    self.memory.prefer(at);
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

    async fn ask_one(&self, at: usize, question: &Question<'_>) -> Result<Tried, Ended> {
        let server = &self.servers[at];
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
    ) -> Result<Tried, Ended> {
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
            ..Exchange::get(server, question.path, self.connect_timeout(), MOST, &progress)
        };
        let answer = timeout(question.limit, self.direct.send(&exchange)).await;
        Ok(match answer {
            Ok(answer) => answer.map_err(|failure| failure.detail),
            Err(_) => {
                self.memory.leave_address();
                Err(format!("no answer within {:?}", question.limit))
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
struct Tries<'a> {
    running: Vec<Trying<'a>>,
    /// How many were asked.
    begun: usize,
    patience: Duration,
    /// When the last one that was asked has been waited for as long as that.
    overdue: Pin<Box<Sleep>>,
}

impl<'a> Tries<'a> {
    fn new(patience: Duration) -> Self {
        Self { running: Vec::new(), begun: 0, patience, overdue: Box::pin(sleep(patience)) }
    }

    fn begin(&mut self, trying: Trying<'a>) {
        self.running.push(trying);
        self.begun += 1;
        self.overdue.set(sleep(self.patience));
    }

    /// The next that is done; none where another may be asked and the last one is overdue.
    async fn next(&mut self, may_ask: bool) -> Option<(usize, Result<Tried, Ended>)> {
        poll_fn(|cx| self.poll(may_ask, cx)).await
    }

    fn poll(
        &mut self,
        may_ask: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(usize, Result<Tried, Ended>)>> {
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
    fn new(registry: &RegistryConfig, form: TokenForm, memory: Arc<Memory>) -> Self {
        Self { registry: registry.clone(), form, begun: clock::now(), memory }
    }

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
        let Some(path) = &self.registry.token_file else { return false };
        let Some(held) = self.memory.token(path) else { return false };
        self.token_of(path).is_ok_and(|token| token != held.value)
    }

    fn token_of(&self, path: &Path) -> Result<HeaderValue, Ended> {
        let token = read("token_file", path)?;
        self.of_token(String::from_utf8_lossy(&token).trim())
    }

    /// Read again once a minute, as tokens of Kubernetes are renewed well before their end. While it cannot be read, as
    /// while it is written anew, what it said before counts.
    fn of_file(&self, path: &Path, anew: bool) -> Result<HeaderValue, Ended> {
        let (held, now) = (self.memory.token(path), clock::now());
        if let Some(held) = &held
            && !anew
            && held.read_at >= self.begun
            && now.saturating_duration_since(held.read_at) < TOKEN_AGE
        {
            return Ok(held.value.clone());
        }
        match (self.token_of(path), held) {
            (Ok(value), _) => {
                let token = HeldToken { path: path.to_owned(), read_at: now, value: value.clone() };
                self.memory.hold_token(token);
                Ok(value)
            }
            (Err(_), Some(held)) => Ok(held.value.clone()),
            (Err(ended), None) => Err(ended),
        }
    }
}

/// Why an answer with an error's status ends the session, which may ask to be left alone for a while.
#[must_use]
pub fn failed(problem: String, status: StatusCode, headers: &HeaderMap) -> Ended {
    let asked = headers.get(header::RETRY_AFTER).filter(|_| retry_after::may_ask(status.as_u16()));
    let asked = asked
        .and_then(|value| retry_after::parse(value.as_bytes(), SystemTime::now(), LONGEST_WAIT));
    match asked {
        Some(asked) => Ended::Busy { problem, wait: asked.wait },
        None => Ended::Failed(problem),
    }
}

/// What is sent as `Authorization`, a token being read from its file now.
///
/// # Errors
/// The file cannot be read, or holds what no header can.
#[cfg(feature = "xds")]
pub(crate) fn authorization(
    registry: &RegistryConfig,
    memory: &Arc<Memory>,
) -> Result<Option<HeaderValue>, Ended> {
    Credentials::new(registry, TokenForm::Bearer, Arc::clone(memory)).header(true)
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
        let ground = Ground::for_tests();
        let silence = Duration::from_millis(200);
        let registry = RegistryConfig { silence, connect_timeout: silence, ..Default::default() };
        let memory = Arc::new(Memory::default());
        // As in the sessions of one source.
        let ask = || async {
            let mut config = DirectConfig::clone(&*connections(&registry, &ground, &memory)?);
            let overrides = format!("reg.test:{port}:127.0.0.2,127.0.0.3");
            config.sockets.overrides = overrides.parse().unwrap();
            let servers = vec![Arc::new(Endpoint::new(Host::new("reg.test", port)))];
            let form = TokenForm::Bearer;
            let http = HttpClient::over(Arc::new(config), servers, &registry, form, &memory);
            http.get("/", &HeaderMap::new()).await.map(|answer| answer.status)
        };
        let asked = async {
            let ended = ask().await.unwrap_err();
            assert!(matches!(&ended, Ended::Failed(why) if why.contains("no answer")), "{ended:?}");
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
        let memory = Arc::new(Memory::default());
        let mut credentials = Credentials::new(&registry, TokenForm::Bearer, Arc::clone(&memory));
        let second = Duration::from_secs(1);
        credentials.begun -= 100 * second;
        // As if the file had been read that many seconds ago.
        let sent = |age: u32, anew: bool| {
            if let Some(held) = memory.token(&path) {
                let (path, value) = (held.path.clone(), held.value.clone());
                memory.hold_token(HeldToken { path, read_at: clock::now() - age * second, value });
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
        let next = || Credentials::new(&registry, TokenForm::Bearer, Arc::clone(&memory));
        assert_eq!(next().header(false).unwrap().unwrap(), "Bearer three");
        std::fs::write(&path, "four").unwrap();
        assert_eq!(next().header(false).unwrap().unwrap(), "Bearer four");
        std::fs::remove_file(&path).unwrap();
        let none = Credentials::new(&registry, TokenForm::Bearer, Arc::default()).header(false);
        let ended = none.unwrap_err();
        assert!(matches!(&ended, Ended::Failed(why) if why.contains("token_file")), "{ended:?}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
