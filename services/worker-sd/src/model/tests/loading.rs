//! What loads, and how what does not is refused.

use std::path::Path;

use rbee_artifacts::StableDiffusionVersion;
use rbee_artifacts::detect::Prediction;
use rbee_artifacts::safetensors::SafetensorsHeader;

use super::fixtures::folder;
use crate::model::dry::of_shapes;
use crate::model::{Embedding, LoadError, LoadOptions, Model, Vae};

fn load(path: &Path) -> Result<Model, LoadError> {
    Model::load(path, &LoadOptions::default(), &mut |_| {})
}

/// A message with its causes.
fn in_words(error: &LoadError) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words += &format!(": {error}");
        cause = error.source();
    }
    words
}

#[track_caller]
fn assert_refused(path: &Path, parts: &[&str]) {
    let words = in_words(&load(path).unwrap_err());
    for part in parts {
        assert!(words.contains(part), "{words}");
    }
}

#[test]
fn a_unet_alone_takes_the_rest_from_its_companion() {
    let path = folder().join("sd15-inpaint-tiny/model.safetensors");
    assert_refused(&path, &["nothing is generated without it"]);
    let options = LoadOptions {
        companion: Some(folder().join("sd15-tiny/model.safetensors")),
        ..LoadOptions::default()
    };
    let model = Model::load(&path, &options, &mut |_| {}).unwrap();
    assert_eq!(model.spec().unet_in_channels, 9);
}

/// Builds a model of these tensors without reading one.
fn dry_run(shapes: &serde_json::Map<String, serde_json::Value>) -> Result<Model, String> {
    let sizes = |shape: &serde_json::Value| serde_json::from_value(shape.clone()).unwrap();
    let shapes = shapes.iter().map(|(name, shape)| (name.clone(), sizes(shape)));
    of_shapes(&shapes.collect())
}

fn manifest(name: &str) -> serde_json::Map<String, serde_json::Value> {
    let text = std::fs::read(folder().join(format!("manifests/{name}.json"))).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    json["shapes"].as_object().unwrap().clone()
}

#[test]
fn files_of_real_size_are_whole_by_their_names_and_shapes() {
    use StableDiffusionVersion::{V1_5, V2_1, Xl};
    for (name, version, edge, widths, pooled) in [
        ("sd15", V1_5, 512, &[768][..], None),
        ("sd21", V2_1, 512, &[1024][..], None),
        ("sdxl", Xl, 1024, &[768, 1280][..], Some(1280)),
    ] {
        let model = dry_run(&manifest(name)).unwrap();
        let spec = model.spec();
        assert_eq!(
            (spec.version, spec.native_edge, spec.pooled_width),
            (version, edge, pooled)
        );
        let found: Vec<usize> = spec.towers.iter().map(|tower| tower.width).collect();
        assert_eq!(found, widths);
    }
}

#[test]
fn a_tensor_too_few_too_many_or_of_another_shape_is_told_by_name() {
    let whole = manifest("sd15");
    // Every part, every kind of tensor: any of them may be the one that is damaged.
    let names: Vec<&String> = whole
        .keys()
        .filter(|name| name.contains('.') && !name.starts_with("model_ema."))
        .collect();
    let optional = |name: &str| name.ends_with("position_ids");
    for name in names.iter().step_by(37).filter(|name| !optional(name)) {
        let mut without = whole.clone();
        without.remove(*name);
        assert!(dry_run(&without).is_err(), "{name}");
        let mut other = whole.clone();
        let mut shape = whole[*name].as_array().unwrap().clone();
        shape[0] = serde_json::json!(shape[0].as_u64().unwrap() + 1);
        other.insert((*name).clone(), shape.into());
        assert!(dry_run(&other).is_err(), "{name}");
    }
    let mut more = whole.clone();
    let name = "model.diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q.bias";
    more.insert(name.to_owned(), serde_json::json!([1280]));
    let error = dry_run(&more).unwrap_err();
    assert!(error.contains(name) && error.contains("manifest"), "{error}");
    let mut fewer = whole;
    let name = "first_stage_model.decoder.up.2.block.1.conv2.weight";
    fewer.insert(name.to_owned(), serde_json::json!([512, 512, 1, 3]));
    let error = dry_run(&fewer).unwrap_err();
    assert!(
        error.contains(name) && error.contains("[512, 512, 3, 3]"),
        "{error}"
    );
}

#[test]
fn sd_2_1_tells_what_it_predicts_by_a_hint() {
    let model = load(&folder().join("sd21-tiny/model.safetensors")).unwrap();
    assert_eq!(model.spec().prediction, Prediction::Velocity);
    assert_eq!(model.spec().native_edge, 768);
}

