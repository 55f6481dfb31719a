//! The state of all endpoints as text: one line each.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use super::status::{Reason, Status, StatusContext};
use crate::balancer::balancer::Balancer;
use crate::balancer::cluster_state::ClusterState;
use crate::balancer::member::Member;
use crate::policy::{LoadModel, ProbeEligibility, UNTRIED_COST};
use crate::runtime::clock;

impl Balancer {
    /// What all endpoints share in this process.
    pub(super) fn cluster(&self) -> Arc<ClusterState> {
        Arc::clone(&self.live().rules.cluster)
    }

    /// Shows `look` each endpoint and why it is available or not.
    pub(super) fn each_with_reason(&self, mut look: impl FnMut(&Arc<Member>, Reason)) {
        self.each_with_context(|member, context| look(member, member.reason(context)));
    }

    fn each_with_context(&self, mut look: impl FnMut(&Arc<Member>, StatusContext)) {
        let snapshot = self.live().pick_state.load();
        let roster = &snapshot.roster;
        for (index, locality) in roster.localities.iter().enumerate() {
            let passed_over = snapshot.priority_load.passes_over(roster, self.config(), index);
            let context = StatusContext { passed_over, most: self.config().max_in_flight };
            locality.slots.members().for_each(|member| look(member, context));
        }
    }

    /// Why `member` is available or not.
    #[must_use]
    pub fn status_of(&self, member: &Arc<Member>) -> Status {
        member.status(self.context_of(member), clock::now())
    }

    fn context_of(&self, member: &Arc<Member>) -> StatusContext {
        let mut found = StatusContext::default();
        self.each_with_context(|other, context| {
            if Arc::ptr_eq(other, member) {
                found = context;
            }
        });
        found
    }

    /// One line for each endpoint, of which `most` are told: its URL and state, why, its cost, and its last failure.
    #[must_use]
    pub fn explain(&self, most: usize) -> String {
        let now = clock::now();
        let (mut text, mut known) = (String::new(), 0);
        self.each_with_context(|member, context| {
            known += 1;
            if known <= most {
                write_line(&mut text, member, context, now);
            }
        });
        if known > most {
            let _ = writeln!(text, "and {} more", known - most);
        }
        text
    }
}

// Writing to a `String` does not fail.
fn write_line(text: &mut String, member: &Arc<Member>, context: StatusContext, now: Instant) {
    let status = member.status(context, now);
    let _ = write!(text, "{}  {}", member.endpoint().url(), status.text);
    if let Some(in_flight) = status.in_flight {
        let _ = write!(text, "; {in_flight} in flight");
        let (hot, slot) = (member.hot(), member.slot());
        let cost =
            hot.cost(slot, ProbeEligibility::of_attempt(false, false), hot.shared().tick(now));
        // By latency it is in microseconds.
        let _ = match hot.shared().load {
            Some(_) if cost >= UNTRIED_COST => write!(text, ", cost unknown"),
            Some(LoadModel::PeakEwma(_) | LoadModel::Ahoy(_)) => {
                write!(text, ", cost {:.1} ms", cost / 1000.0)
            }
            Some(LoadModel::LeastRequest) | None => write!(text, ", cost {cost:.2}"),
        };
    }
    text.push('\n');
}
