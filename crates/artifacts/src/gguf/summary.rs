//! What a catalog shows of a model, from its header alone.

use std::collections::BTreeMap;

use super::decoder::architecture;
use super::error::GgufError;
use super::header::GgufHeader;
use super::tensor::{GgmlType, TensorInfo};
use super::tokenizer::CHAT_TEMPLATE_KEY;

pub(super) const ARCHITECTURE_KEY: &str = "general.architecture";
const FILE_TYPE_KEY: &str = "general.file_type";
/// Set in `general.file_type` where the writer guessed; the rest is the guess.
const GUESSED: u32 = 1024;

/// What the header says about a model; a fact the file does not tell is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFacts {
    /// `general.architecture`, such as `qwen2`.
    pub architecture: String,
    /// `general.name`.
    pub name: Option<String>,
    /// How the weights are stored, in the words people know: `Q4_K_M`, `F16`.
    pub quantization: Option<String>,
    /// The context the model was trained for, in tokens.
    pub context_length: Option<u64>,
    /// How many numbers all tensors hold together.
    pub parameter_count: u64,
    /// `tokenizer.ggml.model`, such as `gpt2`.
    pub tokenizer: Option<String>,
    /// Whether the file brings a chat template.
    pub has_chat_template: bool,
}

/// Reads what a catalog shows. Says nothing about whether a worker can run the model.
///
/// # Errors
/// When `general.architecture` is absent, or one of the keys read is of a wrong type; names the key.
pub fn summary(header: &GgufHeader) -> Result<ModelFacts, GgufError> {
    let metadata = &header.metadata;
    let architecture = architecture(header)?;
    let text = |key: &str| -> Result<Option<String>, GgufError> {
        Ok(metadata
            .str(key)?
            .filter(|text| !text.is_empty())
            .map(str::to_owned))
    };
    Ok(ModelFacts {
        name: text("general.name")?,
        quantization: quantization(metadata.u32(FILE_TYPE_KEY)?, &header.tensors),
        context_length: metadata.u64(&format!("{architecture}.context_length"))?,
        parameter_count: header
            .tensors
            .iter()
            .fold(0, |sum, tensor| sum.saturating_add(tensor.element_count())),
        tokenizer: text("tokenizer.ggml.model")?,
        has_chat_template: text(CHAT_TEMPLATE_KEY)?.is_some(),
        architecture: architecture.to_owned(),
    })
}

/// The label of the whole file. `general.file_type` knows the recipe (`Q4_K_M` is a mix), so it is
/// believed unless the tensors contradict it; then they speak for themselves.
fn quantization(file_type: Option<u32>, tensors: &[TensorInfo]) -> Option<String> {
    let main = main_type(tensors);
    let label = file_type.and_then(|id| file_type_label(id & !GUESSED));
    match (label, main) {
        (Some((label, quantized)), Some(main)) if quantized == main.is_quantized() => Some(label.to_owned()),
        (Some((label, _)), None) => Some(label.to_owned()),
        (_, Some(main)) => Some(mixed_label(main, tensors)),
        (None, None) => None,
    }
}

/// The format that holds most of the numbers of all matrices.
fn main_type(tensors: &[TensorInfo]) -> Option<GgmlType> {
    let mut elements: BTreeMap<GgmlType, u128> = BTreeMap::new();
    for tensor in tensors.iter().filter(|tensor| tensor.shape().len() > 1) {
        *elements.entry(tensor.kind).or_default() += u128::from(tensor.element_count());
    }
    elements
        .into_iter()
        .max_by_key(|&(_, count)| count)
        .map(|(kind, _)| kind)
}

/// Names the recipe where it shows: the `_M` mixes keep some matrices of the blocks in Q6_K, the `_S`
/// mixes none.
fn mixed_label(main: GgmlType, tensors: &[TensorInfo]) -> String {
    if !matches!(main, GgmlType::Q4_K | GgmlType::Q5_K) {
        return main.to_string();
    }
    let finer_block = tensors
        .iter()
        .any(|tensor| tensor.kind == GgmlType::Q6_K && tensor.name.starts_with("blk."));
    format!("{main}_{}", if finer_block { "M" } else { "S" })
}

/// The label of a `general.file_type` (llama.cpp's `llama_ftype`), and whether it is a quantized one.
fn file_type_label(id: u32) -> Option<(&'static str, bool)> {
    Some(match id {
        0 => ("F32", false),
        1 => ("F16", false),
        2 => ("Q4_0", true),
        3 => ("Q4_1", true),
        7 => ("Q8_0", true),
        8 => ("Q5_0", true),
        9 => ("Q5_1", true),
        10 => ("Q2_K", true),
        11 => ("Q3_K_S", true),
        12 => ("Q3_K_M", true),
        13 => ("Q3_K_L", true),
        14 => ("Q4_K_S", true),
        15 => ("Q4_K_M", true),
        16 => ("Q5_K_S", true),
        17 => ("Q5_K_M", true),
        18 => ("Q6_K", true),
        19 => ("IQ2_XXS", true),
        20 => ("IQ2_XS", true),
        21 => ("Q2_K_S", true),
        22 => ("IQ3_XS", true),
        23 => ("IQ3_XXS", true),
        24 => ("IQ1_S", true),
        25 => ("IQ4_NL", true),
        26 => ("IQ3_S", true),
        27 => ("IQ3_M", true),
        28 => ("IQ2_S", true),
        29 => ("IQ2_M", true),
        30 => ("IQ4_XS", true),
        31 => ("IQ1_M", true),
        32 => ("BF16", false),
        36 => ("TQ1_0", true),
        37 => ("TQ2_0", true),
        38 => ("MXFP4_MOE", true),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, kind: GgmlType, dimensions: [u64; 4]) -> TensorInfo {
        TensorInfo {
            name: name.to_owned(),
            dimensions,
            kind,
            offset_bytes: 0,
            size_bytes: 0,
        }
    }

    #[test]
    fn the_file_type_names_the_recipe() {
        let tensors = [tensor("blk.0.ffn_up.weight", GgmlType::Q5_0, [896, 4864, 1, 1])];
        assert_eq!(quantization(Some(15), &tensors).as_deref(), Some("Q4_K_M"));
        assert_eq!(
            quantization(Some(15 | GUESSED), &tensors).as_deref(),
            Some("Q4_K_M")
        );
    }

    #[test]
    fn tensors_overrule_a_file_type_that_they_contradict() {
        let tensors = [
            tensor("token_embd.weight", GgmlType::Q6_K, [256, 100, 1, 1]),
            tensor("blk.0.ffn_up.weight", GgmlType::Q4_K, [256, 1000, 1, 1]),
            tensor("output_norm.weight", GgmlType::F32, [1_000_000, 1, 1, 1]),
        ];
        assert_eq!(quantization(Some(0), &tensors).as_deref(), Some("Q4_K_S"));
        assert_eq!(quantization(None, &tensors).as_deref(), Some("Q4_K_S"));
        let finer = tensor("blk.0.ffn_down.weight", GgmlType::Q6_K, [256, 10, 1, 1]);
        let tensors = [&tensors[..], &[finer]].concat();
        assert_eq!(quantization(None, &tensors).as_deref(), Some("Q4_K_M"));
    }

    #[test]
    fn nothing_known_is_nothing_said() {
        assert_eq!(quantization(None, &[]), None);
        assert_eq!(quantization(Some(999), &[]), None);
    }
}
