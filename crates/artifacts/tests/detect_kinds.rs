//! Detection of layouts that no fixture has, made from those that have: refiners, ControlNets, bare
//! embeddings, models of other families; and of names and shapes by chance.

#![allow(clippy::unwrap_used)] // A test fails by panicking, in its helpers too.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use rbee_artifacts::detect::{
    DetectError, Detected, Distillation, Evidence, JsonObject, Layout, LlmConfig, ModelIndex, Prediction,
    Task, Tensor, detect_file, settle,
};
use rbee_artifacts::safetensors::Dtype;
use rbee_artifacts::{AddOnKind, StableDiffusionVersion};
use serde::Deserialize;

type Shapes = BTreeMap<String, Vec<u64>>;

#[derive(Deserialize)]
struct Manifest {
    shapes: Shapes,
}

/// Names and shapes of a published checkpoint.
fn published(name: &str) -> Shapes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../fixtures/sd/manifests/{name}.json"));
    let manifest: Manifest = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    manifest.shapes
}

fn shapes(tensors: &[(&str, &[u64])]) -> Shapes {
    tensors
        .iter()
        .map(|(name, shape)| ((*name).to_owned(), shape.to_vec()))
        .collect()
}

fn detect(shapes: &Shapes) -> Result<Detected, DetectError> {
    let layout: Layout<'_> = shapes
        .iter()
        .map(|(name, shape)| Tensor {
            name,
            shape,
            dtype: Dtype::F16,
        })
        .collect();
    detect_file(&layout, &BTreeMap::new(), "file")
}

fn add_on(shapes: &Shapes) -> (AddOnKind, Option<StableDiffusionVersion>) {
    match detect(shapes).unwrap() {
        Detected::AddOn(add_on) => (add_on.kind, add_on.base.map(|(version, _)| version)),
        other => panic!("{}", other.in_words()),
    }
}

/// The tensors below `prefix`, below `new` instead.
fn part(shapes: &Shapes, prefix: &str, new: &str) -> Shapes {
    shapes
        .iter()
        .filter_map(|(name, shape)| Some((format!("{new}{}", name.strip_prefix(prefix)?), shape.clone())))
        .collect()
}

const UNET: &str = "model.diffusion_model.";

#[test]
fn width_does_not_matter_but_channels_in_do() {
    for (name, version) in [
        ("sd15", StableDiffusionVersion::V1_5),
        ("sd21", StableDiffusionVersion::V2_1),
        ("sdxl", StableDiffusionVersion::Xl),
    ] {
        for (channels, task) in [
            (4, Some(Task::TextToImage)),
            (9, Some(Task::Inpainting)),
            (8, Some(Task::InstructEditing)),
            (5, Some(Task::DepthToImage)),
            (16, None),
        ] {
            let mut shapes = published(name);
            for shape in shapes.values_mut() {
                for size in shape.iter_mut().filter(|size| **size > 64) {
                    *size = *size / 2 + 3;
                }
            }
            let first = format!("{UNET}input_blocks.0.0.weight");
            shapes.get_mut(&first).unwrap()[1] = channels;
            match (detect(&shapes), task) {
                (Ok(Detected::StableDiffusion(facts)), Some(task)) => {
                    assert_eq!((facts.version(), facts.unet.task), (version, task));
                }
                (Err(DetectError::Unsupported { field, .. }), None) => assert_eq!(field, first),
                (outcome, _) => panic!("{name} with {channels} channels: {outcome:?}"),
            }
        }
    }
}

#[test]
fn a_refiner_is_no_base_model() {
    // Four levels, the first without attention, one text encoder.
    let mut refiner: Shapes = published("sdxl");
    refiner.retain(|name, _| !name.starts_with("conditioner.embedders.1."));
    refiner.insert(
        format!("{UNET}input_blocks.9.0.op.weight"),
        vec![1536, 1536, 3, 3],
    );
    match detect(&refiner).unwrap() {
        Detected::StableDiffusion(facts) => {
            assert_eq!(facts.version(), StableDiffusionVersion::XlRefiner);
            assert_eq!(facts.missing_parts(), [""; 0]);
        }
        other => panic!("{}", other.in_words()),
    }
}

#[test]
fn marks_of_training_are_seen() {
    let mut shapes = published("sdxl");
    shapes.insert("v_pred".to_owned(), vec![0]);
    shapes.insert(format!("{UNET}time_embed.cond_proj.weight"), vec![320, 256]);
    let Detected::StableDiffusion(facts) = detect(&shapes).unwrap() else {
        panic!()
    };
    assert_eq!(facts.prediction, Some((Prediction::Velocity, Evidence::Tensors)));
    assert_eq!(facts.distillation, Some((Distillation::Lcm, Evidence::Tensors)));
}

