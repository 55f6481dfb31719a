//! Answers in the encodings that are asked for beside gzip, whole and by the piece.

#![cfg(all(feature = "brotli", feature = "zstd"))]

use ahoy::ffi::values::status::*;
use support::*;

fn zstd(plain: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(zstd_safe::compress_bound(plain.len()));
    zstd_safe::compress(&mut encoded, plain, 3).unwrap();
    encoded
}

/// A text and a mebibyte of zeros in each encoding. There is no encoder of brotli here.
fn encoded() -> [(&'static str, Vec<u8>, Vec<u8>); 2] {
    let zeros = b"[\xff\xff\x0f@\x02 \x1e\x0b$\xf7\xfe\x01".to_vec();
    [
        ("br", b"\x1b\x16\x00\xf8\x8d\x94n\xdeDU\x86\x96l o!O\x1c\xe08".to_vec(), zeros),
        ("zstd", zstd(HELLO), zstd(&vec![0; MIB])),
    ]
}

const HELLO: &[u8] = b"hello hello hello hello";
const MIB: usize = 1 << 20;

fn serving(encoding: &'static str, body: Vec<u8>) -> Server {
    Server::always(Reply::bytes(200, body).header("Content-Encoding", encoding))
}

#[test]
fn brotli_and_zstd_are_asked_for_and_decoded() {
    for (encoding, hello, zeros) in encoded() {
        let server = serving(encoding, hello.clone());
        let client = client_over(&[server.port()]);
        let answer = client.get("/").unwrap();
        assert_eq!(answer.body, HELLO, "{encoding}");
        assert_eq!(answer.header("content-encoding"), None, "it is no longer encoded");
        assert_eq!(server.request().header("accept-encoding").unwrap(), "gzip, br, zstd");
        assert_eq!(client.stream("/").rest_by(5).unwrap(), HELLO, "{encoding}");
        let as_it_is = Builder::new().balancer(&round_robin(&[server.port()])).gzip(false).build();
        assert_eq!(as_it_is.get("/").unwrap().body, hello);

        let server = serving(encoding, zeros);
        let client = client_over(&[server.port()]);
        assert!(client.get("/").unwrap().body == vec![0; MIB], "{encoding}");
        assert!(client.stream("/").rest_by(77_777).unwrap() == vec![0; MIB], "{encoding}");
    }
}

#[test]
fn an_encoding_is_decoded_beside_identity_and_empty_places() {
    for value in ["identity, zstd", "zstd, identity", "zstd,"] {
        let server = serving(value, zstd(HELLO));
        let client = client_over(&[server.port()]);
        let answer = client.get("/").unwrap();
        assert_eq!((&*answer.body, answer.header("content-encoding")), (HELLO, None), "{value}");
        assert_eq!(client.stream("/").rest_by(5).unwrap(), HELLO, "{value}");
    }
    let reply = Reply::bytes(200, zstd(HELLO))
        .header("Content-Encoding", "identity")
        .header("Content-Encoding", "zstd");
    let server = Server::always(reply);
    assert_eq!(client_over(&[server.port()]).get("/").unwrap().body, HELLO);
    let server = serving("zstd, zstd", zstd(&zstd(HELLO)));
    let answer = client_over(&[server.port()]).get("/").unwrap();
    assert_eq!(answer.header("content-encoding").as_deref(), Some("zstd, zstd"), "as it came");
    assert_eq!(answer.body, zstd(&zstd(HELLO)));
}

#[test]
fn the_bound_on_bodies_counts_decoded_bytes() {
    for (encoding, _, zeros) in encoded() {
        assert!(zeros.len() < 1000);
        let server = serving(encoding, zeros);
        let over = |most| {
            let balancer = round_robin(&[server.port()]);
            Builder::new().balancer(&balancer).max_body_bytes(most).build().get("/")
        };
        assert_eq!(over(MIB as u64).unwrap().body.len(), MIB);
        let failure = over(MIB as u64 - 1).unwrap_err();
        assert_eq!(failure.status, AHOY_E_BODY_TOO_LARGE, "{encoding}");
        assert_eq!(failure.attempt_count, 1, "repeating it cannot help");
    }
}

#[test]
fn what_is_cut_short_or_followed_by_garbage_is_no_answer_and_zeros_are_passed_over() {
    for (encoding, hello, _) in encoded() {
        let with = |behind: &[u8]| [&hello, behind].concat();
        let server = serving(encoding, with(&[0; 100]));
        assert_eq!(client_over(&[server.port()]).get("/").unwrap().body, HELLO, "{encoding}");
        for body in [hello[..hello.len() - 1].to_vec(), with(b"x"), b"not encoded".to_vec()] {
            let server = serving(encoding, body);
            let client = Builder::new().balancer(&round_robin(&[server.port()])).tries(1).build();
            let whole = client.get("/").unwrap_err();
            assert_eq!(whole.status, AHOY_E_PROTOCOL, "{}", whole.message);
            assert!(whole.message.contains("body damaged"), "{}", whole.message);
            let streamed = client.stream("/").rest().unwrap_err();
            assert_eq!(streamed.status, AHOY_E_PROTOCOL, "{}", streamed.message);
        }
    }
}

#[test]
fn a_peer_cannot_ask_for_a_larger_window_than_8_mib_of_zstd_or_a_large_one_of_brotli() {
    let framed = |window| [&b"\x28\xb5\x2f\xfd\0"[..], &[window], b"\x09\0\0x"].concat();
    for (encoding, allowed, refused) in
        [("zstd", framed(0x68), framed(0x69)), ("br", vec![0x06], vec![0x11, 0xda])]
    {
        let allowed = serving(encoding, allowed);
        assert!(client_over(&[allowed.port()]).get("/").is_ok(), "{encoding}");
        let refused = serving(encoding, refused);
        let client = Builder::new().balancer(&round_robin(&[refused.port()])).tries(1).build();
        assert_eq!(client.get("/").unwrap_err().status, AHOY_E_PROTOCOL, "{encoding}");
    }
}

#[test]
fn what_a_server_flushed_can_be_read_before_the_rest_comes() {
    // The reference encoder's output after a flush, and the end.
    let flushed = (&b"\x0b\x02\0\xf8%\0b\x90\x80\xc0\0"[..], &b"Q\0\x80_\x02 \x08\x89I\0"[..]);
    let mut encoder = zstd_safe::CCtx::create();
    let mut parts = [vec![0; 100], vec![0; 100]];
    for (part, (text, end)) in parts.iter_mut().zip([("first", false), ("second", true)]) {
        let mut from = zstd_safe::InBuffer::around(text.as_bytes());
        let mut to = zstd_safe::OutBuffer::around(&mut part[..]);
        encoder.compress_stream(&mut to, &mut from).unwrap();
        let left = if end { encoder.end_stream(&mut to) } else { encoder.flush_stream(&mut to) };
        assert_eq!(left.unwrap(), 0);
        let written = to.pos();
        part.truncate(written);
    }
    let [first, second] = parts;
    for (encoding, first, second) in
        [("br", flushed.0.to_vec(), flushed.1.to_vec()), ("zstd", first, second)]
    {
        let (read, seen) = std::sync::mpsc::channel::<()>();
        let seen = std::sync::Mutex::new(seen);
        let server = Scripted::new(move |_, peer| {
            peer.head();
            let length = first.len() + second.len();
            peer.write(format!(
                "HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {length}\r\n\r\n"
            ));
            peer.write(&first);
            let _ = seen.lock().unwrap().recv();
            peer.write(&second);
        });
        let response = client_over(&[server.port()]).stream("/");
        let (piece, ended) = response.read(100, 10_000).unwrap();
        assert_eq!((&piece[..], ended), (&b"first"[..], false), "{encoding}");
        read.send(()).unwrap();
        assert_eq!(response.rest().unwrap(), "second", "{encoding}");
    }
}
