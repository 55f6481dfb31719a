//! One frame of Zstandard (RFC 8878).

use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::step::{Damaged, Step};

pub(super) struct Zstd {
    /// `None` where there was no memory for it.
    context: Option<DCtx<'static>>,
}

impl Zstd {
    pub(super) fn new() -> Self {
        let mut context = DCtx::try_create();
        if let Some(own) = &mut context
            && own.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)).is_err()
        {
            context = None;
        }
        Self { context }
    }

    pub(super) fn step(&mut self, encoded: &[u8], room: &mut [u8]) -> Result<Step, Damaged> {
        let context = self.context.as_mut().ok_or(Damaged)?;
        let (mut from, mut to) = (InBuffer::around(encoded), OutBuffer::around(room));
        let left = context.decompress_stream(&mut to, &mut from).map_err(|_| Damaged)?;
        Ok(Step { taken: from.pos(), given: to.pos(), ended: left == 0 })
    }
}

/// 8 MiB, as RFC 9659 has it for what HTTP calls zstd: a peer chooses what a decoder must hold.
const WINDOW_LOG: u32 = 23;
