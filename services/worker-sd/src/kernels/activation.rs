//! Functions of single numbers over whole tensors.

use rayon::prelude::*;

use super::isa::Isa;
use super::math::{for_each_isa, gelu, quick_gelu, silu};

/// A function of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x` times the logistic function of `x`.
    Silu,
    /// By the error function: OpenCLIP, gated units of the UNet.
    Gelu,
    /// By the logistic function: OpenAI's CLIP.
    QuickGelu,
}

/// Numbers that one task takes: enough to be worth a task, few enough to stay in the cache.
const STEP: usize = 16 << 10;

for_each_isa! {
    fn silu_all(numbers: &mut [f32]) {
        numbers.iter_mut().for_each(|number| *number = silu(*number));
    }
}
for_each_isa! {
    fn gelu_all(numbers: &mut [f32]) {
        numbers.iter_mut().for_each(|number| *number = gelu(*number));
    }
}
for_each_isa! {
    fn quick_gelu_all(numbers: &mut [f32]) {
        numbers.iter_mut().for_each(|number| *number = quick_gelu(*number));
    }
}

/// Replaces every number by the function of it.
pub fn activate(isa: Isa, activation: Activation, numbers: &mut [f32]) {
    numbers.par_chunks_mut(STEP).for_each(|part| match activation {
        Activation::Silu => silu_all(isa, part),
        Activation::Gelu => gelu_all(isa, part),
        Activation::QuickGelu => quick_gelu_all(isa, part),
    });
}
