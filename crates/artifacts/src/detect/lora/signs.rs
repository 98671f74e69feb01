//! What the names and shapes of a LoRA's tensors show, gathered one by one.

use super::LoraMethod;
use crate::StableDiffusionVersion;
use crate::detect::layout::Tensor;

/// The blocks of CLIP-L, the text encoder of 1.x; that of 2.x has 23 or 24.
const CLIP_L_BLOCKS: u32 = 12;

/// The ends of names after the module's, with the method they show. The `down` matrices come first.
const DOWN: [&str; 6] = [
    ".lora_down.weight",
    ".lora_A.weight",
    ".lora_A.default.weight",
    ".lora.down.weight",
    "_lora.down.weight",
    ".lora_linear_layer.down.weight",
];
const UP: [&str; 6] = [
    ".lora_up.weight",
    ".lora_B.weight",
    ".lora_B.default.weight",
    ".lora.up.weight",
    "_lora.up.weight",
    ".lora_linear_layer.up.weight",
];
/// What the last part of a name begins with in the other methods.
const OTHER_METHODS: [(&str, LoraMethod); 6] = [
    ("dora_scale", LoraMethod::Dora),
    ("lora_magnitude_vector", LoraMethod::Dora),
    ("hada_w", LoraMethod::Loha),
    ("lokr_w", LoraMethod::Lokr),
    ("oft_", LoraMethod::Oft),
    ("on_input", LoraMethod::Ia3),
];

/// The method that the last part of a name shows.
fn other_method(name: &str) -> Option<LoraMethod> {
    let (_, last) = name.rsplit_once('.')?;
    if matches!(last, "diff" | "diff_b") {
        return Some(LoraMethod::Full);
    }
    OTHER_METHODS
        .iter()
        .find(|(start, _)| last.starts_with(start))
        .map(|&(_, method)| method)
}

/// What the names and shapes of a LoRA show, gathered tensor by tensor.
#[derive(Default)]
pub(super) struct Signs {
    pub(super) kohya: bool,
    pub(super) diffusers: bool,
    pub(super) method: Option<LoraMethod>,
    pub(super) unet: bool,
    pub(super) text_encoder: bool,
    second_text_encoder: bool,
    text_encoder_blocks: u32,
    /// Attention where only 1.x and 2.x have it.
    outer_attention: bool,
    /// More than one transformer block in a row, which only SDXL has.
    deep_attention: bool,
    /// Blocks numbered as in the original layout.
    original_blocks: bool,
    /// A module of a denoiser that is no UNet.
    pub(super) foreign: Option<String>,
    projection_rank: Option<usize>,
    context_width: Option<u64>,
    pub(super) rank: Option<(u64, u64)>,
}

impl Signs {
    pub(super) fn look_at(&mut self, tensor: Tensor<'_>) {
        let down = DOWN.iter().find_map(|end| tensor.name.strip_suffix(end));
        let up = UP.iter().find_map(|end| tensor.name.strip_suffix(end));
        let method =
            other_method(tensor.name).or_else(|| (down.or(up).is_some()).then_some(LoraMethod::Lora));
        if method.is_none() && !tensor.name.ends_with(".alpha") {
            return;
        }
        // Of several methods the later in the declaration needs more of a worker.
        self.method = self.method.max(method);
        let module = down.or(up).unwrap_or_else(|| {
            tensor
                .name
                .rsplit_once('.')
                .map_or(tensor.name, |(module, _)| module)
        });
        self.look_at_module(module, down.map(|_| tensor.shape));
    }

