//! Language models: GGUF files, and folders of safetensors.

use super::{Estimate, Room, program_bytes};
use crate::DeviceKind;
use crate::detect::{DetectError, JsonObject, LlmConfig};
use crate::gguf::{DecoderFacts, GgufError, GgufHeader};
use crate::names::named_enum;

/// Slots of a worker that was not told how many.
pub const DEFAULT_SLOT_COUNT: u32 = 4;

/// Tokens of a prompt that the engine computes at once.
const PREFILL_ROWS: u64 = 128;

/// Positions that the KV cache grows by.
const KV_BLOCK: u64 = 64;

/// Numbers of a key or value that share a scale where the cache keeps 8 bits of each.
const KV_GROUP: u64 = 32;

/// Contexts that are proposed are multiples of it.
const CONTEXT_STEP: u32 = 256;

named_enum! {
    /// How the KV cache keeps its numbers.
    pub enum KvFormat ("format of the KV cache") {
        /// 16-bit floats.
        F16 = "f16",
        /// 8 bits each, and a 16-bit scale for every 32.
        Q8_0 = "q8_0",
    }
}

impl KvFormat {
    /// Bytes of one head's key or value at one position.
    fn bytes(self, head_dim: u64) -> u64 {
        match self {
            Self::F16 => 2 * head_dim,
            Self::Q8_0 => head_dim + 2 * head_dim.div_ceil(KV_GROUP),
        }
    }
}

/// What the library for `tokenizer.json` takes besides the vocabulary.
const TOKENIZER_LIBRARY_BYTES: u64 = 3 << 20;

/// The sizes that decide how much memory a decoder takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LlmShape {
    /// Bytes of all tensors in the file.
    pub tensor_bytes: u64,
    /// Bytes of the file's part that holds the vocabulary: the header of a GGUF file, the `tokenizer.json` of a
    /// folder.
    pub vocabulary_bytes: u64,
    /// Bytes that the tokenizer takes besides, however small its vocabulary: 3 MiB for the library that reads a
    /// `tokenizer.json`, code and tables, as measured on the fixtures; none for a GGUF file.
    pub tokenizer_bytes: u64,
    /// Layers.
    pub layer_count: u32,
    /// Width of the residual stream.
    pub width: u32,
    /// Query heads times the length of a head.
    pub query_width: u32,
    /// Heads of keys and values.
    pub kv_head_count: u32,
    /// Length of a key.
    pub key_dim: u32,
    /// Length of a value.
    pub value_dim: u32,
    /// Width of the feed-forward part.
    pub inner_width: u32,
    /// Tokens in the vocabulary.
    pub vocab_size: u32,
    /// Context in tokens that the model was made for; workers take it unless told otherwise.
    pub trained_context_length: u32,
}

/// How a language model will be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LlmUse {
    /// Where it runs.
    pub device: DeviceKind,
    /// Context in tokens; `None` for what the model was made for.
    pub context_length: Option<u32>,
    /// Answers at the same time; `None` for [`DEFAULT_SLOT_COUNT`].
    pub slot_count: Option<u32>,
    /// How the KV cache keeps its numbers.
    pub kv_format: KvFormat,
    /// The most bytes that the KV caches may take together; `None` for what all slots take with their contexts full.
    pub kv_limit_bytes: Option<u64>,
}

impl LlmShape {
    /// Reads the sizes from the header of a GGUF file.
    ///
    /// # Errors
    /// When the header does not describe a decoder; names the field.
    pub fn read(header: &GgufHeader) -> Result<Self, GgufError> {
        let facts = DecoderFacts::read(header)?;
        let tensors = header.tensors.iter().map(|tensor| tensor.size_bytes);
        Ok(Self {
            tensor_bytes: tensors.fold(0, u64::saturating_add),
            vocabulary_bytes: header.data_offset_bytes,
            tokenizer_bytes: 0,
            layer_count: facts.block_count,
            width: facts.embedding_length,
            // Heads are at most 2^12 and their lengths 2^13: no product leaves 32 bits.
            query_width: facts.head_count * facts.head_dim,
            kv_head_count: facts.head_count_kv,
            key_dim: facts.head_dim,
            value_dim: facts.value_head_dim,
            inner_width: facts.feed_forward_length,
            vocab_size: facts.vocab_size,
            trained_context_length: facts.context_length,
        })
    }

