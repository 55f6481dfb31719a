//! The head of an answer as peers really write it, read before hyper sees it. Pure.
//!
//! Almost every head is plain and goes on as it is. One that hyper would refuse although curl, Go's net/http and
//! Python's requests all accept it (folded lines, more than a hundred headers, control bytes in a value, a name that is
//! none) is read here, and hyper gets a short one that says the same of the message's framing. What would let two
//! readers disagree on where the message ends is refused here, in words: hyper takes any list of transfer codings that
//! ends in `chunked`, and reads to the end of the connection after any other.

use std::fmt::Write;

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};

use super::fault::AnswerFault;
use super::scan::{end_of_name, end_of_value, is_token};

/// What the bytes at the start of an answer are.
#[derive(Debug)]
pub(crate) enum Head {
    /// An interim answer (1xx, but not 101), as hyper is told of it.
    Interim(Vec<u8>),
    /// The answer's own head.
    Final(Box<FinalHead>),
}

/// A head that was read here.
#[derive(Debug)]
pub(crate) struct FinalHead {
    /// All headers whose names are names.
    pub(crate) headers: HeaderMap,
    /// What hyper is told instead: status, framing and persistence.
    pub(crate) rewritten: Vec<u8>,
}

/// A head that hyper reads as everybody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plain {
    /// Where it ends.
    pub(crate) end: usize,
    /// The content-length that it tells; 0 where it tells none.
    pub(crate) length: u64,
}

/// The head at the start of `bytes`, if hyper reads it as everybody does; `None` where it has to be looked at more closely,
/// or is not complete.
#[must_use]
pub(crate) fn plain(bytes: &[u8]) -> Option<Plain> {
    let is_1_1 = is_version_1_1(bytes)?;
    let mut at = end_of_value(bytes, 12)?;
    let (mut length, mut has_coding) = (None, false);
    for _ in 0..HYPER_HEADERS {
        if bytes.get(at)? == &b'\r' {
            let (end, length) = (at + 2, length.unwrap_or_default());
            return (bytes.get(at + 1)? == &b'\n').then_some(Plain { end, length });
        }
        let colon = end_of_name(bytes, at)?;
        let (name, letters, start) = (&bytes[at..colon], colon - at, colon + 1);
        at = end_of_value(bytes, start)?;
        // Both lengths at once tell the two apart from most other names.
        if letters == CONTENT_LENGTH.len() && name.eq_ignore_ascii_case(CONTENT_LENGTH) {
            let told = bytes[start..at].trim_ascii();
            let told = number(told).filter(|_| told.len() < 19)?;
            if length.replace(told).is_some() || has_coding {
                return None;
            }
        } else if letters == TRANSFER_ENCODING.len() && name.eq_ignore_ascii_case(TRANSFER_ENCODING)
        {
            let is_chunked = bytes[start..at].trim_ascii().eq_ignore_ascii_case(b"chunked");
            if length.is_some() || has_coding || !is_chunked || !is_1_1 {
                return None;
            }
            has_coding = true;
        }
    }
    None
}

/// Whether the status line says HTTP/1.1 and not 1.0; `None` where it says anything else, or has no plain final status.
fn is_version_1_1(bytes: &[u8]) -> Option<bool> {
    let (version, rest) = bytes.get(..13)?.split_at(8);
    let is_1_1 = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        _ => return None,
    };
    let is_final = matches!(rest, [b' ', b'2'..=b'9', b'0'..=b'9', b'0'..=b'9', b' ' | b'\r']);
    is_final.then_some(is_1_1)
}

