//! LoRAs (Hu et al. 2021): small changes to a model's matrices, in files of their own.
//!
//! `W += weight × alpha / rank × up × down`; without an alpha, alpha is the rank. A change is added to what the
//! model's file has, so that a set of LoRAs is always the same whatever was there before, and taking the last
//! away restores the file's weights bit for bit.

mod module;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use rbee_artifacts::AddOnKind;
use rbee_artifacts::StableDiffusionVersion;
use rbee_artifacts::detect::{DetectError, Detected, Links, LoraMethod, detect_path};

use super::error::LoadError;
use super::file::{WeightFile, at, name_of};
use super::weight::Weight;
use super::{Model, names, open};
use module::{Change, Modules};

/// A LoRA whose file was read as far as its header.
#[derive(Debug)]
pub struct Lora {
    name: String,
    path: std::path::PathBuf,
    base: Option<StableDiffusionVersion>,
    modules: Modules,
}

/// A LoRA and how strongly it is to work.
#[derive(Debug, Clone, Copy)]
pub struct LoraUse<'a> {
    /// Which.
    pub lora: &'a Lora,
    /// In the UNet.
    pub unet_weight: f64,
    /// In the text encoders.
    pub text_weight: f64,
}

/// What came of LoRAs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoraReport {
    /// How many of the model's matrices are changed now.
    pub changed: usize,
    /// Modules of the files that this model does not have, such as text encoders' without a text encoder.
    pub unused: Vec<String>,
}

impl Lora {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// When it cannot be read, is no LoRA, or stores its changes in a way that this worker does not know.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let facts = match detect_path(path, Links::All).map_err(at(path))? {
            Detected::AddOn(facts) if facts.kind == AddOnKind::Lora => facts.lora,
            other => {
                return Err(LoadError::WrongKind {
                    path: path.to_owned(),
                    found: other.in_words(),
                    wanted: "a LoRA".to_owned(),
                });
            }
        };
        let file = match path.is_dir() {
            true => ["pytorch_lora_weights.safetensors", "adapter_model.safetensors"]
                .iter()
                .find_map(|name| open::only_file(path, name).ok())
                .unwrap_or_else(|| path.to_owned()),
            false => path.to_owned(),
        };
        let file = WeightFile::open(&file, &name_of(&file))?;
        if let Some(facts) = &facts
            && facts.method != LoraMethod::Lora
        {
            let source = DetectError::Unsupported {
                file: file.name.clone(),
                field: "weights".to_owned(),
                problem: format!(
                    "are stored by the method {}; this worker knows LoRA, in matrices and convolutions",
                    facts.method
                ),
            };
            return Err(at(path)(source));
        }
        Ok(Self {
            name: file.name.clone(),
            path: path.to_owned(),
            base: facts.and_then(|facts| facts.base).map(|(version, _)| version),
            modules: Modules::read(&file).map_err(at(path))?,
        })
    }

    /// The family that it was made for, where that can be told.
    #[must_use]
    pub fn base(&self) -> Option<StableDiffusionVersion> {
        self.base
    }

    /// How many matrices it changes.
    #[must_use]
    pub fn module_count(&self) -> usize {
        self.modules.len()
    }
}

/// One change to one matrix.
struct Patch<'a> {
    change: &'a Change,
    scale: f64,
}

