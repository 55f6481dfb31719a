//! An answer of a registry whose body is read as it comes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::time::timeout;

use crate::discovery::source::SessionEnd;
use crate::endpoint::Endpoint;
use crate::transport::StreamedBody;

/// An answer's body as it comes.
pub struct Stream {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    pub(super) live: Option<Box<StreamedBody>>,
    pub(super) server: Arc<Endpoint>,
}

impl Stream {
    /// The next piece of the body; none at its end.
    ///
    /// # Errors
    /// It broke off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, SessionEnd> {
        let Some(live) = &mut self.live else { return Ok(None) };
        match live.next().await {
            Some(Ok(piece)) => Ok(Some(piece)),
            end => {
                self.live = None;
                let failed = |failure: &str| SessionEnd::Failed(named(&self.server, failure));
                end.transpose().map_err(|failure| failed(&failure.detail))
            }
        }
    }

    /// What comes until the end, up to `most` bytes, and within `limit`.
    ///
    /// # Errors
    /// As for [`Self::chunk`].
    pub async fn rest(&mut self, most: usize, limit: Duration) -> Result<Bytes, SessionEnd> {
        let mut all = Vec::new();
        let whole = async {
            while all.len() < most
                && let Some(piece) = self.chunk().await?
            {
                all.extend_from_slice(&piece[..piece.len().min(most - all.len())]);
            }
            Ok(())
        };
        if let Ok(ended) = timeout(limit, whole).await {
            ended?;
        }
        Ok(all.into())
    }
}

/// Why a server gave no answer, with its name.
pub(super) fn named(server: &Endpoint, why: &str) -> String {
    format!("{}: {why}", server.authority())
}
