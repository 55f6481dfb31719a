//! Bytes of a connection, in and out.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::ready;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is read at once: a few answers, and little of the stack.
const ROOM: usize = 4096;

/// Appends to `received` what has come, and says how much that is; 0 is the end. Dropping it loses nothing.
pub(crate) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    received: &mut BytesMut,
) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut room = [0; ROOM];
        let mut buf = ReadBuf::new(&mut room);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf))?;
        received.extend_from_slice(buf.filled());
        Ok(buf.filled().len()).into()
    })
    .await
}

/// Sends all of `bytes`.
pub(crate) async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    mut bytes: &[u8],
) -> io::Result<()> {
    poll_fn(|cx| {
        while !bytes.is_empty() {
            match ready!(Pin::new(&mut *stream).poll_write(cx, bytes))? {
                0 => return Err(io::ErrorKind::WriteZero.into()).into(),
                sent => bytes = &bytes[sent..],
            }
        }
        Pin::new(&mut *stream).poll_flush(cx)
    })
    .await
}
