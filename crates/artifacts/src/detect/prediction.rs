//! What a diffusion model predicts, as far as its file tells.

use std::collections::BTreeMap;

use super::layout::Layout;
use crate::StableDiffusionVersion;
use crate::names::named_enum;

named_enum! {
    /// What the UNet's output is. A wrong guess gives noise or washed-out pictures.
    pub enum Prediction ("prediction type") {
        /// The noise.
        Epsilon = "epsilon",
        /// The velocity: a mix of noise and picture.
        Velocity = "v-prediction",
        /// The picture.
        Sample = "sample",
    }
}

named_enum! {
    /// How a fact is known.
    pub enum Evidence ("kind of evidence") {
        /// A tensor or key that only such models have.
        Tensors = "tensors",
        /// A configuration file of the model.
        Configuration = "configuration",
        /// What the file says of itself in its metadata.
        Metadata = "metadata",
        /// A weight that is larger in such models: a hint, right for the published ones.
        Weights = "weights",
        /// All models of the family that say nothing else.
        Family = "family",
        /// The vendor's word.
        Vendor = "vendor",
    }
}

/// The weight whose spread tells SD 2.1's velocity models from its noise models, in a single file: the
/// only difference there is.
pub const VELOCITY_HINT: &str = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias";

/// The standard deviation of [`VELOCITY_HINT`] above which published checkpoints are velocity models.
const VELOCITY_SPREAD: f64 = 0.09;

/// What [`VELOCITY_HINT`]'s values tell; `None` where they tell nothing.
#[must_use]
pub fn prediction_by_spread(values: &[f32]) -> Option<Prediction> {
    if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let count = values.len() as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    let variance = values
        .iter()
        .map(|&value| (f64::from(value) - mean).powi(2))
        .sum::<f64>()
        / count;
    Some(if variance.sqrt() > VELOCITY_SPREAD {
        Prediction::Velocity
    } else {
        Prediction::Epsilon
    })
}

/// What a single file tells without its weights: marks in the tensors, then its metadata, then what all
/// of the family have in common. SD 2.x has both kinds, so nothing follows from the family.
pub(super) fn prediction(
    version: StableDiffusionVersion,
    layout: &Layout<'_>,
    metadata: &BTreeMap<String, String>,
) -> Option<(Prediction, Evidence)> {
    // Trainers of velocity models for 1.5 and XL mark them with an empty tensor of this name.
    if layout.has("v_pred") || layout.has("edm_vpred.sigma_max") {
        return Some((Prediction::Velocity, Evidence::Tensors));
    }
    let said = ["modelspec.prediction_type", "ss_prediction_type"]
        .iter()
        .find_map(|&key| metadata.get(key));
    if let Some(prediction) = said.and_then(|text| prediction_of_name(text)) {
        return Some((prediction, Evidence::Metadata));
    }
    if metadata
        .get("modelspec.architecture")
        .is_some_and(|architecture| architecture.contains("-v2-768-v"))
        || metadata
            .get("ss_v_parameterization")
            .is_some_and(|flag| flag == "True")
    {
        return Some((Prediction::Velocity, Evidence::Metadata));
    }
    match version {
        StableDiffusionVersion::V2_1 => None,
        _ => Some((Prediction::Epsilon, Evidence::Family)),
    }
}

/// The prediction type that diffusers' schedulers and model metadata call by this name.
pub(super) fn prediction_of_name(name: &str) -> Option<Prediction> {
    match name {
        "epsilon" => Some(Prediction::Epsilon),
        "v" | "v_prediction" | "v-prediction" => Some(Prediction::Velocity),
        "sample" => Some(Prediction::Sample),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_of_one_bias_tells_velocity_models() {
        assert_eq!(
            prediction_by_spread(&[0.2, -0.2, 0.2, -0.2]),
            Some(Prediction::Velocity)
        );
        assert_eq!(
            prediction_by_spread(&[0.52, 0.48, 0.5]),
            Some(Prediction::Epsilon)
        );
        assert_eq!(prediction_by_spread(&[0.0, f32::NAN]), None);
        assert_eq!(prediction_by_spread(&[]), None);
    }

    #[test]
    fn marks_come_before_words_and_words_before_the_family() {
        let marked: Layout<'_> = [super::super::layout::Tensor {
            name: "v_pred",
            shape: &[0],
            dtype: crate::safetensors::Dtype::F32,
        }]
        .into_iter()
        .collect();
        let epsilon = BTreeMap::from([("modelspec.prediction_type".to_owned(), "epsilon".to_owned())]);
        let xl = StableDiffusionVersion::Xl;
        let v2 = StableDiffusionVersion::V2_1;
        assert_eq!(
            prediction(xl, &marked, &epsilon),
            Some((Prediction::Velocity, Evidence::Tensors))
        );
        let unmarked = Layout::default();
        assert_eq!(
            prediction(v2, &unmarked, &epsilon),
            Some((Prediction::Epsilon, Evidence::Metadata))
        );
        assert_eq!(
            prediction(xl, &unmarked, &BTreeMap::new()),
            Some((Prediction::Epsilon, Evidence::Family))
        );
        assert_eq!(prediction(v2, &unmarked, &BTreeMap::new()), None);
    }
}
