use proptest::prelude::*;

use super::*;

fn fields(request: &ImageRequest) -> Vec<String> {
    let mut violations = Violations::default();
    request.check(&mut violations);
    violations
        .iter()
        .map(|violation| violation.field.clone())
        .collect()
}

fn with(change: impl FnOnce(&mut ImageRequest)) -> Vec<String> {
    let mut request = ImageRequest::default();
    change(&mut request);
    fields(&request)
}

fn lora(weight: f32) -> LoraUse {
    LoraUse {
        model_id: ModelId::local("honey").unwrap(),
        weight,
        text_encoder_weight: weight,
    }
}

fn word(word: &str) -> EmbeddingUse {
    EmbeddingUse {
        model_id: ModelId::local("honey").unwrap(),
        word: word.to_owned(),
    }
}

fn initial(strength: f32) -> Option<Initial> {
    Some(Initial {
        image: vec![0],
        strength,
        mask: None,
    })
}

fn pass(scale: f32) -> Option<HighResolution> {
    Some(HighResolution {
        scale,
        strength: 0.5,
        steps: None,
    })
}

#[test]
fn what_leaves_all_open_is_fine() {
    assert_eq!(fields(&ImageRequest::default()), [""; 0]);
}

#[test]
fn each_wrong_field_is_named() {
    let long = "x".repeat(MAX_PROMPT_BYTES + 1);
    for (field, wrong) in [
        ("prompt", with(|request| request.prompt.clone_from(&long))),
        (
            "negative_prompt",
            with(|request| request.negative_prompt = Some(long.clone())),
        ),
        ("clip_skip", with(|request| request.clip_skip = Some(13))),
        ("width", with(|request| request.width = Some(1))),
        ("height", with(|request| request.height = Some(20_000))),
        ("width", with(|request| request.width = Some(516))),
        ("steps", with(|request| request.sampling.steps = Some(0))),
        ("steps", with(|request| request.sampling.steps = Some(201))),
        (
            "guidance_scale",
            with(|request| request.sampling.guidance = Some(f32::NAN)),
        ),
        (
            "guidance_scale",
            with(|request| request.sampling.guidance = Some(-0.1)),
        ),
        ("count", with(|request| request.count = 17)),
        ("count", with(|request| request.count = 0)),
        (
            "jpeg_quality",
            with(|request| request.format = Format::Jpeg { quality: 0 }),
        ),
        (
            "previews.every_steps",
            with(|request| request.preview_every = Some(0)),
        ),
        (
            "initial_image.strength",
            with(|request| request.initial = initial(0.0)),
        ),
        (
            "initial_image.strength",
            with(|request| request.initial = initial(f32::INFINITY)),
        ),
        (
            "high_resolution.scale",
            with(|request| request.high_resolution = pass(1.0)),
        ),
        (
            "high_resolution.scale",
            with(|request| request.high_resolution = pass(4.01)),
        ),
        ("loras", with(|request| request.loras = vec![lora(1.0); 17])),
        (
            "embeddings[0].word",
            with(|request| request.embeddings = vec![word("")]),
        ),
        (
            "embeddings[1].word",
            with(|request| request.embeddings = vec![word("bee"), word("bee")]),
        ),
    ] {
        assert_eq!(wrong, [field]);
    }
}

#[test]
fn a_lora_is_named_by_its_place() {
    let wrong = with(|request| request.loras = vec![lora(1.0), lora(-10.5)]);
    assert_eq!(wrong, ["loras[1].weight", "loras[1].text_encoder_weight"]);
}

#[test]
fn an_empty_picture_is_none() {
    let wrong = with(|request| {
        request.initial = Some(Initial {
            image: Vec::new(),
            strength: 0.5,
            mask: Some(Vec::new()),
        });
    });
    assert_eq!(wrong, ["initial_image.image", "initial_image.mask"]);
}

#[test]
fn a_schedule_must_go_with_its_sampler() {
    let wrong = with(|request| {
        request.sampling.convention = Convention::Diffusers;
        request.sampling.method = Some(Method::Lcm);
        request.sampling.schedule = Some(Schedule::Karras);
    });
    assert_eq!(wrong, ["schedule"]);
}

#[test]
fn seeds_do_not_run_over() {
    let wrong = with(|request| {
        request.seed = Some(u64::MAX);
        request.count = 2;
    });
    assert_eq!(wrong, ["seed"]);
    assert_eq!(with(|request| request.seed = Some(u64::MAX)), [""; 0]);
}

proptest! {
    #[test]
    fn edges_are_right_exactly_where_the_contract_says(edge: u32) {
        let right = (64..=4096).contains(&edge) && edge.is_multiple_of(8);
        prop_assert_eq!(with(|request| request.width = Some(edge)).is_empty(), right);
        prop_assert_eq!(with(|request| request.height = Some(edge)).is_empty(), right);
    }

    #[test]
    fn edges_in_range(edge in 8u32..=512) {
        prop_assert!(with(|request| request.width = Some(edge * 8)).is_empty());
    }

    #[test]
    fn numbers_are_right_exactly_where_the_contract_says(
        steps in 0u32..300, guidance: f32, count in 0u32..40, clip_skip in 0u32..20, weight: f32, strength: f32,
        scale: f32,
    ) {
        let right = [
            with(|request| request.sampling.steps = Some(steps)).is_empty() == (1..=200).contains(&steps),
            with(|request| request.sampling.guidance = Some(guidance)).is_empty()
                == (0.0..=50.0).contains(&guidance),
            with(|request| request.count = count).is_empty() == (1..=16).contains(&count),
            with(|request| request.clip_skip = Some(clip_skip)).is_empty() == (1..=12).contains(&clip_skip),
            with(|request| request.loras = vec![lora(weight)]).is_empty() == (weight.abs() <= 10.0),
            with(|request| request.initial = initial(strength)).is_empty() == (strength > 0.0 && strength <= 1.0),
            with(|request| request.high_resolution = pass(scale)).is_empty() == (scale > 1.0 && scale <= 4.0),
        ];
        prop_assert_eq!(right, [true; 7]);
    }
}
