//! An API server of Kubernetes as far as EndpointSlices go: list, watch, bookmarks, versions that expire. kubectl lists
//! and watches it (tests/discovery_kubernetes.rs), so that it is no invention.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::super::{Dead, ms};

/// The server, on a port that it keeps while it is stopped.
pub struct KubeApi {
    shared: Arc<Shared>,
    port: Dead,
    accepts: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    tls: Option<Arc<ServerConfig>>,
}

#[derive(Default)]
struct State {
    version: u64,
    /// Versions below it have expired.
    oldest: u64,
    slices: BTreeMap<String, Value>,
    events: Vec<(u64, &'static str, Value)>,
    token: Option<String>,
    requests: Vec<Asked>,
    faults: Vec<Fault>,
    open: HashMap<usize, TcpStream>,
    connections: usize,
    /// Rises when all streams are to end.
    ends: usize,
    /// Whether streams end without the end of their body.
    cut: bool,
    bookmarks: usize,
    running: bool,
}

impl State {
    /// All versions so far expire; a list is of a later one.
    fn forget(&mut self) {
        self.version += 1;
        self.oldest = self.version;
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub at: Instant,
    pub target: String,
    pub is_watch: bool,
    /// The version from which a watch begins.
    pub version: Option<String>,
    pub token: Option<String>,
}

/// What the next requests meet instead of an answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status, to a watch.
    WatchStatus(u16),
    /// An event of the type ERROR with this code, to a watch.
    WatchError(u16),
    /// These bytes as the body of a list.
    List(Vec<u8>),
    /// These bytes as an event.
    Event(Vec<u8>),
    /// This status, to a list.
    ListStatus(u16),
}

/// An endpoint that is ready.
pub fn ready(address: &str) -> Value {
    entry(address, true, true, false)
}

/// An endpoint in the state that its conditions say.
pub fn entry(address: &str, ready: bool, serving: bool, terminating: bool) -> Value {
    json!({"addresses": [address], "zone": "east", "conditions":
        {"ready": ready, "serving": serving, "terminating": terminating}})
}

impl KubeApi {
    pub fn start() -> Self {
        Self::with(None)
    }

    pub fn with(tls: Option<ServerConfig>) -> Self {
        let state = State { version: 100, ..State::default() };
        let shared =
            Shared { state: Mutex::new(state), changed: Condvar::new(), tls: tls.map(Arc::new) };
        let server =
            Self { shared: Arc::new(shared), port: Dead::new(), accepts: Mutex::default() };
        server.start_again();
        server
    }

    pub fn port(&self) -> u16 {
        self.port.port()
    }

    pub fn start_again(&self) {
        self.lock().running = true;
        let listener = self.port.listener();
        let shared = Arc::clone(&self.shared);
        let accepts = thread::spawn(move || accept(&listener, &shared));
        *self.accepts.lock().unwrap() = Some(accepts);
    }

