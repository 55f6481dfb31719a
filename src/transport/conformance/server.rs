//! A server for tests that does what a script says, byte by byte, and tells what it saw.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use socket2::SockRef;

/// A listening socket on loopback whose connections each run the script in a thread of their own.
pub(in crate::transport) struct Server {
    pub(in crate::transport) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Runs `script` for each connection, with its number from 0.
    pub(in crate::transport) fn start(
        script: impl Fn(usize, &mut Peer) + Send + Sync + 'static,
    ) -> Self {
        Self::listen(None, script)
    }

    /// The same over TLS; a connection whose handshake fails does not reach the script.
    pub(in crate::transport) fn start_tls(
        config: ServerConfig,
        script: impl Fn(usize, &mut Peer) + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(Arc::new(config)), script)
    }

    /// Answers every request of every connection with `answer`.
    pub(in crate::transport) fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_, peer| {
            while peer.request().is_some() {
                peer.write(&answer);
            }
        })
    }

    /// How many connections were accepted.
    pub(in crate::transport) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// The requests read so far, whole.
    pub(in crate::transport) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn listen(
        tls: Option<Arc<ServerConfig>>,
        script: impl Fn(usize, &mut Peer) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (count, log, script) = (Arc::clone(&accepted), Arc::clone(&requests), Arc::new(script));
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let (tls, log, script) = (tls.clone(), Arc::clone(&log), Arc::clone(&script));
                thread::spawn(move || {
                    if let Some(mut peer) = Peer::new(socket, tls, log) {
                        script(number, &mut peer);
                    }
                });
            }
        });
        Self { address, accepted, requests }
    }
}

trait Duplex: Read + Write + Send {}

impl<T: Read + Write + Send> Duplex for T {}

/// The server's end of one connection.
pub(in crate::transport) struct Peer {
    stream: Box<dyn Duplex>,
    socket: TcpStream,
    unread: Vec<u8>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    fn new(
        socket: TcpStream,
        tls: Option<Arc<ServerConfig>>,
        log: Arc<Mutex<Vec<String>>>,
    ) -> Option<Self> {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        let stream = socket.try_clone().unwrap();
        let stream: Box<dyn Duplex> = match tls {
            None => Box::new(stream),
            Some(config) => {
                let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                while stream.conn.is_handshaking() {
                    stream.conn.complete_io(&mut stream.sock).ok()?;
                }
                Box::new(stream)
            }
        };
        Some(Self { stream, socket, unread: Vec::new(), log })
    }

    /// The next request with its body, or `None` when the client closed.
    pub(in crate::transport) fn request(&mut self) -> Option<String> {
        let head_end = loop {
            if let Some(at) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.read_more()?;
        };
        let head = String::from_utf8_lossy(&self.unread[..head_end]).to_ascii_lowercase();
        let length = head
            .split("content-length: ")
            .nth(1)
            .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
        while self.unread.len() < head_end + length {
            self.read_more()?;
        }
        let request = self.unread.drain(..head_end + length).collect::<Vec<_>>();
        let request = String::from_utf8_lossy(&request).into_owned();
        self.log.lock().unwrap().push(request.clone());
        Some(request)
    }

    /// The next `count` bytes, or `None` when the client closed before.
    pub(in crate::transport) fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.unread.len() < count {
            self.read_more()?;
        }
        Some(self.unread.drain(..count).collect())
    }

    /// Waits for at least one more byte.
    pub(in crate::transport) fn read_more(&mut self) -> Option<()> {
        let mut buffer = [0; 16384];
        match self.stream.read(&mut buffer) {
            Ok(count) if count > 0 => {
                self.unread.extend_from_slice(&buffer[..count]);
                Some(())
            }
            _ => None,
        }
    }

    /// Whether the client closes in good time; what it still sends is read and dropped.
    pub(in crate::transport) fn sees_close(&mut self) -> bool {
        let mut buffer = [0; 16384];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }

    /// Writes; a client that is gone is no error.
    pub(in crate::transport) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
        let _ = self.stream.flush();
    }

    /// Ends the connection in both directions.
    pub(in crate::transport) fn close(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// From here on closing the connection resets it.
    pub(in crate::transport) fn reset(&self) {
        SockRef::from(&self.socket).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Ends this side's half of the connection.
    pub(in crate::transport) fn half_close(&self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}

/// A certificate authority for one test.
pub(in crate::transport) struct Authority {
    pub(in crate::transport) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(in crate::transport) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        // Two authorities of one name would be taken for one whose signature is wrong.
        let number = AUTHORITIES.fetch_add(1, Ordering::SeqCst);
        params.distinguished_name.push(DnType::CommonName, format!("authority {number}"));
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for `name` and its key, both in PEM.
    pub(in crate::transport) fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// A server that is `name`, and that asks for a certificate of `clients` where given.
    pub(in crate::transport) fn server(&self, name: &str, clients: Option<&Self>) -> ServerConfig {
        let (certificate, key) = self.issue(name);
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(clients.pem.as_bytes()).unwrap()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        builder.with_single_cert(chain, key).unwrap()
    }
}

static AUTHORITIES: AtomicUsize = AtomicUsize::new(0);

/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(10);
