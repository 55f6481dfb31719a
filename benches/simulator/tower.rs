//! Services one behind the other, the last of them down: what retries at each layer come to at the end.
//!
//! No queues and no work here, as each attempt fails at once. What counts is how many there are.

use std::time::Duration;

use ahoy::policy::{
    AttemptOutcome, Budget, BudgetConfig, Decision, Facts, Pushback, Retry, RetryConfig,
};

use crate::draws::{Draws, hash};
use crate::queue::Queue;
use crate::time::{Clock, MS, Nanos, SECOND, nanos};

/// A tower of clients; behind the last of them is the service that is down.
#[derive(Clone, Debug)]
pub(crate) struct Tower {
    pub(crate) layers: usize,
    pub(crate) retry: RetryConfig,
    pub(crate) budget: Option<BudgetConfig>,
    /// A layer that gives up says that repeating is no use.
    pub(crate) passes_on: bool,
}

/// One call of one layer, on behalf of one attempt of the layer above.
#[derive(Debug)]
struct Call<'a> {
    layer: usize,
    above: Option<u32>,
    retry: Retry<'a>,
    deadline: Nanos,
}

impl Tower {
    /// How many attempts each layer makes of one call at the top, with a thousand calls a second for
    /// some time.
    pub(crate) fn attempts(&self, calls: u64, seed: u64) -> Vec<f64> {
        let mut run = Run {
            tower: self,
            clock: Clock::new(),
            queue: Queue::new(),
            calls: Vec::new(),
            budgets: Vec::new(),
            draws: Draws::new(hash(&[seed])),
            attempts: vec![0; self.layers],
        };
        let start = run.clock.at(0);
        let budget = self.budget.as_ref();
        run.budgets.extend(
            budget
                .into_iter()
                .flat_map(|budget| (0..self.layers).map(|_| Budget::new(budget, None, start))),
        );
        for number in 0..calls {
            run.calls.push(Call {
                layer: 0,
                above: None,
                retry: Retry::new(&self.retry),
                deadline: number * MS + DEADLINE,
            });
            run.queue.plan(number * MS, Step::Begin(number as u32));
        }
        while let Some(step) = run.queue.next() {
            run.take(step);
        }
        run.attempts.iter().map(|made| *made as f64 / calls as f64).collect()
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A call makes its first attempt.
    Begin(u32),
    /// A call makes another.
    Again(u32),
}

#[derive(Debug)]
struct Run<'a> {
    tower: &'a Tower,
    clock: Clock,
    queue: Queue<Step>,
    calls: Vec<Call<'a>>,
    budgets: Vec<Budget>,
    draws: Draws,
    attempts: Vec<u64>,
}

impl Run<'_> {
    fn take(&mut self, step: Step) {
        let (Step::Begin(call) | Step::Again(call)) = step;
        let (layer, deadline) = {
            let call = &self.calls[call as usize];
            (call.layer, call.deadline)
        };
        if let (Step::Begin(_), Some(budget)) = (step, self.budgets.get(layer)) {
            budget.deposit(self.clock.at(self.queue.now()));
        }
        self.attempts[layer] += 1;
        if layer + 1 < self.tower.layers {
            let retry = Retry::new(&self.tower.retry);
            self.calls.push(Call { layer: layer + 1, above: Some(call), retry, deadline });
            let below = self.calls.len() as u32 - 1;
            self.queue.plan(self.queue.now(), Step::Begin(below));
        } else {
            self.failed(call, None);
        }
    }

    /// An attempt of a call has failed, perhaps with a word on repeating it.
    fn failed(&mut self, number: u32, pushback: Option<Pushback>) {
        let now = self.queue.now();
        let at = self.clock.at(now);
        let call = &mut self.calls[number as usize];
        let facts = Facts {
            ended: AttemptOutcome::Answered { status: 503 },
            idempotent: true,
            untried: true,
            first_on_endpoint: true,
            in_outage: false,
            resendable: true,
            retry_after: None,
            pushback,
            time_left: Some(Duration::from_nanos(call.deadline.saturating_sub(now))),
            p50: None,
        };
        let budget = self.budgets.get(call.layer);
        let afford = || budget.is_none_or(|budget| budget.try_retry(at));
        match call.retry.decide(&facts, &mut self.draws, afford) {
            Decision::Retry { wait, .. } => {
                self.queue.plan(now + nanos(wait), Step::Again(number));
            }
            Decision::Stop(_) => {
                let word = self.tower.passes_on.then_some(Pushback::Never);
                if let Some(above) = call.above {
                    self.failed(above, word);
                }
            }
        }
    }
}

const DEADLINE: Nanos = 30 * SECOND;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestant::{naive, share, tries};

    #[test]
    fn naive_retries_multiply_and_budgets_add() {
        let naive = Tower { layers: 3, retry: naive(4), budget: None, passes_on: false };
        assert_eq!(naive.attempts(100, 1), [4.0, 16.0, 64.0]);
        let budget = Some(share(0.1));
        let fair = Tower { layers: 3, retry: tries(3), budget, passes_on: false };
        let made = fair.attempts(20_000, 1);
        assert!(made[0] <= 1.1 && made[2] <= 1.1_f64.powi(3) + 1e-9, "{made:?}");
        let told = Tower { passes_on: true, ..fair };
        assert!(told.attempts(20_000, 1)[2] <= 1.1 + 1e-9);
    }
}
