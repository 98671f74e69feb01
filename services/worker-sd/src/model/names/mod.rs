//! One name for each tensor, whatever the file calls it.
//!
//! Inside, the names are those of diffusers (which LoRAs use as well), each below its part: `unet.`, `vae.`,
//! `text_encoder.`, `text_encoder_2.`. Text encoders are without `text_model.`.

mod blocks;
mod text;
mod unet;
mod vae;

pub(super) use blocks::Blocks;

/// The parts of a model, as its names begin.
pub(super) const UNET: &str = "unet.";
pub(super) const VAE: &str = "vae.";
/// By the order in which they are run.
pub(super) const TOWERS: [&str; 2] = ["text_encoder.", "text_encoder_2."];

/// What a tensor of a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The tensor of this name.
    Tensor(String),
    /// The same with rows and columns changed.
    Transposed(String),
    /// Query, key and value in one: the names of all three.
    Fused([String; 3]),
    /// Nothing that is needed: tables of training, positions.
    Nothing,
}

/// Tables and averages of a trainer at the top of a checkpoint, and marks.
fn is_left_over(name: &str) -> bool {
    !name.contains('.')
        || name.starts_with("model_ema.")
        || name.starts_with("edm_vpred.")
        || name.starts_with("denoiser.")
        || name.starts_with("first_stage_model.loss.")
        || name.starts_with("cond_stage_model.model.transformer.attn_mask")
}

/// What a tensor of a single file in the original layout is; `None` where it belongs to no part that is known.
pub(super) fn original(name: &str, blocks: &Blocks) -> Option<Meaning> {
    if is_left_over(name) {
        return Some(Meaning::Nothing);
    }
    if let Some(rest) = name.strip_prefix("model.diffusion_model.") {
        return unet::from_original(rest, blocks).map(|name| Meaning::Tensor(format!("{UNET}{name}")));
    }
    if let Some(rest) = name.strip_prefix("first_stage_model.") {
        return vae_of_file(rest, blocks);
    }
    let towers = [
        ("cond_stage_model.transformer.", 0),
        ("conditioner.embedders.0.transformer.", 0),
    ];
    if let Some((rest, tower)) = towers
        .iter()
        .find_map(|&(prefix, tower)| Some((name.strip_prefix(prefix)?, tower)))
    {
        return Some(text::from_transformers(rest, TOWERS[tower]));
    }
    let towers = [
        ("cond_stage_model.model.", 0),
        ("conditioner.embedders.1.model.", 1),
    ];
    let (rest, tower) = towers
        .iter()
        .find_map(|&(prefix, tower)| Some((name.strip_prefix(prefix)?, tower)))?;
    text::from_open_clip(rest, TOWERS[tower])
}

/// What a tensor of a VAE is, in either naming, without a prefix.
pub(super) fn vae_of_file(name: &str, blocks: &Blocks) -> Option<Meaning> {
    if name.starts_with("loss.") || name.starts_with("model_ema.") {
        return Some(Meaning::Nothing);
    }
    vae::from_any(name, blocks).map(|name| Meaning::Tensor(format!("{VAE}{name}")))
}

/// What a tensor in a diffusers folder's part is.
pub(super) fn diffusers(part: &str, name: &str, blocks: &Blocks) -> Option<Meaning> {
    match part {
        "unet" => Some(Meaning::Tensor(format!("{UNET}{name}"))),
        "vae" => vae_of_file(name, blocks),
        "text_encoder" => Some(text::from_transformers(name, TOWERS[0])),
        "text_encoder_2" => Some(text::from_transformers(name, TOWERS[1])),
        _ => None,
    }
}

