//! The modules of a LoRA's file, whatever they are called.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rbee_artifacts::StableDiffusionVersion;
use rbee_artifacts::detect::DetectError;

use crate::kernels::{Finish, Isa, Lanes, Numbers, Panels, product};
use crate::model::error::LoadError;
use crate::model::file::{Place, WeightFile};

/// The change to one matrix, still in its file.
#[derive(Debug)]
pub(super) struct Change {
    down: Place,
    up: Place,
    /// Where the file has one.
    alpha: Option<Place>,
    rank: usize,
    identity: usize,
}

/// The change to one matrix, read.
pub(super) struct Factors {
    down: Vec<f32>,
    up: Vec<f32>,
    rank: usize,
    /// Alpha over rank.
    scale: f64,
}

/// All modules of a file by their name in kohya's form without `lora_`: `unet_…`, `te_…`, `te1_…`.
#[derive(Debug, Default)]
pub(super) struct Modules(BTreeMap<String, Change>);

#[derive(Default)]
struct Parts {
    down: Option<Place>,
    up: Option<Place>,
    alpha: Option<Place>,
}

/// Which part of a module a tensor is.
enum Part {
    Down,
    Up,
    Alpha,
}

/// Endings of tensors' names.
const ENDINGS: [(&str, Part); 11] = [
    (".lora_down.weight", Part::Down),
    (".lora_up.weight", Part::Up),
    (".lora.down.weight", Part::Down),
    (".lora.up.weight", Part::Up),
    ("_lora.down.weight", Part::Down),
    ("_lora.up.weight", Part::Up),
    (".lora_A.default.weight", Part::Down),
    (".lora_B.default.weight", Part::Up),
    (".lora_A.weight", Part::Down),
    (".lora_B.weight", Part::Up),
    (".alpha", Part::Alpha),
];

impl Modules {
    pub(super) fn read(file: &Arc<WeightFile>) -> Result<Self, DetectError> {
        let mut modules: BTreeMap<String, Parts> = BTreeMap::new();
        for (index, tensor) in file.header.tensors().iter().enumerate() {
            let place = Place {
                file: Arc::clone(file),
                tensor: index,
                third: None,
                transposed: false,
            };
            let ending = ENDINGS
                .iter()
                .find_map(|(ending, part)| Some((tensor.name.strip_suffix(ending)?, part)));
            let Some((module, part)) = ending else {
                return Err(DetectError::Unsupported {
                    file: file.name.clone(),
                    field: tensor.name.clone(),
                    problem: "is no part of a LoRA that this worker knows".to_owned(),
                });
            };
            let parts = modules.entry(in_kohyas_form(module)).or_default();
            let slot = match part {
                Part::Down => &mut parts.down,
                Part::Up => &mut parts.up,
                Part::Alpha => &mut parts.alpha,
            };
            if slot.replace(place.clone()).is_some() {
                return Err(place.invalid("is there twice, under two names"));
            }
        }
        let mut changes = BTreeMap::new();
        for (module, parts) in modules {
            if let Some(change) = Change::new(parts)? {
                changes.insert(module, change);
            }
        }
        Ok(Self(changes))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Change)> {
        self.0.iter()
    }
}

/// `lora_unet_down_blocks_…` and `unet.down_blocks.….to_q` alike as `unet_down_blocks_…`.
fn in_kohyas_form(module: &str) -> String {
    let module = module.strip_prefix("base_model.model.").unwrap_or(module);
    if let Some(module) = module.strip_prefix("lora_") {
        return module.to_owned();
    }
    // What diffusers wrote before it had PEFT.
    let module = module
        .replace(".processor.", ".")
        .replace("to_out_lora", "to_out.0");
    let module = module
        .strip_suffix("to_out")
        .map_or(module.clone(), |rest| format!("{rest}to_out.0"));
    let tower = [("text_encoder_2.", "te2_"), ("text_encoder.", "te1_")]
        .iter()
        .find_map(|(prefix, tower)| Some(format!("{tower}{}", module.strip_prefix(prefix)?)));
    tower.unwrap_or(module).replace('.', "_")
}

