//! Finds out what lies at a path and names all its tensors; reads none of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rbee_artifacts::StableDiffusionVersion;
use rbee_artifacts::detect::{
    Arrangement, DetectError, Detected, Links, StableDiffusionFacts, Task, detect_path, open_diffusers_folder,
};

use super::error::LoadError;
use super::file::{WeightFile, at, name_of};
use super::names;
use super::tensors::Tensors;
use crate::kernels::Activation;

/// A model's files, with what they say of it.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) facts: StableDiffusionFacts,
    pub(super) tensors: Tensors,
    /// What the configurations of text encoders say, by their order.
    pub(super) activations: [Option<Activation>; 2],
    pub(super) vae_scaling_factor: Option<f64>,
}

/// Opens a file or a folder of a model that this worker can run.
pub(super) fn open(path: &Path) -> Result<Opened, LoadError> {
    let facts = match detect_path(path, Links::All).map_err(at(path))? {
        Detected::StableDiffusion(facts) => facts,
        other => {
            return Err(LoadError::WrongKind {
                path: path.to_owned(),
                found: other.in_words(),
                wanted: "a Stable Diffusion model".to_owned(),
            });
        }
    };
    check(&facts, &name_of(path)).map_err(at(path))?;
    match facts.arrangement {
        Arrangement::SingleFile => {
            let file = WeightFile::open(path, &name_of(path))?;
            Ok(Opened {
                tensors: of_single_file(&file).map_err(at(path))?,
                facts,
                activations: [None; 2],
                vae_scaling_factor: None,
            })
        }
        Arrangement::Diffusers => of_folder(path),
    }
}

/// Refuses what is of the family, but not what this worker runs.
fn check(facts: &StableDiffusionFacts, file: &str) -> Result<(), DetectError> {
    let problem = if facts.unet.version == StableDiffusionVersion::XlRefiner {
        "is the refiner of Stable Diffusion XL, which this worker does not run".to_owned()
    } else if !matches!(facts.unet.task, Task::TextToImage | Task::Inpainting) {
        format!(
            "is a model for {}, which this worker does not run",
            facts.unet.task
        )
    } else {
        return Ok(());
    };
    Err(DetectError::Unsupported {
        file: file.to_owned(),
        field: "UNet".to_owned(),
        problem,
    })
}

/// Names the tensors of a single file. One that is a UNet alone may lack the prefix.
pub(super) fn of_single_file(file: &Arc<WeightFile>) -> Result<Tensors, DetectError> {
    let mut tensors = Tensors::default();
    if file.header.tensor("input_blocks.0.0.weight").is_some() {
        tensors.add(file, |name, blocks| {
            names::original(&format!("model.diffusion_model.{name}"), blocks)
        })?;
    } else if file.header.tensor("conv_in.weight").is_some() {
        tensors.add(file, |name, blocks| names::diffusers("unet", name, blocks))?;
    } else {
        tensors.add(file, names::original)?;
    }
    Ok(tensors)
}

fn of_folder(path: &Path) -> Result<Opened, LoadError> {
    let folder = open_diffusers_folder(path, Links::All).map_err(at(path))?;
    let mut tensors = Tensors::default();
    let mut activations = [None; 2];
    let mut vae_scaling_factor = None;
    for (part, files) in &folder.parts {
        for (name, _) in &files.weights {
            let file = WeightFile::open(&folder.root.join(name), name)?;
            tensors
                .add(&file, |name, blocks| names::diffusers(part, name, blocks))
                .map_err(at(path))?;
        }
        match *part {
            "text_encoder" => activations[0] = activation(&files.config).map_err(at(path))?,
            "text_encoder_2" => activations[1] = activation(&files.config).map_err(at(path))?,
            "vae" => {
                let factor = files
                    .config
                    .get("scaling_factor")
                    .and_then(serde_json::Value::as_f64);
                vae_scaling_factor = factor.filter(|factor| factor.is_finite() && *factor > 0.0);
            }
            _ => {}
        }
    }
    Ok(Opened {
        facts: folder.facts,
        tensors,
        activations,
        vae_scaling_factor,
    })
}

fn activation(config: &rbee_artifacts::detect::JsonObject) -> Result<Option<Activation>, DetectError> {
    match config.str("hidden_act")? {
        None => Ok(None),
        Some("quick_gelu") => Ok(Some(Activation::QuickGelu)),
        Some("gelu") => Ok(Some(Activation::Gelu)),
        Some(_) => Err(DetectError::Unsupported {
            file: config.file().to_owned(),
            field: "hidden_act".to_owned(),
            problem: "is an activation that text encoders of Stable Diffusion do not have".to_owned(),
        }),
    }
}

/// The one file of weights in a folder of a part alone.
pub(super) fn only_file(folder: &Path, name: &str) -> Result<PathBuf, LoadError> {
    let plain = folder.join(name);
    if plain.is_file() {
        return Ok(plain);
    }
    let read_error = |source| LoadError::Read {
        path: folder.to_owned(),
        source,
    };
    let stem = name.trim_end_matches("safetensors");
    let entries = std::fs::read_dir(folder).map_err(read_error)?;
    let mut names: Vec<PathBuf> = entries
        .take(10_000)
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            let name = name_of(path);
            name.starts_with(stem) && name.ends_with(".safetensors")
        })
        .collect();
    names.sort();
    names.into_iter().next().ok_or_else(|| LoadError::Model {
        path: folder.to_owned(),
        source: DetectError::Missing {
            file: name.to_owned(),
            why: "it holds the weights".to_owned(),
        },
    })
}
