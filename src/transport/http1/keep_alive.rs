//! How long a peer lets a connection be unused, as it says itself: `Keep-Alive: timeout=5`. Pure.
//!
//! A request that meets the peer's close may have been carried out, and a POST is not repeated then. So a connection is
//! not used up to its last moment: Node's agent and undici leave a second of it too. Apache's HttpClient and they read
//! the header, which no RFC has since 2068 (19.7.1.1); Node, Apache and many others send it.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

/// How long a connection may be unused after an answer with `headers`; `None` where they do not tell.
pub(super) fn limit(headers: &HeaderMap) -> Option<Duration> {
    let told = headers.get(KEEP_ALIVE)?.as_bytes();
    let seconds = told.split(|&byte| byte == b',').find_map(|parameter| {
        let (name, value) = parameter.split_at(parameter.iter().position(|&byte| byte == b'=')?);
        let is_timeout = name.trim_ascii().eq_ignore_ascii_case(b"timeout");
        let value = std::str::from_utf8(value[1..].trim_ascii()).ok()?;
        is_timeout.then(|| value.trim_matches('"').parse::<u32>().ok())?
    })?;
    let told = Duration::from_secs(seconds.into());
    Some(told - MARGIN.min(told / 2))
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// What the answer took on its way here, and the next request may take there. Of less than two seconds a half.
const MARGIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_left_of_what_is_told_or_half_of_it() {
        for (value, limit) in [
            ("timeout=5", Some(4000)),
            ("timeout=5, max=100", Some(4000)),
            ("max=100,Timeout = \"30\"", Some(29_000)),
            ("timeout=2", Some(1000)),
            ("timeout=1", Some(500)),
            ("timeout=0", Some(0)),
            ("timeout=4294967295", Some(4_294_967_294_000)),
            ("", None),
            ("max=5", None),
            ("timeout", None),
            ("timeout=", None),
            ("timeout=-1", None),
            ("timeout=4294967296", None),
            ("xtimeout=5", None),
        ] {
            let headers = HeaderMap::from_iter([(KEEP_ALIVE, value.parse().unwrap())]);
            assert_eq!(super::limit(&headers), limit.map(Duration::from_millis), "{value:?}");
        }
        assert_eq!(limit(&HeaderMap::new()), None);
    }
}
