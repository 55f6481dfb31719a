//! A call that finds no endpoint waits for the list, for a newer one, or until an endpoint takes calls again: within
//! its limit and without a thread.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::call::Call;
use super::record::CallEnd;
use super::state::CallState;
use crate::balancer::Balancer;
use crate::balancer::balancer::PickError;
use crate::client::lifecycle::Lifecycle;
use crate::config::WAIT_FOR_PROBE;
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

    /// Waits for a list that `none` did not come of.
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
        // Driven by its caller, on whose thread the host may be asked, unless another thread is at it.
        if balancer.may_ask_here()
            && let Some(updated) =
                self.call.causing(|| balancer.try_update_since(none.updates_seen))
        {
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
        if !is_first && !answers {
            return Ok(());
        }
        let left = self.call.time_left(clock::now());
        let limit = if is_first || !balancer.is_watched() { left } else { left.min(NUDGE_WAIT) };
        let listed = pin!(timeout(limit, listed(balancer, is_first, ended)));
        let in_time = self.call.cancellation.or(listed).await;
        let in_time = in_time.map_err(|kind| CallEnd::Asked(kind.into()))?.is_ok();
        match balancer.problem() {
            _ if !is_first || balancer.updates_done() > 0 => Ok(()),
            Some((problem, _)) => Err(CallEnd::NoList(problem)),
            None if in_time => Ok(()),
            None => Err(CallEnd::ListLate),
        }
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

/// Waits until an update ended after `ended` did; a watch that has no list yet is waited for until it has one, unless
/// its source refuses.
async fn listed(balancer: &Balancer, is_first: bool, mut ended: u64) {
    loop {
        let refused = || balancer.problem().is_some_and(|(_, is_refused)| is_refused);
        if is_first && balancer.is_watched() && (balancer.updates_done() > 0 || refused()) {
            return;
        }
        balancer.update_ends(ended).await;
        ended = balancer.updates_ended();
        if !is_first || !balancer.is_watched() {
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
