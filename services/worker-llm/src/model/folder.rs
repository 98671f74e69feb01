//! A model's folder of safetensors, mapped into memory.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
use rbee_artifacts::LlmArchitecture;
use rbee_artifacts::detect::{DetectError, Links, LlmFolder, open_llm_folder};
use rbee_artifacts::gguf::GgmlType;
use rbee_artifacts::safetensors::{Dtype, TensorInfo};

use super::error::LoadError;
use super::source::{NOT_FINITE, TensorSource, finite, layer_of};
use super::weights::ROPE_FACTORS;
use crate::kernels::{Matrix, SharedBytes};

/// What the names of layers begin with.
const LAYERS: &str = "model.layers.";

/// A folder whose headers were read and checked, and whose tensors lie in mapped memory.
#[derive(Debug)]
pub struct ModelFolder {
    path: PathBuf,
    folder: LlmFolder,
    architecture: LlmArchitecture,
    /// One for each of the folder's files of weights.
    bytes: Vec<Arc<Mmap>>,
}

impl ModelFolder {
    /// Opens a folder and reads the headers of its files. No tensor is read yet.
    ///
    /// # Errors
    /// When a file cannot be read, or the files do not make a model that is known.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        // The user or a store put the folder together; links of a download's cache lead out of it.
        let folder = open_llm_folder(path, Links::All).map_err(|source| LoadError::Folder {
            path: path.to_owned(),
            source,
        })?;
        let mut bytes = Vec::with_capacity(folder.weights.len());
        for (path, _) in &folder.weights {
            let map = || {
                let file = File::open(path)?;
                // SAFETY: the map is only read. Its file is a blob of the store, which nobody changes
                // or shortens once it is there; a file that someone cuts all the same ends the process.
                unsafe { Mmap::map(&file) }
            };
            let map = map().map_err(|source| LoadError::Read {
                path: path.clone(),
                source,
            })?;
            bytes.push(Arc::new(map));
        }
        let model_type = &folder.config.model_type;
        let architecture = LlmArchitecture::of_model_type(model_type).ok_or_else(|| LoadError::Folder {
            path: path.to_owned(),
            source: DetectError::Unsupported {
                file: folder.json.file().to_owned(),
                field: "model_type".to_owned(),
                problem: format!("is {model_type:?}, which is not known"),
            },
        })?;
        Ok(Self {
            path: path.to_owned(),
            architecture,
            folder,
            bytes,
        })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What its files say.
    #[must_use]
    pub fn contents(&self) -> &LlmFolder {
        &self.folder
    }

    /// How it is built.
    #[must_use]
    pub fn architecture(&self) -> LlmArchitecture {
        self.architecture
    }

    /// The mappings of its files, and where in each the tensors begin.
    pub(super) fn tensors(&self) -> impl Iterator<Item = (&Mmap, usize)> {
        let starts = self
            .folder
            .weights
            .iter()
            .map(|(_, header)| usize::try_from(header.data_offset_bytes).unwrap_or(usize::MAX));
        self.bytes.iter().map(|bytes| &**bytes).zip(starts)
    }

    fn find(&self, name: &str) -> Option<(usize, &TensorInfo)> {
        let headers = self.folder.weights.iter().enumerate();
        headers
            .filter_map(|(file, (_, header))| Some((file, header.tensor(name)?)))
            .next()
    }

    /// All rows of a tensor of this shape.
    fn rows(&self, name: &str, shape: &[u64]) -> Result<Matrix, DetectError> {
        let Some((file, tensor)) = self.find(name) else {
            return Err(self.invalid(0, name, "is missing".to_owned()));
        };
        if tensor.shape != shape {
            let problem = format!(
                "has the shape {:?}, but config.json asks for {shape:?}",
                tensor.shape
            );
            return Err(self.invalid(file, name, problem));
        }
        let kind = match tensor.dtype {
            Dtype::F32 => GgmlType::F32,
            Dtype::F16 => GgmlType::F16,
            Dtype::Bf16 => GgmlType::BF16,
            other => {
                return Err(DetectError::Unsupported {
                    file: self.file_name(file),
                    field: name.to_owned(),
                    problem: format!("is stored as {other}, which this worker cannot compute with"),
                });
            }
        };
        let data = || {
            let start = usize::try_from(tensor.offset_bytes).ok()?;
            let end = start.checked_add(usize::try_from(tensor.size_bytes).ok()?)?;
            let owner: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::<Mmap>::clone(&self.bytes[file]);
            SharedBytes::new(owner, start..end)
        };
        let data = data().ok_or_else(|| self.invalid(file, name, "lies outside of the file".to_owned()))?;
        let (len, rows) = shape.split_last().map_or((0, 0), |(len, rows)| {
            (*len as usize, rows.iter().product::<u64>() as usize)
        });
        Matrix::new(kind, rows, len, data).map_err(|error| self.invalid(file, name, error.to_string()))
    }

