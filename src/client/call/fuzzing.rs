//! Parsers of inbound headers, with what must hold for any input; only in builds for fuzzing and in unit tests.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, header};

use super::call::{cookie, kept_cookies, merged};
use super::propagation::{timeout, trace};
use crate::config::ClientConfig;
use crate::policy::TraceStart;
use crate::request::Request;

const NAME: &str = "session";

/// The cookie of a name is found where another reader finds it, and no other cookie is passed on.
pub fn cookies(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let pairs = value.as_bytes().split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let named = |pair: &&[u8]| *pair == NAME.as_bytes() || pair.starts_with(b"session=");
    let pairs: Vec<&[u8]> = pairs.filter(named).collect();
    let first = pairs.iter().find_map(|pair| pair.strip_prefix(b"session="));
    assert_eq!(cookie(&value, NAME), first);
    let kept = kept_cookies(&value, &[NAME.to_owned()]);
    assert_eq!(
        kept,
        (!pairs.is_empty()).then(|| { HeaderValue::from_bytes(&pairs.join(&b"; "[..])).unwrap() })
    );
}

/// Inbound headers, one a line: they shorten the call's limit only, several traces are none, and nothing passes that
/// the client was not told to pass on.
pub fn inbound(bytes: &[u8]) {
    let config = ClientConfig {
        forward_headers: vec![HeaderName::from_static("x-tenant")],
        forward_cookies: vec![NAME.to_owned()],
        deadline_header: Some(HeaderName::from_static("x-deadline-ms")),
        trace: Some(TraceStart::Never),
        timeout: Duration::from_secs(30),
        ..ClientConfig::default()
    };
    let mut request = Request::new(Method::GET, "/");
    request.inbound = bytes.split(|&byte| byte == b'\n').filter_map(field).collect();
    let received = |name: &str| request.inbound.iter().filter(|(it, _)| it == name).count();
    assert!(timeout(&config, &request) <= config.timeout);
    let grpc = HeaderName::from_static("grpc-timeout");
    let config = ClientConfig { deadline_header: Some(grpc), ..config };
    assert!(timeout(&config, &request) <= config.timeout);

    let mut headers = merged(&config, &request);
    assert_eq!(headers.get_all("x-tenant").iter().count(), received("x-tenant"));
    assert!(headers.get_all(header::COOKIE).iter().count() <= received("cookie").min(1));
    let passes = |name: &str| ["x-tenant", "cookie"].contains(&name);
    let own = |name: &HeaderName| config.headers.contains_key(name);
    assert!(headers.keys().all(|name| passes(name.as_str()) || own(name)));
    let found = trace(&config, &request, &mut headers);
    assert!(found.is_none() || received("traceparent") == 1);
    let states = headers.get_all("tracestate").iter().count();
    assert_eq!(states, if found.is_some() { received("tracestate") } else { 0 });
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    Some((name.try_into().ok()?, value.try_into().ok()?))
}
