//! One member of gzip.

use flate2::{Decompress, FlushDecompress, Status};

use super::step::{Damaged, Step};

pub(super) struct Gzip(Decompress);

impl Gzip {
    pub(super) fn new() -> Self {
        Self(Decompress::new_gzip(WINDOW_BITS))
    }

    pub(super) fn step(&mut self, encoded: &[u8], room: &mut [u8]) -> Result<Step, Damaged> {
        let (taken, given) = (self.0.total_in(), self.0.total_out());
        let done = self.0.decompress(encoded, room, FlushDecompress::None);
        let ended = done.map_err(|_| Damaged)? == Status::StreamEnd;
        // Both are less than the slices are long.
        let since = |now: u64, before: u64| usize::try_from(now - before).map_err(|_| Damaged);
        let (taken, given) = (since(self.0.total_in(), taken)?, since(self.0.total_out(), given)?);
        Ok(Step { taken, given, ended })
    }
}

/// 32 KiB, the most that gzip may look back.
const WINDOW_BITS: u8 = 15;
