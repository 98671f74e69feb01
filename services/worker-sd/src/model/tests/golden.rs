//! One pass of each part, within the reference's tolerances, from both layouts.

use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use serde_json::Value;

use super::fixtures::{Golden, assert_near, folder, ids};
use crate::model::builder;
use crate::model::open;
use crate::model::weight::Backend;
use crate::model::{AddedConditions, LoadOptions, Model, UnetInput};
use crate::pipeline::TextRow;

fn never() -> bool {
    false
}

/// Both layouts, as far as they are there.
fn sources(model: &str) -> Vec<PathBuf> {
    let folder = folder().join(model);
    let sources: Vec<PathBuf> = [folder.join("model.safetensors"), folder.join("diffusers")]
        .into_iter()
        .filter(|path| path.exists())
        .collect();
    assert!(!sources.is_empty(), "there is no model {}", folder.display());
    sources
}

fn load(path: &std::path::Path) -> Model {
    let model = Model::load(path, &LoadOptions::default(), &mut |_| {});
    model.unwrap_or_else(|error| panic!("{error:#?}"))
}

/// Text states of one prompt as the UNet takes them, and the pooled text.
fn encode(model: &Model, golden: &Golden, entry: &Value, clip_skip: Option<u32>) -> (Tensor, Option<Tensor>) {
    let token = golden
        .list("tokens")
        .iter()
        .find(|token| token["text"] == entry["text"]);
    let token = token.unwrap();
    let mut states = Vec::new();
    let mut pooled = None;
    for tower in 0..model.spec().towers.len() {
        let key = if tower == 1 || (model.spec().towers[0].padding_id == 0 && !token["tensor_2"].is_null()) {
            "tensor_2"
        } else {
            "tensor"
        };
        let row = TextRow {
            ids: ids(&golden.of(&token[key])),
            vectors: Vec::new(),
        };
        let encoded = model.encode_tower(tower, &[row], clip_skip, &never).unwrap();
        states.push(encoded.states);
        pooled = pooled.or(encoded.pooled);
    }
    (Tensor::cat(&states, 2).unwrap(), pooled)
}

fn check_text(model: &Model, golden: &Golden) {
    for entry in golden.list("text") {
        let tolerance = entry["tolerance"]["max_abs"].as_f64().unwrap();
        let name = entry["name"].as_str().unwrap();
        let (context, pooled) = encode(model, golden, entry, None);
        let tensors = &entry["tensors"];
        assert_near(
            &format!("text {name}"),
            &context,
            &golden.of(&tensors["context"]),
            tolerance,
        );
        if let Some(expected) = tensors["pooled"].as_str() {
            assert_near(
                &format!("pooled {name}"),
                &pooled.unwrap(),
                &golden.tensor(expected),
                tolerance,
            );
        }
        if let Some(expected) = tensors["context_clip_skip_2"].as_str() {
            let (context, _) = encode(model, golden, entry, Some(2));
            assert_near(
                &format!("clip skip {name}"),
                &context,
                &golden.tensor(expected),
                tolerance,
            );
        }
    }
}

fn check_unet(model: &Model, golden: &Golden) {
    for entry in golden.list("unet") {
        let sample = golden.of(&entry["sample"]);
        let context = golden.of(&entry["context"]);
        let rows = context.dim(0).unwrap();
        let sample = match sample.dim(0).unwrap() == rows {
            true => sample,
            false => sample.repeat((rows, 1, 1, 1)).unwrap(),
        };
        let timestep = entry["timestep"].as_f64().unwrap() as f32;
        let pooled = entry["pooled"].as_str().map(|name| golden.tensor(name));
        let sizes = entry["time_ids"].as_array().map(|sizes| {
            let sizes: Vec<f32> = sizes.iter().map(|size| size.as_f64().unwrap() as f32).collect();
            Tensor::new(sizes, &Device::Cpu)
                .unwrap()
                .unsqueeze(0)
                .unwrap()
                .repeat((rows, 1))
                .unwrap()
        });
        let added = pooled.as_ref().zip(sizes.as_ref());
        let input = UnetInput {
            latents: &sample,
            timesteps: &vec![timestep; rows],
            context: &context,
            added: added.map(|(pooled, time_ids)| AddedConditions { pooled, time_ids }),
            guidance: None,
        };
        let found = model.unet(&input, &never).unwrap();
        let tolerance = entry["tolerance"]["max_abs"].as_f64().unwrap();
        assert_near(
            entry["name"].as_str().unwrap(),
            &found,
            &golden.of(&entry["out"]),
            tolerance,
        );
    }
}