    /// Closes every connection and listens no more.
    pub fn stop(&self) {
        self.lock().running = false;
        self.end_streams(true);
        let Some(accepts) = self.accepts.lock().unwrap().take() else { return };
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port()));
        accepts.join().unwrap();
    }

    /// Ends all watches, as a server that shuts down; `cut` in the middle of their bodies.
    pub fn end_streams(&self, cut: bool) {
        let mut state = self.lock();
        state.ends += 1;
        state.cut = cut;
        if cut {
            for (_, stream) in state.open.drain() {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Only this token is let in from now on.
    pub fn set_token(&self, token: &str) {
        self.lock().token = Some(token.to_owned());
    }

    /// Puts a slice of the service `web`, whose port `http` is `port`.
    pub fn put(&self, name: &str, endpoints: &[Value], port: u16) {
        let mut state = self.lock();
        state.version += 1;
        let version = state.version;
        let slice = json!({
            "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4",
            "metadata": {"name": name, "namespace": "shop", "uid": name,
                "resourceVersion": version.to_string(),
                "labels": {"kubernetes.io/service-name": "web"}},
            "endpoints": endpoints,
            "ports": [{"name": "metrics", "protocol": "TCP", "port": 9},
                {"name": "http", "protocol": "TCP", "port": port}],
        });
        let kind = match state.slices.insert(name.to_owned(), slice.clone()) {
            Some(_) => "MODIFIED",
            None => "ADDED",
        };
        state.events.push((version, kind, slice));
        drop(state);
        self.shared.changed.notify_all();
    }

    pub fn delete(&self, name: &str) {
        let mut state = self.lock();
        state.version += 1;
        let version = state.version;
        let mut slice = state.slices.remove(name).expect("it is there");
        slice["metadata"]["resourceVersion"] = json!(version.to_string());
        state.events.push((version, "DELETED", slice));
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Tells every watch that nothing else changed, at a version of its own.
    pub fn bookmark(&self) {
        let mut state = self.lock();
        state.version += 1;
        state.bookmarks += 1;
        drop(state);
        self.shared.changed.notify_all();
    }

    /// All versions before this moment expire, as after five minutes; watches that stand go on.
    pub fn expire(&self) {
        self.lock().forget();
    }

    /// Older data, as from a backup.
    pub fn restore(&self, version: u64) {
        let mut state = self.lock();
        state.version = version;
        state.events.clear();
        state.slices.clear();
    }

    pub fn fault(&self, fault: Fault) {
        self.lock().faults.push(fault);
        self.shared.changed.notify_all();
    }

    pub fn requests(&self) -> Vec<Asked> {
        self.lock().requests.clone()
    }

    pub fn lists(&self) -> usize {
        self.requests().iter().filter(|asked| !asked.is_watch).count()
    }

    pub fn watches(&self) -> usize {
        self.requests().iter().filter(|asked| asked.is_watch).count()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

impl Drop for KubeApi {
    fn drop(&mut self) {
        self.stop();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { return };
        let mut state = shared.state.lock().unwrap();
        if !state.running {
            return;
        }
        state.connections += 1;
        let number = state.connections;
        state.open.insert(number, stream.try_clone().unwrap());
        drop(state);
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            let _ = stream.set_nodelay(true);
            match &shared.tls {
                None => drop(serve(stream, &shared)),
                Some(config) => {
                    let tls = ServerConnection::new(Arc::clone(config)).unwrap();
                    drop(serve(StreamOwned::new(tls, stream), &shared));
                }
            }
            shared.state.lock().unwrap().open.remove(&number);
        });
    }
}

/// Requests of one connection until it ends.
fn serve(stream: impl Read + Write, shared: &Shared) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut line, mut token) = (String::new(), None);
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        loop {
            let mut header = String::new();
            stream.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            if name.eq_ignore_ascii_case("authorization") {
                token = Some(value.trim_start_matches("Bearer ").to_owned());
            }
        }
        let target = line.split(' ').nth(1).unwrap_or_default();
        answer(stream.get_mut(), shared, target, token)?;
    }
}

fn answer(
    out: &mut impl Write,
    shared: &Shared,
    target: &str,
    token: Option<String>,
) -> std::io::Result<()> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query: HashMap<&str, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key, value.replace("%2F", "/").replace("%3D", "=")))
        .collect();
    let is_watch = query.get("watch").is_some_and(|it| it == "1" || it == "true");
    let mut state = shared.state.lock().unwrap();
    if path.ends_with("/endpointslices") {
        let version = query.get("resourceVersion").filter(|_| is_watch).cloned();
        let asked = Asked {
            at: Instant::now(),
            target: target.to_owned(),
            is_watch,
            version,
            token: token.clone(),
        };
        state.requests.push(asked);
    }
    if state.token.is_some() && state.token != token {
        return whole(out, 401, &status(401, "Unauthorized"));
    }
    match path {
        "/api" => return whole(out, 200, &json!({"kind": "APIVersions", "versions": ["v1"]})),
        "/api/v1" => return whole(out, 200, &resources("v1", &[])),
        "/apis" => return whole(out, 200, &groups()),
        "/apis/discovery.k8s.io/v1" => {
            let slices = json!({"name": "endpointslices", "singularName": "endpointslice",
                "namespaced": true, "kind": "EndpointSlice", "verbs": ["get", "list", "watch"]});
            return whole(out, 200, &resources("discovery.k8s.io/v1", &[slices]));
        }
        "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices" => {}
        _ => return whole(out, 404, &status(404, "NotFound")),
    }
    let selector = query.get("labelSelector").map_or("", String::as_str);
    let service =
        selector.strip_prefix("kubernetes.io/service-name=").unwrap_or_default().to_owned();
    if is_watch {
        // What happens from here on is news to the watch, as it is to a test that has seen the request.
        return watch(out, shared, state, &query, &service);
    }
    let fault = take(&mut state.faults, |it| matches!(it, Fault::List(_) | Fault::ListStatus(_)));
    match fault {
        Some(Fault::List(bytes)) => return body(out, 200, &bytes),
        Some(Fault::ListStatus(code)) => return whole(out, code, &status(code, "fault")),
        _ => {}
    }
    let items: Vec<_> = state.slices.values().filter(|it| is_of(it, &service)).cloned().collect();
    let list = json!({"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1",
        "metadata": {"resourceVersion": state.version.to_string()}, "items": items});
    drop(state);
    whole(out, 200, &list)
}

