//! Chance without state: a number that follows from the seed and from what it is for, so that every contestant
//! meets the same work, and a repeated run the same load.

/// A hash of the seed and two names (splitmix64, three rounds).
pub(crate) const fn hash(seed: u64, a: u64, b: u64) -> u64 {
    mix(mix(mix(seed).wrapping_add(a)).wrapping_add(b))
}

/// The same, between 0 and 1, both excluded.
pub(crate) fn unit(seed: u64, a: u64, b: u64) -> f64 {
    ((hash(seed, a, b) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// A draw of the standard normal distribution (Box and Muller).
pub(crate) fn normal(seed: u64, a: u64, b: u64) -> f64 {
    let radius = (-2.0 * unit(seed, a, b).ln()).sqrt();
    radius * (std::f64::consts::TAU * unit(seed ^ OTHER, a, b)).cos()
}

/// A draw of the exponential distribution with mean 1.
pub(crate) fn exponential(seed: u64, a: u64) -> f64 {
    -unit(seed, a, 0).ln()
}

const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A second stream of the same seed: any other constant would do.
const OTHER: u64 = 0x5bd1_e995_7b93_1f2d;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_draws_have_the_means_that_they_claim() {
        let count = 100_000;
        let mean = |draw: &dyn Fn(u64) -> f64| (0..count).map(draw).sum::<f64>() / count as f64;
        assert!((mean(&|i| unit(1, i, 0)) - 0.5).abs() < 0.01);
        assert!((mean(&|i| exponential(2, i)) - 1.0).abs() < 0.02);
        assert!(mean(&|i| normal(3, i, 7)).abs() < 0.02);
        assert!((mean(&|i| normal(3, i, 7).powi(2)) - 1.0).abs() < 0.03);
    }

    #[test]
    fn a_draw_hangs_on_all_its_names() {
        assert_eq!(hash(1, 2, 3), hash(1, 2, 3));
        assert_ne!(hash(1, 2, 3), hash(1, 3, 2));
        assert_ne!(hash(1, 2, 3), hash(2, 2, 3));
    }
}
