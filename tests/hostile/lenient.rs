//! Odd answers: what all other readers accept is accepted, unless readers could disagree on where it ends.

use std::time::Duration;

use ahoy::ffi::values::status::*;

use support::*;

/// A row of the table: what is answered, and what is made of it.
struct Row {
    name: &'static str,
    closes: bool,
    answer: Vec<u8>,
    others: [&'static str; 3],
    expected: &'static str,
}

fn rows() -> Vec<Row> {
    let table = include_str!("oracles/answers.tsv").lines().filter(|line| !line.starts_with('#'));
    table
        .map(|line| {
            let mut fields = line.split('\t');
            let mut next = || fields.next().expect(line);
            let (name, closes) = (next(), next() == "close");
            let answer = unescaped(next());
            Row { name, closes, answer, others: [next(), next(), next()], expected: next() }
        })
        .collect()
}

/// `\xNN`, `\r`, `\n`, `\t` and `\\` are bytes, `{N*text}` is N times the text.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((count, part, after)) = repetition(rest) {
            let part = unescaped(part);
            (0..count).for_each(|_| bytes.extend_from_slice(&part));
            rest = after;
        } else if first == '\\' {
            let (byte, length) = match &rest[1..2] {
                "r" => (b'\r', 2),
                "n" => (b'\n', 2),
                "t" => (b'\t', 2),
                "\\" => (b'\\', 2),
                _ => (u8::from_str_radix(&rest[2..4], 16).unwrap(), 4),
            };
            bytes.push(byte);
            rest = &rest[length..];
        } else {
            bytes.push(u8::try_from(first).unwrap());
            rest = &rest[1..];
        }
    }
    bytes
}

fn repetition(text: &str) -> Option<(usize, &str, &str)> {
    let (count, rest) = text.strip_prefix('{')?.split_once('*')?;
    let (part, after) = rest.split_once('}')?;
    Some((count.parse().ok()?, part, after))
}

/// A client of one endpoint that sends the answer to every request.
fn client_of(row: &Row) -> (Client, Scripted) {
    let (answer, closes) = (row.answer.clone(), row.closes);
    let server = Scripted::new(move |_, peer| {
        if peer.head().is_some() {
            peer.write(&answer);
            if closes {
                let _ = peer.socket.shutdown(std::net::Shutdown::Write);
            }
            peer.sees_close();
        }
    });
    let balancer = round_robin(&[server.port()]);
    (Builder::new().balancer(&balancer).tries(3).timeout_ms(3000).build(), server)
}

/// Status and the beginning of the body as the table has them, or what was said.
fn told(outcome: &Outcome) -> String {
    match outcome {
        Ok(answer) => {
            let shown = answer.body.iter().take(12).map(|&byte| match byte {
                b' '..=b'~' => char::from(byte),
                _ => '?',
            });
            format!("{} {}", answer.status, shown.collect::<String>()).trim_end().to_owned()
        }
        Err(failure) => format!("- {}", failure.message),
    }
}

