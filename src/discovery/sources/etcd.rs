//! The keys below a prefix in etcd, over its JSON gateway.
//!
//! A session lists the keys, page by page at one revision, and then watches from the next revision on. A watch that was
//! silent for a minute is opened anew where it stood, since nothing else tells a watch that is dead from one that has
//! nothing to tell, and a member that lost the quorum is asked to end its watches, which would be silent for ever. Where the store then stands at a lower revision than was seen, or has compacted what was asked for,
//! the session expires and the next one lists anew: a watch above the store's revision would be accepted and stay deaf.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use ::http::{HeaderMap, HeaderValue, StatusCode, header};
use bytes::Bytes;
use tokio::time::timeout;

use crate::discovery::config::{ProviderConfig, RegistryConfig};
use crate::discovery::scheme::Scheme;
use crate::discovery::source::{Session, SessionEnd, Source, UpdateChannel, session};
use crate::discovery::source_context::SourceContext;
use crate::discovery::wire::etcd::{self, Changes, Denial, RangeResponse, WatchResponse};
use crate::discovery::wire::http::{self, HttpClient, TokenForm};
use crate::discovery::wire::{Entries, Entry, EntryConfig, Frames, RegistryCache};

pub(in crate::discovery) const SCHEME: Scheme = Scheme {
    name: "etcd",
    form: "etcd://host:2379/prefix",
    purpose: "the keys below a prefix in etcd 3, over its JSON gateway",
    keys: &[
        "ca_file",
        "cert_file",
        "connect_timeout",
        "entry",
        "entry_endpoint",
        "entry_from",
        "etcd_prefix",
        "key_file",
        "password",
        "silence",
        "tls",
        "token",
        "token_file",
        "username",
    ],
    make,
};

const PORT: u16 = 2379;
/// How many keys one answer brings at most. A gateway may refuse answers above 4 MB.
const PAGE: u32 = 1000;
/// What is held of a listing and of one document of a watch at most.
const MOST: usize = 32 * 1024 * 1024;

fn make(config: &ProviderConfig) -> Result<Arc<dyn Source>, String> {
    let target = &config.target;
    let servers = target.servers(PORT)?;
    let path = target.path.trim_end_matches('/');
    let prefix = match &config.etcd.prefix {
        None if path.is_empty() => {
            return Err(format!("etcd: the path names no prefix; write {}", SCHEME.form));
        }
        None => format!("{path}/"),
        Some(prefix) if path.is_empty() => prefix.clone(),
        Some(_) => return Err("etcd: etcd_prefix stands in place of a path".to_owned()),
    };
    let (registry, entry) = (config.registry.clone(), config.entry.clone());
    let (authority, cache) = (target.authority.clone(), Arc::default());
    Ok(Arc::new(Etcd { authority, servers, prefix, registry, cache, entry }))
}

#[derive(Debug)]
struct Etcd {
    authority: String,
    servers: Vec<(String, u16)>,
    /// Ends with a slash, so that no service has the keys of one whose name is longer, unless it was given as it is.
    prefix: String,
    registry: RegistryConfig,
    cache: Arc<RegistryCache>,
    entry: EntryConfig,
}

impl Source for Etcd {
    fn watch<'a>(&'a self, context: &'a SourceContext, updates: &'a UpdateChannel) -> Session<'a> {
        session(self.session(context, updates))
    }

    fn describe(&self) -> String {
        match self.prefix.starts_with('/') {
            true => format!("etcd://{}{}", self.authority, self.prefix),
            false => format!("etcd://{}?etcd_prefix={}", self.authority, self.prefix),
        }
    }
}

impl Etcd {
    async fn session(
        &self,
        context: &SourceContext,
        updates: &UpdateChannel,
    ) -> Result<Infallible, SessionEnd> {
        let (registry, form) = (&self.registry, TokenForm::Plain);
        let http = HttpClient::new(registry, &self.servers, form, context, &self.cache)?;
        let headers = HeaderMap::new();
        let mut keys = Keys { source: self, http, headers, entries: BTreeMap::new(), revision: 0 };
        keys.log_in(updates).await?;
        keys.list(updates).await?;
        loop {
            keys.follow(updates).await?;
            keys.ask_the_quorum(updates).await?;
        }
    }

