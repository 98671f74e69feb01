//! LoRAs come and go without a trace.

use candle_core::{Device, Tensor};

use super::fixtures::{Golden, folder};
use crate::model::{LoadOptions, Lora, LoraUse, Model, UnetInput};
use crate::pipeline::TextRow;

fn never() -> bool {
    false
}

fn model(name: &str) -> Model {
    let path = folder().join(name).join("model.safetensors");
    Model::load(&path, &LoadOptions::default(), &mut |_| {}).unwrap()
}

/// What the model makes of something fixed, bit for bit.
fn output(model: &Model, golden: &Golden) -> Vec<u32> {
    let entry = &golden.list("unet")[0];
    let sample = golden.of(&entry["sample"]);
    let context = golden
        .of(&entry["context"])
        .narrow(0, 1, 1)
        .unwrap()
        .contiguous()
        .unwrap();
    let sample = sample.narrow(0, 0, 1).unwrap().contiguous().unwrap();
    let pooled = entry["pooled"]
        .as_str()
        .map(|name| golden.tensor(name).narrow(0, 1, 1).unwrap().contiguous().unwrap());
    let sizes = Tensor::new(&[[128f32, 64., 0., 0., 128., 64.]], &Device::Cpu).unwrap();
    let input = UnetInput {
        latents: &sample,
        timesteps: &[500.0],
        context: &context,
        added: pooled.as_ref().map(|pooled| crate::model::AddedConditions {
            pooled,
            time_ids: &sizes,
        }),
        guidance: None,
    };
    let mut bits: Vec<u32> = Vec::new();
    let mut add = |tensor: &Tensor| {
        let numbers = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        bits.extend(numbers.into_iter().map(f32::to_bits));
    };
    add(&model.unet(&input, &never).unwrap());
    for tower in 0..model.spec().towers.len() {
        let row = TextRow {
            ids: (0..77).map(|id| 320 + id * 7).collect(),
            vectors: Vec::new(),
        };
        add(&model.encode_tower(tower, &[row], None, &never).unwrap().states);
    }
    bits
}

fn used(lora: &Lora, weight: f64) -> LoraUse<'_> {
    LoraUse {
        lora,
        unet_weight: weight,
        text_weight: weight,
    }
}

#[test]
fn weights_are_restored_bit_for_bit_and_the_order_does_not_matter() {
    for (name, files) in [
        (
            "sd15-tiny",
            &["lora.safetensors", "lora_locon_mixed_alpha.safetensors"][..],
        ),
        ("sdxl-tiny", &["lora.safetensors"][..]),
    ] {
        let golden = Golden::read(name);
        let mut model = model(name);
        let before = output(&model, &golden);
        let loras: Vec<Lora> = files
            .iter()
            .map(|file| Lora::open(&folder().join(name).join(file)).unwrap())
            .collect();
        let first = used(&loras[0], 0.8);
        let report = model.apply_loras(&[first]).unwrap();
        assert_eq!(
            (report.changed, report.unused.len()),
            (loras[0].module_count(), 0)
        );
        let once = output(&model, &golden);
        assert_ne!(once, before);
        // Again, after others, and after none: always the same.
        let other: Vec<LoraUse<'_>> = loras.iter().map(|lora| used(lora, -0.4)).collect();
        model.apply_loras(&other).unwrap();
        assert_ne!(output(&model, &golden), once);
        model.apply_loras(&[first]).unwrap();
        assert_eq!(output(&model, &golden), once);
        assert_eq!(model.apply_loras(&[]).unwrap().changed, 0);
        assert_eq!(output(&model, &golden), before);
        // A weight of nothing changes nothing.
        assert_eq!(model.apply_loras(&[used(&loras[0], 0.0)]).unwrap().changed, 0);
        assert_eq!(output(&model, &golden), before);
    }
}

#[test]
fn a_lora_of_another_model_is_refused_and_changes_nothing() {
    let golden = Golden::read("sd15-tiny");
    let mut model = model("sd15-tiny");
    let before = output(&model, &golden);
    let lora = Lora::open(&folder().join("sdxl-tiny/lora.safetensors")).unwrap();
    let error = model.apply_loras(&[used(&lora, 1.0)]).unwrap_err();
    assert!(
        error.to_string().contains("does not go with this model"),
        "{error}"
    );
    assert_eq!(output(&model, &golden), before);
}

#[test]
fn what_is_no_lora_is_told_by_name() {
    let error = Lora::open(&folder().join("sd15-tiny/model.safetensors")).unwrap_err();
    assert!(error.to_string().contains("but a LoRA is needed here"), "{error}");
}
