//! The text encoders' names: those of transformers and those of OpenCLIP.

use super::Meaning;
use super::blocks::numbered;

/// A tensor as transformers names it, with or without `text_model.`.
pub(super) fn from_transformers(name: &str, tower: &str) -> Meaning {
    let name = name.strip_prefix("text_model.").unwrap_or(name);
    match name {
        "embeddings.position_ids" | "logit_scale" => Meaning::Nothing,
        _ => Meaning::Tensor(format!("{tower}{name}")),
    }
}

/// A tensor as OpenCLIP names it.
pub(super) fn from_open_clip(name: &str, tower: &str) -> Option<Meaning> {
    let named = |name: &str| Some(Meaning::Tensor(format!("{tower}{name}")));
    match name {
        "logit_scale" | "attn_mask" => return Some(Meaning::Nothing),
        "token_embedding.weight" => return named("embeddings.token_embedding.weight"),
        "positional_embedding" => return named("embeddings.position_embedding.weight"),
        "ln_final.weight" => return named("final_layer_norm.weight"),
        "ln_final.bias" => return named("final_layer_norm.bias"),
        "text_projection" => return Some(Meaning::Transposed(format!("{tower}text_projection.weight"))),
        // OpenCLIP's own later form, which lies as transformers has it.
        "text_projection.weight" => return named("text_projection.weight"),
        _ => {}
    }
    let (layer, rest) = numbered(name, "transformer.resblocks.")?;
    let layer = format!("encoder.layers.{layer}");
    if let Some(kind) = rest.strip_prefix("attn.in_proj_") {
        let fused = ["q", "k", "v"].map(|part| format!("{tower}{layer}.self_attn.{part}_proj.{kind}"));
        return Some(Meaning::Fused(fused));
    }
    let parts = [
        ("ln_1.", "layer_norm1."),
        ("ln_2.", "layer_norm2."),
        ("attn.out_proj.", "self_attn.out_proj."),
        ("mlp.c_fc.", "mlp.fc1."),
        ("mlp.c_proj.", "mlp.fc2."),
    ];
    let (open, transformers) = parts.iter().find(|(open, _)| rest.starts_with(open))?;
    named(&format!("{layer}.{transformers}{}", &rest[open.len()..]))
}