/// Where the head in `bytes` ends, looked for from `from` on.
#[must_use]
pub(crate) fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(line) = bytes.get(at..)?.iter().position(|&byte| byte == b'\n') {
        at += line + 1;
        match bytes.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

/// Whether `bytes` can be the start of an answer, or are too few to say what they look like instead.
///
/// # Errors
/// They cannot; says what they look like.
pub(crate) fn check_start(bytes: &[u8]) -> Result<(), AnswerFault> {
    const START: &[u8] = b"HTTP/1.";
    let compared = bytes.len().min(START.len());
    if bytes[..compared] == START[..compared] {
        return Ok(());
    }
    Err(AnswerFault::not_http(match bytes {
        // Too few to tell.
        [0x15 | 0x16] | [0] | [0, 0] | [0, 0, _] => return Ok(()),
        // The first record of an answer to what was no handshake: an alert.
        [0x15 | 0x16, 0x03, ..] => "the peer speaks TLS: its scheme should be https",
        [0, 0, _, 4, ..] => "the peer speaks HTTP/2",
        [b'H', b'T', b'T', b'P', ..] => "answer of another version than HTTP/1.0 and 1.1",
        _ => "answer is not HTTP",
    }))
}

/// Reads a whole head.
///
/// # Errors
/// Says what is wrong with it.
pub(crate) fn read(head: &[u8]) -> Result<Head, AnswerFault> {
    let mut lines =
        head.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let (version, status) = status_line(lines.next().unwrap_or_default())?;
    if head.contains(&0) {
        return Err(AnswerFault::refused("a NUL byte in the answer's head"));
    }
    if matches!(status, 100 | 102..=199) {
        return Ok(Head::Interim(format!("HTTP/1.1 {status} \r\n\r\n").into_bytes()));
    }
    let fields = fields(lines)?;
    let framing = Framing::of(&fields, version)?;
    let rewritten = rewritten(version, status, &framing, &fields)?;
    Ok(Head::Final(Box::new(FinalHead { headers: headers(fields)?, rewritten })))
}

/// Version and status; the reason is nobody's business.
fn status_line(line: &[u8]) -> Result<(Version, u16), AnswerFault> {
    check_start(line)?;
    let not_http = || AnswerFault::not_http("answer is not HTTP: no status in its first line");
    let version = match line.get(7) {
        Some(b'0') => Version::HTTP_10,
        Some(b'1') => Version::HTTP_11,
        _ => return Err(AnswerFault::not_http("answer of another version than HTTP/1.0 and 1.1")),
    };
    let rest = line.get(8..).filter(|rest| rest.starts_with(b" ")).ok_or_else(not_http)?;
    let rest = rest.trim_ascii_start();
    let ends = rest.get(3).is_none_or(|&byte| byte == b' ');
    let digits = rest.get(..3).filter(|digits| ends && digits.iter().all(u8::is_ascii_digit));
    let digits = digits.ok_or_else(not_http)?;
    let status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    if status < 100 { Err(not_http()) } else { Ok((version, status)) }
}

/// Whether all readers see an answer with these headers end in the same place, where hyper has read it by itself.
///
/// # Errors
/// Says what they could see differently.
#[cfg(feature = "proxy")]
pub(crate) fn check_framing(headers: &HeaderMap, version: Version) -> Result<(), AnswerFault> {
    let framing = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    let fields = framing.iter().flat_map(|name| {
        let values = headers.get_all(name).iter();
        values.map(|it| Field {
            name: name.as_str().as_bytes(),
            value: it.as_bytes().to_vec(),
            mended: false,
        })
    });
    Framing::of(&fields.collect::<Vec<_>>(), version).map(drop)
}

/// A header as it stands in the head: the name as it was written, the value unfolded and without control bytes.
struct Field<'a> {
    name: &'a [u8],
    value: Vec<u8>,
    /// The value is not as it was written: where a message ends is not to be guessed.
    mended: bool,
}

impl Field<'_> {
    fn is(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

fn fields<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Field<'a>>, AnswerFault> {
    let mut fields: Vec<Field<'a>> = Vec::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        if matches!(line[0], b' ' | b'\t') {
            let Some(last) = fields.last_mut() else {
                return Err(AnswerFault::refused("a blank before the first header of the answer"));
            };
            // A fold stands for a blank (RFC 9112, 5.2).
            last.mended = true;
            last.value.push(b' ');
            push_value(&mut last.value, line);
            continue;
        }
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            return Err(AnswerFault::refused("a header line without a colon in the answer"));
        };
        let (name, mut value) = (&line[..colon], Vec::new());
        if !name.iter().all(|&byte| is_token(byte)) && resembles_framing(name) {
            let what = "a header of the answer that resembles content-length or transfer-encoding";
            return Err(AnswerFault::refused(what));
        }
        let mended = push_value(&mut value, &line[colon + 1..]);
        fields.push(Field { name, value, mended });
    }
    Ok(fields)
}

