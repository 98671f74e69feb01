//! Stable Diffusion models in a folder as diffusers writes it: `model_index.json` and a folder a part.

use serde_json::Value;

use super::error::DetectError;
use super::json::JsonObject;
use super::layout::{Layout, tensors_of};
use super::precision::{parameter_count, precision};
use super::prediction::{Evidence, Prediction, prediction_of_name};
use super::stable_diffusion::{Arrangement, Distillation, Parts, StableDiffusionFacts};
use super::unet::{UnetFacts, unet};
use crate::StableDiffusionVersion;
use crate::safetensors::SafetensorsHeader;

/// The pipelines whose parts are those of Stable Diffusion, by their names up to a suffix such as
/// `Img2ImgPipeline`, and whether they are of SDXL.
const PIPELINES: [(&str, bool); 4] = [
    ("StableDiffusionXLInstructPix2Pix", true),
    ("StableDiffusionXL", true),
    ("StableDiffusionInstructPix2Pix", false),
    ("StableDiffusion", false),
];
const SUFFIXES: [&str; 5] = [
    "Pipeline",
    "Img2ImgPipeline",
    "InpaintPipeline",
    "InpaintPipelineLegacy",
    "Depth2ImgPipeline",
];

/// A part of the model that `model_index.json` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component {
    /// The folder, and the key in `model_index.json`.
    pub folder: &'static str,
    /// The name of its weights without the extension; `None` for parts without weights.
    pub weights: Option<&'static str>,
}

/// The parts with weights that make a picture, in the order in which they are read.
pub const COMPONENTS: [Component; 5] = [
    Component {
        folder: "unet",
        weights: Some("diffusion_pytorch_model"),
    },
    Component {
        folder: "vae",
        weights: Some("diffusion_pytorch_model"),
    },
    Component {
        folder: "text_encoder",
        weights: Some("model"),
    },
    Component {
        folder: "text_encoder_2",
        weights: Some("model"),
    },
    Component {
        folder: "scheduler",
        weights: None,
    },
];

/// The files of one part.
#[derive(Debug, Clone)]
pub struct ComponentFiles {
    /// Its configuration.
    pub config: JsonObject,
    /// The headers of its weights by file name; empty for parts without.
    pub weights: Vec<(String, SafetensorsHeader)>,
}

/// `model_index.json` of a pipeline that is built of the parts of Stable Diffusion.
#[derive(Debug, Clone)]
pub struct ModelIndex {
    json: JsonObject,
    is_xl: bool,
    is_lcm: bool,
}

impl ModelIndex {
    /// Reads the pipeline's kind.
    ///
    /// # Errors
    /// When it is no pipeline that a worker serves.
    pub fn read(json: JsonObject) -> Result<Self, DetectError> {
        let key = "_class_name";
        let class = json.required(key, json.str(key)?)?;
        let is_lcm = class.starts_with("LatentConsistencyModel");
        let known = PIPELINES.iter().find(|(name, _)| {
            class
                .strip_prefix(name)
                .is_some_and(|suffix| SUFFIXES.contains(&suffix))
        });
        let is_xl = match known {
            Some(&(_, is_xl)) => is_xl,
            None if is_lcm => false,
            None => {
                return Err(DetectError::unsupported(
                    json.file(),
                    key,
                    format!(
                        "is \"{}\", which is not a pipeline of Stable Diffusion 1.5, 2.1 or XL",
                        crate::names::excerpt(class)
                    ),
                ));
            }
        };
        Ok(Self { json, is_xl, is_lcm })
    }

    /// Whether the pipeline has this part.
    ///
    /// # Errors
    /// When the entry is no pair of a library and a class.
    pub fn has(&self, component: Component) -> Result<bool, DetectError> {
        match self.json.get(component.folder) {
            None => Ok(false),
            Some(Value::Array(pair)) if pair.len() == 2 => Ok(pair.iter().all(|name| !name.is_null())),
            Some(_) => Err(self
                .json
                .invalid(component.folder, "must be a library and a class")),
        }
    }
}

