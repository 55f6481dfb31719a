//! A call that finds no endpoint waits for the list, or for a newer one, within its limit and without a thread.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::record::CallEnd;
use super::state::CallState;
use crate::balancer::Balancer;
use crate::balancer::balancer::NoneAdmits;
use crate::client::lifecycle::Lifecycle;
use crate::runtime::clock;

impl<'a> CallState<'a> {
    /// The balancer whose list may be worth waiting for, where none of its endpoints admits.
    pub(super) fn may_update(&self, none: &NoneAdmits) -> Option<&'a Arc<Balancer>> {
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
        none: NoneAdmits,
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
        let around = Lifecycle::around(&self.call.core.lifecycle);
        let answers = balancer.request_update(none.updates_seen, around);
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
            None => Err(CallEnd::Deadline),
        }
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
