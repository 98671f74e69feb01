//! LoRAs and their relatives, in the names of kohya's trainers and in those of diffusers and PEFT.

mod signs;

use std::collections::BTreeMap;

use super::error::DetectError;
use super::layout::Layout;
use super::prediction::Evidence;
use crate::StableDiffusionVersion;
use crate::names::named_enum;
use signs::Signs;

named_enum! {
    /// Whose names the tensors have.
    pub enum LoraNaming ("LoRA naming") {
        /// `lora_unet_…`, `lora_te_…`: kohya's trainers and CivitAI.
        Kohya = "kohya",
        /// `unet.…`, `text_encoder.…`: diffusers and PEFT.
        Diffusers = "diffusers",
    }
}

named_enum! {
    /// How the change to a matrix is stored.
    pub enum LoraMethod ("LoRA method") {
        /// Two matrices of a low rank.
        Lora = "lora",
        /// LoRA with a magnitude for each row.
        Dora = "dora",
        /// Hadamard products (LyCORIS).
        Loha = "loha",
        /// Kronecker products (LyCORIS).
        Lokr = "lokr",
        /// Rotations.
        Oft = "oft",
        /// Scales of activations.
        Ia3 = "ia3",
        /// Whole differences.
        Full = "full",
    }
}

/// A LoRA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoraFacts {
    /// Whose names the tensors have.
    pub naming: LoraNaming,
    /// How the changes are stored; the most elaborate where there are several.
    pub method: LoraMethod,
    /// The family it was trained for and how that is known; `None` where nothing tells.
    pub base: Option<(StableDiffusionVersion, Evidence)>,
    /// Whether it changes the UNet.
    pub changes_unet: bool,
    /// Whether it changes a text encoder.
    pub changes_text_encoder: bool,
    /// The lowest and the highest rank; `None` for methods without one.
    pub rank: Option<(u64, u64)>,
}

/// Reads a LoRA; `None` where the file is none.
///
/// # Errors
/// When it is one for models that no worker serves.
pub(super) fn lora(
    layout: &Layout<'_>,
    metadata: &BTreeMap<String, String>,
    file: &str,
) -> Result<Option<LoraFacts>, DetectError> {
    let mut signs = Signs::default();
    for tensor in layout.tensors() {
        signs.look_at(*tensor);
    }
    let Some(method) = signs.method else {
        return Ok(None);
    };
    // Text encoders alone do not tell: FLUX and Stable Diffusion 3 have CLIP as well.
    if signs.foreign.is_some() && !signs.unet || !signs.kohya && !signs.diffusers {
        let first = layout.tensors().first().map_or("header", |tensor| tensor.name);
        return Err(DetectError::unsupported(
            file,
            crate::names::excerpt(signs.foreign.as_deref().unwrap_or(first)),
            "belongs to a LoRA for a model that is not Stable Diffusion, which no worker serves",
        ));
    }
    Ok(Some(LoraFacts {
        naming: if signs.kohya {
            LoraNaming::Kohya
        } else {
            LoraNaming::Diffusers
        },
        method,
        base: signs
            .base()
            .map(|version| (version, Evidence::Tensors))
            .or_else(|| base_by_metadata(metadata).map(|version| (version, Evidence::Metadata))),
        changes_unet: signs.unet,
        changes_text_encoder: signs.text_encoder,
        rank: signs.rank,
    }))
}