#[test]
fn parts_by_themselves_are_add_ons() {
    use StableDiffusionVersion::{V1_5, V2_1, Xl};
    let vae = part(&published("sd15"), "first_stage_model.", "");
    assert_eq!(add_on(&vae), (AddOnKind::Vae, None));
    assert_eq!(
        add_on(&part(&vae, "decoder.", "decoder.")),
        (AddOnKind::Vae, None)
    );
    for (name, version) in [("sd15", V1_5), ("sd21", V2_1), ("sdxl", Xl)] {
        // A ControlNet is the first half of a UNet.
        for prefix in ["control_model.", ""] {
            let mut net = part(&published(name), UNET, prefix);
            net.retain(|name, _| !name.contains("output_blocks.") && !name.contains("out."));
            net.insert(format!("{prefix}input_hint_block.0.weight"), vec![16, 3, 3, 3]);
            net.insert(format!("{prefix}zero_convs.0.0.weight"), vec![320, 320, 1, 1]);
            assert_eq!(
                add_on(&net),
                (AddOnKind::ControlNet, Some(version)),
                "{name} {prefix}"
            );
        }
    }
    for (tensors, expected) in [
        (
            &[("emb_params", &[8, 768][..])][..],
            (AddOnKind::Embedding, Some(V1_5)),
        ),
        (&[("emb_params", &[4, 1024])], (AddOnKind::Embedding, Some(V2_1))),
        (&[("emb_params", &[4, 8])], (AddOnKind::Embedding, None)),
        (&[("<cat-toy>", &[768])], (AddOnKind::Embedding, Some(V1_5))),
        (
            &[("clip_g", &[2, 1280]), ("clip_l", &[2, 768])],
            (AddOnKind::Embedding, Some(Xl)),
        ),
        (
            &[("1.weight", &[64, 4, 3, 3]), ("3.conv.0.weight", &[64, 64, 3, 3])],
            (AddOnKind::PreviewVae, None),
        ),
        (
            &[
                ("decoder.layers.0.weight", &[64, 4, 3, 3]),
                ("decoder.layers.2.conv.0.weight", &[64, 64, 3, 3]),
                ("decoder.layers.1.conv.0.weight", &[64, 64, 3, 3]),
            ],
            (AddOnKind::PreviewVae, None),
        ),
    ] {
        assert_eq!(add_on(&shapes(tensors)), expected, "{tensors:?}");
    }
}

#[test]
fn what_no_worker_serves_is_named() {
    for (tensors, words) in [
        (
            &[("double_blocks.0.img_attn.qkv.weight", &[9, 9][..])][..],
            "FLUX",
        ),
        (
            &[("model.diffusion_model.joint_blocks.0.x.weight", &[9, 9])],
            "Stable Diffusion 3",
        ),
        (
            &[("model.layers.0.self_attn.q_proj.weight", &[9, 9])],
            "config.json",
        ),
        (
            &[("lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight", &[4, 9])],
            "LoRA for a model",
        ),
        (
            &[("down_blocks.0.motion_modules.0.norm.weight", &[9, 9])],
            "motion module",
        ),
        (
            &[("lora_controlnet", &[0]), ("input_hint_block.0.weight", &[9, 9])],
            "Control-LoRA",
        ),
        (
            &[
                ("decoder.conv_in.weight", &[9, 16, 3, 3]),
                ("decoder.up.0.block.0.x", &[9]),
            ],
            "16 latent channels",
        ),
        (&[("something", &[9, 9]), ("else", &[9, 9, 9])], "no known model"),
        (&[], "no tensor"),
    ] {
        let error = detect(&shapes(tensors)).unwrap_err().to_string();
        assert!(error.contains(words), "\"{error}\" does not say {words}");
    }
}

#[test]
fn vendors_fill_in_what_the_header_does_not_tell() {
    let embedding = detect(&shapes(&[("emb_params", &[4, 8])])).unwrap();
    let claim = rbee_artifacts::detect::Claim {
        kind: Some("TextualInversion".to_owned()),
        base_model: Some("Pony".to_owned()),
        format: None,
    };
    let (settled, contradictions) = settle(embedding, &claim);
    assert_eq!(contradictions, []);
    let Detected::AddOn(add_on) = settled else {
        panic!()
    };
    assert_eq!(add_on.base, Some((StableDiffusionVersion::Xl, Evidence::Vendor)));
}