/// The head as hyper is told of a body of `given` bytes; `None` where the body has none, is encoded, or is the connection's
/// last.
#[must_use]
pub(crate) fn shortened(head: &[u8], given: usize) -> Option<FinalHead> {
    let mut lines = head.split(|&byte| byte == b'\n').map(|line| line.trim_ascii_end());
    let (version, status) = status_line(lines.next()?).ok()?;
    let fields = fields(lines).ok()?;
    let named = |name: &'static [u8]| fields.iter().filter(move |field| field.is(name));
    let stays = named(b"connection").all(|it| it.value.eq_ignore_ascii_case(b"keep-alive"));
    let has_body = status >= 200 && !matches!(status, 204 | 304);
    let is_encoded = named(b"content-encoding").next().is_some();
    if version != Version::HTTP_11 || !stays || !has_body || is_encoded {
        return None;
    }
    let framing = Framing::Length(given as u64);
    let rewritten = rewritten(version, status, &framing, &fields).ok()?;
    Some(FinalHead { headers: headers(fields).ok()?, rewritten })
}

/// Bytes that a value may not hold stand for a blank (RFC 9110, 5.5); whether there was one.
fn push_value(value: &mut Vec<u8>, written: &[u8]) -> bool {
    let is_odd = |byte: u8| byte != b'\t' && byte.is_ascii_control();
    let written = written.trim_ascii();
    value.extend(written.iter().map(|&byte| if is_odd(byte) { b' ' } else { byte }));
    written.iter().any(|&byte| is_odd(byte))
}

/// Whether some reader might take `name` for one of the two that say where the message ends.
fn resembles_framing(name: &[u8]) -> bool {
    let holds = |part: &[u8]| name.windows(part.len()).any(|some| some.eq_ignore_ascii_case(part));
    holds(CONTENT_LENGTH) || holds(TRANSFER_ENCODING)
}

/// Where the message ends.
enum Framing {
    Chunked,
    Length(u64),
    Close,
}

