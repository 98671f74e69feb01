//! The decoder: from a GGUF file or a folder of safetensors to logits.
//!
//! ```text
//! ModelFiles (a file or a folder, mapped, headers checked)
//!                                    → DecoderSpec (what the architecture does, pure)
//!                                    → Weights (tensors by their roles, still in the files)
//!                                    → Decoder (one forward pass for every architecture)
//!                                    → CpuBackend (sequences and their KV caches)
//!                                    or DeviceBackend (the same on candle's devices: GPUs)
//! ```
//!
//! One definition serves every architecture: [`DecoderSpec`] says which parts there are, and
//! [`Decoder`] computes the parts that are there. Everything is checked before anything is
//! allocated by a number from the file.

mod backend;
mod decoder;
mod device;
mod error;
mod file;
mod files;
mod folder;
mod info;
mod pooling;
mod source;
mod spec;
mod weights;

pub use backend::{CpuBackend, LoadOptions};
pub use decoder::{Decoder, KvCache, LogitsFor, Segment};
pub use device::DeviceBackend;
pub use error::LoadError;
pub use file::ModelFile;
pub use files::ModelFiles;
pub use folder::ModelFolder;
pub use info::ModelInfo;
pub use pooling::Pooling;
pub use source::TensorSource;
pub use spec::{
    Activation, DecoderSpec, ExpertSpec, LayerSpec, LongRope, RopeLayout, RopeScale, RopeSpec, Yarn,
};
pub use weights::Weights;
