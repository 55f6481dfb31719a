//! One call of gRPC whose both sides stream, over an HTTP/2 connection of its own.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::{self, SendRequest};
use h2::{Ping, PingPong, Reason, RecvStream, SendStream};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};

use crate::discovery::source::SessionEnd;
use crate::discovery::wire::grpc::{self, Status};

/// A server sends the endpoints of a large cluster without a pause for the window's update.
const WINDOW: u32 = 1 << 20;
/// The most that its headers take, in bytes.
const MAX_HEADERS: u32 = 16 << 10;

/// What the server is asked for, besides messages.
pub(super) struct Target<'a> {
    /// `http` or `https`, and the authority.
    pub(super) origin: &'a str,
    /// `/package.Service/Method`.
    pub(super) path: &'static str,
    /// The value of `authorization`, where there is one.
    pub(super) authorization: Option<HeaderValue>,
}

/// How it is asked whether the server still stands.
pub(super) struct Pings {
    /// How long after an answer the next ping goes out.
    pub(super) every: Duration,
    /// How long an answer may take.
    pub(super) patience: Duration,
}

/// Makes the call over `connection` and does `work` with it; `alive` is told each answer to a ping.
pub(super) async fn call<W: Future<Output = SessionEnd>>(
    connection: impl AsyncRead + AsyncWrite + Unpin,
    target: Target<'_>,
    asked: Pings,
    alive: impl Fn(),
    work: impl FnOnce(Stream) -> W,
) -> SessionEnd {
    let shaken = client::Builder::new()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(MAX_HEADERS)
        .enable_push(false)
        .handshake::<_, Bytes>(connection)
        .await;
    let (sender, mut connection) = match shaken {
        Ok(both) => both,
        Err(error) => return failed(&error),
    };
    let ping_pong = connection.ping_pong();
    let mut driver = pin!(connection);
    let mut pings = pin!(pings(ping_pong, asked, alive));
    let mut work = pin!(async {
        match Stream::open(sender, target).await {
            Ok(stream) => work(stream).await,
            Err(ended) => ended,
        }
    });
    poll_fn(|cx| {
        // What has come is read before the end of the connection is told: it may say why.
        let driven = driver.as_mut().poll(cx);
        if let Poll::Ready(ended) = work.as_mut().poll(cx) {
            // The connection knows more of its end than the call on it.
            return Poll::Ready(match driven {
                Poll::Ready(Err(error)) if error.reason() == Some(TOO_MANY) => failed(&error),
                _ => ended,
            });
        }
        match driven {
            Poll::Ready(Ok(())) => Poll::Ready(closed()),
            Poll::Ready(Err(error)) => Poll::Ready(failed(&error)),
            Poll::Pending => pings.as_mut().poll(cx),
        }
    })
    .await
}

/// What a server says of pings that come too often (gRPC's A8).
const TOO_MANY: Reason = Reason::ENHANCE_YOUR_CALM;

/// Whether a call ended because its pings came too often.
pub(super) fn is_too_many_pings(ended: &SessionEnd) -> bool {
    *ended == of_reason(TOO_MANY)
}

/// Without what a server may add to its reason.
fn failed(error: &h2::Error) -> SessionEnd {
    match error.reason() {
        Some(reason) => of_reason(reason),
        None => SessionEnd::Failed(format!("HTTP/2: {error}")),
    }
}

fn of_reason(reason: Reason) -> SessionEnd {
    SessionEnd::Failed(format!("HTTP/2: {reason}"))
}

fn closed() -> SessionEnd {
    SessionEnd::Failed("the server closed the connection".to_owned())
}

/// A stream may be quiet for hours: only an answer to a ping shows that the server still stands.
async fn pings(ping_pong: Option<PingPong>, asked: Pings, alive: impl Fn()) -> SessionEnd {
    let Some(mut ping_pong) = ping_pong else { return closed() };
    loop {
        sleep(asked.every).await;
        match timeout(asked.patience, ping_pong.ping(Ping::opaque())).await {
            Ok(Ok(_)) => alive(),
            Ok(Err(error)) => return failed(&error),
            Err(_) => {
                let silence = asked.patience.as_secs_f64();
                return SessionEnd::Failed(format!("no answer to a ping for {silence:.1} s"));
            }
        }
    }
}

/// The messages of the call, both ways.
pub(super) struct Stream {
    sends: SendStream<Bytes>,
    response: Option<client::ResponseFuture>,
    body: Option<RecvStream>,
    received: BytesMut,
    /// What no error may show.
    secret: String,
}

