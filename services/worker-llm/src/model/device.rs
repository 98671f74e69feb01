//! The decoder over candle's tensors: what runs on GPUs.
//!
//! The same facts ([`DecoderSpec`](super::DecoderSpec)) and the same weights as the processor's decoder, with candle's
//! kernels in place of our own. Weights in blocks stay in their blocks on the device; activations are 32-bit floats.
//! It runs on the processor too, slowly, which is where the tests hold it against the references.

mod attention;
mod backend;
mod cache;
mod decoder;
mod feed_forward;
mod weights;

pub use backend::DeviceBackend;
