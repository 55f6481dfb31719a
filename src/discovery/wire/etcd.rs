//! What etcd's JSON gateway is asked and answers, from version 3.4 on.
//!
//! Keys and values are in base64, and 64-bit numbers in strings. A watch answers with a document a line.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Skipped;
use super::json::digits;

/// The answer to a range request: some of the keys with their values, or all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeResponse {
    /// The store's revision at the time.
    pub revision: u64,
    /// In the keys' order.
    pub pairs: Vec<Pair>,
    /// Whether there are keys behind the last.
    pub more: bool,
    /// Pairs that could not be read.
    pub skipped: Skipped,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

/// One document of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchResponse {
    /// The watch stands; the store's revision.
    Created(u64),
    /// All changes up to this revision were told.
    Progress(u64),
    /// What happened, in order.
    Changes(Changes),
    /// The revision that was asked for is compacted: list again.
    Compacted,
    /// The server ended the watch.
    Canceled(Denial),
}

/// Keys that were put, or deleted where there is no value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// In order.
    pub keys: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// The revision of the last of them. That of the answer itself may be ahead of events that are still to come.
    pub revision: u64,
    /// Events that could not be read.
    pub skipped: Skipped,
}

/// Why etcd does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The token is not or no longer valid: log in again.
    Token,
    /// Name and password are wrong, missing, or not enough.
    Credentials(&'static str),
    /// The revision that was asked for is compacted.
    Compacted,
    /// Anything else.
    Other(&'static str),
}

/// The end of the range of all keys that begin with `prefix`; all keys where there is none.
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end;
        }
    }
    vec![0]
}

/// Asks for at most `limit` keys from `key` on, at `revision` where one is given.
#[must_use]
pub fn range_request(key: &[u8], end: &[u8], limit: u32, revision: Option<u64>) -> Vec<u8> {
    let (limit, revision) = (limit.to_string(), revision.map(|it| it.to_string()));
    written(&Range { key: encoded(key), range_end: encoded(end), limit, revision })
}

/// Asks for a watch from `revision` on.
#[must_use]
pub fn watch_request(key: &[u8], end: &[u8], revision: u64) -> Vec<u8> {
    written(&Watch {
        create_request: Create {
            key: encoded(key),
            range_end: encoded(end),
            start_revision: revision.to_string(),
            progress_notify: true,
        },
    })
}

/// Asks for a token.
#[must_use]
pub fn login_request(name: &str, password: &str) -> Vec<u8> {
    written(&Login { name, password })
}

/// A key that stands behind `key` and before every other.
#[must_use]
pub fn behind(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

/// What was answered to [`range_request`].
///
/// # Errors
/// It is no such answer.
pub fn range_response(document: &[u8]) -> Result<RangeResponse, &'static str> {
    let read: Ranged<'_> = serde_json::from_slice(document).map_err(|_| "not an answer of etcd")?;
    let revision = read.header.as_ref().and_then(Header::revision).ok_or("without a revision")?;
    let mut response = RangeResponse { revision, more: read.more, ..RangeResponse::default() };
    for raw in read.kvs.unwrap_or_default() {
        match kv(raw).and_then(|kv| pair(&kv)) {
            Ok((key, value)) => response.pairs.push(Pair { key, value }),
            Err(why) => response.skipped.add(why),
        }
    }
    Ok(response)
}

/// The token that was answered to [`login_request`].
///
/// # Errors
/// It is no such answer.
pub fn token(document: &[u8]) -> Result<String, &'static str> {
    let read: Token = serde_json::from_slice(document).map_err(|_| "not an answer of etcd")?;
    Some(read.token).filter(|token| !token.is_empty()).ok_or("without a token")
}

