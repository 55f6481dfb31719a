//! A control plane that speaks as much xDS as endpoint discovery needs; its protobuf is written by hand, so that it is
//! no copy of the library's.

use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use h2::server::{self, SendResponse};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use super::super::Dead;

const TYPE: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

/// The server, on a port that it keeps while it is stopped.
pub struct AdsServer {
    shared: Arc<Shared>,
    port: Dead,
    running: Mutex<Option<JoinHandle<()>>>,
    tls: Option<TlsAcceptor>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
    stop: Notify,
}

#[derive(Default)]
struct State {
    version: u64,
    /// What the next answer holds: a resource, or bytes in place of the whole message.
    answer: Option<Answer>,
    token: Option<String>,
    seen: Vec<Seen>,
}

#[derive(Clone)]
enum Answer {
    Resource(Vec<u8>),
    Bytes(Vec<u8>),
}

/// A request as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub version: String,
    pub nonce: String,
    pub names: Vec<String>,
    pub has_node: bool,
    /// Why the answer before was refused.
    pub error: Option<String>,
}

/// The endpoints of one locality: address, port, health, weight.
pub type Place<'a> = (&'a str, u16, u64, u64);

impl AdsServer {
    pub fn start() -> Self {
        Self::with(None)
    }

    pub fn over_tls(mut config: ServerConfig) -> Self {
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self::with(Some(Arc::new(config).into()))
    }

    fn with(tls: Option<TlsAcceptor>) -> Self {
        let (shared, port, running) = (Arc::default(), Dead::new(), Mutex::default());
        let server = Self { shared, port, running, tls };
        server.start_again();
        server
    }

    pub fn port(&self) -> u16 {
        self.port.port()
    }

