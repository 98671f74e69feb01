//! What a file or a folder is, by its headers alone: nothing is loaded, nobody's word is believed.
//!
//! From the bytes inwards:
//!
//! 1. [`sniff`] knows a file by its first bytes. Pickles, web pages, answers in JSON and pointers of
//!    large-file stores are refused here, each with the reason ([`FileKind::refusal`]).
//! 2. [`crate::gguf`] and [`crate::safetensors`] take the headers apart.
//! 3. Pure functions look at a [`Layout`] (names, shapes and types of tensors) and at small JSON texts:
//!    [`detect_gguf`], [`detect_safetensors_llm`], [`detect_file`], [`detect_diffusers`]. Families of
//!    Stable Diffusion are told apart by how they are built and never by how wide they are.
//! 4. [`settle`] holds the result against what a vendor said: the header wins, and each
//!    [`Contradiction`] is given back.
//!
//! [`path`](detect_path) is the one part that reads files: it opens what it is given, reads with bounds,
//! and calls the others. How each fact is known is kept beside it ([`Evidence`]); a fact that nothing
//! tells is absent.

mod add_on;
mod claim;
mod diffusers;
mod error;
mod file_kind;
mod json;
mod layout;
mod llm;
mod lora;
mod path;
mod precision;
mod prediction;
mod single;
mod stable_diffusion;
mod summary;
mod unet;

pub use add_on::AddOnFacts;
pub use claim::{Claim, Contradiction, settle};
pub use diffusers::{COMPONENTS, Component, ComponentFiles, ModelIndex, detect_diffusers};
pub use error::DetectError;
pub use file_kind::{FileKind, SNIFF_BYTES, sniff};
pub use json::{JsonObject, ShardIndex};
pub use layout::{Layout, Tensor};
pub use llm::{LlmConfig, LlmFacts, LlmFormat, TokenizerFiles, detect_gguf, detect_safetensors_llm};
pub use lora::{LoraFacts, LoraMethod, LoraNaming};
pub use path::{DiffusersFolder, Links, LlmFolder, detect_path, open_diffusers_folder, open_llm_folder};
pub use precision::{Precision, parameter_count, precision};
pub use prediction::{Evidence, Prediction, VELOCITY_HINT, prediction_by_spread};
pub use single::detect_file;
pub use stable_diffusion::{Arrangement, Distillation, Parts, StableDiffusionFacts};
pub use summary::Summary;
pub use unet::{Task, UnetFacts, unet};

/// What a file or a folder is.
#[derive(Debug, Clone, PartialEq)]
pub enum Detected {
    /// A language model.
    Llm(LlmFacts),
    /// A Stable Diffusion model, whole or its UNet alone.
    StableDiffusion(StableDiffusionFacts),
    /// Something that is used with a model and not alone: a LoRA, a VAE, …
    AddOn(AddOnFacts),
}
