//! Detection of what lies at a path: opens files, reads with bounds, and leaves the judging to the pure
//! parts.

mod folder;
mod reading;

use std::path::{Path, PathBuf};

use super::Detected;
use super::error::DetectError;
use super::prediction::{Evidence, VELOCITY_HINT, prediction_by_spread};
use super::single::detect_file;
use crate::StableDiffusionVersion;
use crate::detect::diffusers::ComponentFiles;
use crate::detect::json::JsonObject;
use crate::detect::layout::Layout;
use crate::detect::llm::{LlmConfig, LlmFacts, detect_gguf};
use crate::detect::stable_diffusion::StableDiffusionFacts;
use crate::safetensors::SafetensorsHeader;
use reading::{File, Opened};

/// Which symbolic links inside a folder are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Those that stay inside of the folder. For folders that came from somewhere else.
    Inside,
    /// All. For folders that the user arranged, such as the cache of another program.
    All,
}

/// The folder of a language model in safetensors: what is needed to load it.
#[derive(Debug, Clone)]
pub struct LlmFolder {
    /// All of `config.json`.
    pub json: JsonObject,
    /// The dimensions in it.
    pub config: LlmConfig,
    /// The files of weights with their headers. Every tensor of the model is in one of them, in its right
    /// shape, and none in two.
    pub weights: Vec<(PathBuf, SafetensorsHeader)>,
    /// What the folder is.
    pub facts: LlmFacts,
}

/// Opens the folder of a language model in safetensors and checks that its files make a model. Blocks
/// while it reads headers; reads no weights.
///
/// # Errors
/// As [`detect_path`], and when there is no `config.json`.
pub fn open_llm_folder(path: &Path, links: Links) -> Result<LlmFolder, DetectError> {
    folder::llm(&folder::Folder::open(path, links)?)
}

/// The folder of a Stable Diffusion model as diffusers writes it: what is needed to load it.
#[derive(Debug, Clone)]
pub struct DiffusersFolder {
    /// The folder, without links; names of files are relative to it.
    pub root: PathBuf,
    /// The parts that its index lists, by their folders.
    pub parts: Vec<(&'static str, ComponentFiles)>,
    /// What the folder is.
    pub facts: StableDiffusionFacts,
}

/// Opens a folder as diffusers writes it and checks that its parts are of one model. Blocks while it reads
/// headers; reads no weights.
///
/// # Errors
/// As [`detect_path`], and when there is no `model_index.json`.
pub fn open_diffusers_folder(path: &Path, links: Links) -> Result<DiffusersFolder, DetectError> {
    folder::diffusers(&folder::Folder::open(path, links)?)
}

/// What the file or folder at `path` is. Blocks while it reads headers; never more than a few MiB of
/// each file, and no special file.
///
/// # Errors
/// When it is nothing that a worker serves, or damaged; the error names the file, relative to `path`,
/// and the field at fault.
pub fn detect_path(path: &Path, links: Links) -> Result<Detected, DetectError> {
    let name = path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    let metadata = std::fs::metadata(path).map_err(|source| DetectError::Read {
        file: name.clone(),
        source,
    })?;
    if metadata.is_dir() {
        folder::detect(&folder::Folder::open(path, links)?)
    } else {
        detect_one(File::open(path, name)?)
    }
}

/// What one file is.
fn detect_one(file: File) -> Result<Detected, DetectError> {
    let name = file.name.clone();
    match file.header()? {
        Opened::Gguf(header) => detect_gguf(&header, &name).map(Detected::Llm),
        Opened::Safetensors(header, mut file) => {
            let layout = Layout::from(&header);
            let mut detected = detect_file(&layout, &header.metadata, &name)?;
            if let Detected::StableDiffusion(facts) = &mut detected
                && facts.unet.version == StableDiffusionVersion::V2_1
                && facts.prediction.is_none()
                && let Some(hint) = header.tensor(VELOCITY_HINT)
            {
                facts.prediction = prediction_by_spread(&file.floats(hint)?)
                    .map(|prediction| (prediction, Evidence::Weights));
            }
            Ok(detected)
        }
    }
}