    pub fn start_again(&self) {
        let listener = self.port.listener();
        listener.set_nonblocking(true).unwrap();
        let (shared, tls) = (Arc::clone(&self.shared), self.tls.clone());
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let accept = async {
                    loop {
                        let (stream, _) = listener.accept().await.unwrap();
                        let (shared, tls) = (Arc::clone(&shared), tls.clone());
                        tokio::spawn(async move {
                            match tls {
                                None => serve(stream, shared).await,
                                Some(tls) => {
                                    if let Ok(stream) = tls.accept(stream).await {
                                        serve(stream, shared).await;
                                    }
                                }
                            }
                        });
                    }
                };
                tokio::select! { () = accept => {}, () = shared.stop.notified() => {} }
            });
        });
        *self.running.lock().unwrap() = Some(thread);
    }

    /// Closes every connection and listens no more.
    pub fn stop(&self) {
        self.shared.stop.notify_one();
        if let Some(thread) = self.running.lock().unwrap().take() {
            thread.join().unwrap();
        }
    }

    /// Only this token is let in from now on.
    pub fn set_token(&self, token: &str) {
        self.lock().token = Some(token.to_owned());
    }

    /// The endpoints of a cluster, each locality with its priority and weight.
    pub fn put(&self, cluster: &str, localities: &[(u64, u64, &[Place<'_>])]) {
        self.answer(Answer::Resource(assignment(cluster, localities)));
    }

    /// A message that is no xDS, or a resource that is none.
    pub fn put_bytes(&self, bytes: &[u8]) {
        self.answer(Answer::Bytes(bytes.to_vec()));
    }

    pub fn put_resource(&self, bytes: &[u8]) {
        self.answer(Answer::Resource(bytes.to_vec()));
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    fn answer(&self, answer: Answer) {
        let mut state = self.lock();
        state.version += 1;
        state.answer = Some(answer);
        drop(state);
        self.shared.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

impl Drop for AdsServer {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let Ok(mut connection) = server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(call(request, respond, Arc::clone(&shared)));
    }
}

async fn call(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, shared: Arc<Shared>) {
    let wanted = shared.state.lock().unwrap().token.clone().map(|it| format!("Bearer {it}"));
    let shown = request.headers().get("authorization").map(|it| it.to_str().unwrap().to_owned());
    let head = Response::builder().header("content-type", "application/grpc");
    if wanted.is_some() && wanted != shown {
        // Some servers quote what they refuse.
        let quoted = shown.filter(|it| it.contains("qu0te"));
        let message =
            quoted.map_or_else(|| "who%20are%20you".to_owned(), |it| format!("no such {it}"));
        let head = head.header("grpc-status", "16").header("grpc-message", message);
        let _ = respond.send_response(head.body(()).unwrap(), true);
        return;
    }
    assert!(request.uri().path().ends_with("/StreamAggregatedResources"));
    let mut out = respond.send_response(head.body(()).unwrap(), false).unwrap();
    let mut body = request.into_body();
    let (mut received, mut told) = (Vec::new(), 0);
    let mut asked = false;
    loop {
        let mut changed = std::pin::pin!(shared.changed.notified());
        changed.as_mut().enable();
        let answer = {
            let state = shared.state.lock().unwrap();
            let is_new = asked && state.version > told;
            told = if is_new { state.version } else { told };
            state.answer.clone().filter(|_| is_new)
        };
        if let Some(answer) = answer {
            tell(&mut out, told, answer);
            continue;
        }
        tokio::select! {
            () = changed => {}
            part = body.data() => {
                let Some(Ok(part)) = part else {
                    let _ = out.send_trailers(HeaderMap::new());
                    return;
                };
                let _ = body.flow_control().release_capacity(part.len());
                received.extend_from_slice(&part);
                while let Some(seen) = next_request(&mut received) {
                    asked = true;
                    shared.state.lock().unwrap().seen.push(seen);
                }
            }
        }
    }
}

fn tell(out: &mut SendStream<Bytes>, version: u64, answer: Answer) {
    let message = match answer {
        Answer::Bytes(bytes) => bytes,
        Answer::Resource(resource) => {
            let mut any = Vec::new();
            bytes_field(&mut any, 1, TYPE.as_bytes());
            bytes_field(&mut any, 2, &resource);
            let mut message = Vec::new();
            bytes_field(&mut message, 1, version.to_string().as_bytes());
            bytes_field(&mut message, 2, &any);
            bytes_field(&mut message, 4, TYPE.as_bytes());
            bytes_field(&mut message, 5, format!("n{version}").as_bytes());
            message
        }
    };
    let mut framed = vec![0];
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend(message);
    let _ = out.send_data(framed.into(), false);
}

fn next_request(received: &mut Vec<u8>) -> Option<Seen> {
    let length = u32::from_be_bytes(received.get(1..5)?.try_into().unwrap()) as usize;
    if received.len() < 5 + length {
        return None;
    }
    let message: Vec<u8> = received.drain(..5 + length).skip(5).collect();
    let mut seen = Seen::default();
    for (number, value) in fields(&message) {
        let text = || String::from_utf8(value.clone()).unwrap();
        match number {
            1 => seen.version = text(),
            2 => seen.has_node = true,
            3 => seen.names.push(text()),
            4 => assert_eq!(text(), TYPE),
            5 => seen.nonce = text(),
            6 => seen.error = fields(&value).pop().map(|it| String::from_utf8(it.1).unwrap()),
            _ => {}
        }
    }
    Some(seen)
}

/// Number and content of each field; those of numbers are left empty.
fn fields(mut message: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut all = Vec::new();
    while !message.is_empty() {
        let key = read_varint(&mut message);
        match key & 7 {
            0 => {
                read_varint(&mut message);
                all.push((key >> 3, Vec::new()));
            }
            2 => {
                let length = read_varint(&mut message) as usize;
                let (value, rest) = message.split_at(length);
                all.push((key >> 3, value.to_vec()));
                message = rest;
            }
            other => panic!("a field of wire type {other}"),
        }
    }
    all
}

fn read_varint(bytes: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        number |= u64::from(byte & 127) << shift;
        shift += 7;
        if byte & 128 == 0 {
            return number;
        }
    }
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number > 127 {
        out.push(number as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
}

fn number_field(out: &mut Vec<u8>, field: u64, number: u64) {
    varint(out, field << 3);
    varint(out, number);
}

fn bytes_field(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A message with the fields that `write` writes, as a field of another.
fn message_field(out: &mut Vec<u8>, field: u64, write: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    write(&mut inner);
    bytes_field(out, field, &inner);
}

fn assignment(cluster: &str, localities: &[(u64, u64, &[Place<'_>])]) -> Vec<u8> {
    let mut out = Vec::new();
    bytes_field(&mut out, 1, cluster.as_bytes());
    for (priority, weight, endpoints) in localities {
        message_field(&mut out, 2, |locality| {
            message_field(locality, 1, |place| bytes_field(place, 2, b"east"));
            for (address, port, health, own) in *endpoints {
                message_field(locality, 2, |endpoint| {
                    message_field(endpoint, 1, |it| {
                        message_field(it, 1, |it| {
                            message_field(it, 1, |socket| {
                                bytes_field(socket, 2, address.as_bytes());
                                number_field(socket, 3, (*port).into());
                            });
                        });
                    });
                    number_field(endpoint, 2, *health);
                    if *own > 0 {
                        message_field(endpoint, 4, |it| number_field(it, 1, *own));
                    }
                });
            }
            if *weight > 0 {
                message_field(locality, 3, |it| number_field(it, 1, *weight));
            }
            number_field(locality, 5, *priority);
        });
    }
    out
}