    /// `module` is the name without the matrix's; `down` is the shape of the first matrix, whose rows
    /// are as long as the module's input.
    fn look_at_module(&mut self, module: &str, down: Option<&[u64]>) {
        if let Some(&[rank, ..]) = down {
            let (low, high) = self.rank.unwrap_or((rank, rank));
            self.rank = Some((low.min(rank), high.max(rank)));
        }
        let module = module.strip_prefix("base_model.model.").unwrap_or(module);
        if let Some(unet_module) = module.strip_prefix("lora_unet_") {
            self.look_at_unet(unet_module, down, true);
        } else if let Some(unet_module) = module.strip_prefix("unet.") {
            self.look_at_unet(&unet_module.replace('.', "_"), down, false);
        } else if let Some(rest) = module.strip_prefix("lora_te") {
            self.kohya = true;
            self.text_encoder = true;
            self.second_text_encoder |= rest.starts_with("1_") || rest.starts_with("2_");
            self.count_text_block(rest);
        } else if let Some(rest) = module.strip_prefix("text_encoder") {
            self.diffusers = true;
            self.text_encoder = true;
            self.second_text_encoder |= rest.starts_with("_2.");
            self.count_text_block(&rest.replace('.', "_"));
        } else if ["transformer.", "diffusion_model.", "lora_transformer_"]
            .iter()
            .any(|start| module.starts_with(start))
        {
            self.foreign.get_or_insert_with(|| module.to_owned());
        }
    }

    fn look_at_unet(&mut self, module: &str, down: Option<&[u64]>, kohya: bool) {
        let original = [
            "input_blocks_",
            "output_blocks_",
            "middle_block_",
            "time_embed_",
            "label_emb_",
        ];
        let diffusers = [
            "down_blocks_",
            "up_blocks_",
            "mid_block_",
            "conv_in",
            "conv_out",
            "time_emb",
            "add_emb",
        ];
        let begins = |starts: &[&str]| starts.iter().any(|start| module.starts_with(start));
        if begins(&original) {
            self.original_blocks |= !module.starts_with("time_embed_");
        } else if !begins(&diffusers) {
            // `double_blocks_…`, `joint_blocks_…`: transformers such as FLUX, not a UNet.
            self.foreign.get_or_insert_with(|| module.to_owned());
            return;
        }
        self.kohya |= kohya;
        self.diffusers |= !kohya;
        self.unet = true;
        let outer = [
            "down_blocks_0_attentions_",
            "up_blocks_3_attentions_",
            "input_blocks_1_1_",
            "input_blocks_2_1_",
            "output_blocks_9_1_",
            "output_blocks_10_1_",
            "output_blocks_11_1_",
        ];
        self.outer_attention |= begins(&outer);
        self.deep_attention |= number_after(module, "transformer_blocks_").is_some_and(|block| block > 0)
            || module.starts_with("add_emb")
            || module.starts_with("label_emb");
        if module.ends_with("_proj_in") {
            self.projection_rank = self.projection_rank.or(down.map(<[u64]>::len));
        }
        if let Some(&[_, width]) = down
            && (module.ends_with("attn2_to_k") || module.ends_with("attn2_processor_to_k"))
        {
            self.context_width = self.context_width.or(Some(width));
        }
    }

    fn count_text_block(&mut self, module: &str) {
        let block = number_after(module, "layers_").or_else(|| number_after(module, "resblocks_"));
        self.text_encoder_blocks = self
            .text_encoder_blocks
            .max(block.map_or(0, |block| block.saturating_add(1)));
    }

    /// The family by the build of what is changed, and only where that does not tell by its width.
    pub(super) fn base(&self) -> Option<StableDiffusionVersion> {
        use StableDiffusionVersion::{V1_5, V2_1, Xl};
        if self.second_text_encoder || (self.unet && self.deep_attention && !self.outer_attention) {
            return Some(Xl);
        }
        if self.unet && self.original_blocks && !self.outer_attention {
            return Some(Xl);
        }
        if self.text_encoder_blocks > CLIP_L_BLOCKS {
            return Some(V2_1);
        }
        match self.projection_rank {
            Some(4) => return Some(V1_5),
            // Inside, SDXL projects with matrices as well.
            Some(2) if self.outer_attention => return Some(V2_1),
            _ => {}
        }
        match self.context_width {
            Some(768) => Some(V1_5),
            Some(1024) => Some(V2_1),
            Some(2048) => Some(Xl),
            _ if self.text_encoder_blocks == CLIP_L_BLOCKS && (self.outer_attention || !self.unet) => {
                Some(V1_5)
            }
            _ => None,
        }
    }
}

/// The number that follows the last `mark` in `text`.
fn number_after(text: &str, mark: &str) -> Option<u32> {
    let (_, rest) = text.rsplit_once(mark)?;
    let digits = rest
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..digits].parse().ok()
}
