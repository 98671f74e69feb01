//! Pictures as files: what comes with requests is read with care, and what was made is written with its settings.

mod decode;
mod encode;
mod parameters;
mod scale;

pub use decode::{MAX_EDGE, PictureError, Size, decode_mask, decode_picture, size};
pub use encode::{EncodeError, encode, encode_preview};
pub use parameters::{Used, parameters};
pub use scale::{scale_mask, scale_picture};