impl Stream {
    async fn open(sender: SendRequest<Bytes>, target: Target<'_>) -> Result<Self, SessionEnd> {
        let mut request = Request::builder()
            .method(Method::POST)
            .version(Version::HTTP_2)
            .uri(format!("{}{}", target.origin, target.path))
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .header(header::USER_AGENT, concat!("libahoy/", env!("CARGO_PKG_VERSION")))
            .body(())
            .map_err(|_| SessionEnd::Refused("the server's name is not valid".to_owned()))?;
        let secret = target.authorization.as_ref().map(secret_of).unwrap_or_default();
        if let Some(authorization) = target.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization);
        }
        let mut sender = sender.ready().await.map_err(|error| failed(&error))?;
        let (response, sends) =
            sender.send_request(request, false).map_err(|error| failed(&error))?;
        let (response, body, received) = (Some(response), None, BytesMut::new());
        Ok(Self { sends, response, body, received, secret })
    }

    /// Sends a message when the server has room for it.
    pub(super) async fn send(&mut self, message: &[u8]) -> Result<(), SessionEnd> {
        let mut framed = grpc::frame(message);
        while !framed.is_empty() {
            self.sends.reserve_capacity(framed.len());
            let room = poll_fn(|cx| self.sends.poll_capacity(cx)).await;
            let room = match room {
                Some(Ok(room)) => room,
                Some(Err(error)) => return Err(failed(&error)),
                None => return Err(closed()),
            };
            let part = framed.split_to(room.min(framed.len()));
            self.sends.send_data(part, false).map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    /// The next message; the end of the call is why it ended.
    pub(super) async fn next(&mut self) -> Result<Bytes, SessionEnd> {
        if let Some(response) = self.response.take() {
            let response = response.await.map_err(|error| failed(&error))?;
            self.body = Some(checked(response, &self.secret)?);
        }
        let body = self.body.as_mut().ok_or_else(closed)?;
        loop {
            if let Some(message) = grpc::message(&mut self.received).map_err(SessionEnd::Failed)? {
                return Ok(message);
            }
            match body.data().await {
                Some(Ok(part)) => {
                    let _ = body.flow_control().release_capacity(part.len());
                    self.received.extend_from_slice(&part);
                }
                Some(Err(error)) => return Err(failed(&error)),
                None => {
                    let trailers = body.trailers().await.map_err(|error| failed(&error))?;
                    let status = trailers.as_ref().and_then(Status::of);
                    return Err(status.map_or_else(closed, |it| ended(it.hiding(&self.secret))));
                }
            }
        }
    }
}

/// The token, or name and password as they are sent, behind the word that says which of them.
fn secret_of(authorization: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(authorization.as_bytes());
    text.split_once(' ').map_or(&*text, |(_, secret)| secret).to_owned()
}

/// Its body, where the answer is gRPC's and not the end already.
fn checked(response: Response<RecvStream>, secret: &str) -> Result<RecvStream, SessionEnd> {
    if let Some(status) = Status::of(response.headers()) {
        return Err(ended(status.hiding(secret)));
    }
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_grpc = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    match response.status() {
        StatusCode::OK if is_grpc => Ok(response.into_body()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
            Err(SessionEnd::Refused(format!("the server answers {}", response.status())))
        }
        status => {
            Err(SessionEnd::Failed(format!("the server answers {status}, which is not gRPC")))
        }
    }
}

fn ended(status: Status) -> SessionEnd {
    match status.is_refusal() {
        true => SessionEnd::Refused(status.text()),
        false => SessionEnd::Failed(format!("the stream ended: {}", status.text())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_wants_fewer_pings_is_understood() {
        let (near, far) = tokio::io::duplex(1 << 16);
        let server = async {
            let mut connection = h2::server::handshake(far).await.unwrap();
            let _call = connection.accept().await.unwrap().unwrap();
            connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            while connection.accept().await.is_some() {}
        };
        let target = Target { origin: "http://a", path: "/b", authorization: None };
        let second = Duration::from_secs(1);
        let pings = Pings { every: 60 * second, patience: 60 * second };
        let work = |mut stream: Stream| async move {
            stream.next().await.map_or_else(|ended| ended, |_| closed())
        };
        let client = call(near, target, pings, || {}, work);
        let (ended, ()) =
            timeout(10 * second, async { tokio::join!(client, server) }).await.unwrap();
        assert!(is_too_many_pings(&ended), "{ended:?}");
        assert!(!is_too_many_pings(&closed()));
    }
}