#[test]
fn damaged_and_foreign_files_are_refused_with_their_reason() {
    let folder = folder();
    let place = tempfile::tempdir().unwrap();
    let whole = std::fs::read(folder.join("sd15-tiny/model.safetensors")).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = place.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    assert_refused(
        &write("cut.safetensors", &whole[..whole.len() - 1000]),
        &["cut.safetensors"],
    );
    assert_refused(&write("empty.safetensors", &[]), &["empty.safetensors"]);
    assert_refused(&write("pickle.ckpt", b"\x80\x02}q\x00."), &["pickle.ckpt"]);
    // The last tensor's numbers replaced by what is none.
    let mut broken = whole.clone();
    let tensor = {
        let header = SafetensorsHeader::read(whole.as_slice(), whole.len() as u64).unwrap();
        header
            .tensor("first_stage_model.decoder.conv_out.bias")
            .unwrap()
            .clone()
    };
    let begin = tensor.offset_bytes as usize;
    broken[begin..begin + tensor.size_bytes as usize].fill(0xff);
    assert_refused(
        &write("nan.safetensors", &broken),
        &[
            "nan.safetensors",
            "first_stage_model.decoder.conv_out.bias",
            "not numbers",
        ],
    );
    assert_refused(
        &folder.join("sd15-tiny/lora.safetensors"),
        &["a LoRA for", "a Stable Diffusion model is needed"],
    );
    assert_refused(
        &place.path().join("nowhere.safetensors"),
        &["nowhere.safetensors"],
    );
    let error = Vae::load(
        &folder.join("sd15-tiny/model.safetensors"),
        &LoadOptions::default(),
    )
    .unwrap_err();
    assert!(in_words(&error).contains("but a VAE is needed"), "{error}");
}

/// A safetensors file of 32-bit floats.
fn write(path: &Path, tensors: &[(&str, &[usize], Vec<f32>)]) {
    let mut json = serde_json::Map::new();
    let mut data = Vec::new();
    for (name, shape, numbers) in tensors {
        let begin = data.len();
        data.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        json.insert(
            (*name).to_owned(),
            serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, data.len()]}),
        );
    }
    let text = serde_json::to_vec(&json).unwrap();
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text);
    bytes.extend(data);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn embeddings_have_vectors_for_each_text_encoder() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("style.safetensors");
    let xl = load(&folder().join("sdxl-tiny/model.safetensors")).unwrap();
    let numbers = |count: usize| (0..count).map(|number| number as f32).collect::<Vec<f32>>();
    write(
        &path,
        &[
            ("clip_l", &[3, 8], numbers(24)),
            ("clip_g", &[3, 16], numbers(48)),
        ],
    );
    let embedding = Embedding::open(&path, xl.spec()).unwrap();
    assert_eq!(embedding.vector_count(), 3);
    assert_eq!(
        embedding.vectors[0][1],
        (8..16).map(|number| number as f32).collect::<Vec<_>>()
    );
    assert_eq!(embedding.vectors[1].len(), 3);
    let one = load(&folder().join("sd15-tiny/model.safetensors")).unwrap();
    write(&path, &[("emb_params", &[2, 8], numbers(16))]);
    assert_eq!(Embedding::open(&path, one.spec()).unwrap().vector_count(), 2);
    write(&path, &[("emb_params", &[2, 768], numbers(1536))]);
    let error = Embedding::open(&path, one.spec()).unwrap_err();
    assert!(in_words(&error).contains("768"), "{error}");
    write(
        &path,
        &[
            ("clip_l", &[3, 8], numbers(24)),
            ("clip_g", &[2, 16], numbers(32)),
        ],
    );
    assert!(Embedding::open(&path, xl.spec()).is_err());
}

#[test]
fn a_vae_in_a_file_of_its_own_is_taken_in_any_naming() {
    let whole = std::fs::read(folder().join("sd15-tiny/model.safetensors")).unwrap();
    let header = SafetensorsHeader::read(whole.as_slice(), whole.len() as u64).unwrap();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("vae.safetensors");
    let tensors: Vec<(String, Vec<usize>, Vec<f32>)> = header
        .tensors()
        .iter()
        .filter_map(|tensor| {
            let name = tensor.name.strip_prefix("first_stage_model.")?;
            let begin = tensor.offset_bytes as usize;
            let bytes = &whole[begin..begin + tensor.size_bytes as usize];
            let numbers = bytes
                .as_chunks::<2>()
                .0
                .iter()
                .map(|&pair| half::f16::from_le_bytes(pair).to_f32());
            let shape = tensor.shape.iter().map(|&size| size as usize).collect();
            Some((name.to_owned(), shape, numbers.collect()))
        })
        .collect();
    let list: Vec<(&str, &[usize], Vec<f32>)> = tensors
        .iter()
        .map(|(name, shape, numbers)| (name.as_str(), shape.as_slice(), numbers.clone()))
        .collect();
    write(&path, &list);
    let vae = Vae::load(&path, &LoadOptions::default()).unwrap();
    let mut model = load(&folder().join("sd15-tiny/model.safetensors")).unwrap();
    let latents =
        candle_core::Tensor::ones((1, 4, 8, 8), candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
    let decode = |model: &Model| {
        let picture = model.vae().decode(&latents, &|| false).unwrap();
        picture.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let own = decode(&model);
    model.set_vae(Some(vae));
    assert_eq!(decode(&model), own);
    assert!(matches!(
        model.vae().decode(&latents, &|| true),
        Err(crate::model::ComputeError::Stopped)
    ));
}
