//! What observers are told of a client's limits. It outlasts the limits themselves: what has begun by old ones ends by
//! new ones.

use super::condition::Condition;
use crate::config::ClientConfig;
use crate::event::Event;
use crate::runtime::clock;

/// The conditions of one client.
#[derive(Debug)]
pub(crate) struct Conditions {
    /// The budget refused last.
    exhausted: Condition,
    /// The last call was turned away.
    overloaded: Condition,
}

impl Conditions {
    pub(crate) fn note_exhausted(&self, rules: u64, exhausted: bool) -> bool {
        self.exhausted.is_news(rules, exhausted)
    }

    pub(crate) fn note_overloaded(&self, rules: u64, overloaded: bool) -> bool {
        self.overloaded.is_news(rules, overloaded)
    }

    /// What ends as the limits of `config` take over with the number `rules`: where nothing can refuse, no call comes to
    /// be granted what others were refused.
    pub(crate) fn ended_by(
        &self,
        rules: u64,
        config: &ClientConfig,
    ) -> impl Iterator<Item = Event<'static>> {
        let can_refuse = config.retry_budget().is_some();
        let can_turn_away = config.limit.is_some() || config.throttle.is_some();
        let budget = self.exhausted.ends_by(rules, can_refuse).then_some(Event::BudgetAvailable);
        let overload = self.overloaded.ends_by(rules, can_turn_away).then_some(Event::OverloadLeft);
        budget.into_iter().chain(overload)
    }
}

impl Default for Conditions {
    fn default() -> Self {
        let now = clock::now();
        Self { exhausted: Condition::new(now), overloaded: Condition::new(now) }
    }
}
