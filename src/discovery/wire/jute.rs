//! ZooKeeper's messages, in the encoding that it calls jute: big-endian numbers, texts and lists with their length
//! before them, and the length of the whole before each message.
//!
//! A watch of a service needs the handshake and five requests. No answer is trusted with a size: a text lies in the
//! bytes that came or is refused, and room for a list is taken as its entries are read.

use bytes::{Buf, Bytes, BytesMut};

/// The longest message that is read. A server refuses requests above 1 MiB, but not its own answers: the names of
/// 100,000 children are about 4 MB.
pub(crate) const LONGEST: usize = 32 << 20;

/// Number of the answer to a ping.
pub(crate) const PING: i32 = -2;
/// Number of the answer to credentials.
pub(crate) const AUTH: i32 = -4;
/// Number of what the server tells unasked.
const EVENT: i32 = -1;

/// What is asked of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    /// The handshake: a new session that the server forgets after this much silence.
    Connect { timeout_ms: i32 },
    /// Credentials of the kind `digest`: `user:password`.
    Digest(&'a str),
    /// Whether the node is there; tells once when it is created, changed or deleted.
    Exists(&'a str),
    /// The names of the children; tells once when one is created or deleted.
    Children(&'a str),
    /// The content of a node; tells once when it is changed or deleted.
    Data(&'a str),
    /// Keeps the session.
    Ping,
}

impl Request<'_> {
    /// The message with its length, numbered `xid` where the request is one that is numbered.
    pub(crate) fn encoded(&self, xid: i32) -> Vec<u8> {
        let mut out = vec![0; 4];
        match *self {
            Self::Connect { timeout_ms } => {
                // Protocol version 0, and nothing seen yet.
                out.extend_from_slice(&[0; 12]);
                int(&mut out, timeout_ms);
                // No session to go on with, whose password has 16 bytes; and not one that only reads.
                out.extend_from_slice(&[0; 8]);
                buffer(&mut out, &[0; 16]);
                out.push(0);
            }
            Self::Digest(credentials) => {
                header(&mut out, AUTH, 100);
                int(&mut out, 0);
                buffer(&mut out, b"digest");
                buffer(&mut out, credentials.as_bytes());
            }
            Self::Exists(path) => watched(&mut out, xid, 3, path),
            Self::Data(path) => watched(&mut out, xid, 4, path),
            Self::Children(path) => watched(&mut out, xid, 8, path),
            Self::Ping => header(&mut out, PING, 11),
        }
        let length = (out.len() - 4) as u32;
        out[..4].copy_from_slice(&length.to_be_bytes());
        out
    }
}

fn header(out: &mut Vec<u8>, xid: i32, kind: i32) {
    int(out, xid);
    int(out, kind);
}

fn watched(out: &mut Vec<u8>, xid: i32, kind: i32, path: &str) {
    header(out, xid, kind);
    buffer(out, path.as_bytes());
    out.push(1);
}

fn int(out: &mut Vec<u8>, number: i32) {
    out.extend_from_slice(&number.to_be_bytes());
}

fn buffer(out: &mut Vec<u8>, bytes: &[u8]) {
    int(out, bytes.len() as i32);
    out.extend_from_slice(bytes);
}

/// Takes the next whole message off `received`; none while it has not come.
///
/// # Errors
/// Says that no message has such a length.
pub(crate) fn message(received: &mut BytesMut) -> Result<Option<Bytes>, String> {
    let Some(length) = received.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length > LONGEST {
        return Err(format!("a message of {length} bytes, where {LONGEST} are read at most"));
    }
    if received.len() - 4 < length {
        return Ok(None);
    }
    received.advance(4);
    Ok(Some(received.split_to(length).freeze()))
}

/// What the handshake agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// After how many milliseconds of silence the server forgets the session, above 0.
    pub(crate) timeout_ms: u32,
}

impl Session {
    /// Reads the answer to the handshake.
    ///
    /// # Errors
    /// Says that it is none, or that the server gave no session.
    pub(crate) fn read(message: &[u8]) -> Result<Self, String> {
        let mut left = Reader(message);
        let (_version, timeout) = (left.int()?, left.int()?);
        let (_id, _password) = (left.long()?, left.buffer()?);
        match u32::try_from(timeout) {
            Ok(timeout_ms @ 1..) => Ok(Self { timeout_ms }),
            _ => Err("the server gave no session".to_owned()),
        }
    }
}

/// A message of the server, behind the handshake.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply<'a> {
    /// Something that was watched has changed.
    Event { change: Change, path: &'a str },
    /// The answer to the request with this number.
    Answer { xid: i32, answer: Result<Body<'a>, ErrorCode> },
}

/// What is left of an answer, read by the caller, which knows what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Body<'a>(&'a [u8]);

/// What happened to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is there.
    Created,
    /// It is gone.
    Deleted,
    /// It has another content.
    Data,
    /// It has other children.
    Children,
    /// Something about the session, which the connection's end says as well; or of a later version.
    Other,
}

/// Why a request failed, by ZooKeeper's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ErrorCode(i32);

impl ErrorCode {
    /// Whether the node is not there.
    pub(crate) const fn is_no_node(self) -> bool {
        self.0 == -101
    }

    /// Whether these credentials may not read what they asked for.
    pub(crate) const fn is_no_auth(self) -> bool {
        self.0 == -102
    }

    /// Whether other credentials would be needed.
    pub(crate) const fn is_refusal(self) -> bool {
        matches!(self.0, -102 | -115)
    }

    /// In ZooKeeper's words.
    pub(crate) fn text(self) -> String {
        let known = match self.0 {
            -101 => "no node",
            -102 => "not authenticated for this node",
            -112 => "session expired",
            -115 => "authentication failed",
            -118 => "session moved",
            other => return format!("error {other}"),
        };
        known.to_owned()
    }
}

impl<'a> Reply<'a> {
    /// Reads one message.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(crate) fn read(message: &'a [u8]) -> Result<Self, String> {
        let mut left = Reader(message);
        let (xid, _zxid, error) = (left.int()?, left.long()?, left.int()?);
        if xid == EVENT {
            let (kind, _state, path) = (left.int()?, left.int()?, left.text()?);
            return Ok(Self::Event { change: Change::numbered(kind), path });
        }
        let answer = if error == 0 { Ok(Body(left.0)) } else { Err(ErrorCode(error)) };
        Ok(Self::Answer { xid, answer })
    }
}