    /// An error's answer.
    fn refused(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> SessionEnd {
        match etcd::denial(body) {
            Denial::Other(why) => {
                http::failed(format!("{why} (status {})", status.as_u16()), status, headers)
            }
            known => self.denied(known),
        }
    }

    fn denied(&self, denial: Denial) -> SessionEnd {
        match denial {
            Denial::Token if self.registry.username.is_none() => {
                SessionEnd::Refused("etcd refused the token".to_owned())
            }
            // The next session logs in again.
            Denial::Token | Denial::Compacted => SessionEnd::Expired,
            Denial::Credentials(why) => SessionEnd::Refused(why.to_owned()),
            Denial::Other(why) => SessionEnd::Failed(why.to_owned()),
        }
    }
}

/// What one session knows.
struct Keys<'a> {
    source: &'a Etcd,
    http: HttpClient,
    headers: HeaderMap,
    entries: BTreeMap<Vec<u8>, Entry>,
    /// All changes up to this one are in `entries`.
    revision: u64,
}

impl Keys<'_> {
    /// Takes a token for the user, where there is one.
    async fn log_in(&mut self, updates: &UpdateChannel) -> Result<(), SessionEnd> {
        let registry = &self.source.registry;
        let (Some(name), Some(password)) = (&registry.username, &registry.password) else {
            return Ok(());
        };
        let request = etcd::login_request(name, password.reveal());
        let answer = self.ask("/v3/auth/authenticate", request, updates).await?;
        let token = etcd::token(&answer).map_err(not_etcd)?;
        let mut token =
            HeaderValue::try_from(token).map_err(|_| not_etcd("a token of odd bytes"))?;
        token.set_sensitive(true);
        self.headers.insert(header::AUTHORIZATION, token);
        Ok(())
    }

    /// The body of an answer that is none of an error.
    async fn ask(
        &self,
        path: &str,
        request: Vec<u8>,
        updates: &UpdateChannel,
    ) -> Result<Bytes, SessionEnd> {
        let asked = self.http.post(path, &self.headers, request.into());
        let answer = self.http.awaited(updates, asked).await?;
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            status => Err(self.source.refused(status, &answer.headers, &answer.body)),
        }
    }

    /// Tells all keys as they are at one revision.
    async fn list(&mut self, updates: &UpdateChannel) -> Result<(), SessionEnd> {
        let (prefix, end) = (self.source.prefix.as_bytes(), self.end());
        let (mut from, mut at, mut held) = (prefix.to_vec(), None, 0);
        loop {
            let request = etcd::range_request(&from, &end, PAGE, at);
            let body = self.ask("/v3/kv/range", request, updates).await?;
            held += body.len();
            if held > MOST {
                return Err(SessionEnd::Failed("more than 32 MiB below the prefix".to_owned()));
            }
            let RangeResponse { revision, pairs, more, skipped } =
                etcd::range_response(&body).map_err(not_etcd)?;
            self.revision = *at.get_or_insert(revision);
            skipped.tell(updates);
            let Some(last) = pairs.last().map(|pair| pair.key.clone()).filter(|last| *last >= from)
            else {
                break;
            };
            for pair in pairs {
                self.put(pair.key, &pair.value, updates);
            }
            if !more {
                break;
            }
            from = etcd::behind(last);
        }
        self.tell(updates);
        Ok(())
    }

    fn tell(&self, updates: &UpdateChannel) {
        self.entries.values().collect::<Entries>().list(updates);
    }

    /// Asks for the key that the prefix itself would be, which a member answers only with the quorum: a watch that was
    /// opened anew says nothing of that.
    async fn ask_the_quorum(&self, updates: &UpdateChannel) -> Result<(), SessionEnd> {
        let prefix = self.source.prefix.as_bytes();
        let request = etcd::range_request(prefix, &etcd::behind(prefix.to_vec()), 1, None);
        let body = self.ask("/v3/kv/range", request, updates).await?;
        match etcd::range_response(&body).map_err(not_etcd)?.revision < self.revision {
            true => Err(SessionEnd::Expired),
            false => Ok(()),
        }
    }

    /// What a watch is asked with: a member that loses the quorum ends it, and would be silent otherwise.
    fn watch_headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.insert("grpc-metadata-hasleader", HeaderValue::from_static("true"));
        headers
    }

    /// Follows one watch until it was silent for too long.
    async fn follow(&mut self, updates: &UpdateChannel) -> Result<(), SessionEnd> {
        let request =
            etcd::watch_request(self.source.prefix.as_bytes(), &self.end(), self.revision + 1);
        let headers = self.watch_headers();
        let mut stream = self.http.open_post("/v3/watch", &headers, request.into()).await?;
        let registry = &self.source.registry;
        if stream.status != StatusCode::OK {
            let body = stream.rest(64 * 1024, registry.connect_timeout).await?;
            return Err(self.source.refused(stream.status, &stream.headers, &body));
        }
        let (mut frames, mut is_alive, mut heard) = (Frames::new(MOST), false, Instant::now());
        loop {
            // The first answer comes at once, or the server is not well.
            let patience = if is_alive { registry.silence } else { registry.connect_timeout };
            // A part of a document is no answer.
            let left = patience.saturating_sub(heard.elapsed());
            let Ok(piece) = timeout(left, stream.chunk()).await else {
                let silent = || SessionEnd::Failed("no answer to a watch".to_owned());
                return is_alive.then_some(()).ok_or_else(silent);
            };
            let piece = piece?.ok_or_else(|| SessionEnd::Failed("the watch ended".to_owned()))?;
            frames.push(&piece).map_err(not_etcd)?;
            for frame in frames.by_ref() {
                self.take(&frame, updates)?;
                (is_alive, heard) = (true, Instant::now());
            }
        }
    }

    /// Takes one document of a watch.
    fn take(&mut self, document: &[u8], updates: &UpdateChannel) -> Result<(), SessionEnd> {
        match etcd::watch_response(document).map_err(not_etcd)? {
            WatchResponse::Created(revision) | WatchResponse::Progress(revision)
                if revision < self.revision =>
            {
                return Err(SessionEnd::Expired);
            }
            WatchResponse::Created(_) => updates.alive(),
            WatchResponse::Progress(revision) => {
                self.revision = revision;
                updates.alive();
            }
            WatchResponse::Changes(changes) => self.apply(changes, updates),
            WatchResponse::Compacted => return Err(SessionEnd::Expired),
            WatchResponse::Canceled(denial) => return Err(self.source.denied(denial)),
        }
        Ok(())
    }

    fn apply(&mut self, changes: Changes, updates: &UpdateChannel) {
        for (key, value) in changes.keys {
            match value {
                Some(value) => self.put(key, &value, updates),
                None => {
                    self.entries.remove(&key);
                }
            }
        }
        changes.skipped.tell(updates);
        self.revision = self.revision.max(changes.revision);
        self.tell(updates);
    }

    /// A key whose value cannot be used is as good as gone.
    fn put(&mut self, key: Vec<u8>, value: &[u8], updates: &UpdateChannel) {
        let name = key.strip_prefix(self.source.prefix.as_bytes()).unwrap_or(&key);
        let entry = self.source.entry.host(name, value);
        if let Err(why) = entry {
            let name = String::from_utf8_lossy(name);
            updates.skipped(&format!("key {}: {why}", name.escape_debug()));
        }
        self.entries.insert(key, entry.map(|host| host.map(Arc::new)));
    }

    fn end(&self) -> Vec<u8> {
        etcd::prefix_end(self.source.prefix.as_bytes())
    }
}

fn not_etcd(why: &'static str) -> SessionEnd {
    SessionEnd::Failed(why.to_owned())
}
