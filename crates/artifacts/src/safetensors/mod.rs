//! Safetensors headers, read as if an enemy had written them.
//!
//! A safetensors file is 8 bytes with the length of its header, the header as JSON, and the data. The
//! header comes from the internet, so it is read here by our own parser before anything else touches the
//! file. A general JSON reader would not do: it keeps the last of two tensors of one name, builds what
//! it reads before anybody can say that it is too much, and takes numbers of any kind.
//!
//! [`SafetensorsHeader::read`] reads the JSON as a stream and takes only what the format allows: an
//! object of tensors, each with a dtype, a shape and two offsets, and `__metadata__` with strings.
//! Nothing nests deeper than that, so nothing recurses. The tensors must cover the data from its first
//! byte to its last, without overlaps, holes or anything left over.
//!
//! Every error names the field at fault ([`SafetensorsError::field`]): `header`, `data`,
//! `__metadata__` or a tensor. The caller adds the file's name.
//!
//! The format: <https://huggingface.co/docs/safetensors/index#format>.

mod dtype;
mod error;
mod header;
mod json;

pub use dtype::Dtype;
pub use error::SafetensorsError;
pub use header::{SafetensorsHeader, TensorInfo};