impl Change {
    const fn numbered(kind: i32) -> Self {
        match kind {
            1 => Self::Created,
            2 => Self::Deleted,
            3 => Self::Data,
            4 => Self::Children,
            _ => Self::Other,
        }
    }
}

impl<'a> Body<'a> {
    /// The names of children.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub(crate) fn children(self) -> Result<Vec<&'a str>, String> {
        let mut left = Reader(self.0);
        let count = left.length()?;
        let mut names = Vec::new();
        for _ in 0..count {
            names.push(left.text()?);
        }
        Ok(names)
    }

    /// The content of a node.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(crate) fn data(self) -> Result<&'a [u8], String> {
        Reader(self.0).buffer()
    }
}

/// The bytes of a message that are not read yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn int(&mut self) -> Result<i32, String> {
        self.take().map(i32::from_be_bytes)
    }

    fn long(&mut self) -> Result<i64, String> {
        self.take().map(i64::from_be_bytes)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (taken, left) = self.0.split_first_chunk().ok_or_else(cut)?;
        self.0 = left;
        Ok(*taken)
    }

    /// A length; that of nothing at all is −1.
    fn length(&mut self) -> Result<usize, String> {
        match self.int()? {
            -1 => Ok(0),
            length => usize::try_from(length).map_err(|_| format!("a length of {length}")),
        }
    }

    fn buffer(&mut self) -> Result<&'a [u8], String> {
        let length = self.length()?;
        let (taken, left) = self.0.split_at_checked(length).ok_or_else(cut)?;
        self.0 = left;
        Ok(taken)
    }

    fn text(&mut self) -> Result<&'a str, String> {
        str::from_utf8(self.buffer()?).map_err(|_| "a text that is not UTF-8".to_owned())
    }
}

