//! Rotary positions: how far each pair of a head turns at a position.

use std::f32::consts::TAU;

use crate::model::spec::{RopeScale, RopeSpec};

/// The cosines and sines of one rotation for every row of a pass: `[row][pair]`.
pub(in crate::model) struct Rotation {
    pub(in crate::model) cos: Vec<f32>,
    pub(in crate::model) sin: Vec<f32>,
}

impl Rotation {
    pub(in crate::model) fn new(turns: &Turns, positions: &[usize]) -> Self {
        let angles = positions.iter().flat_map(|&position| {
            turns
                .frequencies
                .iter()
                .map(move |&frequency| position as f32 * frequency)
        });
        let stretched = |angle: f32| {
            let (sin, cos) = angle.sin_cos();
            (sin * turns.magnitude, cos * turns.magnitude)
        };
        let (sin, cos) = angles.map(stretched).unzip();
        Self { cos, sin }
    }
}

/// How far each pair turns from one position to the next, and how long it becomes.
#[derive(Debug)]
pub(in crate::model) struct Turns {
    frequencies: Vec<f32>,
    magnitude: f32,
}

impl Turns {
    /// Those of a rotation of `dim` numbers, in a context of so many tokens. `factors` are those of the file's tensor,
    /// where it has one.
    pub(in crate::model) fn new(
        rope: &RopeSpec,
        dim: usize,
        factors: Option<&[f32]>,
        context_length: usize,
    ) -> Self {
        let factors = match &rope.scaling {
            RopeScale::Long(long) => Some(long.factors(context_length)),
            _ => factors,
        };
        Self {
            frequencies: frequencies(rope, dim, factors),
            magnitude: rope.magnitude,
        }
    }
}

/// `theta^(-2i / dim)` for each pair, and what the scaling makes of it.
fn frequencies(rope: &RopeSpec, dim: usize, factors: Option<&[f32]>) -> Vec<f32> {
    (0..dim / 2)
        .map(|pair| {
            let exponent = (2 * pair) as f64 / dim as f64;
            let frequency = f64::from(rope.theta).powf(-exponent);
            let divisor = match &rope.scaling {
                RopeScale::None => 1.0,
                RopeScale::Linear(factor) => f64::from(*factor),
                RopeScale::Yarn(yarn) => 1.0 / yarn.share(rope.theta, dim, pair),
                RopeScale::Tensor | RopeScale::Long(_) => {
                    factors.map_or(1.0, |factors| f64::from(factors[pair]))
                }
                &RopeScale::Llama3 {
                    factor,
                    low_turns,
                    high_turns,
                    original_context,
                } => {
                    let turns = original_context * frequency as f32 / TAU;
                    f64::from(llama3_divisor(turns, factor, low_turns, high_turns))
                }
            };
            (frequency / divisor) as f32
        })
        .collect()
}

/// What divides a frequency that makes so many turns in the original context, as Llama 3.1 was
/// trained (`_compute_llama3_parameters` in transformers).
fn llama3_divisor(turns: f32, factor: f32, low_turns: f32, high_turns: f32) -> f32 {
    if turns < low_turns {
        factor
    } else if turns > high_turns {
        1.0
    } else {
        let kept = (turns - low_turns) / (high_turns - low_turns);
        1.0 / ((1.0 - kept) / factor + kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rope(scaling: RopeScale) -> RopeSpec {
        RopeSpec {
            scaling,
            ..RopeSpec::plain(10_000.0)
        }
    }

    #[test]
    fn frequencies_fall_from_one_to_nearly_one_over_theta() {
        let plain = frequencies(&rope(RopeScale::None), 8, None);
        for (found, expected) in plain.iter().zip([1.0, 0.1, 0.01, 0.001]) {
            assert!((found / expected - 1.0).abs() < 1e-6, "{found}");
        }
        let linear = frequencies(&rope(RopeScale::Linear(4.0)), 8, None);
        assert!((linear[1] - 0.025).abs() < 1e-8);
        let tensor = frequencies(&rope(RopeScale::Tensor), 8, Some(&[1.0, 2.0, 4.0, 8.0]));
        assert!((tensor[3] - 0.000_125).abs() < 1e-9);
    }

    #[test]
    fn llama3_keeps_high_frequencies_and_divides_low_ones() {
        let scaling = RopeScale::Llama3 {
            factor: 8.0,
            low_turns: 1.0,
            high_turns: 4.0,
            original_context: 64.0,
        };
        let found = frequencies(&rope(scaling), 16, None);
        let plain = frequencies(&rope(RopeScale::None), 16, None);
        // Turns in 64 positions: 10.2, 3.22, 1.02, 0.32 and less.
        assert_eq!(found[0], plain[0]);
        let kept = (64.0 * plain[1] / TAU - 1.0) / 3.0;
        let blended = plain[1] * ((1.0 - kept) / 8.0 + kept);
        assert!((found[1] / blended - 1.0).abs() < 1e-5, "{} {blended}", found[1]);
        assert!((found[3] / (plain[3] / 8.0) - 1.0).abs() < 1e-6);
    }
}
