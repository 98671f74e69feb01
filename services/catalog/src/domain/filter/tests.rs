use jiff::Timestamp;
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Texts that meet each other often, with case, and with letters beyond ASCII.
fn any_text() -> impl Strategy<Value = String> {
    vec(
        select(&["Qwen", "qwen", "Q4_K_M", "É", "é", "ß", "Σ", "K", "-", "7B", " "]),
        0..4,
    )
    .prop_map(|parts| parts.concat())
}

fn any_model_type() -> impl Strategy<Value = ModelType> {
    let version = || select(StableDiffusionVersion::ALL);
    prop_oneof![
        any_text().prop_map(|architecture| ModelType::Llm { architecture }),
        version().prop_map(|version| ModelType::StableDiffusion { version }),
        (select(AddOnKind::ALL), option::of(version()))
            .prop_map(|(add_on, base)| ModelType::AddOn { add_on, base }),
    ]
}

fn any_model() -> impl Strategy<Value = ModelEntry> {
    let id = select(&["local:qwen", "Qwen/Qwen2.5-7B:q4_k_m.gguf", "civitai:7"]);
    let status = prop_oneof![
        Just(ModelStatus::Available),
        Just(ModelStatus::Downloading),
        any_text().prop_map(|error| ModelStatus::Failed { error }),
    ];
    let texts = (any_text(), option::of(any_text()), option::of(any_text()));
    (id, status, any_model_type(), texts).prop_map(|(id, status, model_type, texts)| {
        let (name, quantization, base_model) = texts;
        ModelEntry {
            id: id.parse().unwrap(),
            name,
            size_bytes: 0,
            status,
            added_at: Timestamp::UNIX_EPOCH,
            model_type,
            quantization,
            context_length: None,
            parameter_count: None,
            metadata: base_model
                .map(|base_model| (BASE_MODEL.to_owned(), base_model))
                .into_iter()
                .collect(),
            files: vec![],
        }
    })
}

prop_compose! {
    fn any_filter()(
        kinds in btree_set(select(ModelKind::ALL), 0..3),
        vendors in btree_set(select(Vendor::ALL), 0..3),
        states in btree_set(select(ModelState::ALL), 0..3),
        add_on_kinds in btree_set(select(AddOnKind::ALL), 0..4),
        add_on_base in option::weighted(0.3, select(StableDiffusionVersion::ALL)),
        worker_type in option::weighted(0.3, select(WorkerType::ALL)),
        text in any_text(),
    ) -> ModelFilter {
        let words = Words::of(&text);
        ModelFilter { kinds, vendors, states, add_on_kinds, add_on_base, worker_type, words }
    }
}

/// The contract's sentences, one after the other, without a thought for speed.
fn passes(filter: &ModelFilter, text: &str, model: &ModelEntry) -> bool {
    let add_on = match model.model_type {
        ModelType::AddOn { add_on, base } => Some((add_on, base)),
        _ => None,
    };
    if !filter.kinds.is_empty()
        && !filter
            .kinds
            .iter()
            .any(|kind| *kind == ModelKind::of(&model.model_type))
    {
        return false;
    }
    if !filter.vendors.is_empty() && !filter.vendors.iter().any(|vendor| *vendor == model.id.vendor()) {
        return false;
    }
    if !filter.states.is_empty()
        && !filter
            .states
            .iter()
            .any(|state| *state == ModelState::of(&model.status))
    {
        return false;
    }
    if !filter.add_on_kinds.is_empty() && !add_on.is_some_and(|(kind, _)| filter.add_on_kinds.contains(&kind))
    {
        return false;
    }
    if let Some(wanted) = filter.add_on_base {
        let wanted = match wanted {
            StableDiffusionVersion::XlTurbo => StableDiffusionVersion::Xl,
            other => other,
        };
        match add_on {
            Some((_, None)) => {}
            Some((_, Some(StableDiffusionVersion::XlTurbo))) if wanted == StableDiffusionVersion::Xl => {}
            Some((_, Some(base))) if base == wanted => {}
            _ => return false,
        }
    }
    if let Some(worker_type) = filter.worker_type
        && !model.compatible_worker_types().contains(&worker_type)
    {
        return false;
    }
    let kind = match &model.model_type {
        ModelType::Llm { architecture } => architecture.clone(),
        ModelType::StableDiffusion { version } => names_of(*version).to_owned(),
        ModelType::AddOn { base, .. } => base.map(names_of).unwrap_or_default().to_owned(),
    };
    let texts = [
        model.id.to_string(),
        model.name.clone(),
        kind,
        model.quantization.clone().unwrap_or_default(),
        model.metadata.get("base_model").cloned().unwrap_or_default(),
    ];
    let lower = |text: &str| -> String { text.chars().flat_map(char::to_lowercase).collect() };
    text.split_whitespace()
        .all(|word| texts.iter().any(|text| lower(text).contains(&lower(word))))
}

