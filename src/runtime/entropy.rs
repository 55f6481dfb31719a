//! Randomness for balancing and jitter; nothing here is secret.

use std::cell::RefCell;

use rand::SeedableRng;
use rand::rngs::{SmallRng, SysRng};

use super::process;

struct Seeded {
    generation: u32,
    rng: SmallRng,
}

thread_local! {
    static RNG: RefCell<Option<Seeded>> = const { RefCell::new(None) };
}

/// Runs `draw` with this thread's generator.
///
/// It is taken out meanwhile, for `draw` may call back into the host, and the host into the library. A forked
/// child seeds anew: children that share their parent's sequence would retry in step.
pub fn with_rng<R>(draw: impl FnOnce(&mut SmallRng) -> R) -> R {
    let generation = process::generation();
    let kept = RNG.take().filter(|seeded| seeded.generation == generation);
    let mut seeded = kept.unwrap_or_else(|| Seeded { generation, rng: seed() });
    let drawn = draw(&mut seeded.rng);
    RNG.set(Some(seeded));
    drawn
}

/// From the system's entropy; where that fails (a sandbox without it), from the clock: a poor seed only
/// means poorer jitter.
fn seed() -> SmallRng {
    SmallRng::try_from_rng(&mut SysRng).unwrap_or_else(|_| {
        let elapsed = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        SmallRng::seed_from_u64(elapsed.as_nanos() as u64 ^ u64::from(std::process::id()))
    })
}
