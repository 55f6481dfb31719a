//! As much HTTP/1.1 as the servers need: heads of requests without a body, and answers.

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Work, by the call's number.
    Work(u64),
    /// A sign of life, which costs nothing.
    Health,
    /// The load, which costs nothing.
    Load,
}

/// A request's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) target: Target,
    /// How long its client will wait, where it says so.
    pub(super) time_left_ms: Option<u64>,
    /// Bytes of the head.
    pub(super) length: usize,
}

/// Headers that say how long the client will wait, in milliseconds.
const TIME_LEFT: [&[u8]; 3] =
    [b"x-envoy-expected-rq-timeout-ms:", b"x-request-timeout-ms:", b"x-deadline-ms:"];

/// The first request in `input`, once its head is complete.
pub(super) fn parse(input: &[u8]) -> Option<Request> {
    let length = input.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let mut lines = input[..length].split(|byte| *byte == b'\n');
    let mut words = lines.next().unwrap_or_default().split(|byte| *byte == b' ');
    let path = words.nth(1).unwrap_or_default();
    let target = match path.strip_prefix(b"/work/") {
        Some(id) => Target::Work(number(id).unwrap_or_default()),
        None if path == b"/load" => Target::Load,
        None => Target::Health,
    };
    let time_left_ms = lines.find_map(|line| {
        TIME_LEFT.iter().find_map(|name| {
            let begins = line.len() > name.len() && line[..name.len()].eq_ignore_ascii_case(name);
            begins.then(|| number(line[name.len()..].trim_ascii())).flatten()
        })
    });
    Some(Request { target, time_left_ms, length })
}

fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&text[..digits]).ok()?.parse().ok()
}

/// An answer with a body of ten bytes.
pub(super) fn answer(status: u16, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Scripted\r\ncontent-length: 10\r\n{headers}\r\n{BODY}").into_bytes()
}

/// Every answer's body.
pub(super) const BODY: &str = "ten bytes\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let head = b"GET /work/77 HTTP/1.1\r\nHost: a\r\nX-Request-Timeout-Ms: 250\r\n\r\nGET";
        assert_eq!(parse(&head[..20]), None);
        let request = parse(head).unwrap();
        assert_eq!(request.target, Target::Work(77));
        assert_eq!(request.time_left_ms, Some(250));
        assert_eq!(&head[request.length..], b"GET");
    }

    #[test]
    fn other_paths_are_signs_of_life() {
        assert_eq!(parse(b"GET /load HTTP/1.1\r\n\r\n").unwrap().target, Target::Load);
        assert_eq!(parse(b"HEAD / HTTP/1.0\r\n\r\n").unwrap().target, Target::Health);
        assert_eq!(parse(b"\r\n\r\n").unwrap().target, Target::Health);
    }

    #[test]
    fn an_answer_says_how_long_it_is() {
        let text = String::from_utf8(answer(503, "x: y\r\n")).unwrap();
        assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
        assert!(text.contains(&format!("content-length: {}\r\n", BODY.len())), "{text}");
        assert!(text.ends_with(&format!("\r\n\r\n{BODY}")), "{text}");
    }
}
