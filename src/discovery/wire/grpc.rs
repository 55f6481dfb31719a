//! gRPC's framing over HTTP/2: five bytes before each message, and a status at the end.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::HeaderMap;

/// The longest message that is read: 10,000 endpoints of xDS are about 0.5 MB.
pub(crate) const LONGEST: usize = 32 << 20;

/// A message as it stands in the body of a request.
pub(crate) fn frame(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(5 + message.len());
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.put_slice(message);
    framed.freeze()
}

/// Takes the next whole message off `received`; none while it has not come.
///
/// # Errors
/// Says that it is too long, or compressed, which was not asked for.
pub(crate) fn message(received: &mut BytesMut) -> Result<Option<Bytes>, String> {
    let Some(&[compressed, length @ ..]) = received.first_chunk::<5>() else { return Ok(None) };
    let length = u32::from_be_bytes(length) as usize;
    if compressed != 0 {
        return Err("a message that is compressed".to_owned());
    }
    if length > LONGEST {
        return Err(format!("a message of {length} bytes, where {LONGEST} are read at most"));
    }
    if received.len() - 5 < length {
        return Ok(None);
    }
    received.advance(5);
    Ok(Some(received.split_to(length).freeze()))
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// gRPC's number.
    pub(crate) code: u32,
    /// What the server says of it.
    pub(crate) message: String,
}

impl Status {
    /// Reads the trailers, or the head of an answer that has nothing else.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let code = headers.get("grpc-status")?.to_str().ok()?.parse().ok()?;
        let message = headers.get("grpc-message").map(|text| decoded(text.as_bytes()));
        Some(Self { code, message: message.unwrap_or_default() })
    }

    /// Whether other credentials, or another server, would be needed.
    pub(crate) const fn is_refusal(&self) -> bool {
        // PERMISSION_DENIED, UNIMPLEMENTED, UNAUTHENTICATED.
        matches!(self.code, 7 | 12 | 16)
    }

    /// The same without what the server says where that quotes `secret`, as some do with a token that they refuse.
    pub(crate) fn hiding(mut self, secret: &str) -> Self {
        if !secret.is_empty() && self.message.contains(secret) {
            self.message.clear();
        }
        self
    }

    /// The name that gRPC gives its number, and what the server says, at most 200 characters of it.
    pub(crate) fn text(&self) -> String {
        let name = NAMES.get(self.code as usize).copied().unwrap_or("an unknown status");
        match self.message.is_empty() {
            true => name.to_owned(),
            false => format!("{name}: {}", self.message.chars().take(200).collect::<String>()),
        }
    }
}

const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// `%41` is `A`; what is no such sequence stands for itself. Control characters become blanks, for logs.
fn decoded(text: &[u8]) -> String {
    let mut bytes = Vec::new();
    let mut left = text;
    while let [byte, rest @ ..] = left {
        let digits = rest.first_chunk::<2>().and_then(|pair| str::from_utf8(pair).ok());
        let is_hex = |pair: &&str| pair.bytes().all(|digit| digit.is_ascii_hexdigit());
        let hex = digits.filter(is_hex).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        left = match hex.filter(|_| *byte == b'%') {
            Some(escaped) => {
                bytes.push(escaped);
                &rest[2..]
            }
            None => {
                bytes.push(*byte);
                rest
            }
        };
    }
    let text = String::from_utf8_lossy(&bytes);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_when_all_of_them_is_there() {
        let framed = frame(b"abc");
        assert_eq!(framed[..], [0, 0, 0, 0, 3, b'a', b'b', b'c']);
        let mut received = BytesMut::new();
        for byte in &framed[..7] {
            received.extend_from_slice(&[*byte]);
            assert_eq!(message(&mut received), Ok(None));
        }
        received.extend_from_slice(b"c\0\0\0\0\0");
        assert_eq!(message(&mut received), Ok(Some(Bytes::from_static(b"abc"))));
        assert_eq!(message(&mut received), Ok(Some(Bytes::new())));
        assert_eq!(message(&mut received), Ok(None));
    }

    #[test]
    fn p23_no_length_is_trusted() {
        assert!(message(&mut BytesMut::from(&[0, 255, 255, 255, 255][..])).is_err());
        assert!(message(&mut BytesMut::from(&[1, 0, 0, 0, 1, 9][..])).is_err(), "compressed");
    }

    #[test]
    fn a_status_is_told_by_its_name() {
        let mut headers = HeaderMap::new();
        assert_eq!(Status::of(&headers), None);
        headers.insert("grpc-status", "7".parse().unwrap());
        assert_eq!(Status::of(&headers).unwrap().text(), "PERMISSION_DENIED");
        headers.insert("grpc-message", "no%20way%0A%zz%".parse().unwrap());
        let status = Status::of(&headers).unwrap();
        assert!(status.is_refusal());
        assert_eq!(status.text(), "PERMISSION_DENIED: no way %zz%");
        headers.insert("grpc-status", "99".parse().unwrap());
        assert_eq!(Status::of(&headers).unwrap().text(), "an unknown status: no way %zz%");
        headers.insert("grpc-message", "é%".repeat(500).parse().unwrap());
        assert!(Status::of(&headers).unwrap().text().chars().count() <= 250);
    }

    #[test]
    fn a_message_that_quotes_a_secret_is_not_shown() {
        let status = || Status { code: 16, message: "no such token s3cret".to_owned() };
        assert_eq!(status().hiding("s3cret").text(), "UNAUTHENTICATED");
        for other in ["", "other"] {
            assert_eq!(status().hiding(other).text(), "UNAUTHENTICATED: no such token s3cret");
        }
    }
}
