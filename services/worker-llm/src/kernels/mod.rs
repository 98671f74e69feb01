//! Arithmetic on the processor: quantised matrices times rows of activations, attention, and the
//! small functions between them.
//!
//! Candle's stock quantised kernels use vector instructions only where the whole program is
//! compiled for them; a program for everybody is not. So the hot loops are our own, chosen at run
//! time by what the processor can do ([`Isa`]), each with a plain version that defines its result.
//!
//! Weights stay as they are in the file. A matrix is multiplied in one of two ways:
//!
//! * `rows`: up to a few columns (decoding), straight from the blocks, bound by memory;
//! * `panel`: many columns (prompts), sixteen rows at a time taken out of their blocks.
//!
//! Both round the activations to 8 bits in groups of 32 and add up in `f32`; they differ in the
//! order of the sums only. A row's result does not depend on which columns it was computed with.
//! [`Arithmetic::Reference`] takes the weights from candle, rounds nothing and is slow.

mod activations;
mod attention;
mod blocks;
mod compute;
mod float;
mod isa;
mod matrix;
mod panel;
mod reference;
mod rows;
mod team;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use attention::{AttentionShape, KvType, LayerCache, attend};
pub use compute::{Arithmetic, Compute, Input, Product};
pub use float::{
    add, add_scaled, all_finite, gelu_gate, rms_norm, rotate, rotate_neighbours, scale, silu_gate, soft_cap,
};
pub use isa::Isa;
pub use matrix::{Matrix, MatrixError, SharedBytes};
pub(crate) use reference::candle_dtype;

#[cfg(test)]
mod tests;
