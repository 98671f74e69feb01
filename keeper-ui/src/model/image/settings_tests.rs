use proptest::prelude::*;

use super::super::facts::tests::facts;
use super::super::picture::tests::picture;
use super::*;

#[test]
fn a_schedule_that_does_not_go_with_the_sampler_is_let_go() {
    let mut settings = Settings {
        schedule: Some(Schedule::Karras),
        ..Settings::default()
    };
    settings.set_sampler(Some(Sampler::EulerA), &facts());
    assert_eq!(settings.schedule, Some(Schedule::Karras));
    settings.set_sampler(Some(Sampler::Ddim), &facts());
    assert_eq!(settings.schedule, None);
}

#[test]
fn a_lora_is_there_once_and_only_so_many_are() {
    let mut settings = Settings::default();
    assert!(settings.add_lora("local:honey".into(), 0.8));
    settings.loras[0].enabled = false;
    assert!(settings.add_lora("local:honey".into(), 0.1));
    assert_eq!((settings.loras.len(), settings.loras[0].weight), (1, 0.8));
    settings.set_lora_weight(&"local:honey".into(), 99.0);
    assert!((settings.loras[0].weight - MAX_LORA_WEIGHT).abs() < f32::EPSILON);
    for index in 0..MAX_LORAS {
        settings.add_lora(format!("local:{index}").into(), 1.0);
    }
    assert_eq!(settings.loras.len(), MAX_LORAS);
    assert!(!settings.add_lora("local:late".into(), 1.0));
}

#[test]
fn the_size_follows_the_picture_to_begin_from() {
    let mut source = Source::new(picture(1), "bee.png".into()).unwrap();
    assert_eq!(source.size, Size { width: 1, height: 1 });
    source.size = Size {
        width: 4000,
        height: 3000,
    };
    let mut settings = Settings::default();
    settings.set_source(source, Some(&facts()));
    assert_eq!(
        settings.size,
        Some(Size {
            width: 592,
            height: 440
        })
    );
}

#[test]
fn what_cannot_be_asked_for_is_told() {
    let mut settings = Settings {
        size: Some(Size {
            width: 100,
            height: 512,
        }),
        ..Settings::default()
    };
    assert!(settings.problem().unwrap().contains("100×512"));
    settings.size = None;
    assert_eq!(settings.problem(), None);
    settings.prompt = "x".repeat(MAX_PROMPT_BYTES + 1);
    assert!(settings.problem().unwrap().contains("prompt"));
    settings.prompt.clear();
    settings.size = Some(Size {
        width: 2048,
        height: 512,
    });
    settings.high_resolution = Some(HighResolution::default());
    assert_eq!(settings.problem(), None);
    if let Some(pass) = &mut settings.high_resolution {
        pass.set_scale(2.5);
    }
    assert!(settings.problem().unwrap().contains("2.5 times"));
    settings.high_resolution = None;
    settings.add_embedding("local:easy".into());
    settings.embeddings[0].word = " ".into();
    assert!(settings.problem().unwrap().contains("local:easy"));
}

#[test]
fn what_is_used_beside_the_model_is_named_once() {
    let mut settings = Settings {
        vae: Some("local:vae".into()),
        ..Settings::default()
    };
    settings.add_lora("local:honey".into(), 0.8);
    settings.add_lora("local:unused".into(), 0.8);
    settings.loras[1].enabled = false;
    assert!(settings.add_embedding("org/repo:easynegative.safetensors".into()));
    assert!(settings.add_embedding("org/repo:easynegative.safetensors".into()));
    assert_eq!(settings.embeddings.len(), 1);
    assert_eq!(settings.embeddings[0].word, "easynegative");
    let ids: Vec<String> = settings.add_ons().iter().map(ToString::to_string).collect();
    assert_eq!(
        ids,
        ["local:honey", "local:vae", "org/repo:easynegative.safetensors"]
    );
    for index in 0..MAX_EMBEDDINGS {
        settings.add_embedding(format!("local:{index}").into());
    }
    assert_eq!(settings.embeddings.len(), MAX_EMBEDDINGS);
    assert!(!settings.add_embedding("local:late".into()));
}

#[test]
fn settings_survive_a_restart_and_unknown_ones_do_no_harm() {
    let mut settings = Settings {
        prompt: "蜂 🐝".into(),
        sampler: Some(Sampler::EulerA),
        ..Settings::default()
    };
    settings.add_lora("local:honey".into(), 0.8);
    let text = serde_json::to_string(&settings).unwrap();
    assert!(text.contains("euler_a"));
    assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
    let other: Settings = serde_json::from_str(r#"{"prompt": "a bee", "colour": 7}"#).unwrap();
    assert_eq!((other.prompt.as_str(), other.count), ("a bee", 1));
}

proptest! {
    #[test]
    fn every_setter_leaves_what_a_worker_takes(
        steps: u32, count: u32, guidance: f32, width: u32, height: u32, native in 64u32..2048
    ) {
        let mut settings = Settings::default();
        settings.set_steps(steps);
        settings.set_count(count);
        settings.set_guidance(guidance);
        let size = Size { width, height };
        settings.size = Some(size.nearest());
        prop_assert!(settings.problem().is_none());
        prop_assert!((1..=MAX_STEPS).contains(&settings.steps.unwrap()));
        prop_assert!((1..=MAX_COUNT).contains(&settings.count));
        prop_assert!(settings.guidance.is_none_or(|guidance| (0.0..=MAX_GUIDANCE).contains(&guidance)));
        prop_assert!(size.of_shape(native).is_possible());
        let small = size.within(64);
        prop_assert!(small.width <= 64 && small.height <= 64);
    }
}
