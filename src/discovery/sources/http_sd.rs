//! A document of Prometheus's HTTP service discovery, asked for now and then.

use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, StatusCode, header};
use rand::RngExt;

use crate::discovery::config::{ProviderConfig, RegistryConfig};
use crate::discovery::polled::{Fetch, Fetched, Fetching, Poll, Polled};
use crate::discovery::scheme::Scheme;
use crate::discovery::source::{SessionEnd, Source, UpdateChannel};
use crate::discovery::source_context::SourceContext;
use crate::discovery::wire::http::{self, HttpClient, TokenForm};
use crate::discovery::wire::{Groups, RegistryCache};
use crate::runtime::entropy::with_rng;

pub(in crate::discovery) const SCHEME: Scheme = Scheme {
    name: "http+sd",
    form: "http+sd://host:80/path",
    purpose: "a list in JSON, as Prometheus's HTTP service discovery reads it, asked for now and then",
    keys: &[
        "ca_file",
        "cert_file",
        "connect_timeout",
        "key_file",
        "password",
        "refresh",
        "tls",
        "token",
        "token_file",
        "username",
    ],
    make,
};

fn make(config: &ProviderConfig) -> Result<Arc<dyn Source>, String> {
    let target = &config.target;
    let servers = target.servers(if config.registry.tls { 443 } else { 80 })?;
    let path = if target.path.is_empty() { "/".to_owned() } else { target.path.clone() };
    let (registry, refresh) = (config.registry.clone(), config.http_sd.refresh);
    let (authority, cache) = (target.authority.clone(), Arc::default());
    Ok(Arc::new(Polled(HttpSd { authority, servers, path, registry, cache, refresh })))
}

#[derive(Debug)]
struct HttpSd {
    authority: String,
    servers: Vec<(String, u16)>,
    path: String,
    registry: RegistryConfig,
    cache: Arc<RegistryCache>,
    refresh: Duration,
}

impl Poll for HttpSd {
    fn begin(&self, context: &SourceContext) -> Result<Box<dyn Fetch>, SessionEnd> {
        let (registry, form) = (&self.registry, TokenForm::Bearer);
        let http = HttpClient::new(registry, &self.servers, form, context, &self.cache)?;
        let (path, refresh) = (self.path.clone(), self.refresh);
        Ok(Box::new(Document { http, path, refresh, groups: Groups::default() }))
    }

    /// The query may hold a secret.
    fn describe(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("http+sd://{}{path}", self.authority)
    }
}

struct Document {
    http: HttpClient,
    path: String,
    refresh: Duration,
    groups: Groups,
}

impl Document {
    /// Up to a tenth shorter than it may be, so that clients that started together do not ask together for ever.
    fn pause(&self) -> Duration {
        with_rng(|rng| rng.random_range(self.refresh - self.refresh / 10..=self.refresh))
    }
}

impl Fetch for Document {
    fn fetch<'a>(&'a mut self, _: &'a SourceContext, updates: &'a UpdateChannel) -> Fetching<'a> {
        Box::pin(async move {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
            let asked = self.http.get(&self.path, &headers);
            let answer = self.http.awaited(updates, asked).await?;
            match answer.status {
                StatusCode::OK => {}
                // These two say that it may answer later.
                status
                    if status.is_client_error()
                        && status != StatusCode::TOO_MANY_REQUESTS
                        && status != StatusCode::REQUEST_TIMEOUT =>
                {
                    let why =
                        format!("the server refuses the document (status {})", status.as_u16());
                    return Err(SessionEnd::Refused(why));
                }
                status => {
                    let problem = format!("the server answered with status {}", status.as_u16());
                    return Err(http::failed(problem, status, &answer.headers));
                }
            }
            let entries = self.groups.read(&answer.body);
            let entries =
                entries.map_err(|why| SessionEnd::Failed(format!("the document is {why}")))?;
            let Some(entries) = entries else {
                return Ok(Fetched { hosts: None, pause: self.pause() });
            };
            entries.skipped.tell(updates);
            match entries.unusable() {
                Some(problem) => Err(SessionEnd::Failed(problem)),
                None => Ok(Fetched { hosts: Some(entries.hosts), pause: self.pause() }),
            }
        })
    }
}
