//! Peers that send without end what brings nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::{ConnectionTrafficSecrets, ServerConnection};

use super::{Authority, CHUNKED, Scripted};

/// What a peer sends, again and again.
#[derive(Clone, Debug)]
pub struct Flood {
    pub name: &'static str,
    speaks: Speaks,
    /// What comes before it, once.
    first: Vec<u8>,
    again: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Http1,
    Http2,
    /// HTTP/1.1 or 2 over TLS, and then records of the flood's content.
    Records {
        http2: bool,
    },
    /// Begins a handshake.
    Handshake,
}

impl Flood {
    /// Those of HTTP/1.1.
    pub fn http1() -> Vec<Self> {
        let plain = |name, first: &str, again: Vec<u8>| {
            let first = first.as_bytes().to_vec();
            Self { name, speaks: Speaks::Http1, first, again }
        };
        let chunk =
            |body: &[u8]| [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat();
        let gzip = CHUNKED.replacen("\r\n", "\r\ncontent-encoding: gzip\r\n", 1);
        // Members without content, and codes for nothing.
        let members = empty_member().repeat(3000);
        let codes = chunk(&[0, 0, 0, 0xff, 0xff].repeat(12_000));
        let opened = [gzip.as_bytes(), &chunk(&empty_member()[..10])].concat();
        vec![
            plain("chunk sizes", CHUNKED, b"0".repeat(65_536)),
            plain("interim answers", "", b"HTTP/1.1 102 P\r\n\r\n".repeat(4096)),
            plain("small chunks", CHUNKED, b"1\r\na\r\n".repeat(8192)),
            plain("header lines", "HTTP/1.1 200 OK\r\n", b"x-y: z\r\n".repeat(8192)),
            plain("gzip members", &gzip, chunk(&members)),
            Self { first: opened, ..plain("gzip codes", "", codes) },
        ]
    }

    /// Those of HTTP/2.
    pub fn http2() -> Vec<Self> {
        let flood = |name, again: Vec<u8>, count| {
            let (speaks, first) = (Speaks::Http2, Vec::new());
            Self { name, speaks, first, again: again.repeat(count) }
        };
        let begun =
            |name, first: &[u8], again| Self { first: first.to_vec(), ..flood(name, again, 4096) };
        let head = frame(1, 4, 1, &[0x88]);
        vec![
            flood("ping", frame(6, 0, 0, &[0; 8]), 4096),
            flood("pong", frame(6, 1, 0, &[0; 8]), 4096),
            flood("settings", frame(4, 0, 0, &[]), 4096),
            flood("window updates", frame(8, 0, 0, &[0, 0, 0, 1]), 4096),
            flood("window updates of the stream", frame(8, 0, 1, &[0, 0, 0, 1]), 4096),
            flood("priorities", frame(2, 0, 3, &[0, 0, 0, 1, 5]), 4096),
            flood("unknown frames", frame(0xbb, 0, 1, &[0; 20]), 4096),
            flood("interim answers", frame(1, 4, 1, &[0x08, 3, b'1', b'0', b'3']), 4096),
            begun("empty data", &head, frame(0, 0, 1, &[])),
            begun("padding", &head, frame(0, 8, 1, &[&[255][..], &[0; 255]].concat())),
            begun("continuations", &frame(1, 0, 1, &[0x88]), frame(9, 0, 1, &[])),
        ]
    }

    /// Those beneath HTTP.
    pub fn tls() -> Vec<Self> {
        let flood = |name, speaks, again| Self { name, speaks, first: Vec::new(), again };
        // A message of the greatest size in records of a byte each.
        let first = vec![22, 3, 3, 0, 4, 2, 0, 0xff, 0xff];
        let handshake = [22, 3, 3, 0, 1, 0].repeat(8192);
        vec![
            flood("empty records", Speaks::Records { http2: false }, vec![DATA_OF_TLS]),
            flood("tickets", Speaks::Records { http2: false }, TICKET.to_vec()),
            flood("tickets under http/2", Speaks::Records { http2: true }, TICKET.to_vec()),
            Self { first, ..flood("handshake in bytes", Speaks::Handshake, handshake) },
        ]
    }

    /// Whether a client needs prior knowledge of HTTP/2 for it.
    pub fn is_http2(&self) -> bool {
        matches!(self.speaks, Speaks::Http2 | Speaks::Records { http2: true })
    }

    /// Whether it comes over TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self.speaks, Speaks::Records { .. } | Speaks::Handshake)
    }

