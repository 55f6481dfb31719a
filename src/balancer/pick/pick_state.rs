//! A roster with the tables that were worked out for it: what picks read, replaced as a whole.

use std::sync::Arc;

use rand::Rng;

use super::picker_table::PickerTable;
use super::priority_load::PriorityLoad;
use crate::balancer::roster::{Locality, Roster};
use crate::config::Algorithm;

/// What picks read.
#[derive(Debug, Default)]
pub(crate) struct PickState {
    pub(crate) roster: Arc<Roster>,
    /// One for each locality of the roster, where the algorithm needs it.
    tables: Vec<Option<Arc<PickerTable>>>,
    pub(crate) priority_load: PriorityLoad,
}

impl PickState {
    /// The pick state of `roster`; a locality that is the same as in `before` keeps its table.
    pub(crate) fn next(
        before: &Self,
        roster: Roster,
        algorithm: &Algorithm,
        rng: &mut impl Rng,
    ) -> Self {
        let mut table = |locality: &Arc<Locality>| {
            let same = before
                .roster
                .localities
                .iter()
                .position(|old| old.locality_key == locality.locality_key);
            let old = same.and_then(|index| before.tables[index].as_ref());
            let unchanged =
                same.is_some_and(|index| Arc::ptr_eq(&before.roster.localities[index], locality));
            match old {
                Some(old) if unchanged => Some(Arc::clone(old)),
                _ => PickerTable::new(locality, algorithm, old.map(|it| &**it), rng).map(Arc::new),
            }
        };
        let tables = roster.localities.iter().map(&mut table).collect();
        Self { roster: Arc::new(roster), tables, priority_load: PriorityLoad::default() }
    }

    /// The localities, each with its table.
    #[inline]
    pub(crate) fn locality(&self, index: usize) -> Option<(&Locality, Option<&PickerTable>)> {
        Some((self.roster.localities.get(index)?, self.tables.get(index)?.as_deref()))
    }
}