/// What a folder is, given the files of each part that its index lists; `files` asks for them by folder.
///
/// # Errors
/// When a part that is needed is not there, or the parts contradict the index or their own
/// configurations.
pub fn detect_diffusers<'a>(
    index: &ModelIndex,
    files: impl Fn(&str) -> Option<&'a ComponentFiles>,
) -> Result<StableDiffusionFacts, DetectError> {
    let Some(unet_files) = files("unet") else {
        return Err(index.json.invalid("unet", "is missing"));
    };
    let layout: Layout<'_> = weights_of(unet_files);
    let file = unet_files
        .weights
        .first()
        .map_or("unet", |(name, _)| name.as_str());
    let Some(unet) = unet(&layout, "", file)? else {
        return Err(DetectError::invalid(
            file,
            "conv_in.weight",
            "is missing: these are no weights of a UNet",
        ));
    };
    check_config(&unet_files.config, &unet)?;
    check_pipeline(index, &unet)?;

    let all: Layout<'_> = COMPONENTS
        .iter()
        .filter_map(|component| files(component.folder))
        .flat_map(|files| files.weights.iter().flat_map(|(_, header)| tensors_of(header)))
        .collect();
    let scheduler = files("scheduler").map(|files| &files.config);
    Ok(StableDiffusionFacts {
        arrangement: Arrangement::Diffusers,
        prediction: prediction(scheduler)?,
        distillation: distillation(index, &unet, scheduler)?,
        parts: Parts {
            unet: true,
            text_encoders: ["text_encoder", "text_encoder_2"]
                .iter()
                .filter(|folder| files(folder).is_some())
                .count(),
            vae: files("vae").is_some(),
        },
        precision: precision(&all),
        parameter_count: parameter_count(&all),
        unet,
    })
}

fn weights_of(files: &ComponentFiles) -> Layout<'_> {
    files
        .weights
        .iter()
        .flat_map(|(_, header)| tensors_of(header))
        .collect()
}

/// The configuration of the UNet against its weights.
fn check_config(config: &JsonObject, unet: &UnetFacts) -> Result<(), DetectError> {
    let expect = |key: &str, found: u64| match config.count(key, 0, u64::MAX)? {
        Some(said) if said != found => {
            Err(config.invalid(key, format!("is {said}, but the weights have {found}")))
        }
        _ => Ok(()),
    };
    expect("in_channels", unet.in_channels)?;
    // Old configurations have a list of one width a level.
    if config.get("cross_attention_dim").is_some_and(Value::is_number) {
        expect("cross_attention_dim", unet.context_width)?;
    }
    let width = match config.get("block_out_channels") {
        Some(Value::Array(widths)) => widths.first().and_then(Value::as_u64),
        _ => None,
    };
    match width {
        Some(said) if said != unet.base_width => Err(config.invalid(
            "block_out_channels",
            format!("begins with {said}, but the weights have {}", unet.base_width),
        )),
        _ => Ok(()),
    }
}

fn check_pipeline(index: &ModelIndex, unet: &UnetFacts) -> Result<(), DetectError> {
    use StableDiffusionVersion::{Xl, XlRefiner, XlTurbo};
    let is_xl = matches!(unet.version, Xl | XlTurbo | XlRefiner);
    // Latent consistency pipelines exist for 1.5 alone; XL's are the ordinary ones.
    if is_xl == index.is_xl {
        return Ok(());
    }
    Err(index.json.invalid(
        "_class_name",
        format!(
            "says {}, but the UNet is one of {}",
            if index.is_xl {
                "Stable Diffusion XL"
            } else {
                "Stable Diffusion 1 or 2"
            },
            unet.version
        ),
    ))
}

/// What the scheduler's configuration says; diffusers takes silence for epsilon.
fn prediction(scheduler: Option<&JsonObject>) -> Result<Option<(Prediction, Evidence)>, DetectError> {
    let Some(scheduler) = scheduler else {
        return Ok(None);
    };
    let key = "prediction_type";
    let name = scheduler.str(key)?.unwrap_or("epsilon");
    match prediction_of_name(name) {
        Some(prediction) => Ok(Some((prediction, Evidence::Configuration))),
        None => Err(scheduler.invalid(
            key,
            format!(
                "is \"{}\", but must be epsilon, v_prediction or sample",
                crate::names::excerpt(name)
            ),
        )),
    }
}

fn distillation(
    index: &ModelIndex,
    unet: &UnetFacts,
    scheduler: Option<&JsonObject>,
) -> Result<Option<(Distillation, Evidence)>, DetectError> {
    if unet.embeds_guidance {
        return Ok(Some((Distillation::Lcm, Evidence::Tensors)));
    }
    if index.is_lcm {
        return Ok(Some((Distillation::Lcm, Evidence::Configuration)));
    }
    let Some(scheduler) = scheduler else {
        return Ok(None);
    };
    let class = scheduler.str("_class_name")?;
    let trailing = scheduler.str("timestep_spacing")? == Some("trailing");
    let distillation = match class {
        Some("LCMScheduler") => Some(Distillation::Lcm),
        // As the one published SDXL Turbo has it, and no base model.
        Some("EulerAncestralDiscreteScheduler") if trailing && unet.version == StableDiffusionVersion::Xl => {
            Some(Distillation::Turbo)
        }
        _ => None,
    };
    Ok(distillation.map(|distillation| (distillation, Evidence::Configuration)))
}
