//! Linear combinations of latents.

/// The sum of each of `terms`' latents times its factor. Added up in double precision; as long as the shortest.
pub(super) fn combine(terms: &[(f64, &[f32])]) -> Vec<f32> {
    let count = terms.iter().map(|(_, numbers)| numbers.len()).min().unwrap_or(0);
    (0..count)
        .map(|index| {
            let products = terms
                .iter()
                .map(|(factor, numbers)| factor * f64::from(numbers[index]));
            products.sum::<f64>() as f32
        })
        .collect()
}
