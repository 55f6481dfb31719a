//! Says in the words of [`crate::outcome`] what went wrong below.
//!
//! Errors of the layers beneath are nested in one another, and each layer hides the next one differently;
//! so one walk over the whole chain finds the most telling link, whichever transport brought it.

use std::error::Error;
use std::io;

use crate::outcome::FailureKind;
use crate::runtime::os_error::shortage;

use super::cause::Cause;
use super::dns::LookupError;
#[cfg(feature = "http2")]
use super::http1::answer::MAX_HEAD;
use super::http1::fault::AnswerFault;
use super::tls::words;

/// How far the exchange had come when it failed: the same reset means different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Resolving, TCP and TLS.
    Connect,
    /// From the request's first byte to the answer's last.
    Exchange,
}

/// Finds the most telling link in `error`'s chain.
pub(super) fn cause_of(error: &(dyn Error + 'static), stage: Stage) -> Cause {
    let mut link = Some(error);
    let mut fallback = None;
    while let Some(error) = link {
        if let Some(cause) = telling(error, stage) {
            return cause;
        }
        fallback = fallback.or_else(|| hyper_cause(error));
        link = inner(error);
    }
    fallback.unwrap_or_else(|| match stage {
        Stage::Connect => Cause::new(FailureKind::Connect, "connect failed"),
        Stage::Exchange => Cause::new(FailureKind::ConnectionLost, "connection lost"),
    })
}

/// What the operating system's error means.
pub(super) fn io_cause(error: &io::Error, stage: Stage) -> Cause {
    if let Some(detail) = shortage(error) {
        return Cause::new(FailureKind::Local, detail);
    }
    match stage {
        Stage::Connect => connect_cause(error),
        Stage::Exchange => exchange_cause(error),
    }
}

/// What the handshake's error means.
pub(super) fn tls_cause(error: &rustls::Error) -> Cause {
    // In TLS 1.3 a client may send its request before the server has looked at its certificate.
    let in_handshake = words::refuses_client(error);
    Cause { in_handshake, ..Cause::new(FailureKind::Tls, words::describe(error)) }
}

/// The next link; an [`io::Error`] answers with its content's source and skips the content itself.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(content) => Some(content),
        None => error.source(),
    }
}

fn telling(error: &(dyn Error + 'static), stage: Stage) -> Option<Cause> {
    if let Some(lookup) = error.downcast_ref::<LookupError>() {
        return Some(lookup.cause());
    }
    if let Some(fault) = error.downcast_ref::<AnswerFault>() {
        return Some(fault.cause());
    }
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls_cause(tls));
    }
    #[cfg(feature = "http2")]
    if let Some(h2) = error.downcast_ref::<h2::Error>() {
        return Some(h2_cause(h2, stage));
    }
    // An io::Error with content only wraps what is to be found below it, unless nothing is.
    let io = error.downcast_ref::<io::Error>()?;
    match io.get_ref() {
        Some(content) => telling_below(content, stage).or_else(|| Some(io_cause(io, stage))),
        None => Some(io_cause(io, stage)),
    }
}