#[cold]
fn cut() -> String {
    "a message that ends too early".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer as ZooKeeper 3.8 sends it.
    fn answer(xid: i32, error: i32, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        int(&mut out, xid);
        out.extend_from_slice(&7_i64.to_be_bytes());
        int(&mut out, error);
        out.extend_from_slice(body);
        out
    }

    fn names(names: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        int(&mut out, names.len() as i32);
        for name in names {
            buffer(&mut out, name.as_bytes());
        }
        out
    }

    #[test]
    fn a_handshake_asks_for_a_new_session() {
        let sent = Request::Connect { timeout_ms: 10_000 }.encoded(0);
        assert_eq!(sent.len(), 4 + 45);
        assert_eq!(sent[..4], [0, 0, 0, 45]);
        assert_eq!(sent[16..20], 10_000_i32.to_be_bytes());
        let mut agreed = vec![0; 4];
        int(&mut agreed, 4000);
        agreed.extend_from_slice(&1_i64.to_be_bytes());
        buffer(&mut agreed, &[1; 16]);
        assert_eq!(Session::read(&agreed), Ok(Session { timeout_ms: 4000 }));
        agreed[7] = 0;
        agreed[6] = 0;
        assert!(Session::read(&agreed).is_err(), "0 ms is a session that is over");
    }

    #[test]
    fn a_request_names_its_node_and_asks_for_a_watch() {
        let sent = Request::Children("/a").encoded(5);
        assert_eq!(sent, [0, 0, 0, 15, 0, 0, 0, 5, 0, 0, 0, 8, 0, 0, 0, 2, b'/', b'a', 1]);
        assert_eq!(Request::Data("/a").encoded(5)[11], 4);
        assert_eq!(Request::Exists("/a").encoded(5)[11], 3);
        assert_eq!(Request::Ping.encoded(5), [0, 0, 0, 8, 255, 255, 255, 254, 0, 0, 0, 11]);
        let auth = Request::Digest("u:p").encoded(5);
        assert!(auth.ends_with(b"\0\0\0\x06digest\0\0\0\x03u:p"));
    }

    #[test]
    fn answers_and_events_are_read() {
        let listed = answer(5, 0, &names(&["a", "b"]));
        let Ok(Reply::Answer { xid: 5, answer: Ok(body) }) = Reply::read(&listed) else { panic!() };
        assert_eq!(body.children(), Ok(vec!["a", "b"]));
        let missing = answer(6, -101, &[]);
        let Ok(Reply::Answer { answer: Err(code), .. }) = Reply::read(&missing) else { panic!() };
        assert!(code.is_no_node() && !code.is_refusal());
        let mut event = Vec::new();
        int(&mut event, 4);
        int(&mut event, 3);
        buffer(&mut event, b"/a");
        let event = answer(EVENT, 0, &event);
        assert_eq!(Reply::read(&event), Ok(Reply::Event { change: Change::Children, path: "/a" }));
    }

    #[test]
    fn p23_no_answer_is_trusted_with_a_size() {
        let mut received = BytesMut::from(&[255, 255, 255, 255, 1][..]);
        assert!(message(&mut received).is_err());
        let mut many = Vec::new();
        int(&mut many, i32::MAX);
        assert!(Body(&many).children().is_err(), "two billion names that are not there");
        int(&mut many, i32::MAX);
        assert!(Body(&many).children().is_err());
        assert!(Body(&[0, 0, 0, 9, 1]).data().is_err());
        assert!(Body(&(-2_i32).to_be_bytes()).data().is_err());
        assert_eq!(Body(&(-1_i32).to_be_bytes()).data(), Ok(&[][..]), "no content");
        for cut in 0..16 {
            assert!(Reply::read(&answer(1, 0, &[])[..cut]).is_err());
        }
    }

    #[test]
    fn a_message_is_taken_when_all_of_it_is_there() {
        let sent = Request::Data("/a").encoded(1);
        let mut received = BytesMut::new();
        for byte in &sent[..sent.len() - 1] {
            received.extend_from_slice(&[*byte]);
            assert_eq!(message(&mut received), Ok(None));
        }
        received.extend_from_slice(&sent[sent.len() - 1..]);
        received.extend_from_slice(&sent);
        assert_eq!(message(&mut received).unwrap().unwrap(), sent[4..]);
        assert_eq!(message(&mut received).unwrap().unwrap(), sent[4..]);
        assert!(received.is_empty());
    }
}
