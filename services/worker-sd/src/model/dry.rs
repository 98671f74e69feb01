//! Models without their weights, and text encoders without their models: what fidelity compares besides whole models.

use std::collections::BTreeMap;
use std::path::Path;

use rbee_artifacts::detect::{DetectError, Detected, Layout, detect_file};
use rbee_artifacts::safetensors::SafetensorsHeader;

use super::builder::{self, Builder};
use super::error::{ComputeError, LoadError};
use super::file::{WeightFile, at};
use super::open::{Opened, of_single_file};
use super::text::{TextStates, Tower, Use};
use super::{LoadOptions, Model, TowerKind, layers, names};
use crate::kernels::Activation;
use crate::pipeline::TextRow;

/// A model of tensors of these shapes, as if they lay in one file. No tensor is read.
///
/// # Errors
/// Why no such model can be loaded, in words.
pub(crate) fn of_shapes(shapes: &BTreeMap<String, Vec<u64>>) -> Result<Model, String> {
    let header = header(shapes)?;
    let facts = match detect_file(&Layout::from(&header), &BTreeMap::new(), "manifest") {
        Ok(Detected::StableDiffusion(facts)) => facts,
        other => return Err(format!("{other:?}")),
    };
    let file = WeightFile::without_data("manifest", header);
    let opened = Opened {
        facts,
        tensors: of_single_file(&file).map_err(|error| error.to_string())?,
        activations: [None; 2],
        vae_scaling_factor: None,
    };
    Model::build(&opened, false, &LoadOptions::default(), "manifest").map_err(|error| error.to_string())
}

/// The header of a file that has tensors of these shapes.
fn header(shapes: &BTreeMap<String, Vec<u64>>) -> Result<SafetensorsHeader, String> {
    let mut json = serde_json::Map::new();
    let mut end = 0;
    for (name, shape) in shapes {
        let count: u64 = shape.iter().product();
        let begin = end;
        end += 2 * count;
        json.insert(
            name.clone(),
            serde_json::json!({"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}),
        );
    }
    let text = serde_json::to_vec(&json).map_err(|error| error.to_string())?;
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(&text);
    SafetensorsHeader::read(bytes.as_slice(), bytes.len() as u64 + end).map_err(|error| error.to_string())
}

/// A text encoder that lies in a file of its own, with the names that it has in single files.
#[derive(Debug)]
pub(crate) struct LoneTower(Tower);

impl LoneTower {
    /// Loads it. Its states are those after `without` blocks less than it has, with the last norm or without.
    ///
    /// # Errors
    /// When it cannot be read or is broken.
    pub(crate) fn load(path: &Path, kind: TowerKind, without: usize, norm: bool) -> Result<Self, LoadError> {
        let file = WeightFile::open(path, "tower")?;
        let load = || -> Result<_, DetectError> {
            let tensors = of_single_file(&file)?;
            let (prefix, activation) = match kind {
                TowerKind::ClipL => (names::TOWERS[0], Activation::QuickGelu),
                TowerKind::OpenClip => (names::TOWERS[1], Activation::Gelu),
            };
            let how = Use {
                kind,
                trained_without: without,
                dropped: 0,
                norm,
                pooled: kind == TowerKind::OpenClip,
                activation,
            };
            let builder = Builder::new(&tensors);
            let tower = Tower::new(&builder.below(prefix, &layers::kernels_backend()), how)?;
            Ok((tower, builder.finish(&[prefix])?))
        };
        let (tower, weights) = load().map_err(at(path))?;
        builder::load(&weights, &mut |_| {})?;
        Ok(Self(tower))
    }

    /// States and pooled states of the rows.
    ///
    /// # Errors
    /// When the rows do not fit the encoder.
    pub(crate) fn encode(&self, rows: &[TextRow]) -> Result<TextStates, ComputeError> {
        self.0.forward(rows, None, &|| false)
    }
}