fn telling_below(content: &(dyn Error + 'static), stage: Stage) -> Option<Cause> {
    let mut link = Some(content);
    while let Some(error) = link {
        if let Some(cause) = telling(error, stage) {
            return Some(cause);
        }
        link = inner(error);
    }
    None
}

fn hyper_cause(error: &(dyn Error + 'static)) -> Option<Cause> {
    let error = error.downcast_ref::<hyper::Error>()?;
    let lost = |detail: &str| Some(Cause::new(FailureKind::ConnectionLost, detail));
    if error.is_parse() {
        return Some(Cause::new(FailureKind::Protocol, format!("answer not valid: {error}")));
    }
    if error.is_user() {
        return Some(Cause::new(FailureKind::InvalidRequest, "request not valid"));
    }
    if error.is_incomplete_message() {
        return lost("connection closed before the answer");
    }
    if error.is_canceled() || error.is_closed() {
        return lost("connection closed");
    }
    // Hyper names bytes that nobody asked for only in words.
    error
        .to_string()
        .contains("unexpected message")
        .then(|| Cause::new(FailureKind::Protocol, "bytes that belong to no answer"))
}

#[cfg(feature = "http2")]
fn h2_cause(error: &h2::Error, stage: Stage) -> Cause {
    if let Some(io) = error.get_io() {
        // Its own word for an end of the connection that no system call reported.
        return match io.raw_os_error().is_none() && io.kind() == io::ErrorKind::BrokenPipe {
            true => Cause::new(FailureKind::ConnectionLost, "connection closed"),
            false => cause_of(io, stage),
        };
    }
    if error.is_remote() { h2_cause_of_peer(error) } else { h2_cause_of_own(error) }
}

/// What h2 itself refuses.
#[cfg(feature = "http2")]
fn h2_cause_of_own(error: &h2::Error) -> Cause {
    // It says of a request that it does not send only in words that it is malformed.
    if !error.is_library() && error.to_string().contains("malformed") {
        return Cause::new(FailureKind::InvalidRequest, "request not valid");
    }
    let what = error.reason();
    let what = what.as_ref().map_or("request not valid", h2::Reason::description);
    // Of one stream it is the answer's head or length, and lies in the service.
    match error.is_reset() {
        true => Cause::new(
            FailureKind::Unacceptable,
            format!("answer refused: {what}; or a head above {MAX_HEAD} bytes"),
        ),
        false => Cause::new(FailureKind::Protocol, format!("http/2: {what}")),
    }
}

/// What the peer says as it ends a stream, or the connection. h2 shows no last stream id; but it gives a peer's GOAWAY to
/// no stream that the peer may still answer: only to those above the last one, which were not processed, whatever the
/// reason (RFC 9113, 6.8).
#[cfg(feature = "http2")]
fn h2_cause_of_peer(error: &h2::Error) -> Cause {
    let reason = error.reason();
    let why = reason.as_ref().map_or("no reason", h2::Reason::description);
    match (error.is_reset(), reason) {
        (true, Some(h2::Reason::REFUSED_STREAM)) => {
            Cause::new(FailureKind::RefusedStream, "stream refused by the peer")
        }
        (true, Some(h2::Reason::HTTP_1_1_REQUIRED)) => {
            Cause::new(FailureKind::Protocol, "peer wants http/1.1 for this request")
        }
        (true, _) => {
            Cause::new(FailureKind::ConnectionLost, format!("stream reset by the peer: {why}"))
        }
        (false, Some(h2::Reason::NO_ERROR)) => {
            Cause::new(FailureKind::RefusedStream, "peer is going away")
        }
        (false, _) => Cause::new(FailureKind::RefusedStream, format!("peer is going away: {why}")),
    }
}

fn connect_cause(error: &io::Error) -> Cause {
    use io::ErrorKind as K;
    let detail = match error.kind() {
        K::TimedOut => return Cause::new(FailureKind::ConnectTimeout, "no answer to the connect"),
        // A setting that this system does not have, by name.
        K::Unsupported => return Cause::new(FailureKind::Connect, error.to_string()),
        // What a setting names is not on this host, which is no endpoint's fault.
        K::AddrNotAvailable => return Cause::new(FailureKind::Local, error.to_string()),
        K::NetworkUnreachable if error.get_ref().is_some() => {
            return Cause::new(FailureKind::Connect, error.to_string());
        }
        K::ConnectionRefused => "connect refused",
        K::HostUnreachable => "host unreachable",
        K::NetworkUnreachable | K::NetworkDown => "network unreachable",
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe => "reset while connecting",
        K::UnexpectedEof => "closed while connecting",
        K::PermissionDenied => "connect not permitted",
        // Only a path can be missing.
        K::NotFound => "no such socket",
        _ => "connect failed",
    };
    Cause::new(FailureKind::Connect, detail)
}

fn exchange_cause(error: &io::Error) -> Cause {
    use io::ErrorKind as K;
    if matches!(error.kind(), K::InvalidData | K::InvalidInput) {
        return Cause::new(FailureKind::Protocol, framing_detail(error));
    }
    let detail = match error.kind() {
        K::ConnectionReset | K::ConnectionAborted => "connection reset",
        K::BrokenPipe | K::NotConnected | K::WriteZero => "connection closed while sending",
        K::UnexpectedEof => "connection closed within the answer",
        K::TimedOut => "keep-alive timed out",
        _ => "connection lost",
    };
    Cause::new(FailureKind::ConnectionLost, detail)
}

/// Hyper tells in words what is wrong with a chunk; what it tells of a trailer quotes the peer.
fn framing_detail(error: &io::Error) -> String {
    let said = error.to_string().to_lowercase();
    match said.contains("chunk") {
        true => format!("answer breaks its framing: {said}"),
        false => "answer breaks its framing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::os_error;

    fn kind(error: io::Error, stage: Stage) -> FailureKind {
        cause_of(&error, stage).kind
    }

    #[test]
    fn shortages_are_local_at_every_stage() {
        for number in os_error::shortages() {
            let short = || io::Error::from_raw_os_error(number);
            assert_eq!(kind(short(), Stage::Connect), FailureKind::Local);
            assert_eq!(kind(short(), Stage::Exchange), FailureKind::Local);
        }
    }

    #[test]
    fn a_reset_means_connect_before_and_lost_after() {
        use io::ErrorKind as K;
        assert_eq!(kind(K::ConnectionReset.into(), Stage::Connect), FailureKind::Connect);
        assert_eq!(kind(K::ConnectionReset.into(), Stage::Exchange), FailureKind::ConnectionLost);
        assert_eq!(kind(K::BrokenPipe.into(), Stage::Exchange), FailureKind::ConnectionLost);
    }

    #[test]
    fn unreachable_is_connect_and_a_silent_peer_a_timeout() {
        use io::ErrorKind as K;
        assert_eq!(kind(K::HostUnreachable.into(), Stage::Connect), FailureKind::Connect);
        assert_eq!(kind(K::NetworkUnreachable.into(), Stage::Connect), FailureKind::Connect);
        assert_eq!(kind(K::TimedOut.into(), Stage::Connect), FailureKind::ConnectTimeout);
    }

    #[test]
    fn what_the_system_does_not_have_is_named() {
        let missing = io::Error::new(io::ErrorKind::Unsupported, "interface needs Linux");
        let cause = cause_of(&missing, Stage::Connect);
        assert_eq!(cause, Cause::new(FailureKind::Connect, "interface needs Linux"));
    }

    #[test]
    fn an_io_error_gives_up_what_it_wraps() {
        let tls = rustls::Error::NoCertificatesPresented;
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        let cause = cause_of(&wrapped, Stage::Connect);
        assert_eq!(cause, Cause::new(FailureKind::Tls, "peer sent no certificate"));
    }

    #[test]
    fn framing_faults_below_an_io_error_are_protocol() {
        let fault = io::Error::new(io::ErrorKind::InvalidInput, "Invalid chunk size line");
        assert_eq!(cause_of(&fault, Stage::Exchange).kind, FailureKind::Protocol);
    }
}
