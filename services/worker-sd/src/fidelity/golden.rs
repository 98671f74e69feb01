//! Golden data as they lie in files.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::FidelityError;

/// A file of JSON in the form of `T`. Python's infinities, which JSON does not have, become nothing.
pub(super) fn json<T: DeserializeOwned>(path: &Path) -> Result<T, FidelityError> {
    let text = std::fs::read_to_string(path).map_err(|source| FidelityError {
        source: Some(source),
        ..FidelityError::new(path, "it cannot be read")
    })?;
    let text = text.replace("-Infinity", "null").replace("Infinity", "null");
    serde_json::from_str(&text).map_err(|error| FidelityError::new(path, error.to_string()))
}

/// The names of the folders that hold models, in alphabetical order.
pub(super) fn models(folder: &Path) -> Result<Vec<String>, FidelityError> {
    let unreadable = |source| FidelityError {
        source: Some(source),
        ..FidelityError::new(folder, "the folder cannot be listed")
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        if path.join("golden.json").is_file() && path.join("model.safetensors").is_file() {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort();
    Ok(names)
}

/// Arrays of a safetensors file.
pub(super) struct Arrays {
    path: PathBuf,
    arrays: HashMap<String, Tensor>,
}

impl Arrays {
    pub(super) fn open(path: &Path) -> Result<Self, FidelityError> {
        Ok(Self {
            arrays: candle_core::safetensors::load(path, &Device::Cpu)
                .map_err(|error| FidelityError::new(path, error.to_string()))?,
            path: path.to_owned(),
        })
    }

    fn get(&self, name: &str) -> Result<&Tensor, FidelityError> {
        let missing = || FidelityError::new(&self.path, format!("there is no array {name}"));
        self.arrays.get(name).ok_or_else(missing)
    }

    /// All numbers of an array.
    pub(super) fn numbers(&self, name: &str) -> Result<Vec<f32>, FidelityError> {
        let flat = |tensor: &Tensor| tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1();
        flat(self.get(name)?).map_err(|error| FidelityError::new(&self.path, format!("{name}: {error}")))
    }

    /// All whole numbers of an array.
    pub(super) fn ids(&self, name: &str) -> Result<Vec<u32>, FidelityError> {
        let numbers = self
            .get(name)?
            .flatten_all()
            .and_then(|flat| flat.to_vec1::<i64>());
        let numbers = numbers.map_err(|error| FidelityError::new(&self.path, format!("{name}: {error}")))?;
        Ok(numbers.into_iter().map(|id| id as u32).collect())
    }

    /// Height and width of an array of pictures.
    pub(super) fn edges(&self, name: &str) -> Result<(usize, usize), FidelityError> {
        match self.get(name)?.dims() {
            [_, _, height, width] => Ok((*height, *width)),
            other => Err(FidelityError::new(
                &self.path,
                format!("{name} has the shape {other:?}"),
            )),
        }
    }

    /// The length of the array's first dimension.
    pub(super) fn rows(&self, name: &str) -> Result<usize, FidelityError> {
        Ok(self.get(name)?.dims().first().copied().unwrap_or(1))
    }
}

/// What is known of one model.
pub(super) struct Golden {
    pub(super) cases: Cases,
    pub(super) arrays: Arrays,
    pub(super) folder: PathBuf,
}

/// `golden.json` of a model.
#[derive(Deserialize)]
pub(super) struct Cases {
    family: String,
    single_file: Option<SingleFile>,
    #[serde(default)]
    pub(super) tokens: Vec<Tokens>,
    #[serde(default)]
    pub(super) text: Vec<Text>,
    /// A list; of a UNet alone its configuration.
    #[serde(default)]
    unet: serde_json::Value,
    #[serde(default)]
    pub(super) vae: Vec<Vae>,
    #[serde(default)]
    pub(super) cases: Vec<Case>,
    #[serde(default)]
    pub(super) k_diffusion: Vec<Case>,
    #[serde(default)]
    pub(super) lora: Vec<Case>,
}

#[derive(Deserialize)]
struct SingleFile {
    /// Of a UNet alone, words whose last names the model with the text encoders and the VAE.
    holds: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Tokens {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) tensor: String,
    pub(super) tensor_2: Option<String>,
    pub(super) pad_token_id: u32,
    pub(super) pad_token_id_2: Option<u32>,
    pub(super) ids_untruncated: Vec<u32>,
    pub(super) ids_untruncated_2: Option<Vec<u32>>,
    pub(super) ids_original_clip: Original,
}

/// Ids of the original tokenizer: a list, or the word `same`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Original {
    Other(Vec<u32>),
    Same(String),
}

#[derive(Deserialize)]
pub(super) struct Limit {
    pub(super) max_abs: f64,
}

#[derive(Deserialize)]
pub(super) struct Text {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) tensors: HashMap<String, String>,
    pub(super) tolerance: Limit,
}

