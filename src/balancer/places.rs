//! Where members stand: an immutable array whose next version shares all but the path to what changed.
//!
//! A hundred thousand endpoints, and one joins: readers must not wait for a copy of the rest, and the writer
//! must not make one. So the array is a tree of two levels below its root, 64 wide; a change copies one branch
//! and one chunk, some 150 pointers. A place is a member's for as long as it is listed, and a hole afterwards,
//! until somebody joins; so positions can be kept elsewhere, and the order of those who stay never changes.
//! What changes with each pick lies beside it, in cells that all versions share.

use std::sync::Arc;

use super::cells::{self, Cells};
use super::level::Level;
use super::member::Member;

/// The places of one level, of which some may be empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    branches: Vec<Arc<Branch>>,
    /// Of one run of places after the other, the same in every version.
    cells: Vec<Arc<Cells>>,
    len: usize,
}

#[derive(Clone, Debug, Default)]
struct Branch {
    chunks: Vec<Arc<Chunk>>,
}

#[derive(Clone, Debug)]
struct Chunk {
    members: [Option<Arc<Member>>; WIDTH],
}

impl Places {
    /// One above the highest place that was ever taken.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The member at `place`.
    #[inline]
    pub(crate) fn get(&self, place: usize) -> Option<&Arc<Member>> {
        self.chunk(place)?.members[place % WIDTH].as_ref()
    }

    /// The cells that `place` lies in.
    #[inline]
    pub(crate) fn cells(&self, place: usize) -> Option<&Cells> {
        self.cells.get(cells::run_of(place)).map(|cells| &**cells)
    }

    /// How many attempts are in flight from `place`, whoever is there now; 0 where nobody counts.
    pub(crate) fn in_flight(&self, place: usize) -> u32 {
        self.cells(place).map_or(0, |cells| cells.in_flight(place))
    }

    #[inline]
    fn chunk(&self, place: usize) -> Option<&Arc<Chunk>> {
        self.branches.get(place / BRANCH)?.chunks.get(place % BRANCH / WIDTH)
    }

    /// All members, by place.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        let chunks = self.branches.iter().flat_map(|branch| &branch.chunks);
        chunks.flat_map(|chunk| chunk.members.iter().flatten())
    }

    /// Makes sure that `place` exists, and answers with its cells.
    pub(crate) fn make_room(&mut self, place: usize, level: &Arc<Level>) -> Arc<Cells> {
        self.len = self.len.max(place + 1);
        while self.branches.len() <= place / BRANCH {
            self.branches.push(Arc::default());
        }
        let branch = Arc::make_mut(&mut self.branches[place / BRANCH]);
        while branch.chunks.len() <= place % BRANCH / WIDTH {
            branch.chunks.push(Arc::new(Chunk { members: [const { None }; WIDTH] }));
        }
        let run = cells::run_of(place);
        while self.cells.len() <= run {
            self.cells.push(Arc::new(Cells::new(self.cells.len(), Arc::clone(level))));
        }
        Arc::clone(&self.cells[run])
    }

    /// Puts a member, or a hole, at a place that exists; what was there is returned.
    pub(crate) fn replace(
        &mut self,
        place: usize,
        member: Option<Arc<Member>>,
    ) -> Option<Arc<Member>> {
        let branch = Arc::make_mut(self.branches.get_mut(place / BRANCH)?);
        let chunk = Arc::make_mut(branch.chunks.get_mut(place % BRANCH / WIDTH)?);
        std::mem::replace(&mut chunk.members[place % WIDTH], member)
    }
}

/// Places in a chunk.
const WIDTH: usize = 64;

/// Places in a branch.
const BRANCH: usize = WIDTH * WIDTH;
