//! Which block of the original layout is which of diffusers.
//!
//! The original layout numbers blocks through and marks the end of a level by a convolution that halves or
//! doubles the picture; diffusers numbers levels, and blocks in each.

use std::collections::BTreeSet;

/// More than any model has; a number in a name may be anything.
const MAX_BLOCKS: usize = 256;

/// Where a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) struct Spot {
    pub(super) level: usize,
    pub(super) block: usize,
}

/// The blocks of a model in the original layout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::model) struct Blocks {
    /// For each input block but the first, where it is.
    pub(super) inputs: Vec<Spot>,
    pub(super) outputs: Vec<Spot>,
    /// Levels of the VAE's decoder, which counts them the other way round.
    pub(super) decoder_levels: usize,
}

/// The number after a prefix, and what follows its dot.
pub(super) fn numbered<'a>(name: &'a str, prefix: &str) -> Option<(usize, &'a str)> {
    let (number, rest) = name.strip_prefix(prefix)?.split_once('.')?;
    Some((number.parse().ok().filter(|&number| number < MAX_BLOCKS)?, rest))
}

impl Blocks {
    /// Reads the order of blocks from the names of a file's tensors.
    pub(in crate::model) fn read<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let (mut inputs, mut outputs) = (0, 0);
        let (mut halving, mut doubling) = (BTreeSet::new(), BTreeSet::new());
        let mut decoder_levels = 0;
        for name in names {
            let unet = name.strip_prefix("model.diffusion_model.").unwrap_or(name);
            if let Some((block, rest)) = numbered(unet, "input_blocks.") {
                inputs = inputs.max(block + 1);
                if rest.starts_with("0.op.") {
                    halving.insert(block);
                }
            } else if let Some((block, rest)) = numbered(unet, "output_blocks.") {
                outputs = outputs.max(block + 1);
                if rest.starts_with("1.conv.") || rest.starts_with("2.conv.") {
                    doubling.insert(block);
                }
            }
            let vae = name.strip_prefix("first_stage_model.").unwrap_or(name);
            if let Some((level, _)) = numbered(vae, "decoder.up.") {
                decoder_levels = decoder_levels.max(level + 1);
            }
        }
        Self {
            inputs: spots(1..inputs, &halving),
            outputs: spots(0..outputs, &doubling),
            decoder_levels,
        }
    }

    /// As [`Self::read`] would find them for a UNet with so many levels of so many blocks, for LoRAs with
    /// original names on any model.
    pub(in crate::model) fn of_unet(levels: &[usize]) -> Self {
        let mut inputs = Vec::new();
        let mut outputs = Vec::new();
        for (level, &blocks) in levels.iter().enumerate() {
            let last = level + 1 == levels.len();
            inputs.extend((0..blocks + usize::from(!last)).map(|block| Spot { level, block }));
        }
        for (level, &blocks) in levels.iter().rev().enumerate() {
            outputs.extend((0..=blocks).map(|block| Spot { level, block }));
        }
        Self {
            inputs,
            outputs,
            decoder_levels: 0,
        }
    }
}

/// Each block's place, where a level ends with each block in `ends`.
fn spots(blocks: std::ops::Range<usize>, ends: &BTreeSet<usize>) -> Vec<Spot> {
    let mut next = Spot { level: 0, block: 0 };
    blocks
        .map(|block| {
            let spot = next;
            next = match ends.contains(&block) {
                true => Spot {
                    level: spot.level + 1,
                    block: 0,
                },
                false => Spot {
                    block: spot.block + 1,
                    ..spot
                },
            };
            spot
        })
        .collect()
}