proptest! {
    #[test]
    fn what_passes_is_what_the_contract_says(model in any_model(), filter in any_filter(), text in any_text()) {
        let filter = ModelFilter { words: Words::of(&text), ..filter };
        prop_assert_eq!(filter.matches(&model), passes(&filter, &text, &model));
    }

    #[test]
    fn a_filter_that_asks_for_nothing_lets_all_pass(model in any_model()) {
        prop_assert!(ModelFilter::default().is_everything());
        prop_assert!(ModelFilter::default().matches(&model));
    }

    #[test]
    fn filters_are_in_the_same_words_only_if_they_are_the_same(a in any_filter(), b in any_filter()) {
        prop_assert_eq!(a.to_string() == b.to_string(), a == b);
        prop_assert_eq!(a.to_string(), a.clone().to_string());
    }

    #[test]
    fn a_text_has_a_word_whatever_the_case(text in any_text(), word in "\\PC{1,3}") {
        let lower = |text: &str| -> String { text.chars().flat_map(char::to_lowercase).collect() };
        let word = lower(&word);
        prop_assert_eq!(has(&text, &word), lower(&text).contains(&word));
    }
}

#[test]
fn a_search_finds_what_people_type() {
    let model = |model_type, base_model: &str| ModelEntry {
        id: "Qwen/Qwen2.5-0.5B-Instruct-GGUF:qwen2.5-0.5b-instruct-q4_k_m.gguf"
            .parse()
            .unwrap(),
        name: "Qwen2.5 0.5B Instruct".into(),
        size_bytes: 0,
        status: ModelStatus::Available,
        added_at: Timestamp::UNIX_EPOCH,
        model_type,
        quantization: Some("Q4_K_M".into()),
        context_length: None,
        parameter_count: None,
        metadata: [
            (BASE_MODEL.to_owned(), base_model.to_owned()),
            ("license".to_owned(), "apache-2.0".to_owned()),
        ]
        .into(),
        files: vec![],
    };
    let llm = model(
        ModelType::Llm {
            architecture: "qwen2".into(),
        },
        "",
    );
    let lora = ModelType::AddOn {
        add_on: AddOnKind::Lora,
        base: Some(StableDiffusionVersion::Xl),
    };
    let lora = model(lora, "Pony");
    let finds = |text: &str, model: &ModelEntry| {
        let words = Words::of(text);
        ModelFilter {
            words,
            ..ModelFilter::default()
        }
        .matches(model)
    };
    for text in ["", "QWEN instruct", "q4_k_m qwen2", "0.5b", "instruct-gguf"] {
        assert!(finds(text, &llm), "{text}");
    }
    for text in ["llama", "qwen llama", "apache-2.0", "lora"] {
        assert!(!finds(text, &llm), "{text}");
    }
    for text in ["sdxl", "Stable Diffusion XL", "pony xl"] {
        assert!(finds(text, &lora), "{text}");
    }
    assert!(!finds("sd1.5", &lora));
}

#[test]
fn what_goes_with_xl_goes_with_xl_turbo() {
    let filter = |base| ModelFilter {
        add_on_base: Some(base),
        ..ModelFilter::default()
    };
    let lora = |base| ModelType::AddOn {
        add_on: AddOnKind::Lora,
        base,
    };
    let (xl, turbo, v1) = (
        StableDiffusionVersion::Xl,
        StableDiffusionVersion::XlTurbo,
        StableDiffusionVersion::V1_5,
    );
    assert!(filter(turbo).allows_add_on(&lora(Some(xl))));
    assert!(filter(xl).allows_add_on(&lora(None)));
    assert!(!filter(v1).allows_add_on(&lora(Some(xl))));
    assert!(!filter(xl).allows_add_on(&ModelType::StableDiffusion { version: xl }));
}
