//! What shows one worker: text or pictures.

pub mod image;
pub mod text;
