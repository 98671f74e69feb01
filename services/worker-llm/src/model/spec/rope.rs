//! Rotary positions and what was done to them for contexts longer than those of the training.

use std::f64::consts::TAU;

/// A rotary position embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct RopeSpec {
    /// Base of the frequencies.
    pub theta: f32,
    /// How it was stretched for long contexts.
    pub scaling: RopeScale,
    /// Multiplies what is turned, queries and keys alike.
    pub magnitude: f32,
}

impl RopeSpec {
    /// Positions as they were in the training.
    #[must_use]
    pub fn plain(theta: f32) -> Self {
        Self {
            theta,
            scaling: RopeScale::None,
            magnitude: 1.0,
        }
    }
}

/// How the frequencies of a rotation were changed for contexts longer than those of the training.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScale {
    /// As they were.
    None,
    /// All divided by a factor.
    Linear(f32),
    /// Divided by the numbers of a tensor of the file, one for each pair.
    Tensor,
    /// Low frequencies divided by a factor, high ones kept, those between blended (Llama 3.1).
    Llama3 {
        /// Divides the low frequencies.
        factor: f32,
        /// Up to so many turns in the original context a frequency is low.
        low_turns: f32,
        /// From so many turns on it is high.
        high_turns: f32,
        /// Tokens it was first trained for.
        original_context: f32,
    },
    /// The same by a ramp over the pairs.
    Yarn(Yarn),
    /// Divided by numbers for short contexts, or by others for long ones.
    Long(LongRope),
}

/// YaRN (Peng et al. 2023, section 3.2), as transformers and llama.cpp compute it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Yarn {
    /// Divides the low frequencies.
    pub factor: f32,
    /// Tokens it was first trained for.
    pub original_context: f32,
    /// A pair that makes so many turns in the original context begins the ramp (`beta_fast`).
    pub fast_turns: f32,
    /// One that makes so many ends it (`beta_slow`).
    pub slow_turns: f32,
    /// The ramp begins and ends at whole pairs.
    pub whole_pairs: bool,
    /// How much of the high frequencies is kept: 1, or 0 to divide all alike.
    pub kept: f32,
}

impl Yarn {
    /// What it multiplies queries and keys by where nothing else is said (section 3.4).
    #[must_use]
    pub fn magnitude(factor: f32, scale: f32) -> f32 {
        if factor > 1.0 {
            0.1 * scale * factor.ln() + 1.0
        } else {
            1.0
        }
    }

    /// What is left of the frequency of a pair, among those of `dim` numbers that turn.
    pub(in crate::model) fn share(&self, theta: f32, dim: usize, pair: usize) -> f64 {
        let dim = dim as f64;
        // The pair that makes so many turns in the original context.
        let pair_of = |turns: f32| {
            let wave = f64::from(self.original_context) / (f64::from(turns) * TAU);
            dim * wave.ln() / (2.0 * f64::from(theta).ln().max(f64::MIN_POSITIVE))
        };
        let (mut first, mut last) = (pair_of(self.fast_turns), pair_of(self.slow_turns));
        if self.whole_pairs {
            (first, last) = (first.floor(), last.ceil());
        }
        let (first, last) = (first.max(0.0), last.min(dim - 1.0));
        let ramp = ((pair as f64 - first) / (last - first).max(0.001)).clamp(0.0, 1.0);
        let kept = (1.0 - ramp) * f64::from(self.kept);
        (1.0 - kept) / f64::from(self.factor) + kept
    }
}

/// LongRoPE (Ding et al. 2024), as Phi 3 has it.
#[derive(Debug, Clone, PartialEq)]
pub struct LongRope {
    /// Tokens it was first trained for.
    pub original_context: usize,
    /// Divide the frequencies up to there: one for each pair.
    pub short: Vec<f32>,
    /// Divide them where the context that is served is longer. Keys are kept with their rotation, so it is the whole
    /// context that decides, not the length of one conversation; llama.cpp and vLLM do the same.
    pub long: Vec<f32>,
}

impl LongRope {
    /// What it multiplies queries and keys by where nothing else is said (section 3.3 of the paper's code).
    #[must_use]
    pub fn magnitude(factor: f32, original_context: usize) -> f32 {
        if factor > 1.0 && original_context > 1 {
            (1.0 + factor.ln() / (original_context as f32).ln()).sqrt()
        } else {
            1.0
        }
    }

    /// The divisors for a context.
    pub(in crate::model) fn factors(&self, context_length: usize) -> &[f32] {
        if context_length > self.original_context {
            &self.long
        } else {
            &self.short
        }
    }
}