fn is_of(slice: &Value, service: &str) -> bool {
    service.is_empty() || slice["metadata"]["labels"]["kubernetes.io/service-name"] == service
}

fn take(faults: &mut Vec<Fault>, is_it: impl Fn(&Fault) -> bool) -> Option<Fault> {
    let at = faults.iter().position(is_it)?;
    Some(faults.remove(at))
}

/// Streams the events from a version on.
fn watch<'a>(
    out: &mut impl Write,
    shared: &'a Shared,
    mut state: MutexGuard<'a, State>,
    query: &HashMap<&str, String>,
    service: &str,
) -> std::io::Result<()> {
    let from =
        query.get("resourceVersion").and_then(|it| it.parse::<u64>().ok()).unwrap_or_default();
    if let Some(Fault::WatchStatus(code)) =
        take(&mut state.faults, |it| matches!(it, Fault::WatchStatus(_)))
    {
        state.forget();
        return whole(out, code, &status(code, "Expired"));
    }
    out.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    )?;
    out.flush()?;
    if from < state.oldest {
        chunk(out, &event("ERROR", &status(410, "Expired")))?;
        return last(out);
    }
    let seconds = query.get("timeoutSeconds").and_then(|it| it.parse().ok()).unwrap_or(300);
    let until = Instant::now() + Duration::from_secs(seconds);
    let (mut seen, ends, mut bookmarks) = (from, state.ends, state.bookmarks);
    loop {
        let new: Vec<_> = state.events.iter().filter(|it| it.0 > seen).cloned().collect();
        let fault =
            take(&mut state.faults, |it| matches!(it, Fault::WatchError(_) | Fault::Event(_)));
        if matches!(fault, Some(Fault::WatchError(_))) {
            state.forget();
        }
        let told = state.bookmarks > bookmarks && query.contains_key("allowWatchBookmarks");
        let (version, is_over) = (state.version, state.ends > ends || Instant::now() >= until);
        bookmarks = state.bookmarks;
        drop(state);
        for (version, kind, slice) in new {
            seen = version;
            if is_of(&slice, service) {
                chunk(out, &event(kind, &slice))?;
            }
        }
        match fault {
            Some(Fault::WatchError(code)) => {
                chunk(out, &event("ERROR", &status(code, "Expired")))?;
                return last(out);
            }
            Some(Fault::Event(bytes)) => chunk(out, &bytes)?,
            _ => {}
        }
        if told || is_over {
            let mark = json!({"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
                "metadata": {"resourceVersion": version.to_string()}});
            chunk(out, &event("BOOKMARK", &mark))?;
        }
        if is_over {
            return last(out);
        }
        state = shared.state.lock().unwrap();
        let is_new = state.version > version || state.ends > ends || !state.faults.is_empty();
        if !is_new {
            let left = until.saturating_duration_since(Instant::now());
            state = shared.changed.wait_timeout(state, left.min(ms(200))).unwrap().0;
        }
    }
}

fn event(kind: &str, object: &Value) -> Vec<u8> {
    format!("{}\n", json!({"type": kind, "object": object})).into_bytes()
}

fn chunk(out: &mut impl Write, bytes: &[u8]) -> std::io::Result<()> {
    write!(out, "{:x}\r\n", bytes.len())?;
    out.write_all(bytes)?;
    out.write_all(b"\r\n")?;
    out.flush()
}

fn last(out: &mut impl Write) -> std::io::Result<()> {
    out.write_all(b"0\r\n\r\n")?;
    out.flush()
}

fn status(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("too old resource version or so: {reason}"), "reason": reason, "code": code})
}

fn groups() -> Value {
    let version = json!({"groupVersion": "discovery.k8s.io/v1", "version": "v1"});
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups":
        [{"name": "discovery.k8s.io", "versions": [version], "preferredVersion": version}]})
}

fn resources(version: &str, resources: &[Value]) -> Value {
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources})
}

fn whole(out: &mut impl Write, code: u16, document: &Value) -> std::io::Result<()> {
    body(out, code, document.to_string().as_bytes())
}

fn body(out: &mut impl Write, code: u16, bytes: &[u8]) -> std::io::Result<()> {
    write!(
        out,
        "HTTP/1.1 {code} said\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        bytes.len()
    )?;
    out.write_all(bytes)?;
    out.flush()
}
