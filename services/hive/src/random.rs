//! Chance, for waits that are to be spread.

/// A random number from 0 to 1. Without randomness those who wait come back in step, which is no reason to stay away.
pub(crate) fn random_fraction() -> f64 {
    getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX))
}
