//! The UNet's original names.

use super::blocks::{Blocks, numbered};

/// The name in diffusers of a tensor, both without their part.
pub(super) fn from_original(name: &str, blocks: &Blocks) -> Option<String> {
    let fixed = [
        ("time_embed.0.", "time_embedding.linear_1."),
        ("time_embed.2.", "time_embedding.linear_2."),
        ("time_embed.cond_proj.", "time_embedding.cond_proj."),
        ("label_emb.0.0.", "add_embedding.linear_1."),
        ("label_emb.0.2.", "add_embedding.linear_2."),
        ("input_blocks.0.0.", "conv_in."),
        ("out.0.", "conv_norm_out."),
        ("out.2.", "conv_out."),
    ];
    if let Some((original, diffusers)) = fixed.iter().find(|(original, _)| name.starts_with(original)) {
        return Some(format!("{diffusers}{}", &name[original.len()..]));
    }
    if let Some((block, rest)) = numbered(name, "input_blocks.") {
        let spot = blocks.inputs.get(block.checked_sub(1)?)?;
        let level = format!("down_blocks.{}", spot.level);
        if let Some(rest) = rest.strip_prefix("0.op.") {
            return Some(format!("{level}.downsamplers.0.conv.{rest}"));
        }
        return part(&level, spot.block, rest);
    }
    if let Some((block, rest)) = numbered(name, "output_blocks.") {
        let spot = blocks.outputs.get(block)?;
        let level = format!("up_blocks.{}", spot.level);
        if let Some(rest) = rest
            .strip_prefix("1.conv.")
            .or_else(|| rest.strip_prefix("2.conv."))
        {
            return Some(format!("{level}.upsamplers.0.conv.{rest}"));
        }
        return part(&level, spot.block, rest);
    }
    match numbered(name, "middle_block.")? {
        (0, rest) => Some(format!("mid_block.resnets.0.{}", resnet(rest)?)),
        (1, rest) => Some(format!("mid_block.attentions.0.{rest}")),
        (2, rest) => Some(format!("mid_block.resnets.1.{}", resnet(rest)?)),
        _ => None,
    }
}

/// A residual block or, second, the attention that follows it.
fn part(level: &str, block: usize, rest: &str) -> Option<String> {
    if let Some(rest) = rest.strip_prefix("0.") {
        return Some(format!("{level}.resnets.{block}.{}", resnet(rest)?));
    }
    let rest = rest.strip_prefix("1.")?;
    Some(format!("{level}.attentions.{block}.{rest}"))
}

fn resnet(name: &str) -> Option<String> {
    let parts = [
        ("in_layers.0.", "norm1."),
        ("in_layers.2.", "conv1."),
        ("emb_layers.1.", "time_emb_proj."),
        ("out_layers.0.", "norm2."),
        ("out_layers.3.", "conv2."),
        ("skip_connection.", "conv_shortcut."),
    ];
    parts
        .iter()
        .find_map(|(original, diffusers)| Some(format!("{diffusers}{}", name.strip_prefix(original)?)))
}
