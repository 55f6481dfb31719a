//! What a balancer counts of its endpoints together.

use super::cell::Cell;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum ClusterCounter {
    /// A circuit opened since its endpoint could not be connected to.
    OpenedUnreachable,
    /// By the rule on failures in a row, on their share or on slow answers.
    OpenedByAnswers,
    /// By attempts that passed their limit.
    OpenedByHang,
    /// By a probe that failed.
    OpenedByProbe,
    /// By hand.
    OpenedByHand,
    /// An endpoint was ejected by the rule on success rates.
    EjectedByRate,
    /// By the rule on the share of failures.
    EjectedByFailures,
    /// By a run of failures.
    EjectedByRun,
    /// A check passed.
    ChecksPassed,
    /// A check failed.
    ChecksFailed,
    /// The provider told a list that is another one.
    RefreshChanged,
    /// It told the same again.
    RefreshSame,
    /// It failed.
    RefreshFailed,
    /// A call was sent although its endpoint's answers speak against it, as nearly all endpoints' do.
    Panics,
}

/// The cells of a balancer; what they count is rare, so any thread may.
#[derive(Debug, Default)]
pub struct ClusterCells([Cell; ClusterCounter::COUNT]);

impl ClusterCounter {
    /// How many there are.
    pub const COUNT: usize = Self::Panics as usize + 1;
}

impl ClusterCells {
    /// One more.
    pub fn count(&self, counter: ClusterCounter) {
        self.0[counter as usize].add(1);
    }

    /// How many so far.
    #[must_use]
    pub fn get(&self, counter: ClusterCounter) -> u64 {
        self.0[counter as usize].get()
    }
}

/// How the counters are shown: see [`FAMILIES`](super::counter::FAMILIES).
pub const FAMILIES: &[Family] = &[
    (
        "ahoy_balancer_circuits_opened",
        "Circuits that opened, by why.",
        &[
            (ClusterCounter::OpenedUnreachable, "reason", "unreachable"),
            (ClusterCounter::OpenedByAnswers, "reason", "answers"),
            (ClusterCounter::OpenedByHang, "reason", "hang"),
            (ClusterCounter::OpenedByProbe, "reason", "probe"),
            (ClusterCounter::OpenedByHand, "reason", "hand"),
        ],
    ),
    (
        "ahoy_balancer_ejections",
        "Endpoints that outlier detection took out, by the rule.",
        &[
            (ClusterCounter::EjectedByRate, "rule", "success_rate"),
            (ClusterCounter::EjectedByFailures, "rule", "failure_share"),
            (ClusterCounter::EjectedByRun, "rule", "run"),
        ],
    ),
    (
        "ahoy_balancer_checks",
        "Active checks of endpoints, by their result.",
        &[
            (ClusterCounter::ChecksPassed, "result", "passed"),
            (ClusterCounter::ChecksFailed, "result", "failed"),
        ],
    ),
    (
        "ahoy_balancer_refreshes",
        "Questions to the provider, by the answer.",
        &[
            (ClusterCounter::RefreshChanged, "result", "changed"),
            (ClusterCounter::RefreshSame, "result", "same"),
            (ClusterCounter::RefreshFailed, "result", "failed"),
        ],
    ),
    (
        "ahoy_balancer_panics",
        "Attempts to endpoints that are out, made since nearly all are.",
        &[(ClusterCounter::Panics, "", "")],
    ),
];

/// A family's name without `_total`, its help, and its counters with a label each; an empty name for none.
pub type Family =
    (&'static str, &'static str, &'static [(ClusterCounter, &'static str, &'static str)]);
