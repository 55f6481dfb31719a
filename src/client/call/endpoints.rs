//! A call that finds no endpoint waits for the list, for a newer one, or until an endpoint takes calls again: within
//! its limit and without a thread.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::call::Call;
use super::record::CallEnd;
use super::state::CallState;
use crate::balancer::Balancer;
use crate::balancer::pick::error::PickError;
use crate::client::lifecycle::Lifecycle;
use crate::config::WAIT_FOR_PROBE;
use crate::error::Error;
use crate::runtime::clock;

impl<'a> CallState<'a> {
    /// Whether it is worth looking again at once: an endpoint takes calls that took none when one was picked. That
    /// says nothing of a pick by the host's function.
    pub(super) fn looks_again(&mut self, none: &PickError) -> bool {
        let picks = self.call.target.balancer().is_some_and(|it| it.picks_what_admits());
        let may = picks && none.some_admit && !none.full && self.second_looks > 0;
        self.second_looks -= u32::from(may);
        may
    }

    /// The balancer whose list may be worth waiting for, where none of its endpoints admits.
    pub(super) fn may_update(&self, none: &PickError) -> Option<&'a Arc<Balancer>> {
        let balancer = self.call.target.balancer()?;
        // A list of the same endpoints gives no room.
        let may = !none.full && (self.updates > 0 || balancer.updates_done() == 0);
        may.then_some(balancer)
    }

    /// Asks for a list that `none` did not come of, and waits for it.
    ///
    /// # Errors
    /// No list is known at all, and none will be in time.
    pub(super) async fn update(
        &mut self,
        balancer: &Arc<Balancer>,
        none: PickError,
    ) -> Result<(), CallEnd> {
        let is_first = balancer.updates_done() == 0;
        self.updates = self.updates.saturating_sub(u32::from(!is_first));
        if let Some(updated) = self.update_here(balancer, &none) {
            return match (updated, balancer.problem()) {
                (Err(_), Some((problem, _))) if is_first => Err(CallEnd::NoList(problem)),
                // The balancer tells of a provider that fails; the call goes by the list that stays.
                _ => Ok(()),
            };
        }
        let ended = balancer.updates_ended();
        if balancer.updates_done() > none.updates_seen {
            return Ok(());
        }
        let scope = Lifecycle::host_call_scope(&self.call.core.lifecycle);
        let answers = balancer.request_update(none.updates_seen, scope);
        let answers = answers.map_err(|error| CallEnd::NoList(error.message().to_owned()))?;
        match is_first {
            true => first_list(self.call, balancer, ended).await,
            false if answers => newer_list(self.call, balancer, ended).await,
            false => Ok(()),
        }
    }

    /// The provider's answer, where the call is driven by its caller, on whose thread the host may be asked, and no
    /// other thread is at it.
    fn update_here(&self, balancer: &Balancer, none: &PickError) -> Option<Result<(), Error>> {
        let ask = || balancer.try_update_since(none.updates_seen);
        balancer.may_ask_here().then(|| self.call.causing(ask)).flatten()
    }

    /// The balancer whose endpoints may be waited for, and how long.
    pub(super) fn may_wait(&self, none: &PickError) -> Option<(&'a Arc<Balancer>, Duration)> {
        let (call, now) = (self.call, clock::now());
        let limit = match call.core.config.wait_for_ready {
            Some(limit) => limit,
            None if none.retry_at.is_some() => WAIT_FOR_PROBE.min(call.time_left(now) / 2),
            None => return None,
        };
        let may = !limit.is_zero() && !none.some_admit;
        let balancer = call.target.balancer().filter(|_| may)?;
        let left = limit.saturating_sub(balancer.outage().note(now)).min(call.time_left(now));
        (!left.is_zero()).then_some((balancer, left))
    }
}

/// Waits for the first list as long as the call may take, unless the provider fails before.
async fn first_list(call: &Call<'_>, balancer: &Balancer, ended: u64) -> Result<(), CallEnd> {
    let limit = call.time_left(clock::now());
    let in_time = within(call, limit, first_listed(balancer, ended)).await?;
    match balancer.problem() {
        _ if balancer.updates_done() > 0 => Ok(()),
        Some((problem, _)) => Err(CallEnd::NoList(problem)),
        None if in_time => Ok(()),
        None => Err(CallEnd::ListLate),
    }
}

/// Waits for the next answer of the provider; where there is none in time, the call goes by the list that stays.
async fn newer_list(call: &Call<'_>, balancer: &Balancer, ended: u64) -> Result<(), CallEnd> {
    let left = call.time_left(clock::now());
    let limit = if balancer.is_watched() { left.min(NUDGE_WAIT) } else { left };
    within(call, limit, balancer.update_ends(ended)).await.map(drop)
}

/// Whether `work` ended within `limit`.
///
/// # Errors
/// The call was ended from outside.
async fn within(
    call: &Call<'_>,
    limit: Duration,
    work: impl Future<Output = ()>,
) -> Result<bool, CallEnd> {
    let waited = call.cancellation.or(pin!(timeout(limit, work))).await;
    waited.map(|in_time| in_time.is_ok()).map_err(|kind| CallEnd::Asked(kind.into()))
}

/// Waits until it is worth looking for an endpoint again, for as long as is `left` at most.
///
/// # Errors
/// The call was ended from outside, or its deadline has passed.
pub(super) async fn ready(
    call: &Call<'_>,
    balancer: &Balancer,
    none: PickError,
    left: Duration,
) -> Result<(), CallEnd> {
    let (outage, now) = (balancer.outage(), clock::now());
    let probe = none.retry_at.map_or(Duration::MAX, |at| at.saturating_duration_since(now));
    let limit = probe.clamp(LOOK_AT_MOST, LOOK_AGAIN).min(left);
    let over = pin!(timeout(limit, outage.over()));
    let waited = call.cancellation.or(over).await;
    waited.map_err(|kind| CallEnd::Asked(kind.into()))?.ok();
    match call.is_over(clock::now()) {
        true => Err(CallEnd::NotReady(none)),
        false => Ok(()),
    }
}

/// Waits until an update ended after `ended` did, and for a watch until it has a list, unless its source refuses.
async fn first_listed(balancer: &Balancer, mut ended: u64) {
    let refused = || balancer.problem().is_some_and(|(_, is_refused)| is_refused);
    let has_told = || balancer.is_watched() && (balancer.updates_done() > 0 || refused());
    while !has_told() {
        balancer.update_ends(ended).await;
        ended = balancer.updates_ended();
        if !balancer.is_watched() {
            return;
        }
    }
}

/// How long a call waits for a source that was just asked again, when it told a list before: name servers answer within
/// a few milliseconds, and a list that is far away is the next call's.
const NUDGE_WAIT: Duration = Duration::from_millis(100);

/// How often a call that waits looks for a probe that is due: with many endpoints one often is, and mostly another call
/// has it.
const LOOK_AT_MOST: Duration = Duration::from_millis(10);
/// How long it waits unless an endpoint is known to take calls: one that is resumed by hand is not told.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