    /// Reads the sizes from the `config.json` of a folder whose weights and whose `tokenizer.json` have these sizes.
    ///
    /// # Errors
    /// When it does not describe a decoder; names the key.
    pub fn of_folder(
        json: &JsonObject,
        tensor_bytes: u64,
        vocabulary_bytes: u64,
    ) -> Result<Self, DetectError> {
        let config = LlmConfig::read(json)?;
        let context_length = json.required("max_position_embeddings", config.context_length)?;
        // The configuration bounds each of them far below 32 bits, products of heads and their lengths included.
        let narrow = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Self {
            tensor_bytes,
            vocabulary_bytes,
            tokenizer_bytes: TOKENIZER_LIBRARY_BYTES,
            layer_count: narrow(config.layer_count),
            width: narrow(config.hidden_size),
            query_width: narrow(config.head_count * config.head_dim),
            kv_head_count: narrow(config.head_count_kv),
            key_dim: narrow(config.head_dim),
            value_dim: narrow(config.head_dim),
            inner_width: narrow(config.inner_size),
            vocab_size: narrow(config.vocab_size),
            trained_context_length: narrow(context_length),
        })
    }

    /// What a worker takes with this model.
    ///
    /// - Weights: the tensors as they are in the file. On a processor they stay in the mapped file.
    /// - KV cache: for each layer keys and values of the context, rounded up to blocks of 64 positions,
    ///   in every slot, in its format; no more than its limit. Layers with a window keep all positions too.
    /// - Activations: 32-bit floats for 128 rows of a prompt (or one row for each slot, if those are more):
    ///   the stream, its norm and the layer's output; queries, keys, values and what attention gives; both
    ///   halves of the feed-forward part; the largest input once more, rounded to 8 bits with scales.
    ///   And for each slot the logits twice, and once more 16 bytes a token for the choice.
    /// - Overhead: the program, twice the vocabulary's size in the file for its tables, and the tokenizer's library.
    #[must_use]
    pub fn estimate(&self, llm_use: &LlmUse) -> Estimate {
        let context_length = llm_use.context_length.unwrap_or(self.trained_context_length);
        let slot_count = llm_use.slot_count.unwrap_or(DEFAULT_SLOT_COUNT).max(1);
        Estimate {
            weights_bytes: self.tensor_bytes,
            mapped_bytes: match llm_use.device {
                DeviceKind::Cpu => self.tensor_bytes,
                DeviceKind::Cuda | DeviceKind::Metal => 0,
            },
            kv_cache_bytes: self
                .kv_bytes_per_slot(context_length, llm_use.kv_format)
                .saturating_mul(slot_count.into())
                .min(llm_use.kv_limit_bytes.unwrap_or(u64::MAX)),
            activations_bytes: self.activations_bytes(slot_count),
            overhead_bytes: program_bytes(llm_use.device)
                .saturating_add(self.vocabulary_bytes.saturating_mul(2))
                .saturating_add(self.tokenizer_bytes),
            room: Room::Text {
                context_length,
                slot_count,
            },
        }
    }

    /// The longest context whose estimate is at most `budget_bytes`, with the slots of `llm_use`: a multiple
    /// of 256, or the model's own where that fits. `None` if not even 256 tokens fit.
    #[must_use]
    pub fn longest_context(&self, llm_use: &LlmUse, budget_bytes: u64) -> Option<u32> {
        let fits = |context_length: u32| {
            let llm_use = LlmUse {
                context_length: Some(context_length),
                ..*llm_use
            };
            self.estimate(&llm_use).total_bytes() <= budget_bytes
        };
        if fits(self.trained_context_length) {
            return Some(self.trained_context_length);
        }
        // The estimate grows with the context, so the largest that fits can be searched for by halves.
        let (mut fitting, mut too_many) = (0, self.trained_context_length.div_ceil(CONTEXT_STEP));
        while fitting + 1 < too_many {
            let middle = fitting + (too_many - fitting) / 2;
            if fits(middle * CONTEXT_STEP) {
                fitting = middle;
            } else {
                too_many = middle;
            }
        }
        (fitting > 0).then_some(fitting * CONTEXT_STEP)
    }

    fn kv_bytes_per_slot(&self, context_length: u32, format: KvFormat) -> u64 {
        let positions = u64::from(context_length).next_multiple_of(KV_BLOCK);
        let head = format.bytes(self.key_dim.into()) + format.bytes(self.value_dim.into());
        let heads = u64::from(self.layer_count) * u64::from(self.kv_head_count);
        positions.saturating_mul(heads.saturating_mul(head))
    }

    fn activations_bytes(&self, slot_count: u32) -> u64 {
        let [width, query, kv_heads, key_dim, value_dim, inner, vocab, slots] = [
            self.width,
            self.query_width,
            self.kv_head_count,
            self.key_dim,
            self.value_dim,
            self.inner_width,
            self.vocab_size,
            slot_count,
        ]
        .map(u64::from);
        let rows = PREFILL_ROWS.max(slots);
        let floats = 3 * width + 2 * query + kv_heads * (key_dim + value_dim) + 2 * inner;
        let largest_input = width.max(query).max(inner);
        // 8 bits for each number, and for each 32 of them a scale, a sum and two half sums of 4 bytes.
        let rounded = largest_input + largest_input / 2;
        let of_rows = rows.saturating_mul(4 * floats + rounded);
        of_rows.saturating_add(vocab * (8 * slots + 16))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Qwen2.5 0.5B as its file has it.
    fn qwen() -> LlmShape {
        LlmShape {
            tensor_bytes: 485_452_288,
            vocabulary_bytes: 5_947_776,
            tokenizer_bytes: 0,
            layer_count: 24,
            width: 896,
            query_width: 896,
            kv_head_count: 2,
            key_dim: 64,
            value_dim: 64,
            inner_width: 4864,
            vocab_size: 151_936,
            trained_context_length: 32_768,
        }
    }

    fn on(device: DeviceKind, context_length: u32, slot_count: u32) -> LlmUse {
        LlmUse {
            device,
            context_length: Some(context_length),
            slot_count: Some(slot_count),
            kv_format: KvFormat::F16,
            kv_limit_bytes: None,
        }
    }

    #[test]
    fn the_parts_are_what_can_be_counted_by_hand() {
        let estimate = qwen().estimate(&on(DeviceKind::Cpu, 1024, 2));
        // 24 layers, 2 heads of 64, keys and values, 2 bytes: 12 KiB a token.
        assert_eq!(estimate.kv_cache_bytes, 2 * 1024 * 12 * 1024);
        assert_eq!(estimate.weights_bytes, 485_452_288);
        assert_eq!(estimate.mapped_bytes, estimate.weights_bytes);
        assert_eq!(
            estimate.total_bytes(),
            estimate.loaded_bytes() + estimate.kv_cache_bytes + estimate.activations_bytes
        );
        assert_eq!(
            qwen().estimate(&on(DeviceKind::Cuda, 1024, 2)).mapped_bytes,
            0,
            "a GPU has a copy"
        );
        let whole = LlmUse {
            device: DeviceKind::Cpu,
            context_length: None,
            slot_count: None,
            ..on(DeviceKind::Cpu, 1, 1)
        };
        assert_eq!(
            qwen().estimate(&whole).room,
            Room::Text {
                context_length: 32_768,
                slot_count: 4
            }
        );
    }

    #[test]
    fn the_cache_takes_what_its_format_and_its_limit_say() {
        let plain = on(DeviceKind::Cpu, 1024, 2);
        let kv_bytes = |llm_use: LlmUse| qwen().estimate(&llm_use).kv_cache_bytes;
        let halved = kv_bytes(LlmUse {
            kv_format: KvFormat::Q8_0,
            ..plain
        });
        // A head of 64 takes 64 bytes and two scales of 2 in place of 128 bytes.
        assert_eq!(halved * 128, kv_bytes(plain) * 68);
        let limited = |bytes| {
            kv_bytes(LlmUse {
                kv_limit_bytes: Some(bytes),
                ..plain
            })
        };
        assert_eq!(limited(1 << 20), 1 << 20);
        assert_eq!(limited(u64::MAX), kv_bytes(plain));
    }

    #[test]
    fn a_folder_tells_the_same_as_a_file() {
        let config = br#"{"model_type": "qwen2", "hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14,
            "num_key_value_heads": 2, "intermediate_size": 4864, "vocab_size": 151936,
            "max_position_embeddings": 32768, "tie_word_embeddings": true}"#;
        let json = JsonObject::parse("config.json", config).unwrap();
        assert_eq!(
            LlmShape::of_folder(&json, 485_452_288, 5_947_776).unwrap(),
            LlmShape {
                tokenizer_bytes: 3 << 20,
                ..qwen()
            }
        );
        let endless = br#"{"model_type": "qwen2", "hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14,
            "intermediate_size": 4864, "vocab_size": 151936}"#;
        let json = JsonObject::parse("config.json", endless).unwrap();
        let error = LlmShape::of_folder(&json, 1, 1).unwrap_err().to_string();
        assert!(error.contains("max_position_embeddings"), "{error}");
    }

    prop_compose! {
        // Large, and yet such that no sum reaches the end of 64 bits, where one more makes no difference.
        fn any_shape()(
            tensor_bytes in 0..1_u64 << 42,
            vocabulary_bytes in 0..64_u64 << 20,
            layer_count in 1..128_u32,
            width in 1..1_u32 << 18,
            query_width in 1..1_u32 << 16,
            (kv_head_count, key_dim, value_dim) in (1..1_u32 << 8, 1..1_u32 << 8, 1..1_u32 << 8),
            inner_width in 1..1_u32 << 20,
            vocab_size in 1..1_u32 << 24,
            trained_context_length in 1..1_u32 << 24,
        ) -> LlmShape {
            LlmShape {
                tensor_bytes, vocabulary_bytes, tokenizer_bytes: 0, layer_count, width, query_width, kv_head_count,
                key_dim, value_dim, inner_width, vocab_size, trained_context_length,
            }
        }
    }

    proptest! {
        #[test]
        fn more_room_never_takes_less(shape in any_shape(), context in 1..1_u32 << 24, slots in 1..1024_u32) {
            let estimate = shape.estimate(&on(DeviceKind::Cpu, context, slots));
            let longer = shape.estimate(&on(DeviceKind::Cpu, context + 64, slots));
            let wider = shape.estimate(&on(DeviceKind::Cpu, context, slots + 1));
            prop_assert!(longer.kv_cache_bytes > estimate.kv_cache_bytes);
            prop_assert!(longer.total_bytes() > estimate.total_bytes());
            prop_assert!(wider.total_bytes() > estimate.total_bytes());
            prop_assert!(estimate.mapped_bytes <= estimate.weights_bytes);
            prop_assert!(estimate.loaded_bytes() < estimate.total_bytes());
        }

        #[test]
        fn the_longest_context_fits_and_the_next_does_not(
            shape in any_shape(),
            budget_bytes in 0..1_u64 << 44,
            slots in 1..1024_u32,
        ) {
            let total = |context| shape.estimate(&on(DeviceKind::Cpu, context, slots)).total_bytes();
            match shape.longest_context(&on(DeviceKind::Cpu, 1, slots), budget_bytes) {
                Some(longest) => {
                    prop_assert!(total(longest) <= budget_bytes);
                    prop_assert!(longest <= shape.trained_context_length);
                    let next = longest.saturating_add(CONTEXT_STEP).min(shape.trained_context_length);
                    prop_assert!(longest == shape.trained_context_length || total(next) > budget_bytes);
                }
                None => prop_assert!(total(CONTEXT_STEP.min(shape.trained_context_length)) > budget_bytes),
            }
        }
    }
}