    /// A peer that sends it; over TLS it is `127.0.0.1`, by a certificate of `authority`.
    pub fn server(&self, authority: &Authority) -> Scripted {
        let flood = self.clone();
        match self.speaks {
            Speaks::Http1 => Scripted::new(move |_, peer| {
                peer.head();
                flood.pour(&mut peer.socket);
            }),
            Speaks::Http2 => Scripted::new(move |_, peer| {
                let socket = &mut peer.socket;
                greet(socket);
                await_head(socket);
                read_on(socket);
                flood.pour(socket);
            }),
            Speaks::Handshake => Scripted::new(move |_, peer| {
                let _ = peer.socket.read(&mut [0; 4096]);
                flood.pour(&mut peer.socket);
            }),
            Speaks::Records { http2 } => {
                let mut config = authority.server("127.0.0.1");
                config.enable_secret_extraction = true;
                if http2 {
                    config.alpn_protocols = vec![b"h2".to_vec()];
                }
                let config = Arc::new(config);
                Scripted::new(move |_, peer| {
                    let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
                    pour_records(tls, &mut peer.socket, http2, &flood.again);
                })
            }
        }
    }

    fn pour(&self, socket: &mut TcpStream) {
        let _ = socket.write_all(&self.first);
        while socket.write_all(&self.again).is_ok() {}
    }
}

/// A frame of HTTP/2.
pub fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags, 0, 0, 0, stream];
    [&head, payload].concat()
}

/// Settings, and the acknowledgement of the client's.
pub const GREETING: [u8; 18] = [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0];

/// Begins HTTP/2.
pub fn greet(socket: &mut TcpStream) {
    let mut preface = [0; 24];
    let _ = socket.read_exact(&mut preface);
    let _ = socket.write_all(&GREETING);
}

/// Waits for a frame of HEADERS.
pub fn await_head(socket: &mut TcpStream) -> Option<()> {
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        socket.read_exact(&mut payload).ok()?;
        if head[3] == 1 {
            return Some(());
        }
    }
}

/// Takes what the client answers to the flood, so that it is not held back.
fn read_on(socket: &TcpStream) {
    let mut socket = socket.try_clone().unwrap();
    thread::spawn(move || {
        let mut room = [0; 65_536];
        while socket.read(&mut room).is_ok_and(|count| count > 0) {}
    });
}

fn is_request(heard: &[u8], http2: bool) -> bool {
    let mut frames = heard.get(24..).unwrap_or_default();
    while http2 && frames.len() >= 9 {
        if frames[3] == 1 {
            return true;
        }
        let length = usize::from(frames[1]) << 8 | usize::from(frames[2]);
        frames = frames.get(9 + length..).unwrap_or_default();
    }
    !http2 && heard.ends_with(b"\r\n\r\n")
}

fn empty_member() -> Vec<u8> {
    GzEncoder::new(Vec::new(), Compression::fast()).finish().unwrap()
}

/// The type of a record's content, which stands at its end.
const DATA_OF_TLS: u8 = 23;

/// A session that could be resumed with a ticket of one byte.
const TICKET: [u8; 20] = [4, 0, 0, 15, 0, 0, 28, 32, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 22];

/// Shakes hands, waits for a request, and goes on with records of `content`, by hand: rustls itself sends none such.
fn pour_records(mut tls: ServerConnection, socket: &mut TcpStream, http2: bool, content: &[u8]) {
    let (mut heard, mut greeted) = (Vec::new(), !http2);
    while !is_request(&heard, http2) {
        if tls.complete_io(socket).is_err() {
            return;
        }
        if !greeted && !tls.is_handshaking() {
            tls.writer().write_all(&GREETING).unwrap();
            greeted = true;
        }
        let mut room = [0; 16_384];
        let count = tls.reader().read(&mut room).unwrap_or(0);
        heard.extend_from_slice(&room[..count]);
    }
    while tls.wants_write() {
        tls.write_tls(socket).unwrap();
    }
    let secrets = tls.dangerous_extract_secrets().unwrap();
    let (mut number, ConnectionTrafficSecrets::Aes128Gcm { key, iv }) = secrets.tx else {
        panic!("another cipher than the first on the list")
    };
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key.as_ref()).unwrap());
    read_on(socket);
    loop {
        let mut records = Vec::new();
        for _ in 0..2048 {
            let mut nonce: [u8; 12] = iv.as_ref().try_into().unwrap();
            for (byte, digit) in nonce[4..].iter_mut().zip(u64::to_be_bytes(number)) {
                *byte ^= digit;
            }
            number += 1;
            let length = u8::try_from(content.len() + AES_128_GCM.tag_len()).unwrap();
            let (head, mut content) = ([DATA_OF_TLS, 3, 3, 0, length], content.to_vec());
            let nonce = Nonce::assume_unique_for_key(nonce);
            key.seal_in_place_append_tag(nonce, Aad::from(head), &mut content).unwrap();
            records.extend(head.into_iter().chain(content));
        }
        if socket.write_all(&records).is_err() {
            return;
        }
    }
}