/// What kohya's trainers and the modelspec write.
fn base_by_metadata(metadata: &BTreeMap<String, String>) -> Option<StableDiffusionVersion> {
    let architecture = metadata.get("modelspec.architecture").map_or("", String::as_str);
    let version = metadata.get("ss_base_model_version").map_or("", String::as_str);
    if architecture.starts_with("stable-diffusion-xl") || version.starts_with("sdxl") {
        Some(StableDiffusionVersion::Xl)
    } else if architecture.starts_with("stable-diffusion-v2") || version.starts_with("sd_v2") {
        Some(StableDiffusionVersion::V2_1)
    } else if architecture.starts_with("stable-diffusion-v1") || version.starts_with("sd_v1") {
        Some(StableDiffusionVersion::V1_5)
    } else {
        match metadata.get("ss_v2").map(String::as_str) {
            Some("True") => Some(StableDiffusionVersion::V2_1),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::layout::Tensor;
    use crate::safetensors::Dtype;

    fn read(tensors: &[(&'static str, &'static [u64])]) -> Result<Option<LoraFacts>, DetectError> {
        let layout: Layout<'_> = tensors
            .iter()
            .map(|&(name, shape)| Tensor {
                name,
                shape,
                dtype: Dtype::F16,
            })
            .collect();
        lora(&layout, &BTreeMap::new(), "file")
    }

    fn base(tensors: &[(&'static str, &'static [u64])]) -> Option<StableDiffusionVersion> {
        read(tensors).unwrap().unwrap().base.map(|(version, _)| version)
    }

    #[test]
    fn the_build_tells_the_family_at_any_width() {
        use StableDiffusionVersion::{V1_5, V2_1, Xl};
        for (tensors, version) in [
            (
                &[(
                    "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight",
                    &[4, 33, 1, 1][..],
                )][..],
                Some(V1_5),
            ),
            (
                &[(
                    "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight",
                    &[4, 33],
                )],
                Some(V2_1),
            ),
            (
                &[(
                    "lora_unet_mid_block_attentions_0_proj_in.lora_down.weight",
                    &[4, 33, 1, 1],
                )],
                Some(V1_5),
            ),
            (
                &[(
                    "lora_unet_mid_block_attentions_0_proj_in.lora_down.weight",
                    &[4, 33],
                )],
                None,
            ),
            (
                &[(
                    "lora_te2_text_model_encoder_layers_3_mlp_fc1.lora_down.weight",
                    &[4, 9],
                )],
                Some(Xl),
            ),
            (
                &[(
                    "lora_te_text_model_encoder_layers_22_mlp_fc1.lora_down.weight",
                    &[4, 9],
                )],
                Some(V2_1),
            ),
            (
                &[(
                    "lora_te_text_model_encoder_layers_11_mlp_fc1.lora_down.weight",
                    &[4, 9],
                )],
                Some(V1_5),
            ),
            (
                &[("lora_unet_input_blocks_4_1_proj_in.lora_down.weight", &[4, 9])],
                Some(Xl),
            ),
            (
                &[(
                    "lora_unet_input_blocks_1_1_proj_in.lora_down.weight",
                    &[4, 9, 1, 1],
                )],
                Some(V1_5),
            ),
            (
                &[(
                    "unet.down_blocks.2.attentions.0.transformer_blocks.7.attn1.to_q.lora_A.weight",
                    &[4, 9],
                )],
                Some(Xl),
            ),
            (
                &[(
                    "unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.down.weight",
                    &[4, 768],
                )],
                Some(V1_5),
            ),
            (
                &[(
                    "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.lora.down.weight",
                    &[4, 1024],
                )],
                Some(V2_1),
            ),
            (
                &[(
                    "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_k.lora_A.weight",
                    &[4, 99],
                )],
                None,
            ),
        ] {
            assert_eq!(base(tensors), version, "{tensors:?}");
        }
    }

    #[test]
    fn relatives_are_told_apart() {
        let facts = read(&[
            (
                "lora_unet_mid_block_attentions_0_proj_in.lora_down.weight",
                &[8, 9, 1, 1],
            ),
            (
                "lora_unet_mid_block_attentions_0_proj_in.lora_up.weight",
                &[9, 8, 1, 1],
            ),
            (
                "lora_unet_mid_block_attentions_0_proj_in.dora_scale",
                &[1, 9, 1, 1],
            ),
            (
                "lora_unet_mid_block_resnets_0_conv1.lora_down.weight",
                &[4, 9, 3, 3],
            ),
        ])
        .unwrap()
        .unwrap();
        assert_eq!((facts.method, facts.rank), (LoraMethod::Dora, Some((4, 8))));
        let loha = read(&[("lora_unet_mid_block_attentions_0_proj_in.hada_w1_a", &[9, 8])])
            .unwrap()
            .unwrap();
        assert_eq!((loha.method, loha.rank), (LoraMethod::Loha, None));
    }

    #[test]
    fn loras_of_other_models_are_refused_and_other_files_are_none() {
        for name in [
            "lora_unet_double_blocks_0_img_attn_proj.lora_down.weight",
            "transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight",
            "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
        ] {
            let error = lora(
                &[Tensor {
                    name,
                    shape: &[4, 9],
                    dtype: Dtype::F16,
                }]
                .into_iter()
                .collect(),
                &BTreeMap::new(),
                "file",
            )
            .unwrap_err();
            assert!(matches!(error, DetectError::Unsupported { .. }), "{error}");
        }
        let flux_with_clip = read(&[
            (
                "lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight",
                &[4, 9],
            ),
            (
                "lora_unet_double_blocks_0_img_attn_proj.lora_down.weight",
                &[4, 9],
            ),
        ]);
        let error = flux_with_clip.unwrap_err();
        assert!(error.field().unwrap().contains("double_blocks"), "{error}");
        assert_eq!(read(&[("model.weight", &[1, 2])]).unwrap(), None);
    }

    #[test]
    fn metadata_speaks_where_the_build_does_not() {
        let layout: Layout<'_> = [Tensor {
            name: "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight",
            shape: &[4, 9],
            dtype: Dtype::F16,
        }]
        .into_iter()
        .collect();
        let metadata = BTreeMap::from([("ss_base_model_version".to_owned(), "sdxl_base_v1-0".to_owned())]);
        let facts = lora(&layout, &metadata, "file").unwrap().unwrap();
        assert_eq!(facts.base, Some((StableDiffusionVersion::Xl, Evidence::Metadata)));
    }
}
