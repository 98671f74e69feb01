//! How much memory a worker will take, from the facts of its model's headers, before anything is started.
//!
//! An [`Estimate`] is of the most that a worker can take: all slots busy, each with its context full. What
//! it has at rest, loaded and without a request, is [`Estimate::loaded_bytes`]; this is what a measurement
//! right after the start can be held against. The formulas follow what the project's own workers
//! allocate, see [`LlmShape::estimate`] and [`DiffusionShape::estimate`].

mod diffusion;
mod llm;

pub use diffusion::{DiffusionShape, DiffusionUse};
pub use llm::{DEFAULT_SLOT_COUNT, KvFormat, LlmShape, LlmUse};

use crate::DeviceKind;

/// What a worker needs, by parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Weights as the worker keeps them, in bytes.
    pub weights_bytes: u64,
    /// The part of the weights that the worker maps from its file, in bytes. The system can give such pages
    /// back, counts them as free, and shares them between workers of one model.
    pub mapped_bytes: u64,
    /// KV cache of the whole context in every slot, in bytes; 0 for diffusion.
    pub kv_cache_bytes: u64,
    /// Intermediate results at the busiest moment, in bytes.
    pub activations_bytes: u64,
    /// The program itself with its runtime and tokenizer, in bytes.
    pub overhead_bytes: u64,
    /// What it was made for.
    pub room: Room,
}

/// What an estimate makes room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Answers of a language model.
    Text {
        /// Tokens of prompt and answer together, for each slot.
        context_length: u32,
        /// Answers at the same time.
        slot_count: u32,
    },
    /// A picture.
    Picture {
        /// Its edge in pixels; it is a square.
        edge: u32,
    },
}

impl Estimate {
    /// The most it may take, in bytes.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.loaded_bytes()
            .saturating_add(self.kv_cache_bytes)
            .saturating_add(self.activations_bytes)
    }

    /// What it has taken once the model is loaded, before any request, in bytes.
    #[must_use]
    pub fn loaded_bytes(&self) -> u64 {
        self.weights_bytes.saturating_add(self.overhead_bytes)
    }
}

/// What a program takes on a device besides its model, in bytes.
///
/// On a processor: the resident pages of the program and of the libraries it links, and its runtime. 19 MiB
/// was measured for this project's LLM worker (x86-64, Linux, development build, tiny models of GGUF: 18.1 to 19.4;
/// a release build has less code). On a GPU it is the driver's context with the kernels' code, which NVIDIA's tools show as 300 to
/// 500 MiB for a program with cuBLAS; Metal has no kernels of its own to keep there.
fn program_bytes(kind: DeviceKind) -> u64 {
    match kind {
        DeviceKind::Cpu => 19 << 20,
        DeviceKind::Cuda => 512 << 20,
        DeviceKind::Metal => 128 << 20,
    }
}
