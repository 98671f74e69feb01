//! The UNet's original names.

use super::blocks::{Blocks, numbered};

/// Parts that stand alone.
const FIXED: [(&str, &str); 8] = [
    ("time_embed.0.", "time_embedding.linear_1."),
    ("time_embed.2.", "time_embedding.linear_2."),
    ("time_embed.cond_proj.", "time_embedding.cond_proj."),
    ("label_emb.0.0.", "add_embedding.linear_1."),
    ("label_emb.0.2.", "add_embedding.linear_2."),
    ("input_blocks.0.0.", "conv_in."),
    ("out.0.", "conv_norm_out."),
    ("out.2.", "conv_out."),
];

/// Parts of a residual block.
const RESNET: [(&str, &str); 6] = [
    ("in_layers.0.", "norm1."),
    ("in_layers.2.", "conv1."),
    ("emb_layers.1.", "time_emb_proj."),
    ("out_layers.0.", "norm2."),
    ("out_layers.3.", "conv2."),
    ("skip_connection.", "conv_shortcut."),
];

/// The name in diffusers of a tensor, both without their part.
pub(super) fn from_original(name: &str, blocks: &Blocks) -> Option<String> {
    if let Some((original, diffusers)) = FIXED.iter().find(|(original, _)| name.starts_with(original)) {
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
    RESNET
        .iter()
        .find_map(|(original, diffusers)| Some(format!("{diffusers}{}", name.strip_prefix(original)?)))
}

/// The original name of a module by its name in diffusers.
pub(super) fn to_original(module: &str, blocks: &Blocks) -> Option<String> {
    let name = format!("{module}.");
    let original = FIXED
        .iter()
        .find(|(_, diffusers)| *diffusers == name)
        .map(|(original, _)| original.trim_end_matches('.').to_owned());
    if original.is_some() {
        return original;
    }
    if let Some((level, rest)) = numbered(&name, "down_blocks.") {
        let spot = |block| {
            blocks
                .inputs
                .iter()
                .position(|spot| (spot.level, spot.block) == (level, block))
        };
        if rest.starts_with("downsamplers.0.conv.") {
            let last = blocks.inputs.iter().rposition(|spot| spot.level == level)?;
            return Some(format!("input_blocks.{}.0.op", last + 1));
        }
        let (block, rest) = step(rest)?;
        return Some(format!("input_blocks.{}.{rest}", spot(block)? + 1));
    }
    if let Some((level, rest)) = numbered(&name, "up_blocks.") {
        let spot = |block| {
            blocks
                .outputs
                .iter()
                .position(|spot| (spot.level, spot.block) == (level, block))
        };
        if rest.starts_with("upsamplers.0.conv.") {
            let last = blocks.outputs.iter().rposition(|spot| spot.level == level)?;
            // In SD 1.5 and 2.1 the first level has no attention before it; `Model::modules` knows both.
            return Some(format!("output_blocks.{last}.2.conv"));
        }
        let (block, rest) = step(rest)?;
        return Some(format!("output_blocks.{}.{rest}", spot(block)?));
    }
    let rest = name.strip_prefix("mid_block.")?;
    match step(rest)? {
        (0, rest) => Some(format!("middle_block.{rest}")),
        (_, rest) => Some(format!("middle_block.2.{}", rest.strip_prefix("0.")?)),
    }
}

/// The number of a residual block or attention, and what it is called in the original naming.
fn step(name: &str) -> Option<(usize, String)> {
    if let Some((block, rest)) = numbered(name, "attentions.") {
        return Some((block, format!("1.{}", rest.trim_end_matches('.'))));
    }
    let (block, rest) = numbered(name, "resnets.")?;
    let part = RESNET.iter().find(|(_, diffusers)| *diffusers == rest)?.0;
    Some((block, format!("0.{}", part.trim_end_matches('.'))))
}
