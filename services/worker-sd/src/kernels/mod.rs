//! What takes the time on a processor, over plain slices of numbers.
//!
//! Pictures lie with their channels last (`[images, height, width, channels]`), so that a pixel is a row: a
//! convolution of one pixel is a product of matrices, one of 3×3 adds nine of them whose rows are the
//! neighbours' ([`convolve`]), and attention takes pixels as tokens without moving anything. All products are
//! one inner loop over [`Panels`] of weights; [`attend`] uses it with keys and values for weights.
//!
//! - [`Panels`], [`product`], [`convolve`]: weights, products, convolutions.
//! - [`attend`]: attention, a few keys at a time, so that no table of scores is ever whole.
//! - [`group_norm`], [`layer_norm`], [`activate`]: the rest, each in one pass where it can be.
//!
//! Work is spread over rayon's current pool. Each kernel has a plain version that tests hold it against.

mod activation;
mod attention;
mod convolution;
mod isa;
mod math;
mod norm;
mod panels;
mod product;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
mod tile;
mod winograd;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use activation::{Activation, activate};
pub use attention::{Attention, attend};
pub use convolution::{Convolution, convolve};
pub use isa::{Isa, has_bf16_products};
pub use norm::{GroupNorm, group_norm, layer_norm};
pub use panels::{Lanes, Numbers, Panels, WIDTH};
pub use product::{Finish, product};
