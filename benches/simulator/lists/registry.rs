//! A registry as one client meets it: what it answers, and when that becomes another.

use crate::time::Nanos;

/// What it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The list, and now and then that it holds.
    Well,
    /// That there is no endpoint.
    Empty,
    /// Nothing: it cannot be reached, and sessions end.
    Down,
    /// Nothing: it takes connections, and sessions stand.
    Silent,
    /// A refusal, as of a wrong token.
    Refuses,
    /// The list, and at once that the session expired.
    Expires,
}

/// A registry over time.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    modes: Vec<(Nanos, Mode)>,
    changes: Vec<Nanos>,
}

impl Registry {
    /// It does so from these moments on, the first of which is 0.
    pub(crate) fn of(modes: &[(Nanos, Mode)]) -> Self {
        Self { modes: modes.to_vec(), changes: Vec::new() }
    }

    /// Its list becomes another at these moments.
    pub(crate) fn changing(self, changes: impl IntoIterator<Item = Nanos>) -> Self {
        let mut changes: Vec<_> = changes.into_iter().collect();
        changes.sort_unstable();
        Self { changes, ..self }
    }

    pub(crate) fn mode(&self, at: Nanos) -> Mode {
        let begun = self.modes.partition_point(|it| it.0 <= at);
        self.modes[begun.saturating_sub(1)].1
    }

    /// The number of its list, from 1 on.
    pub(crate) fn list(&self, at: Nanos) -> u32 {
        1 + self.changes.partition_point(|it| *it <= at) as u32
    }

    /// When it answers something else.
    pub(crate) fn turns(&self) -> impl Iterator<Item = Nanos> {
        self.modes.iter().map(|it| it.0).chain(self.changes.iter().copied())
    }
}
