//! GGUF headers, read as if an enemy had written them.
//!
//! A GGUF file comes from the internet, and everything later (seek positions, allocations, shapes
//! handed to kernels) follows from its header. So the header is read here, by our own parser, before
//! anything else touches the file:
//!
//! 1. [`GgufHeader::read`] takes the container apart: magic, version, metadata, tensor infos. Every
//!    length is checked against what is left of the file before it is believed, all arithmetic is
//!    checked, nothing recurses, and every tensor's bytes must lie inside the file.
//! 2. [`DecoderFacts`] and [`TokenizerFacts`] check that what the container says makes a model: counts
//!    in range, heads that divide, tensors of the right shape, lists of the right length. They need no
//!    weights, so a worker can refuse a model before it allocates anything for it.
//! 3. [`summary`] gives what a catalog wants to show.
//!
//! Every error names the field at fault ([`GgufError::field`]); the caller adds the file's name.
//!
//! The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>. Versions 2 and 3 are read
//! (they have one layout), little-endian only.

mod decoder;
mod error;
mod header;
mod source;
mod summary;
mod tensor;
mod tokenizer;
mod value;
mod weights;

pub use decoder::{DecoderFacts, RopeScaling, require_architecture};
pub use error::{GgufError, required};
pub use header::GgufHeader;
pub use summary::{ModelFacts, summary};
pub use tensor::{GgmlType, TensorInfo};
pub use tokenizer::{TokenizerFacts, TokenizerKind};
pub use value::{GgufArray, GgufMetadata, GgufValue, StringArray};
