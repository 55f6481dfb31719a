//! What a step of decoding comes to.

/// What a step has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::transport) struct Step {
    /// Encoded bytes that are used up.
    pub(in crate::transport) taken: usize,
    /// Decoded bytes that there are now.
    pub(in crate::transport) given: usize,
    /// The member is over.
    pub(super) ended: bool,
}

impl Step {
    /// What it has cost, in bytes that cost as much to copy out. The next member has tables of its own, and a block of
    /// codes may hold nothing.
    pub(super) fn cost(&self) -> usize {
        let tables = if self.ended { MEMBER } else { 0 };
        self.given.saturating_add(self.taken.saturating_mul(ENCODED)).saturating_add(tables)
    }
}

/// What is decoded at once, for it may hold codes for nothing.
pub(super) const PART: usize = 16 * 1024;

/// What decoding may cost before the other calls on the thread get their turn: about a millisecond.
pub(super) const BREATH: usize = 512 * 1024;

/// A decoder is made in about 5 µs.
const MEMBER: usize = 8 * 1024;

/// Codes for nothing are read at 25 MB/s, whereas what they stand for comes out at 1 GB/s.
const ENCODED: usize = 32;

/// Content that nobody has encoded so.
#[derive(Debug)]
pub(in crate::transport) struct Damaged;
