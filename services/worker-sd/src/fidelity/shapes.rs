//! What needs no whole model: names and shapes of real files, and text encoders by themselves.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Tensor;
use serde::Deserialize;

use super::golden::{Arrays, Limit, difference, json};
use super::{FidelityError, Report};
use crate::model::dry::{LoneTower, of_shapes};
use crate::model::{TextStates, TowerKind};
use crate::pipeline::{CHUNK_TOKENS, TextRow};

const LARGEST: &str = "largest difference";

pub(super) fn check(folder: &Path, report: &mut Report) -> Result<(), FidelityError> {
    for name in ["sd15", "sd21", "sdxl"] {
        let case = format!("manifest {name}");
        let path = folder.join("manifests").join(format!("{name}.json"));
        if !path.is_file() {
            report.absent.push(case);
        } else if report.wants(&case) {
            manifest(&case, &json(&path)?, report);
        }
    }
    let folder = folder.join("text-multihead");
    if folder.join("golden.json").is_file() {
        towers(&folder, report)
    } else {
        report.absent.push("text-multihead".to_owned());
        Ok(())
    }
}

#[derive(Deserialize)]
struct Manifest {
    tensors: usize,
    unet: UnetShape,
    text_encoders: Vec<TowerShape>,
    shapes: BTreeMap<String, Vec<u64>>,
}

#[derive(Deserialize)]
struct UnetShape {
    cross_attention_dim: usize,
}

#[derive(Deserialize)]
struct TowerShape {
    hidden: usize,
    projection: Option<usize>,
}

fn manifest(case: &str, golden: &Manifest, report: &mut Report) {
    let mut wrong = Vec::new();
    if golden.shapes.len() != golden.tensors {
        wrong.push(format!(
            "{} tensors and not {}",
            golden.shapes.len(),
            golden.tensors
        ));
    }
    match of_shapes(&golden.shapes) {
        Ok(model) => {
            let spec = model.spec();
            let widths: Vec<usize> = spec.towers.iter().map(|tower| tower.width).collect();
            let expected: Vec<usize> = golden.text_encoders.iter().map(|tower| tower.hidden).collect();
            if widths != expected {
                wrong.push(format!("text encoders {widths:?} and not {expected:?}"));
            }
            let pooled = golden.text_encoders.iter().find_map(|tower| tower.projection);
            if spec.pooled_width != pooled {
                wrong.push(format!("pooled {:?} and not {pooled:?}", spec.pooled_width));
            }
            if spec.context_width != golden.unet.cross_attention_dim {
                wrong.push(format!("context {}", spec.context_width));
            }
        }
        Err(error) => wrong.push(error),
    }
    report.none_differ(case, "tensors and widths that differ", golden.tensors, &wrong);
}

#[derive(Deserialize)]
struct Towers {
    models: Vec<TowerCase>,
}

#[derive(Deserialize)]
struct TowerCase {
    name: String,
    file: String,
    ids: String,
    last_hidden_state: String,
    penultimate: String,
    pooled: Option<String>,
    tolerance: Limit,
}

fn towers(folder: &Path, report: &mut Report) -> Result<(), FidelityError> {
    let golden: Towers = json(&folder.join("golden.json"))?;
    let arrays = Arrays::open(&folder.join("golden.safetensors"))?;
    for entry in &golden.models {
        let case = format!("text-multihead {}", entry.name);
        if report.wants(&case) {
            entry.check(&case, folder, &arrays, report)?;
        }
    }
    Ok(())
}

impl TowerCase {
    fn check(
        &self,
        case: &str,
        folder: &Path,
        arrays: &Arrays,
        report: &mut Report,
    ) -> Result<(), FidelityError> {
        let kind = match self.name.as_str() {
            "clip" => TowerKind::ClipL,
            _ => TowerKind::OpenClip,
        };
        let ids = arrays.ids(&self.ids)?;
        let rows: Vec<TextRow> = ids
            .chunks(CHUNK_TOKENS)
            .map(|ids| TextRow {
                ids: ids.to_vec(),
                vectors: Vec::new(),
            })
            .collect();
        let path = folder.join(&self.file);
        let passes = [(0, true, &self.last_hidden_state), (1, false, &self.penultimate)];
        for (without, norm, name) in passes {
            let states = match LoneTower::load(&path, kind, without, norm) {
                Ok(tower) => tower.encode(&rows),
                Err(error) => {
                    report.failed(case, "loading", &error);
                    continue;
                }
            };
            let expected = arrays.numbers(name)?;
            match states {
                Ok(states) => {
                    let off = difference(&numbers(&states.states), &expected);
                    report.at_most(case, LARGEST, off, self.tolerance.max_abs);
                    if norm {
                        self.check_pooled(case, &states, arrays, report)?;
                    }
                }
                Err(error) => report.failed(case, LARGEST, &error),
            }
        }
        Ok(())
    }

    fn check_pooled(
        &self,
        case: &str,
        states: &TextStates,
        arrays: &Arrays,
        report: &mut Report,
    ) -> Result<(), FidelityError> {
        if let Some(name) = &self.pooled {
            let found = states.pooled.as_ref().map(numbers).unwrap_or_default();
            let off = difference(&found, &arrays.numbers(name)?);
            report.at_most(
                case,
                "largest difference of the pooled state",
                off,
                self.tolerance.max_abs,
            );
        }
        Ok(())
    }
}

/// All numbers of a tensor; none if it can't be read.
fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor
        .flatten_all()
        .and_then(|flat| flat.to_vec1())
        .unwrap_or_default()
}
