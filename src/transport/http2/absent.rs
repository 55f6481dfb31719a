//! Stands in for HTTP/2 where it is not built in: settings refuse it, so there is no such transport.

use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::outcome::Failure;
use crate::transport::{Answer, Exchange, Transport};

/// The transport of balanced calls over HTTP/2.
#[derive(Debug)]
pub(crate) enum Multiplexed {}

impl Multiplexed {
    pub(crate) fn sweep(&self) -> bool {
        match *self {}
    }

    pub(crate) fn close(&self) {
        match *self {}
    }

    pub(crate) fn warm(&self, _: Vec<Arc<Endpoint>>, _: usize, _: Duration) {
        match *self {}
    }
}

impl Transport for Multiplexed {
    async fn send(&self, _: &Exchange<'_>) -> Result<Answer, Failure> {
        match *self {}
    }
}