#[test]
fn odd_answers_are_read_as_the_table_says() {
    let _floor = crate::beside_others();
    let mut wrong = Vec::new();
    for row in rows() {
        let (client, _server) = client_of(&row);
        let outcome = client.get("/");
        let told = told(&outcome);
        let fits = match row.expected.strip_prefix("- ") {
            None => told == row.expected,
            Some(said) => told.starts_with("- ") && told.contains(said),
        };
        if !fits {
            wrong.push(format!("{}: {told:?} instead of {:?}", row.name, row.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is refused although all others accept it, and why.
const ON_PURPOSE: [(&str, &str); 5] = [
    ("space before colon, length", "a server in between may not see the length"),
    ("TE space name", "the others hand over the chunks' sizes as the body"),
    ("TE and CL", "two lengths: RFC 9112 (6.1) wants it handled as an error"),
    ("TE and CL right", "the same"),
    ("chunk size LF only", "a server in between that wants CRLF ends the chunk elsewhere"),
];

#[test]
fn what_all_others_accept_is_accepted_but_for_framing() {
    let _floor = crate::beside_others();
    for row in rows() {
        let agreed = row.others.iter().all(|told| *told == row.others[0] && *told != "-");
        let excepted = ON_PURPOSE.iter().any(|(name, _)| *name == row.name);
        if agreed {
            let accepted = row.expected == row.others[0];
            assert_ne!(accepted, excepted, "{}: {}", row.name, row.expected);
        } else {
            assert!(!excepted, "{}: not all others accept it", row.name);
        }
    }
}

#[test]
fn what_every_endpoint_would_send_is_asked_for_once_and_opens_no_circuit() {
    let _floor = crate::beside_others();
    for answer in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi".to_owned(),
        format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "v".repeat(300_000)),
    ] {
        let servers = [Server::always(Reply::Raw(answer.clone().into())), Server::ok()];
        servers[1].become_(move |_| Reply::Raw(answer.clone().into()));
        let balancer = round_robin(&servers.each_ref().map(Server::port));
        let client = Builder::new().balancer(&balancer).build();
        for _ in 0..12 {
            let failure = client.get("/").unwrap_err();
            assert_eq!(failure.status, AHOY_E_PROTOCOL, "{}", failure.message);
            assert_eq!(failure.tried().len(), 1, "{}", failure.message);
        }
        assert!((0..2).all(|_| balancer.pick().is_ok()), "the circuits stay closed");
    }
}

#[test]
fn heads_are_bounded_by_their_bytes_and_the_bound_is_told() {
    let _floor = crate::beside_others();
    let head = |length: usize| {
        let line = "x-header: 0123456789012345678901234567890123456789\r\n";
        let lines = line.repeat(length / line.len());
        Reply::Raw(format!("HTTP/1.1 200 OK\r\n{lines}content-length: 0\r\n\r\n").into())
    };
    let server = Server::always(head(250_000));
    let client = Builder::new().base_url(&server.url()).build();
    let client_over = client_over(&[server.port()]);
    let answer = client_over.get("/").unwrap();
    assert!(answer.headers.len() > 4000, "{}", answer.headers.len());
    server.become_(move |_| head(300_000));
    let failure = client_over.get("/").unwrap_err();
    assert!(failure.message.contains("answer's head above 262144 bytes"), "{}", failure.message);
    drop(client);
}

#[test]
fn interim_answers_without_end_are_bounded() {
    let _floor = crate::beside_others();
    let server = Scripted::new(|_, peer| {
        peer.head();
        let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(1000);
        while peer.write(&interim) {}
    });
    let client = Builder::new().balancer(&round_robin(&[server.port()])).timeout_ms(5000).build();
    let (failure, took) = timed(|| client.get("/").unwrap_err());
    assert!(failure.message.contains("answer's head above 262144 bytes"), "{}", failure.message);
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn the_size_of_a_chunk_may_have_zeros_but_not_a_million() {
    let _floor = crate::beside_others();
    let server = Scripted::new(|_, peer| {
        peer.head();
        peer.write(CHUNKED);
        peer.write("0".repeat(1_000_000));
        peer.write("2\r\nhi\r\n0\r\n\r\n");
        peer.sees_close();
    });
    let client = Builder::new().balancer(&round_robin(&[server.port()])).tries(1).build();
    let failure = client.get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_PROTOCOL, "{}", failure.message);
    assert!(failure.message.contains("131072 bytes of chunk sizes"), "{}", failure.message);
}

#[test]
fn lengths_of_answers_without_a_body_are_no_lengths() {
    let _floor = crate::beside_others();
    for status in ["204 No Content", "304 Not Modified"] {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 999999999\r\n\r\n");
        let server = Scripted::new(move |_, peer| {
            while peer.head().is_some() {
                peer.write(&answer);
            }
        });
        let builder = Builder::new().balancer(&round_robin(&[server.port()]));
        builder.option("max_body", "10B").unwrap();
        let client = builder.build();
        for _ in 0..3 {
            assert!(client.get("/").unwrap().body.is_empty());
            assert!(client.head("/").unwrap().body.is_empty());
        }
        assert_eq!(server.connections(), 1, "{status}");
    }
}