/// One document of a watch.
///
/// # Errors
/// It is no such document.
pub fn watch_response(document: &[u8]) -> Result<WatchResponse, &'static str> {
    let read: Frame<'_> = serde_json::from_slice(document).map_err(|_| "not an answer of etcd")?;
    if read.error.is_some() {
        return Ok(WatchResponse::Canceled(denial(document)));
    }
    let read = read.result.ok_or("not an answer of etcd")?;
    if read.compact_revision.as_deref().and_then(digits::<u64>).is_some_and(|it| it > 0) {
        return Ok(WatchResponse::Compacted);
    }
    if read.canceled {
        return Ok(WatchResponse::Canceled(reason(read.cancel_reason.as_deref().unwrap_or(""))));
    }
    let revision = read.header.as_ref().and_then(Header::revision).ok_or("without a revision")?;
    if let Some(events) = read.events.filter(|events| !events.is_empty()) {
        return Ok(WatchResponse::Changes(changes(&events)));
    }
    Ok(if read.created {
        WatchResponse::Created(revision)
    } else {
        WatchResponse::Progress(revision)
    })
}

fn changes(events: &[&RawValue]) -> Changes {
    let mut changes = Changes::default();
    for event in events {
        match change(event) {
            Ok((key, value, revision)) => {
                changes.keys.push((key, value));
                changes.revision = changes.revision.max(revision);
            }
            Err(why) => changes.skipped.add(why),
        }
    }
    changes
}

/// What an answer with a status of an error says.
#[must_use]
pub fn denial(document: &[u8]) -> Denial {
    let text = match serde_json::from_slice::<Refusal<'_>>(document) {
        Ok(Refusal { error: Some(ErrorText::Plain(text)), .. }) => text,
        Ok(Refusal { error: Some(ErrorText::Of { message }), .. }) => message,
        Ok(Refusal { message: Some(text), .. }) => text,
        Ok(_) | Err(_) => return Denial::Other("an error that is not etcd's"),
    };
    reason(&text)
}

/// etcd's codes do not tell these apart, its words do; they have stayed as they are since 3.0.
fn reason(text: &str) -> Denial {
    const WORDS: [(&str, Denial); 9] = [
        ("invalid auth token", Denial::Token),
        ("auth: revision in header is old", Denial::Token),
        ("user name is empty", Denial::Credentials("etcd asks for a user and a password")),
        ("authentication failed", Denial::Credentials("etcd refused user or password")),
        ("permission denied", Denial::Credentials("the user may not read these keys")),
        (
            "authentication is not enabled",
            Denial::Credentials("etcd has no authentication enabled"),
        ),
        ("required revision has been compacted", Denial::Compacted),
        ("no leader", Denial::Other("etcd has no leader")),
        ("timed out", Denial::Other("etcd's request timed out")),
    ];
    let known = WORDS.iter().find(|(words, _)| text.contains(words));
    known.map_or(Denial::Other("etcd answered with an error"), |(_, denial)| *denial)
}

fn pair(read: &Kv<'_>) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
    let decoded = |text: &str| STANDARD.decode(text).map_err(|_| "not base64");
    Ok((decoded(&read.key)?, decoded(&read.value)?))
}

fn kv(raw: &RawValue) -> Result<Kv<'_>, &'static str> {
    serde_json::from_str(raw.get()).map_err(|_| "not a key with its value")
}

type Change = (Vec<u8>, Option<Vec<u8>>, u64);

fn change(raw: &RawValue) -> Result<Change, &'static str> {
    let read: Event<'_> = serde_json::from_str(raw.get()).map_err(|_| "not an event")?;
    let kv = kv(read.kv.ok_or("an event without a key")?)?;
    let revision = kv.mod_revision.as_deref().and_then(digits).ok_or("without a revision")?;
    let (key, value) = pair(&kv)?;
    Ok((key, (read.kind.as_deref() != Some("DELETE")).then_some(value), revision))
}

