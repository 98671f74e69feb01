//! The builds of language models that are known: one table for those who look at files and for the
//! worker that runs them.

use crate::names::named_enum;

named_enum! {
    /// How a decoder is built, by its name in `general.architecture` of a GGUF file. Whoever matches on
    /// it has to say something about every one.
    pub enum LlmArchitecture ("supported architecture") {
        /// Llama 2 and 3, Mistral and Mixtral, which share one build.
        Llama = "llama",
        /// Qwen 2 and 2.5: Llama with biases on query, key and value.
        Qwen2 = "qwen2",
        /// Qwen 3: norms on the heads of query and key.
        Qwen3 = "qwen3",
        /// Qwen 3 as a mixture of experts.
        Qwen3Moe = "qwen3moe",
        /// Gemma 2: caps on scores and logits, every other layer local.
        Gemma2 = "gemma2",
        /// Gemma 3: norms on heads, five of six layers local.
        Gemma3 = "gemma3",
        /// Phi 3 and 4: query, key and value in one matrix, gate and up in another.
        Phi3 = "phi3",
    }
}

impl LlmArchitecture {
    /// The names that `model_type` in a `config.json` has for this build.
    #[must_use]
    pub const fn model_types(self) -> &'static [&'static str] {
        match self {
            Self::Llama => &["llama", "mistral", "mixtral"],
            Self::Qwen2 => &["qwen2"],
            Self::Qwen3 => &["qwen3"],
            Self::Qwen3Moe => &["qwen3_moe"],
            Self::Gemma2 => &["gemma2"],
            Self::Gemma3 => &["gemma3_text"],
            Self::Phi3 => &["phi3"],
        }
    }

    /// The build that a `model_type` names; `None` where none is known.
    #[must_use]
    pub fn of_model_type(model_type: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|architecture| architecture.model_types().contains(&model_type))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_type_leads_back_to_its_architecture() {
        for &architecture in LlmArchitecture::ALL {
            assert_eq!(architecture.as_str().parse(), Ok(architecture));
            for model_type in architecture.model_types() {
                assert_eq!(LlmArchitecture::of_model_type(model_type), Some(architecture));
            }
        }
        assert_eq!(LlmArchitecture::of_model_type("mamba"), None);
        assert!("mamba".parse::<LlmArchitecture>().is_err());
    }
}