/// The original names of a UNet's modules, for LoRAs, each with its name here. `weights` are names here.
pub(super) fn original_unet_modules<'a>(
    weights: impl Iterator<Item = &'a str>,
    blocks: &Blocks,
) -> Vec<(String, String)> {
    weights
        .filter_map(|name| name.strip_suffix(".weight"))
        .filter_map(|module| Some((unet::to_original(module, blocks)?, module.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks() -> Blocks {
        Blocks::read(
            [
                "model.diffusion_model.input_blocks.3.0.op.weight",
                "model.diffusion_model.input_blocks.5.0.in_layers.0.weight",
                "model.diffusion_model.output_blocks.2.1.conv.weight",
                "model.diffusion_model.output_blocks.5.0.in_layers.0.weight",
                "first_stage_model.decoder.up.3.block.0.conv1.weight",
            ]
            .into_iter(),
        )
    }

    #[test]
    fn original_names_become_those_of_diffusers() {
        let blocks = blocks();
        for (name, expected) in [
            ("input_blocks.0.0.weight", "conv_in.weight"),
            (
                "input_blocks.2.0.in_layers.2.bias",
                "down_blocks.0.resnets.1.conv1.bias",
            ),
            (
                "input_blocks.3.0.op.weight",
                "down_blocks.0.downsamplers.0.conv.weight",
            ),
            (
                "input_blocks.4.1.transformer_blocks.0.attn1.to_q.weight",
                "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight",
            ),
            (
                "middle_block.2.emb_layers.1.weight",
                "mid_block.resnets.1.time_emb_proj.weight",
            ),
            (
                "output_blocks.2.1.conv.weight",
                "up_blocks.0.upsamplers.0.conv.weight",
            ),
            (
                "output_blocks.3.0.skip_connection.weight",
                "up_blocks.1.resnets.0.conv_shortcut.weight",
            ),
            ("label_emb.0.2.bias", "add_embedding.linear_2.bias"),
            ("out.2.weight", "conv_out.weight"),
        ] {
            let name = format!("model.diffusion_model.{name}");
            let expected = Meaning::Tensor(format!("unet.{expected}"));
            assert_eq!(original(&name, &blocks), Some(expected), "{name}");
        }
        for (name, expected) in [
            (
                "decoder.up.3.block.1.nin_shortcut.bias",
                "decoder.up_blocks.0.resnets.1.conv_shortcut.bias",
            ),
            (
                "decoder.up.0.upsample.conv.weight",
                "decoder.up_blocks.3.upsamplers.0.conv.weight",
            ),
            (
                "encoder.mid.attn_1.norm.weight",
                "encoder.mid_block.attentions.0.group_norm.weight",
            ),
            (
                "decoder.mid_block.attentions.0.proj_attn.bias",
                "decoder.mid_block.attentions.0.to_out.0.bias",
            ),
        ] {
            let expected = Meaning::Tensor(format!("vae.{expected}"));
            assert_eq!(vae_of_file(name, &blocks), Some(expected), "{name}");
        }
    }

    #[test]
    fn what_no_part_has_is_not_known() {
        let blocks = blocks();
        for name in [
            "model.diffusion_model.input_blocks.77.0.op.weight",
            "model.diffusion_model.input_blocks.x.0.op.weight",
            "control_model.zero_convs.0.0.weight",
            "conditioner.embedders.1.model.visual.proj",
        ] {
            assert_eq!(original(name, &blocks), None, "{name}");
        }
        for name in ["betas", "model_ema.decay", "v_pred"] {
            assert_eq!(original(name, &blocks), Some(Meaning::Nothing), "{name}");
        }
    }

    #[test]
    fn modules_of_loras_are_found_by_their_original_names() {
        let blocks = Blocks::of_unet(&[2, 2, 2]);
        for original in [
            "time_embed.0",
            "label_emb.0.2",
            "input_blocks.0.0",
            "input_blocks.1.0.in_layers.2",
            "input_blocks.3.0.op",
            "input_blocks.8.1.transformer_blocks.9.attn1.to_q",
            "middle_block.1.proj_in",
            "middle_block.2.out_layers.3",
            "output_blocks.0.0.skip_connection",
            "output_blocks.2.2.conv",
            "output_blocks.8.0.emb_layers.1",
            "out.2",
        ] {
            let name = unet::from_original(&format!("{original}.weight"), &blocks).unwrap();
            let found = original_unet_modules([name.as_str()].into_iter(), &blocks);
            assert_eq!(
                found.first().map(|(found, _)| found.as_str()),
                Some(original),
                "{name}"
            );
        }
    }
}