impl Change {
    /// `None` for an alpha without anything.
    fn new(parts: Parts) -> Result<Option<Self>, DetectError> {
        let (down, up) = match (parts.down, parts.up) {
            (Some(down), Some(up)) => (down, up),
            (None, None) => return Ok(None),
            (Some(alone), None) | (None, Some(alone)) => {
                return Err(alone.invalid("has no other half"));
            }
        };
        let rank = down.shape().first().copied().unwrap_or(0);
        let up_shape = up.shape();
        if rank == 0 || up_shape.get(1) != Some(&rank) || up_shape.iter().skip(2).any(|&size| size != 1) {
            let problem = format!(
                "has the shape {up_shape:?}, but its other half {:?}",
                down.shape()
            );
            return Err(up.invalid(problem));
        }
        if let Some(alpha) = &parts.alpha
            && alpha.info().element_count() != 1
        {
            return Err(alpha.invalid("is not one number"));
        }
        down.check_type()?;
        up.check_type()?;
        // Changes of two files must not be taken for one, even when one has been closed.
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let identity = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Some(Self {
            down,
            up,
            alpha: parts.alpha,
            rank: rank as usize,
            identity,
        }))
    }

    /// What tells it from others while the LoRA is there.
    pub(super) fn identity(&self) -> usize {
        self.identity
    }

    /// Holds its shape against that of a weight; says what is wrong.
    pub(super) fn check(&self, shape: &[usize], base: Option<StableDiffusionVersion>) -> Result<(), String> {
        let inputs: u64 = self.down.shape().iter().skip(1).product();
        let outputs = self.up.shape()[0];
        let wanted: usize = shape.iter().skip(1).product();
        if inputs == wanted as u64 && outputs == shape[0] as u64 {
            return Ok(());
        }
        let family = base.map_or(String::new(), |base| format!(" (it was made for {base})"));
        Err(format!(
            "changes {outputs} outputs of {inputs} inputs, but the model has {} of {wanted}{family}",
            shape[0]
        ))
    }

    pub(super) fn read(&self) -> Result<Factors, LoadError> {
        let read = |place: &Place| {
            place.read().map_err(|source| LoadError::Model {
                path: place.file.name.clone().into(),
                source,
            })
        };
        let alpha = match &self.alpha {
            Some(alpha) => read(alpha)?.wide().first().copied().map(f64::from),
            None => None,
        };
        Ok(Factors {
            down: read(&self.down)?.wide(),
            up: read(&self.up)?.wide(),
            rank: self.rank,
            scale: alpha.map_or(1.0, |alpha| alpha / self.rank as f64),
        })
    }
}

impl Factors {
    /// Adds `weight` times the change to a weight's numbers `[outputs, inputs]`.
    pub(super) fn add_to(&self, numbers: &mut [f32], weight: f64) {
        let inputs = self.down.len() / self.rank;
        // Rows of `up` times columns of `down`: the panels take `[inputs, rank]`.
        let turned: Vec<f32> = (0..inputs)
            .flat_map(|input| (0..self.rank).map(move |rank| (rank, input)))
            .map(|(rank, input)| self.down[rank * inputs + input])
            .collect();
        let panels = Panels::pack(Numbers::F32(&turned), inputs, self.rank, 1, Lanes::InOrder);
        let change = product(Isa::detect(), &self.up, &panels, &Finish::default());
        let scale = (self.scale * weight) as f32;
        for (number, change) in numbers.iter_mut().zip(change) {
            *number += scale * change;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_namings_are_one() {
        for (name, form) in [
            (
                "lora_unet_mid_block_attentions_0_proj_in",
                "unet_mid_block_attentions_0_proj_in",
            ),
            (
                "lora_te1_text_model_encoder_layers_0_mlp_fc1",
                "te1_text_model_encoder_layers_0_mlp_fc1",
            ),
            (
                "unet.mid_block.attentions.0.proj_in",
                "unet_mid_block_attentions_0_proj_in",
            ),
            ("unet.a.attn1.processor.to_q", "unet_a_attn1_to_q"),
            ("unet.a.attn1.processor.to_out", "unet_a_attn1_to_out_0"),
            ("unet.a.attn1.to_out.0", "unet_a_attn1_to_out_0"),
            ("base_model.model.unet.conv_in", "unet_conv_in"),
            (
                "text_encoder.text_model.encoder.layers.0.self_attn.q_proj",
                "te1_text_model_encoder_layers_0_self_attn_q_proj",
            ),
        ] {
            assert_eq!(in_kohyas_form(name), form, "{name}");
        }
    }
}