fn check_vae(model: &Model, golden: &Golden) {
    for entry in golden.list("vae") {
        let tolerance = entry["tolerance"]["max_abs"].as_f64().unwrap();
        if entry["name"] == "vae.decode" {
            let latents = (golden.of(&entry["latents"]) / model.spec().vae_scaling_factor).unwrap();
            let picture = model.vae().decode(&latents, &never).unwrap();
            assert_near("decode", &picture, &golden.of(&entry["image"]), tolerance);
        } else {
            let picture = golden.of(&entry["image"]).to_dtype(DType::F32).unwrap();
            let picture = ((picture / 127.5).unwrap() - 1.0).unwrap();
            let picture = picture
                .permute((2, 0, 1))
                .unwrap()
                .unsqueeze(0)
                .unwrap()
                .contiguous()
                .unwrap();
            let posterior = model.vae().encode(&picture, &never).unwrap();
            assert_near("encode", &posterior.mean, &golden.of(&entry["mean"]), tolerance);
            assert_near(
                "variance",
                &posterior.log_variance,
                &golden.of(&entry["logvar"]),
                tolerance,
            );
        }
    }
}

/// With candle's own operations, as on GPUs.
fn load_on_candle(path: &std::path::Path) -> Model {
    let opened = open::open(path).unwrap();
    let candle = || Backend::Candle(Device::Cpu, DType::F32);
    let options = LoadOptions::default();
    let model = Model::build_on(&[candle(), candle()], &opened, false, &options, "model").unwrap();
    builder::load(&model.weights, &mut |_| {}).unwrap();
    model
}

#[test]
fn what_gpus_run_computes_what_the_reference_computes() {
    for name in ["sd15-tiny", "sd21-tiny", "sdxl-tiny"] {
        let golden = Golden::read(name);
        let model = load_on_candle(&folder().join(name).join("model.safetensors"));
        check_text(&model, &golden);
        check_unet(&model, &golden);
        check_vae(&model, &golden);
    }
}

fn check(name: &str) {
    let golden = Golden::read(name);
    for source in sources(name) {
        println!("{}", source.display());
        let model = load(&source);
        let scaling = golden.json["vae_scaling_factor"].as_f64().unwrap();
        assert!((model.spec().vae_scaling_factor - scaling).abs() < 1e-9);
        check_text(&model, &golden);
        check_unet(&model, &golden);
        check_vae(&model, &golden);
    }
}

#[test]
fn sd_1_5_computes_what_the_reference_computes() {
    check("sd15-tiny");
}

#[test]
fn sd_2_1_computes_what_the_reference_computes() {
    check("sd21-tiny");
}

#[test]
fn sdxl_computes_what_the_reference_computes() {
    check("sdxl-tiny");
}

/// The two text encoders with several heads, and with ids instead of words.
#[test]
fn text_encoders_with_several_heads_compute_what_the_reference_computes() {
    use crate::model::TowerKind;
    use crate::model::dry::LoneTower;
    let golden = Golden::read("text-multihead");
    for entry in golden.list("models") {
        let tolerance = entry["tolerance"]["max_abs"].as_f64().unwrap();
        let kind = match entry["name"].as_str().unwrap() {
            "clip" => TowerKind::ClipL,
            _ => TowerKind::OpenClip,
        };
        let file = folder()
            .join("text-multihead")
            .join(entry["file"].as_str().unwrap());
        let table = golden.of(&entry["ids"]);
        let rows: Vec<TextRow> = (0..table.dim(0).unwrap())
            .map(|row| TextRow {
                ids: ids(&table.get(row).unwrap()),
                vectors: Vec::new(),
            })
            .collect();
        let tower = |without, norm| LoneTower::load(&file, kind, without, norm).unwrap();
        let whole = tower(0, true).encode(&rows).unwrap();
        let right = golden.of(&entry["last_hidden_state"]);
        assert_near("last state", &whole.states, &right, tolerance);
        if let Some(name) = entry["pooled"].as_str() {
            let right = golden.tensor(name);
            assert_near(
                "pooled",
                &whole.pooled.unwrap().reshape(right.dims()).unwrap(),
                &right,
                tolerance,
            );
        }
        let before = tower(1, false).encode(&rows).unwrap();
        let right = golden.of(&entry["penultimate"]);
        assert_near("state before the last", &before.states, &right, tolerance);
    }
}
