//! The VAE's names: original ones, those of diffusers, and those that diffusers had before.

use super::blocks::{Blocks, numbered};

/// The name in diffusers of a tensor in any naming, without its part.
pub(super) fn from_any(name: &str, blocks: &Blocks) -> Option<String> {
    if name.starts_with("quant_conv.") || name.starts_with("post_quant_conv.") {
        return Some(name.to_owned());
    }
    let (half, rest) = name.split_once('.')?;
    if !matches!(half, "encoder" | "decoder") {
        return None;
    }
    Some(format!("{half}.{}", of_half(rest, blocks)?))
}

fn of_half(name: &str, blocks: &Blocks) -> Option<String> {
    if let Some((level, rest)) = numbered(name, "down.") {
        return of_level(&format!("down_blocks.{level}"), rest);
    }
    if let Some((level, rest)) = numbered(name, "up.") {
        let level = blocks.decoder_levels.checked_sub(level + 1)?;
        return of_level(&format!("up_blocks.{level}"), rest);
    }
    if let Some(rest) = name.strip_prefix("mid.") {
        let (part, rest) = rest.split_once('.')?;
        return match part {
            "block_1" => Some(format!("mid_block.resnets.0.{}", resnet(rest))),
            "block_2" => Some(format!("mid_block.resnets.1.{}", resnet(rest))),
            "attn_1" => Some(format!("mid_block.attentions.0.{}", attention(rest))),
            _ => None,
        };
    }
    if let Some(rest) = name.strip_prefix("norm_out.") {
        return Some(format!("conv_norm_out.{rest}"));
    }
    if let Some(rest) = name.strip_prefix("mid_block.attentions.0.") {
        return Some(format!("mid_block.attentions.0.{}", attention(rest)));
    }
    // Names of diffusers already; a wrong one is found when all that is needed has been taken.
    Some(name.to_owned())
}

fn of_level(level: &str, rest: &str) -> Option<String> {
    if let Some((block, rest)) = numbered(rest, "block.") {
        return Some(format!("{level}.resnets.{block}.{}", resnet(rest)));
    }
    let parts = [
        ("downsample.conv.", "downsamplers.0.conv."),
        ("upsample.conv.", "upsamplers.0.conv."),
    ];
    parts.iter().find_map(|(original, diffusers)| {
        Some(format!("{level}.{diffusers}{}", rest.strip_prefix(original)?))
    })
}

fn resnet(name: &str) -> String {
    name.replace("nin_shortcut.", "conv_shortcut.")
}

fn attention(name: &str) -> String {
    let parts = [
        ("norm.", "group_norm."),
        ("q.", "to_q."),
        ("k.", "to_k."),
        ("v.", "to_v."),
        ("proj_out.", "to_out.0."),
        ("query.", "to_q."),
        ("key.", "to_k."),
        ("value.", "to_v."),
        ("proj_attn.", "to_out.0."),
    ];
    parts
        .iter()
        .find_map(|(other, diffusers)| Some(format!("{diffusers}{}", name.strip_prefix(other)?)))
        .unwrap_or_else(|| name.to_owned())
}