fn encoded(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn written(request: &impl Serialize) -> Vec<u8> {
    // Texts and numbers alone cannot fail.
    serde_json::to_vec(request).unwrap_or_default()
}

#[derive(Serialize)]
struct Range {
    key: String,
    range_end: String,
    limit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
}

#[derive(Serialize)]
struct Watch {
    create_request: Create,
}

#[derive(Serialize)]
struct Create {
    key: String,
    range_end: String,
    start_revision: String,
    progress_notify: bool,
}

#[derive(Serialize)]
struct Login<'a> {
    name: &'a str,
    password: &'a str,
}

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    revision: Option<Cow<'a, str>>,
}

impl Header<'_> {
    fn revision(&self) -> Option<u64> {
        self.revision.as_deref().and_then(digits)
    }
}

#[derive(Deserialize)]
struct Ranged<'a> {
    #[serde(borrow)]
    header: Option<Header<'a>>,
    #[serde(borrow)]
    kvs: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    more: bool,
}

#[derive(Deserialize)]
struct Kv<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow, default)]
    value: Cow<'a, str>,
    #[serde(borrow)]
    mod_revision: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    kv: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    result: Option<Watched<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Watched<'a> {
    #[serde(borrow)]
    header: Option<Header<'a>>,
    #[serde(default)]
    created: bool,
    #[serde(default)]
    canceled: bool,
    #[serde(borrow)]
    compact_revision: Option<Cow<'a, str>>,
    #[serde(borrow)]
    cancel_reason: Option<Cow<'a, str>>,
    #[serde(borrow)]
    events: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Refusal<'a> {
    #[serde(borrow)]
    error: Option<ErrorText<'a>>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorText<'a> {
    Plain(#[serde(borrow)] Cow<'a, str>),
    Of {
        #[serde(borrow)]
        message: Cow<'a, str>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_of_etcd_3_4_is_read_and_a_bad_pair_skipped() {
        let text = br#"{"header":{"cluster_id":"14841639068965178418","member_id":"1","revision":"3","raft_term":"2"},
            "kvs":[{"key":"L3Mvd2ViL2E=","create_revision":"2","mod_revision":"2","version":"1","value":"eA=="},
                   {"key":"L3Mvd2ViL2I="}, {"key":"*"}, 7],"more":true,"count":"2"}"#;
        let read = range_response(text).unwrap();
        let pair = |key: &str, value: &str| Pair { key: key.into(), value: value.into() };
        assert_eq!(read.pairs, [pair("/s/web/a", "x"), pair("/s/web/b", "")]);
        assert_eq!((read.revision, read.more, read.skipped.count), (3, true, 2));
        let empty = range_response(br#"{"header":{"revision":"9"}}"#).unwrap();
        assert_eq!(empty, RangeResponse { revision: 9, ..RangeResponse::default() });
        for bad in [
            &b""[..],
            b"[]",
            b"{}",
            br#"{"header":{}}"#,
            br#"{"header":{"revision":"-1"}}"#,
            &[b'['; 4096],
        ] {
            assert!(range_response(bad).is_err());
        }
    }

    #[test]
    fn a_watch_tells_changes_in_order() {
        let created = br#"{"result":{"header":{"revision":"5"},"created":true}}"#;
        assert_eq!(watch_response(created), Ok(WatchResponse::Created(5)));
        let progress = br#"{"result":{"header":{"revision":"6"}}}"#;
        assert_eq!(watch_response(progress), Ok(WatchResponse::Progress(6)));
        let events = br#"{"result":{"header":{"revision":"9"},"events":[
            {"kv":{"key":"YQ==","value":"eA==","mod_revision":"4"}},
            {"type":"DELETE","kv":{"key":"YQ==","mod_revision":"5"}},
            {"type":"PUT","kv":{"key":"Yg==","value":"eQ==","mod_revision":"6"}},
            {"kv":{"key":"?","mod_revision":"7"}}, {"kv":{"key":"YQ=="}}, {}]}}"#;
        let Ok(WatchResponse::Changes(changes)) = watch_response(events) else { panic!() };
        let of = |key: &str, value: Option<&str>| (key.into(), value.map(Into::into));
        assert_eq!(changes.keys, [of("a", Some("x")), of("a", None), of("b", Some("y"))]);
        assert_eq!((changes.revision, changes.skipped.count), (6, 3));
    }

    #[test]
    fn an_end_inside_the_stream_is_seen_and_told_apart() {
        let of = |text: &str| watch_response(text.as_bytes()).unwrap();
        let compacted =
            r#"{"result":{"header":{"raft_term":"2"},"canceled":true,"compact_revision":"4"}}"#;
        assert_eq!(of(compacted), WatchResponse::Compacted);
        let canceled = |reason: &str| {
            let text = format!(
                r#"{{"result":{{"watch_id":"-1","created":true,"canceled":true,"cancel_reason":"{reason}"}}}}"#
            );
            let WatchResponse::Canceled(denial) = of(&text) else { panic!("{reason}") };
            denial
        };
        let empty = "rpc error: code = InvalidArgument desc = etcdserver: user name is empty";
        assert!(matches!(canceled(empty), Denial::Credentials(_)));
        let denied = "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
        assert!(matches!(canceled(denied), Denial::Credentials(_)));
        let old = "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token";
        assert_eq!(canceled(old), Denial::Token);
        assert!(matches!(canceled("secret"), Denial::Other(why) if !why.contains("secret")));
        let error =
            r#"{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader"}}"#;
        assert_eq!(of(error), WatchResponse::Canceled(Denial::Other("etcd has no leader")));
        assert!(watch_response(b"{}").is_err() && watch_response(b"7").is_err());
    }

    #[test]
    fn an_errors_words_tell_what_to_do() {
        let of = |text: &str| {
            let body = format!(r#"{{"error":"{text}","message":"{text}","code":3}}"#);
            denial(body.as_bytes())
        };
        assert_eq!(of("etcdserver: mvcc: required revision has been compacted"), Denial::Compacted);
        assert_eq!(of("etcdserver: invalid auth token"), Denial::Token);
        let refused = "etcdserver: authentication failed, invalid user ID or password";
        assert!(matches!(of(refused), Denial::Credentials(_)));
        assert!(matches!(denial(b"<html>"), Denial::Other(_)));
        assert!(matches!(denial(b"{}"), Denial::Other(_)));
    }

    #[test]
    fn requests_are_as_the_gateway_reads_them() {
        let range = String::from_utf8(range_request(b"/s/", &prefix_end(b"/s/"), 2, None)).unwrap();
        assert_eq!(range, r#"{"key":"L3Mv","range_end":"L3Mw","limit":"2"}"#);
        let next = range_request(&behind(b"a".to_vec()), b"b", 2, Some(7));
        assert_eq!(next, br#"{"key":"YQA=","range_end":"Yg==","limit":"2","revision":"7"}"#);
        let watch = String::from_utf8(watch_request(b"a", b"b", 8)).unwrap();
        let expected = r#"{"create_request":{"key":"YQ==","range_end":"Yg==","start_revision":"8","progress_notify":true}}"#;
        assert_eq!(watch, expected);
        assert_eq!(login_request("u", "a\"b"), br#"{"name":"u","password":"a\"b"}"#);
        assert_eq!(token(br#"{"header":{},"token":"t.1"}"#).as_deref(), Ok("t.1"));
        assert!(token(br#"{"token":""}"#).is_err() && token(b"{}").is_err());
    }

    #[test]
    fn the_end_of_a_prefix_is_the_next_key_that_has_it_not() {
        assert_eq!(prefix_end(b"/s/"), b"/s0");
        assert_eq!(prefix_end(b"a\xff\xff"), b"b");
        assert_eq!(prefix_end(b"\xff"), [0]);
        assert_eq!(prefix_end(b""), [0]);
    }
}