#[derive(Deserialize)]
pub(super) struct Unet {
    pub(super) name: String,
    pub(super) timestep: f64,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) context: String,
    pub(super) pooled: Option<String>,
    pub(super) time_ids: Option<Vec<f32>>,
    pub(super) sample: String,
    pub(super) out: String,
    pub(super) tolerance: Limit,
}

#[derive(Deserialize)]
pub(super) struct Vae {
    pub(super) name: String,
    pub(super) latents: Option<String>,
    pub(super) image: String,
    pub(super) mean: Option<String>,
    pub(super) logvar: Option<String>,
    pub(super) tolerance: Limit,
}

/// A whole run.
#[derive(Deserialize)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) sampler: String,
    /// Of the web interfaces' runs: whose, and which schedule.
    pub(super) flavour: Option<String>,
    pub(super) schedule: Option<String>,
    pub(super) scheduler: Option<Scheduler>,
    pub(super) prompt: String,
    pub(super) negative_prompt: Option<String>,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) steps: usize,
    pub(super) guidance: f32,
    pub(super) seed: u64,
    pub(super) strength: f32,
    pub(super) file: Option<String>,
    pub(super) lora_scale: Option<f64>,
    pub(super) tensors: HashMap<String, String>,
    pub(super) tolerance: RunLimits,
    #[serde(flatten)]
    pub(super) table: TableOf,
}

/// What a scheduler runs.
#[derive(Deserialize)]
pub(super) struct TableOf {
    pub(super) timesteps: Vec<f64>,
    pub(super) sigmas: Option<Vec<f64>>,
    #[serde(alias = "initial_scale")]
    pub(super) init_noise_sigma: f64,
}

#[derive(Deserialize)]
pub(super) struct RunLimits {
    pub(super) latents_max_abs: f64,
    pub(super) image_max_levels: f64,
}

/// The configuration of one of diffusers' schedulers, as far as it differs.
#[derive(Deserialize)]
pub(super) struct Scheduler {
    pub(super) timestep_spacing: String,
    #[serde(default)]
    pub(super) use_karras_sigmas: bool,
    #[serde(default)]
    pub(super) use_exponential_sigmas: bool,
}

impl Golden {
    pub(super) fn open(folder: &Path) -> Result<Self, FidelityError> {
        Ok(Self {
            cases: json(&folder.join("golden.json"))?,
            arrays: Arrays::open(&folder.join("golden.safetensors"))?,
            folder: folder.to_owned(),
        })
    }

    /// Of a UNet alone, the name of the model whose text encoders and VAE it takes.
    pub(super) fn host(&self) -> Option<&str> {
        let holds = self.cases.single_file.as_ref()?.holds.as_deref();
        let alone = self.cases.family.ends_with("-inpaint");
        holds?.split_whitespace().next_back().filter(|_| alone)
    }

    /// Passes through the UNet.
    pub(super) fn unet(&self) -> Result<Vec<Unet>, FidelityError> {
        match &self.cases.unet {
            list @ serde_json::Value::Array(_) => Vec::deserialize(list)
                .map_err(|error| FidelityError::new(&self.folder.join("golden.json"), error.to_string())),
            _ => Ok(Vec::new()),
        }
    }
}

/// The largest difference; infinite where the lengths differ or a number is none.
pub(super) fn difference(found: &[f32], expected: &[f32]) -> f64 {
    if found.len() != expected.len() || found.is_empty() {
        return f64::INFINITY;
    }
    let differences = found.iter().zip(expected).map(|(a, b)| f64::from((a - b).abs()));
    differences
        .map(|difference| {
            if difference.is_nan() {
                f64::INFINITY
            } else {
                difference
            }
        })
        .fold(0.0, f64::max)
}
