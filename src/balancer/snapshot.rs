//! A roster with the tables that were worked out for it: what picks read, replaced as a whole.

use std::sync::Arc;

use rand::Rng;

use super::roster::{Roster, Tier};
use super::table::Table;
use super::weighing::Weighing;
use crate::config::Algorithm;

/// What picks read.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) roster: Arc<Roster>,
    /// One for each tier of the roster, where the algorithm needs it.
    tables: Vec<Option<Arc<Table>>>,
    pub(crate) weighing: Weighing,
}

impl Snapshot {
    /// The snapshot of `roster`; a tier that is the same as in `before` keeps its table.
    pub(crate) fn next(
        before: &Self,
        roster: Roster,
        algorithm: &Algorithm,
        rng: &mut impl Rng,
    ) -> Self {
        let mut table = |tier: &Arc<Tier>| {
            let same = before.roster.tiers.iter().position(|old| old.rank == tier.rank);
            let old = same.and_then(|index| before.tables[index].as_ref());
            let unchanged =
                same.is_some_and(|index| Arc::ptr_eq(&before.roster.tiers[index], tier));
            match old {
                Some(old) if unchanged => Some(Arc::clone(old)),
                _ => Table::new(tier, algorithm, old.map(|it| &**it), rng).map(Arc::new),
            }
        };
        let tables = roster.tiers.iter().map(&mut table).collect();
        Self { roster: Arc::new(roster), tables, weighing: Weighing::default() }
    }

    /// The tiers, each with its table.
    #[inline]
    pub(crate) fn tier(&self, index: usize) -> Option<(&Tier, Option<&Table>)> {
        Some((self.roster.tiers.get(index)?, self.tables.get(index)?.as_deref()))
    }
}