impl Framing {
    fn of(fields: &[Field<'_>], version: Version) -> Result<Self, AnswerFault> {
        let mut length = None;
        for field in fields.iter().filter(|field| field.is(CONTENT_LENGTH)) {
            for value in field.value.split(|&byte| byte == b',') {
                let number = number(value.trim_ascii()).filter(|_| !field.mended);
                let number = number.ok_or_else(|| {
                    AnswerFault::refused("a content-length of the answer that is no number")
                })?;
                if length.replace(number).is_some_and(|other| other != number) {
                    return Err(AnswerFault::refused(
                        "two different content-lengths of the answer",
                    ));
                }
            }
        }
        let mut codings = fields.iter().filter(|field| field.is(TRANSFER_ENCODING));
        let Some(coding) = codings.next() else {
            return Ok(length.map_or(Self::Close, Self::Length));
        };
        let is_chunked = !coding.mended && coding.value.eq_ignore_ascii_case(b"chunked");
        if !is_chunked || codings.next().is_some() {
            let what = "a transfer-encoding of the answer that is not exactly chunked";
            return Err(AnswerFault::refused(what));
        }
        match (length, version) {
            (Some(_), _) => {
                Err(AnswerFault::refused("both content-length and transfer-encoding in the answer"))
            }
            (None, Version::HTTP_10) => {
                Err(AnswerFault::refused("a transfer-encoding in an answer of HTTP/1.0"))
            }
            (None, _) => Ok(Self::Chunked),
        }
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let shift =
        |number: u64, digit: &u8| number.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    digits.iter().try_fold(0, shift)
}

fn rewritten(
    version: Version,
    status: u16,
    framing: &Framing,
    fields: &[Field<'_>],
) -> Result<Vec<u8>, AnswerFault> {
    let minor = u8::from(version == Version::HTTP_11);
    let mut head = format!("HTTP/1.{minor} {status} \r\n");
    // No error: it is written into memory.
    let _ = match framing {
        Framing::Chunked => write!(head, "transfer-encoding: chunked\r\n"),
        Framing::Length(length) => write!(head, "content-length: {length}\r\n"),
        Framing::Close => Ok(()),
    };
    // Only whether the connection stays is of use to hyper.
    let options = || {
        let named = fields.iter().filter(|field| field.is(b"connection"));
        named.flat_map(|field| field.value.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii)
    };
    for option in ["close", "keep-alive"] {
        if options().any(|value| value.eq_ignore_ascii_case(option.as_bytes())) {
            let _ = write!(head, "connection: {option}\r\n");
            break;
        }
    }
    if status == 101 {
        let _ = write!(head, "connection: upgrade\r\nupgrade: unasked\r\n");
    }
    head.push_str("\r\n");
    Ok(head.into_bytes())
}

/// What is no name is passed over, as it could not be asked for.
fn headers(fields: Vec<Field<'_>>) -> Result<HeaderMap, AnswerFault> {
    let too_many =
        |_| AnswerFault::refused(format!("more than {MOST_HEADERS} headers in the answer"));
    if fields.len() > MOST_HEADERS {
        return Err(too_many(()));
    }
    let mut headers = HeaderMap::try_with_capacity(fields.len()).map_err(|_| too_many(()))?;
    for field in fields {
        let Ok(name) = HeaderName::from_bytes(field.name) else { continue };
        let Ok(mut value) = HeaderValue::from_bytes(&field.value) else { continue };
        value.set_sensitive(name == header::SET_COOKIE);
        headers.try_append(name, value).map_err(|_| too_many(()))?;
    }
    Ok(headers)
}

const CONTENT_LENGTH: &[u8] = b"content-length";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding";

/// Hyper reads a hundred.
const HYPER_HEADERS: usize = 100;

/// The map holds no more than three quarters of 32,768.
const MOST_HEADERS: usize = 24_000;

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &str = "HTTP/1.1 200 OK\r\n";

    fn final_head(head: impl AsRef<[u8]>) -> FinalHead {
        match read(head.as_ref()) {
            Ok(Head::Final(head)) => *head,
            other => panic!("{other:?}"),
        }
    }

    fn refusal(head: impl AsRef<[u8]>) -> String {
        read(head.as_ref()).unwrap_err().to_string()
    }

    fn rewritten_of(lines: &str) -> String {
        String::from_utf8(final_head(format!("{OK}{lines}\r\n")).rewritten).unwrap()
    }

    #[test]
    fn plain_heads_are_left_alone() {
        for lines in [
            "",
            "a: b\r\n",
            "content-length: 5\r\nX-Y_z!#$%&'*+.^`|~: \u{e9}\t \r\n",
            "Transfer-Encoding: CHUNKED \r\nconnection: close\r\n",
            "date:\r\n",
        ] {
            let head = format!("{OK}{lines}\r\n");
            assert_eq!(plain(head.as_bytes()).map(|it| it.end), Some(head.len()), "{head:?}");
            assert_eq!(
                plain(format!("{head}body\n\n").as_bytes()).map(|it| it.end),
                Some(head.len())
            );
            for cut in 0..head.len() {
                assert_eq!(plain(&head.as_bytes()[..cut]), None, "cut at {cut}");
            }
        }
        for head in ["HTTP/1.0 404 \r\n\r\n", "HTTP/1.1 999 Reason given here\r\n\r\n"] {
            assert_eq!(plain(head.as_bytes()).map(|it| it.end), Some(head.len()));
        }
    }

    #[test]
    fn of_a_large_body_hyper_is_told_what_came_and_the_caller_all_that_was_said() {
        let said = "Content-Length: 1000000\r\nConnection: Keep-Alive\r\nA: b\r\nA: c\r\n";
        let short = shortened(format!("{OK}{said}\r\n").as_bytes(), 17).unwrap();
        let told = String::from_utf8(short.rewritten).unwrap();
        let expected = "HTTP/1.1 200 \r\ncontent-length: 17\r\nconnection: keep-alive\r\n\r\n";
        assert_eq!(told, expected);
        assert_eq!(short.headers["content-length"], "1000000");
        assert_eq!(short.headers.get_all("a").iter().collect::<Vec<_>>(), ["b", "c"]);

        let length = "Content-Length: 1000000\r\n";
        for head in [
            format!("{OK}{length}Connection: close\r\n\r\n"),
            format!("{OK}{length}Connection: keep-alive, close\r\n\r\n"),
            format!("{OK}{length}Content-Encoding: gzip\r\n\r\n"),
            format!("HTTP/1.0 200 OK\r\n{length}\r\n"),
            format!("HTTP/1.1 204 No Content\r\n{length}\r\n"),
            format!("HTTP/1.1 304 Not Modified\r\n{length}\r\n"),
        ] {
            assert!(plain(head.as_bytes()).is_some_and(|it| it.length == 1_000_000), "{head}");
            assert!(shortened(head.as_bytes(), 17).is_none(), "{head}");
        }
    }

    #[test]
    fn what_readers_could_see_differently_is_not_plain() {
        for head in [
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 200 OK\n\n",
            "HTTP/1.2 200 OK\r\n\r\n",
            "HTTP/1.1  200 OK\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
        ] {
            assert_eq!(plain(head.as_bytes()), None, "{head:?}");
        }
        for lines in [
            "a : b\r\n",
            "a: b\r\n c\r\n",
            "a: b\nc: d\r\n",
            "a: b\rc\r\n",
            "a: \x7f\r\n",
            "a\r\n",
            ": b\r\n",
            "content-length: 2\r\ncontent-length: 2\r\n",
            "content-length: 2\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: gzip, chunked\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            "content-length: +2\r\n",
            "content-length:\r\n",
        ] {
            assert_eq!(plain(format!("{OK}{lines}\r\n").as_bytes()), None, "{lines:?}");
        }
        assert_eq!(plain(b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"), None);
        assert_eq!(plain(format!("{OK}{}\r\n", "a: b\r\n".repeat(101)).as_bytes()), None);
    }

    #[test]
    fn ends_are_found_in_either_form_and_from_anywhere_before() {
        for (head, rest) in [("a\r\nb\r\n\r\n", "c\n\n"), ("a\nb\n\n", "c"), ("a\r\nb\n\r\n", "")] {
            let bytes = format!("{head}{rest}");
            for from in 0..head.len() - 3 {
                assert_eq!(end(bytes.as_bytes(), from), Some(head.len()), "{bytes:?} from {from}");
            }
        }
        assert_eq!(end(b"a\r\nb\r\n", 0), None);
    }

    #[test]
    fn what_is_no_answer_is_told_alike_however_it_is_cut() {
        let tls: &[u8] = b"\x15\x03\x01\x00\x02\x02\x0a";
        let http2: &[u8] = b"\x00\x00\x12\x04\x00";
        for bytes in [tls, http2, b"HTTP/2.0 200 OK\r\n", b"SSH-2.0-x", b"\x00\x01", b"\x15\x02"] {
            let whole = check_start(bytes).unwrap_err();
            for cut in 0..bytes.len() {
                let part = check_start(&bytes[..cut]);
                assert!(part.is_ok() || part == Err(whole.clone()), "{bytes:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn interim_answers_are_told_apart() {
        assert!(matches!(read(b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n"), Ok(Head::Interim(_))));
        assert!(matches!(read(b"HTTP/1.1 101 Switch\r\n\r\n"), Ok(Head::Final(_))));
    }

    #[test]
    fn what_all_readers_accept_is_accepted() {
        let folded = final_head(format!("{OK}x-a: b\r\n\t c\r\ncontent-length: 2\r\n\r\n"));
        assert_eq!(folded.headers["x-a"], "b c");
        assert_eq!(folded.rewritten, b"HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\n");
        let odd =
            final_head(format!("{OK}X(Y: 1\r\n: 2\r\nX Y: 3\r\nx-a : 4\r\nx-b: a\x01b\rc\r\n\r\n"));
        assert_eq!(odd.headers.len(), 1);
        assert_eq!(odd.headers["x-b"], "a b c");
        assert_eq!(
            rewritten_of("content-length: 2\r\nContent-Length: 2\r\n").matches("length").count(),
            1
        );
        assert!(
            rewritten_of("content-length: 0000000000000000000000000002\r\n").contains(": 2\r\n")
        );
        let many = final_head(format!("{OK}{}\r\n", "set-cookie: a=b\r\n".repeat(1000)));
        assert_eq!(many.headers.get_all("set-cookie").iter().count(), 1000);
        let status = |line: &str| final_head(format!("{line}\n\n")).rewritten[..13].to_vec();
        for line in
            ["HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.1   200 a\x01b", "HTTP/1.1 200  \u{e9}"]
        {
            assert_eq!(status(line), b"HTTP/1.1 200 ", "{line}");
        }
    }

    #[test]
    fn persistence_is_told_to_hyper() {
        assert!(rewritten_of("connection: x, Close\r\n").contains("connection: close\r\n"));
        assert!(rewritten_of("connection: Keep-Alive\r\n").contains("connection: keep-alive\r\n"));
        assert!(!rewritten_of("connection: x\r\n").contains("connection"));
    }

    #[test]
    fn framing_that_readers_could_see_differently_is_refused() {
        for (lines, said) in [
            ("content-length: 2\r\ncontent-length: 3\r\n", "two different"),
            ("content-length: 2, 3\r\n", "two different"),
            ("content-length: 2\r\ntransfer-encoding: chunked\r\n", "both"),
            ("content-length : 2\r\n", "resembles"),
            ("transfer-encoding\x0b: chunked\r\n", "resembles"),
            ("content-length:\r\n 2\r\n", "no number"),
            ("content-length: \x192\r\n", "no number"),
        ] {
            assert!(refusal(format!("{OK}{lines}\r\n")).contains(said), "{lines:?}");
        }
        for value in ["+2", "-2", "0x2", "2a", "", "2 2", "2,", "2.0", "99999999999999999999"] {
            let said = refusal(format!("{OK}content-length: {value}\r\n\r\n"));
            assert!(said.contains("no number"), "{value:?}: {said}");
        }
        for value in [
            "gzip, chunked",
            "identity",
            "chunked, identity",
            "chunked;q=1",
            "xchunked",
            "",
            ",chunked",
            "chunked,",
            "\"chunked\"",
            "chunked\r\ntransfer-encoding: chunked",
            "\r\n chunked",
            "\x0bchunked",
        ] {
            let said = refusal(format!("{OK}transfer-encoding: {value}\r\n\r\n"));
            assert!(said.contains("not exactly chunked"), "{value:?}: {said}");
        }
        assert!(refusal("HTTP/1.0 200 OK\ntransfer-encoding: chunked\n\n").contains("HTTP/1.0"));
    }

    #[test]
    fn what_is_no_answer_is_told() {
        for (head, said) in [
            (&b"\x15\x03\x01\x00\x02\x02\x0a"[..], "https"),
            (b"\x00\x00\x12\x04\x00", "HTTP/2"),
            (b"HTTP/2.0 200 OK\r\n\r\n", "another version"),
            (b"HTTP/1.2 200 OK\r\n\r\n", "another version"),
            (b"SSH-2.0-x\r\n\r\n", "not HTTP"),
            (b"HTTP/1.1 20 OK\r\n\r\n", "no status"),
            (b"HTTP/1.1 099 OK\r\n\r\n", "no status"),
            (b"HTTP/1.1 200OK\r\n\r\n", "no status"),
            (b"HTTP/1.1\t200 OK\r\n\r\n", "no status"),
        ] {
            assert!(refusal(head).contains(said), "{:?}", String::from_utf8_lossy(head));
        }
        assert!(refusal(format!("{OK} a: b\r\n\r\n")).contains("blank before"));
        assert!(refusal(format!("{OK}garbage\r\n\r\n")).contains("without a colon"));
        assert!(refusal(format!("{OK}a: \0\r\n\r\n")).contains("NUL"));
        let many = "a: b\r\n".repeat(MOST_HEADERS + 1);
        assert!(refusal(format!("{OK}{many}\r\n")).contains("more than"));
    }
}