/// Names near those that detection asks for, and shapes near those it takes.
fn tensor() -> impl Strategy<Value = (String, Vec<u64>)> {
    let prefix = prop::sample::select(vec![
        "",
        UNET,
        "control_model.",
        "first_stage_model.",
        "lora_unet_",
        "lora_te_",
        "lora_te2_",
        "unet.",
        "text_encoder.",
        "transformer.",
    ]);
    let name = prop::sample::select(vec![
        "input_blocks.0.0.weight",
        "conv_in.weight",
        "middle_block.1.transformer_blocks.0.attn2.to_k.weight",
        "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight",
        "label_emb.0.0.weight",
        "input_blocks.3.0.op.weight",
        "input_blocks.6.0.op.weight",
        "input_blocks.9.0.op.weight",
        "input_blocks.1.1.transformer_blocks.0.norm1.bias",
        "middle_block.1.proj_in.weight",
        "decoder.conv_in.weight",
        "decoder.up.0.block.0.x",
        "emb_params",
        "clip_l",
        "clip_g",
        "<x>",
        "down_blocks_0_attentions_0_proj_in.lora_down.weight",
        "layers_99999999999_x.lora_up.weight",
        "transformer_blocks_4294967295_attn2_to_k.lora_down.weight",
        "input_hint_block.0.weight",
        "x.alpha",
        "",
    ]);
    let size = prop_oneof![0_u64..10, Just(320), Just(768), Just(u64::MAX), Just(1 << 40)];
    let shape = prop_oneof![
        prop::collection::vec(size, 0..5),
        Just(vec![320, 4, 3, 3]),
        Just(vec![320, 320, 1, 1]),
        Just(vec![320, 768]),
    ];
    (prefix, name, shape).prop_map(|(prefix, name, shape)| (format!("{prefix}{name}"), shape))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn names_and_shapes_by_chance_never_panic(tensors in prop::collection::btree_map(".{0,30}", prop::collection::vec(any::<u64>(), 0..5), 0..6)) {
        let _ = detect(&tensors).map(|detected| detected.summary());
    }

    #[test]
    fn changed_descriptions_never_panic(
        index in any::<bool>(),
        place in any::<prop::sample::Index>(),
        value in prop::sample::select(vec!["-1", "0", "1e400", "18446744073709551616", "null", "[]", "{}", "\"\"", "9", "\"", ","]),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        let path = if index { "sd/headers/sdxl-tiny/diffusers/model_index.json" } else { "llm/headers/gemma3/hf/config.json" };
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)).unwrap();
        // One value, up to the comma, becomes another.
        let starts: Vec<usize> = text.match_indices(": ").map(|(place, _)| place + 2).collect();
        let start = starts[place.index(starts.len())];
        let end = text[start..].find([',', '\n']).map_or(text.len(), |length| start + length);
        let mut text = format!("{}{value}{}", &text[..start], &text[end..]);
        if let Some(cut) = cut {
            text.truncate(cut.index(text.len()));
        }
        if let Ok(json) = JsonObject::parse("file.json", text.as_bytes()) {
            let error = if index { ModelIndex::read(json).map(|_| ()) } else { LlmConfig::read(&json).map(|_| ()) };
            prop_assert!(error.is_ok() || error.unwrap_err().field().is_some());
        }
    }

    #[test]
    fn near_models_never_panic_and_errors_name_what_is_there(tensors in prop::collection::vec(tensor(), 0..14)) {
        let tensors: Shapes = tensors.into_iter().collect();
        match detect(&tensors) {
            Ok(detected) => {
                let summary = detected.summary();
                prop_assert!(summary.parameter_count.is_some());
                prop_assert!(!detected.in_words().is_empty());
            }
            Err(error) => prop_assert!(!error.field().unwrap_or_default().is_empty() || tensors.contains_key(""), "{error}"),
        }
    }
}

proptest! {
    // Each case goes through thousands of names.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_model_that_lost_tensors_is_told_apart_or_refused(keep in prop::collection::vec(prop::bool::weighted(0.97), 1..200), name in 0_usize..3) {
        let mut shapes = published(["sd15", "sd21", "sdxl"][name]);
        let mut place = 0;
        shapes.retain(|_, _| { place += 1; keep[place % keep.len()] });
        let version = [StableDiffusionVersion::V1_5, StableDiffusionVersion::V2_1, StableDiffusionVersion::Xl][name];
        if let Ok(Detected::StableDiffusion(facts)) = detect(&shapes) {
            // 1.5 and 2.1 are never taken for each other.
            let other = [StableDiffusionVersion::V2_1, StableDiffusionVersion::V1_5, StableDiffusionVersion::V1_5][name];
            prop_assert!(facts.version() != other || facts.version() == version);
        }
    }
}
