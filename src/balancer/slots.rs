//! Where members stand: an immutable array whose next version shares all but the path to what changed.
//!
//! A hundred thousand endpoints, and one joins: readers must not wait for a copy of the rest, and the writer
//! must not make one. So the array is a tree of two levels below its root, 64 wide; a change copies one branch
//! and one chunk, some 150 pointers. A slot is a member's for as long as it is listed, and free afterwards,
//! until another endpoint joins; so positions can be kept elsewhere, and the order of those that stay never changes.
//! What changes with each pick lies beside it, in hot state that all versions share.

use std::sync::Arc;

use super::hot_state::{self, HotState};
use super::locality_state::LocalityState;
use super::member::{Member, Run};

/// The slots of one locality; some may be empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots {
    branches: Vec<Arc<Branch>>,
    /// One after the other, the same in every version.
    runs: Vec<Arc<Run>>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Branch {
    /// In place: a pick would wait for one more pointer.
    chunks: [Option<Arc<Chunk>>; WIDTH],
}

#[derive(Clone, Debug)]
struct Chunk {
    members: [Option<Arc<Member>>; WIDTH],
}

impl Slots {
    /// One above the highest slot that was ever taken.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The member at `slot`.
    #[inline]
    pub(crate) fn get(&self, slot: usize) -> Option<&Arc<Member>> {
        self.chunk(slot)?.members[slot % WIDTH].as_ref()
    }

    /// The hot state that `slot` lies in.
    #[inline]
    pub(crate) fn hot(&self, slot: usize) -> Option<&HotState> {
        self.runs.get(hot_state::run_of(slot)).map(|run| &run.hot)
    }

    /// How many attempts are in flight from `slot`, whichever endpoint is there now; 0 where they are not counted.
    pub(crate) fn in_flight(&self, slot: usize) -> u32 {
        self.hot(slot).map_or(0, |hot| hot.in_flight(slot))
    }

    #[inline]
    fn chunk(&self, slot: usize) -> Option<&Arc<Chunk>> {
        self.branches.get(slot / BRANCH)?.chunks[slot % BRANCH / WIDTH].as_ref()
    }

    /// All members, by slot.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        let chunks = self.branches.iter().flat_map(|branch| branch.chunks.iter().flatten());
        chunks.flat_map(|chunk| chunk.members.iter().flatten())
    }

    /// Makes sure that `slot` exists, and answers with the run that it lies in.
    pub(crate) fn make_room(&mut self, slot: usize, shared: &Arc<LocalityState>) -> Arc<Run> {
        self.len = self.len.max(slot + 1);
        while self.branches.len() <= slot / BRANCH {
            self.branches.push(Arc::new(Branch { chunks: [const { None }; WIDTH] }));
        }
        if self.chunk(slot).is_none() {
            let branch = Arc::make_mut(&mut self.branches[slot / BRANCH]);
            let chunk = Arc::new(Chunk { members: [const { None }; WIDTH] });
            branch.chunks[slot % BRANCH / WIDTH] = Some(chunk);
        }
        let run = hot_state::run_of(slot);
        while self.runs.len() <= run {
            let hot = HotState::new(self.runs.len(), Arc::clone(shared));
            self.runs.push(Arc::new(Run::new(hot)));
        }
        Arc::clone(&self.runs[run])
    }

    /// Puts a member, or none, at a slot that exists; what was there is returned.
    pub(crate) fn replace(
        &mut self,
        slot: usize,
        member: Option<Arc<Member>>,
    ) -> Option<Arc<Member>> {
        let branch = Arc::make_mut(self.branches.get_mut(slot / BRANCH)?);
        let chunk = Arc::make_mut(branch.chunks[slot % BRANCH / WIDTH].as_mut()?);
        std::mem::replace(&mut chunk.members[slot % WIDTH], member)
    }
}

/// Places in a chunk.
const WIDTH: usize = 64;

/// Places in a branch.
const BRANCH: usize = WIDTH * WIDTH;
