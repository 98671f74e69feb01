//! Textual inversion (Gal et al. 2022): vectors that stand for a word.

use std::path::Path;

use rbee_artifacts::AddOnKind;
use rbee_artifacts::detect::{DetectError, Detected, Links, detect_path};

use super::ModelSpec;
use super::error::LoadError;
use super::file::{Place, WeightFile, at, name_of};
use super::text::TowerKind;

/// The vectors of an embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// For each text encoder of the model, as many vectors of its width; none for an encoder that the file has
    /// nothing for.
    pub vectors: Vec<Vec<Vec<f32>>>,
}

impl Embedding {
    /// Reads an embedding for a model.
    ///
    /// # Errors
    /// When the file cannot be read, is no embedding, or its vectors have another width than the model's words.
    pub fn open(path: &Path, spec: &ModelSpec) -> Result<Self, LoadError> {
        match detect_path(path, Links::All) {
            Ok(Detected::AddOn(facts)) if facts.kind == AddOnKind::Embedding => {}
            Ok(other) => {
                return Err(LoadError::WrongKind {
                    path: path.to_owned(),
                    found: other.in_words(),
                    wanted: "a textual-inversion embedding".to_owned(),
                });
            }
            Err(error) => return Err(at(path)(error)),
        }
        let file = WeightFile::open(path, &name_of(path))?;
        let mut vectors = vec![Vec::new(); spec.towers.len()];
        for (index, tensor) in file.header.tensors().iter().enumerate() {
            let place = Place {
                file: std::sync::Arc::clone(&file),
                tensor: index,
                third: None,
                transposed: false,
            };
            let width = tensor.shape.last().copied().unwrap_or(0) as usize;
            let tower = spec.towers.iter().position(|tower| match tensor.name.as_str() {
                "clip_l" => tower.kind == TowerKind::ClipL,
                "clip_g" => tower.kind == TowerKind::OpenClip,
                _ => tower.width == width,
            });
            // Trainers leave other tables beside them, such as the word's.
            if !is_vectors(&tensor.name) && file.header.tensors().len() > 1 {
                continue;
            }
            let tower = tower.filter(|&tower| spec.towers[tower].width == width && width > 0);
            let Some(tower) = tower else {
                let widths: Vec<usize> = spec.towers.iter().map(|tower| tower.width).collect();
                return Err(LoadError::Unsuitable {
                    path: path.to_owned(),
                    problem: format!("its vectors have {width} numbers, the model's words {widths:?}"),
                });
            };
            let numbers = place.read().map_err(at(path))?.wide();
            vectors[tower] = numbers.chunks_exact(width).map(<[f32]>::to_vec).collect();
        }
        let count = vectors.iter().map(Vec::len).max().unwrap_or(0);
        if count == 0 || vectors.iter().any(|some| !some.is_empty() && some.len() != count) {
            let problem = "must be as many vectors for each text encoder, at least one".to_owned();
            return Err(at(path)(DetectError::Invalid {
                file: name_of(path),
                field: "vectors".to_owned(),
                problem,
            }));
        }
        Ok(Self { vectors })
    }

    /// How many tokens it takes the place of.
    #[must_use]
    pub fn vector_count(&self) -> usize {
        self.vectors.iter().map(Vec::len).max().unwrap_or(0)
    }
}

fn is_vectors(name: &str) -> bool {
    matches!(name, "emb_params" | "clip_l" | "clip_g") || name.starts_with('<')
}