    fn file_name(&self, file: usize) -> String {
        let name = self
            .folder
            .weights
            .get(file)
            .and_then(|(path, _)| path.file_name());
        name.map_or_else(
            || "model.safetensors".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    }

    fn invalid(&self, file: usize, name: &str, problem: String) -> DetectError {
        DetectError::Invalid {
            file: self.file_name(file),
            field: name.to_owned(),
            problem,
        }
    }

    fn is_gemma(&self) -> bool {
        matches!(
            self.architecture,
            LlmArchitecture::Gemma2 | LlmArchitecture::Gemma3
        )
    }

    /// The name of a role in transformers' files; for experts with `{}` where their number stands.
    fn name(&self, role: &str) -> Option<String> {
        match role {
            "token_embd.weight" => return Some("model.embed_tokens.weight".to_owned()),
            "output_norm.weight" => return Some("model.norm.weight".to_owned()),
            // Where it is there it counts, whatever config.json says of tying (as in transformers 5).
            "output.weight" => return Some("lm_head.weight".to_owned()),
            ROPE_FACTORS => return None,
            _ => {}
        }
        let (layer, part) = role.strip_prefix("blk.")?.split_once('.')?;
        let (part, kind) = part.rsplit_once('.')?;
        let mixtral = self.folder.config.model_type == "mixtral";
        let phi = self.architecture == LlmArchitecture::Phi3;
        let part = match part {
            "attn_norm" => "input_layernorm",
            "attn_q" if !phi => "self_attn.q_proj",
            "attn_k" if !phi => "self_attn.k_proj",
            "attn_v" if !phi => "self_attn.v_proj",
            "attn_qkv" if phi => "self_attn.qkv_proj",
            "attn_q_norm" => "self_attn.q_norm",
            "attn_k_norm" => "self_attn.k_norm",
            "attn_output" => "self_attn.o_proj",
            "post_attention_norm" => "post_attention_layernorm",
            "ffn_norm" if self.is_gemma() => "pre_feedforward_layernorm",
            "ffn_norm" => "post_attention_layernorm",
            "post_ffw_norm" => "post_feedforward_layernorm",
            "ffn_up" if phi => "mlp.gate_up_proj",
            "ffn_gate" if !phi => "mlp.gate_proj",
            "ffn_up" => "mlp.up_proj",
            "ffn_down" => "mlp.down_proj",
            "ffn_gate_inp" if mixtral => "block_sparse_moe.gate",
            "ffn_gate_exps" if mixtral => "block_sparse_moe.experts.{}.w1",
            "ffn_up_exps" if mixtral => "block_sparse_moe.experts.{}.w3",
            "ffn_down_exps" if mixtral => "block_sparse_moe.experts.{}.w2",
            "ffn_gate_inp" => "mlp.gate",
            "ffn_gate_exps" => "mlp.experts.{}.gate_proj",
            "ffn_up_exps" => "mlp.experts.{}.up_proj",
            "ffn_down_exps" => "mlp.experts.{}.down_proj",
            _ => return None,
        };
        Some(format!("{LAYERS}{layer}.{part}.{kind}"))
    }

    fn required(&self, role: &str) -> Result<String, DetectError> {
        self.name(role)
            .ok_or_else(|| self.invalid(0, role, "has no name in such files".to_owned()))
    }
}

impl TensorSource for ModelFolder {
    type Error = DetectError;

    /// Opening it was the check.
    fn check(&self) -> Result<(), DetectError> {
        Ok(())
    }

    fn has(&self, role: &str) -> bool {
        self.name(role).is_some_and(|name| self.find(&name).is_some())
    }

    fn names(&self, role: &str) -> Vec<String> {
        let Some(name) = self.name(role) else {
            return Vec::new();
        };
        match name.contains("{}") {
            true => (0..self.folder.config.expert_count)
                .map(|expert| name.replace("{}", &expert.to_string()))
                .collect(),
            false => vec![name],
        }
    }

    fn matrix(&self, role: &str, rows: usize, len: usize) -> Result<Matrix, DetectError> {
        self.rows(&self.required(role)?, &[rows as u64, len as u64])
    }

    fn stack(&self, role: &str, count: usize, rows: usize, len: usize) -> Result<Vec<Matrix>, DetectError> {
        let name = self.required(role)?;
        (0..count)
            .map(|index| {
                self.rows(
                    &name.replace("{}", &index.to_string()),
                    &[rows as u64, len as u64],
                )
            })
            .collect()
    }

    fn vector(&self, role: &str, len: usize) -> Result<Vec<f32>, DetectError> {
        let name = self.required(role)?;
        let mut numbers = finite(&self.rows(&name, &[len as u64])?)
            .ok_or_else(|| self.invalid(0, &name, NOT_FINITE.to_owned()))?;
        // Gemma's norms are kept as their distance from one.
        if self.is_gemma() && role.contains("norm") {
            numbers.iter_mut().for_each(|number| *number += 1.0);
        }
        Ok(numbers)
    }

    fn of_layers(&self, layer_count: usize) -> impl Iterator<Item = &str> {
        let tensors = self
            .folder
            .weights
            .iter()
            .flat_map(|(_, header)| header.tensors());
        tensors
            .map(|tensor| tensor.name.as_str())
            .filter(move |name| layer_of(name, LAYERS).is_some_and(|layer| layer < layer_count))
            // Old files of Llama have the frequencies, which follow from config.json.
            .filter(|name| !name.ends_with(".rotary_emb.inv_freq"))
    }

    fn left_out(&self, name: &str, architecture: LlmArchitecture) -> DetectError {
        DetectError::Unsupported {
            file: self
                .find(name)
                .map_or_else(String::new, |(file, _)| self.file_name(file)),
            field: name.to_owned(),
            problem: format!("is not a part of {architecture} that this worker knows"),
        }
    }
}
