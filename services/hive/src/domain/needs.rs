//! What a model needs, wherever it may go.

use rbee_artifacts::DeviceKind;
use rbee_artifacts::estimate::{DiffusionShape, DiffusionUse, Estimate, KvFormat, LlmShape, LlmUse};

use super::{LlmSettings, Refusal};

/// A model's sizes with the settings of a spawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// A language model.
    Llm(LlmShape, LlmSettings),
    /// A Stable Diffusion model, and how many requests are computed together.
    Diffusion(DiffusionShape, u32),
}

impl Needs {
    /// A language model with its settings.
    ///
    /// # Errors
    /// If it was not made for the context that is asked for.
    pub fn llm(shape: LlmShape, settings: LlmSettings) -> Result<Self, Refusal> {
        let longest = shape.trained_context_length;
        match settings.context_length {
            Some(wanted) if wanted > longest => Err(Refusal::ContextTooLong { wanted, longest }),
            _ => Ok(Self::Llm(shape, settings)),
        }
    }

    /// What a worker takes on a device of this kind.
    #[must_use]
    pub fn estimate(&self, device: DeviceKind) -> Estimate {
        match self {
            Self::Llm(shape, settings) => shape.estimate(&llm_use(settings, device)),
            Self::Diffusion(shape, slot_count) => shape.estimate(&DiffusionUse {
                device,
                edge: None,
                slot_count: *slot_count,
            }),
        }
    }

    /// The longest context that fits in so many bytes; `None` where none does, or there is no context.
    #[must_use]
    pub fn longest_context(&self, device: DeviceKind, budget_bytes: u64) -> Option<u32> {
        match self {
            Self::Llm(shape, settings) => shape.longest_context(&llm_use(settings, device), budget_bytes),
            Self::Diffusion(..) => None,
        }
    }
}

fn llm_use(settings: &LlmSettings, device: DeviceKind) -> LlmUse {
    LlmUse {
        device,
        context_length: settings.context_length,
        slot_count: settings.slot_count,
        kv_format: settings.kv_format.unwrap_or(KvFormat::F16),
        kv_limit_bytes: settings.kv_limit_bytes,
    }
}