impl Model {
    /// Makes exactly these LoRAs work; none of them restores the weights as they were loaded. Only matrices
    /// whose changes are others than before are touched.
    ///
    /// # Errors
    /// When a LoRA was made for another model or its numbers are broken; then no LoRA works.
    pub fn apply_loras(&mut self, uses: &[LoraUse<'_>]) -> Result<LoraReport, LoadError> {
        let modules = self.modules();
        let mut patches: BTreeMap<String, Vec<Patch<'_>>> = BTreeMap::new();
        let mut unused = Vec::new();
        for LoraUse {
            lora,
            unet_weight,
            text_weight,
        } in uses
        {
            let mut found = 0;
            for (module, change) in lora.modules.iter() {
                let Some(name) = modules.get(module) else {
                    unused.push(format!("{}: {module}", lora.name));
                    continue;
                };
                let Some(weight) = self.weights.get(name) else {
                    continue;
                };
                change
                    .check(&weight.shape, lora.base)
                    .map_err(|problem| LoadError::Unsuitable {
                        path: lora.path.clone(),
                        problem: format!("{module} {problem}"),
                    })?;
                found += 1;
                let scale = match name.starts_with(names::UNET) {
                    true => *unet_weight,
                    false => *text_weight,
                };
                if scale != 0.0 {
                    patches
                        .entry(name.clone())
                        .or_default()
                        .push(Patch { change, scale });
                }
            }
            if found == 0 && lora.module_count() > 0 {
                return Err(LoadError::Unsuitable {
                    path: lora.path.clone(),
                    problem: "none of its modules is in the model".to_owned(),
                });
            }
        }
        if let Err(error) = self.patch(&patches) {
            self.restore()?;
            return Err(error);
        }
        Ok(LoraReport {
            changed: patches.len(),
            unused,
        })
    }

    fn patch(&mut self, patches: &BTreeMap<String, Vec<Patch<'_>>>) -> Result<(), LoadError> {
        let mut marks: BTreeMap<String, Vec<Mark>> = BTreeMap::new();
        for (name, patches) in patches {
            let mark = |patch: &Patch<'_>| (patch.change.identity(), patch.scale.to_bits());
            marks.insert(name.clone(), patches.iter().map(mark).collect());
        }
        let touched: BTreeSet<&String> = marks.keys().chain(self.patched.keys()).collect();
        let touched: Vec<&String> = touched
            .into_iter()
            .filter(|name| marks.get(*name) != self.patched.get(*name))
            .collect();
        touched.par_iter().try_for_each(|name| {
            let Some(weight) = self.weights.get(*name) else {
                return Ok(());
            };
            match patches.get(*name) {
                Some(patches) => change(weight, patches),
                None => weight.load(),
            }
        })?;
        self.patched = marks;
        Ok(())
    }

    /// Loads all changed weights from their files.
    fn restore(&mut self) -> Result<(), LoadError> {
        for weight in self.weights.values() {
            // Those that a failed change may have reached, too.
            if weight.is_changed() {
                weight.load()?;
            }
        }
        self.patched.clear();
        Ok(())
    }

    /// The names of weights by all names that LoRAs have for their modules, dots as underscores.
    fn modules(&self) -> HashMap<String, String> {
        let mut modules = HashMap::new();
        let single_tower = self.towers.len() == 1;
        for name in self.weights.keys() {
            let Some(module) = name.strip_suffix(".weight") else {
                continue;
            };
            if let Some(module) = module.strip_prefix(names::UNET) {
                modules.insert(format!("unet_{}", module.replace('.', "_")), name.clone());
            }
            for (number, tower) in names::TOWERS.iter().enumerate() {
                let Some(module) = module.strip_prefix(tower) else {
                    continue;
                };
                let module = module.replace('.', "_");
                if single_tower {
                    modules.insert(format!("te_text_model_{module}"), name.clone());
                }
                modules.insert(format!("te{}_text_model_{module}", number + 1), name.clone());
            }
        }
        let blocks = self.unet.blocks();
        let unet = self
            .weights
            .keys()
            .filter_map(|name| name.strip_prefix(names::UNET));
        for (original, module) in names::original_unet_modules(unet, &blocks) {
            let name = format!("{}{module}.weight", names::UNET);
            // The convolution that enlarges comes second where its block has no attention.
            if let Some(block) = original.strip_suffix(".2.conv") {
                modules.insert(format!("unet_{}_1_conv", block.replace('.', "_")), name.clone());
            }
            modules.insert(format!("unet_{}", original.replace('.', "_")), name);
        }
        modules
    }
}

/// What a change is known by: which, and how strongly.
pub(super) type Mark = (usize, u64);

fn change(weight: &Arc<Weight>, patches: &[Patch<'_>]) -> Result<(), LoadError> {
    // Read before the weight is touched, so that a broken file changes nothing.
    let factors = patches
        .iter()
        .map(|patch| Ok((patch.change.read()?, patch.scale)))
        .collect::<Result<Vec<_>, LoadError>>()?;
    weight.load_changed(|numbers| {
        for (factors, scale) in &factors {
            factors.add_to(numbers, *scale);
        }
    })
}
