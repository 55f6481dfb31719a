//! Faults on demand: draws them for a client's attempts, and carries them out.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::config::ClientConfig;
use crate::outcome::{Failure, FailureKind};
use crate::policy::{FaultEnd, InjectedFault};
use crate::runtime::entropy;
use crate::statistics::{Counter, Stripe};
use crate::transport::{Answer, Progress};

/// What the faults of a client's attempts are drawn from.
#[derive(Debug)]
pub(crate) struct FaultSource(Mutex<SmallRng>);

impl FaultSource {
    pub(crate) fn new(config: &ClientConfig) -> Self {
        let drawn = || entropy::with_rng(|rng| rng.random());
        let seed = config.fault_seed.map_or_else(drawn, u64::from);
        Self(Mutex::new(SmallRng::seed_from_u64(seed)))
    }

    /// What an attempt with these headers suffers.
    pub(crate) fn draw(&self, config: &ClientConfig, headers: &HeaderMap) -> Option<InjectedFault> {
        if config.fault_header.as_ref().is_some_and(|name| !headers.contains_key(name)) {
            return None;
        }
        config.faults.draw(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Carries a fault out; an answer where it takes the place of the endpoint's.
pub(super) async fn suffer(
    fault: InjectedFault,
    progress: &Progress,
    stripe: &Stripe,
) -> Result<Option<Answer>, Failure> {
    if let Some(delay) = fault.delay {
        stripe.count(Counter::FaultDelay, 1);
        tokio::time::sleep(delay).await;
    }
    match fault.end {
        None => Ok(None),
        Some(FaultEnd::Abort(status)) => {
            stripe.count(Counter::FaultAbort, 1);
            Ok(StatusCode::from_u16(status).ok().map(aborted))
        }
        Some(FaultEnd::Reset) => {
            stripe.count(Counter::FaultReset, 1);
            progress.mark_connected();
            progress.mark_sent();
            Err(Failure::sent(FailureKind::ConnectionLost, "connection reset, as fault_reset asks"))
        }
    }
}

fn aborted(status: StatusCode) -> Answer {
    let body = Bytes::from_static(b"aborted by libahoy, as fault_abort asks\n");
    Answer { status, body, ..Answer::default() }
}
