//! A model in either form.

use std::path::Path;

use memmap2::Mmap;
use rbee_artifacts::detect::{DetectError, LlmFolder};
use rbee_artifacts::gguf::{GgufError, summary};

use super::error::LoadError;
use super::file::ModelFile;
use super::folder::ModelFolder;
use super::pooling::Pooling;
use super::source::TensorSource;
use super::spec::{DecoderSpec, RopeScale};
use super::weights::{LONG_FACTORS, SHORT_FACTORS, Weights};

/// A model's files, mapped, with their headers read and checked.
#[derive(Debug)]
pub enum ModelFiles {
    /// One file of GGUF.
    Gguf(ModelFile),
    /// A folder of safetensors.
    Safetensors(Box<ModelFolder>),
}

/// What the files say of the model as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) name: Option<String>,
    pub(super) quantization: Option<String>,
    pub(super) parameter_count: u64,
    pub(super) weights_bytes: u64,
}

impl ModelFiles {
    /// Opens a file, or a folder with its `config.json`. No tensor is read yet.
    ///
    /// # Errors
    /// When something cannot be read, or is no model that is known.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        match path.is_dir() {
            true => ModelFolder::open(path).map(|folder| Self::Safetensors(Box::new(folder))),
            false => ModelFile::open(path).map(Self::Gguf),
        }
    }

    /// Where they lie.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Gguf(file) => file.path(),
            Self::Safetensors(folder) => folder.path(),
        }
    }

    /// What the decoder is, and its weights.
    ///
    /// # Errors
    /// When the model is not supported or broken; names the field or tensor.
    pub fn decoder(&self) -> Result<(DecoderSpec, Weights), LoadError> {
        match self {
            Self::Gguf(file) => of_file(file).map_err(|source| self.file_error(source)),
            Self::Safetensors(folder) => of_folder(folder).map_err(|source| LoadError::Folder {
                path: self.path().to_owned(),
                source,
            }),
        }
    }

    pub(super) fn description(&self) -> Result<Description, LoadError> {
        match self {
            Self::Gguf(file) => {
                let facts = summary(file.header()).map_err(|source| self.file_error(source))?;
                Ok(Description {
                    name: facts.name,
                    quantization: facts.quantization,
                    parameter_count: facts.parameter_count,
                    weights_bytes: file.weights_bytes(),
                })
            }
            Self::Safetensors(folder) => {
                let LlmFolder { weights, facts, .. } = folder.contents();
                let tensors = weights.iter().flat_map(|(_, header)| header.tensors());
                Ok(Description {
                    name: facts.name.clone(),
                    quantization: facts.quantization.clone(),
                    parameter_count: facts.parameter_count.unwrap_or_default(),
                    weights_bytes: tensors.map(|tensor| tensor.size_bytes).sum(),
                })
            }
        }
    }

    /// How vectors of texts are made, if the model declares it.
    pub(super) fn pooling(&self) -> Result<Option<Pooling>, LoadError> {
        match self {
            Self::Gguf(file) => Pooling::of_gguf(file.header()).map_err(|source| self.file_error(source)),
            Self::Safetensors(folder) => Ok(Pooling::of_folder(folder.path())),
        }
    }

    /// Brings the tensors from disk into memory, so that the first token need not wait for them.
    /// Calls `progress` with the fraction that is done.
    pub(super) fn prefetch(&self, progress: &mut dyn FnMut(f64)) {
        const STEP: usize = 16 << 20;
        const PAGE: usize = 4 << 10;
        let parts: Vec<(&Mmap, usize)> = match self {
            Self::Gguf(file) => vec![file.tensors()],
            Self::Safetensors(folder) => folder.tensors().collect(),
        };
        let data = |&(map, start): &(&Mmap, usize)| map.len().saturating_sub(start);
        let total: usize = parts.iter().map(data).sum();
        let mut done = 0;
        for (map, start) in parts {
            #[cfg(unix)]
            if let Err(error) = map.advise(memmap2::Advice::WillNeed) {
                tracing::debug!(%error, "the system takes no advice about the model's file");
            }
            for step in map.get(start..).unwrap_or(&[]).chunks(STEP) {
                for page in step.chunks(PAGE) {
                    std::hint::black_box(page[0]);
                }
                done += step.len();
                progress(done as f64 / total as f64);
            }
        }
    }

    fn file_error(&self, source: GgufError) -> LoadError {
        LoadError::File {
            path: self.path().to_owned(),
            source,
        }
    }
}

fn of_file(file: &ModelFile) -> Result<(DecoderSpec, Weights), GgufError> {
    let mut spec = DecoderSpec::read(file.header())?;
    for rope in &mut spec.ropes {
        if let RopeScale::Long(long) = &mut rope.scaling {
            long.short = divisors(file, SHORT_FACTORS, spec.rope_dim / 2)?;
            long.long = divisors(file, LONG_FACTORS, spec.rope_dim / 2)?;
        }
    }
    let weights = Weights::bind(file, &spec)?;
    Ok((spec, weights))
}

/// The numbers of a tensor, all of which divide something.
fn divisors(file: &ModelFile, name: &str, count: usize) -> Result<Vec<f32>, GgufError> {
    let numbers = file.vector(name, count)?;
    if numbers.iter().all(|&number| number > 0.0) {
        return Ok(numbers);
    }
    Err(GgufError::Invalid {
        field: format!("tensor {name}"),
        problem: "must hold numbers above 0".to_owned(),
    })
}

fn of_folder(folder: &ModelFolder) -> Result<(DecoderSpec, Weights), DetectError> {
    let LlmFolder { json, config, .. } = folder.contents();
    let spec = DecoderSpec::from_config(json, config, folder.architecture())?;
    let weights = Weights::bind(folder, &spec)?;
    Ok((spec, weights))
}
