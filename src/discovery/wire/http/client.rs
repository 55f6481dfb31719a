//! A client of one registry's servers.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::time::timeout;

use super::credentials::{Credentials, TokenForm};
use super::server_race::{ServerRace, ServerResult};
use super::stream::{Stream, named};
use crate::discovery::config::RegistryConfig;
use crate::discovery::source::{SessionEnd, UpdateChannel};
use crate::discovery::source_context::SourceContext;
use crate::discovery::wire::RegistryCache;
use crate::discovery::wire::connections::connections;
use crate::endpoint::{Endpoint, Host, Scheme};
use crate::transport::{Answer, Direct, DirectConfig, Exchange, Progress, Transport};

/// Asks the servers of one registry, in one session.
pub struct HttpClient {
    direct: Direct,
    config: Arc<DirectConfig>,
    /// In the order in which they are tried, from the one on that answered last.
    servers: Vec<Arc<Endpoint>>,
    cache: Arc<RegistryCache>,
    credentials: Credentials,
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

/// What is held of one answer at most.
const MOST: usize = 32 * 1024 * 1024;
/// How many more tries the addresses of names are worth.
const MOST_ADDRESSES: usize = 8;
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
}
