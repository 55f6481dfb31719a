//! Randomness for balancing and jitter; nothing here is secret.

use std::cell::RefCell;
use std::convert::Infallible;

use rand::rngs::{SmallRng, SysRng};
use rand::{Rng, SeedableRng, TryRng};

use super::process;

struct Seeded {
    generation: u32,
    rng: SmallRng,
}

thread_local! {
    static RNG: RefCell<Option<Seeded>> = const { RefCell::new(None) };
}

/// This thread's generator. It is borrowed for one number at a time: a caller that draws none pays nothing, and a
/// callback into the host between two numbers may call the library, which draws as well.
#[derive(Debug)]
pub struct Entropy(());

/// Runs `draw` with this thread's generator.
pub fn with_rng<R>(draw: impl FnOnce(&mut Entropy) -> R) -> R {
    draw(&mut Entropy(()))
}

impl TryRng for Entropy {
    type Error = Infallible;

    #[inline]
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(with_kept(Rng::next_u32))
    }

    #[inline]
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(with_kept(Rng::next_u64))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        with_kept(|rng| rng.fill_bytes(bytes));
        Ok(())
    }
}

/// A forked child seeds anew: children that share their parent's sequence would retry in step.
#[inline]
fn with_kept<R>(draw: impl FnOnce(&mut SmallRng) -> R) -> R {
    let generation = process::generation();
    RNG.with_borrow_mut(|kept| match kept {
        Some(seeded) if seeded.generation == generation => draw(&mut seeded.rng),
        _ => draw(&mut kept.insert(Seeded { generation, rng: seed() }).rng),
    })
}

/// From the system's entropy; where that fails (a sandbox without it), from the clock: a poor seed only
/// means poorer jitter.
#[cold]
fn seed() -> SmallRng {
    SmallRng::try_from_rng(&mut SysRng).unwrap_or_else(|_| {
        let elapsed = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        SmallRng::seed_from_u64(elapsed.as_nanos() as u64 ^ u64::from(std::process::id()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_draws_inside_of_a_draw_goes_on_in_the_same_sequence() {
        let pair = |rng: &mut Entropy| (rng.next_u64(), with_rng(Rng::next_u64), rng.next_u64());
        let (first, inner, last) = with_rng(pair);
        assert!(first != inner && inner != last && first != last);
    }

    #[test]
    fn threads_have_sequences_of_their_own() {
        let here = with_rng(Rng::next_u64);
        let there = std::thread::scope(|scope| scope.spawn(|| with_rng(Rng::next_u64)).join());
        assert_ne!(Some(here), there.ok());
    }
}
