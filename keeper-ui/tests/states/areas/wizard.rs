//! The dialog that starts a worker, in all that it can be.

use std::collections::BTreeMap;

use dioxus::prelude::*;
use rbee_keeper::client::failure::Failure;
use rbee_keeper::model::cluster::{Hardware, WorkerKind, WorkerType};
use rbee_keeper::model::models::{Model, ModelState, ModelType, ModelsChange, ModelsView};
use rbee_keeper::model::wizard::{Answer, Fit, Place, Refusal, SpawnEvent, SpawnStep, Wizard};
use rbee_keeper::wizard::WizardView;

use crate::State;

pub(super) const STATES: &[State] = &[
    State::new("kind", kind),
    State::new("kind-nothing-here", kind_nothing_here),
    State::new("models-asking", models_asking),
    State::new("models", models),
    State::new("models-none", models_none),
    State::new("models-not-found", models_not_found),
    State::new("devices-asking", devices_asking),
    State::new("devices", devices),
    State::new("devices-evict", devices_evict),
    State::new("devices-too-large", devices_too_large),
    State::new("devices-refused", devices_refused),
    State::new("no-devices", no_devices),
    State::new("no-hive", no_hive),
    State::new("starting", starting),
    State::new("fetching", fetching),
    State::new("ready", ready),
    State::new("insufficient-memory", insufficient_memory),
    State::new("worker-exited", worker_exited),
    State::new("right-to-left", right_to_left),
    State::new("cjk", cjk),
    State::new("long-word", long_word),
];

const GIB: u64 = 1 << 30;
const LONG: &str =
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaftsvorsitzender";

type Start = Wizard<Failure>;

fn model(id: &str, name: &str, kind: WorkerKind, size_bytes: u64, quantization: Option<&str>) -> Model {
    Model {
        id: id.into(),
        name: name.into(),
        size_bytes,
        state: ModelState::Available,
        added_at: None,
        model_type: match kind {
            WorkerKind::Text => ModelType::Llm {
                architecture: "qwen2".into(),
            },
            WorkerKind::Image => ModelType::Diffusion { version: None },
        },
        vendor: None,
        quantization: quantization.map(Into::into),
        metadata: BTreeMap::new(),
        files: Vec::new(),
        context_length: None,
        parameter_count: None,
        worker_types: Vec::new(),
    }
}

fn known() -> ModelsView {
    let text = WorkerKind::Text;
    let models = [
        model("a", "Qwen2.5 7B Instruct", text, 5 * GIB, Some("Q4_K_M")),
        model("b", "Llama 3.3 70B Instruct", text, 40 * GIB, Some("Q4_K_M")),
        model("c", "Gemma 3 12B", text, 8 * GIB, Some("Q5_K_M")),
        model("d", "Falcon Mamba 7B", text, 4 * GIB, Some("Q4_0")),
        model("e", "SmolLM2 360M Instruct", text, GIB / 3, Some("Q8_0")),
        model("p", "DreamShaper 8", WorkerKind::Image, 2 * GIB, Some("F16")),
    ];
    let mut view = ModelsView::default();
    for model in models {
        view.apply(ModelsChange::Upserted(Box::new(model)));
    }
    view
}

fn place(hive: &str, device: &str, name: &str, fit: Fit, needed_bytes: u64, available_bytes: u64) -> Place {
    let hardware = if device.starts_with("cpu") {
        Hardware::Cpu
    } else {
        Hardware::Cuda
    };
    let gib = |bytes: u64| bytes as f64 / GIB as f64;
    Place {
        hive: hive.into(),
        hive_name: hive.into(),
        hive_address: String::new(),
        device: device.into(),
        device_name: name.into(),
        worker_type: WorkerType {
            hardware,
            kind: WorkerKind::Text,
        },
        fit,
        sentence: format!(
            "needs about {:.1} GiB, {device} has {:.1} GiB available",
            gib(needed_bytes),
            gib(available_bytes)
        ),
        needed_bytes,
        available_bytes: (fit != Fit::Unknown).then_some(available_bytes),
        total_bytes: Some(24 * GIB),
        files_present: hive == "desk",
        evictable: if fit == Fit::Evicting {
            vec!["w1".into(), "w2".into()]
        } else {
            Vec::new()
        },
    }
}

fn fits() -> Answer<Failure> {
    let places = vec![
        place("desk", "cpu:0", "AMD Ryzen 9 7950X", Fit::Fits, 6 * GIB, 14 * GIB),
        place(
            "desk",
            "cuda:0",
            "NVIDIA GeForce RTX 4090",
            Fit::Fits,
            6 * GIB,
            21 * GIB,
        ),
        place(
            "attic",
            "cuda:0",
            "NVIDIA GeForce RTX 3060",
            Fit::Unknown,
            6 * GIB,
            0,
        ),
    ];
    Answer::new(places, Vec::new())
}

fn only(fit: Fit) -> Answer<Failure> {
    let places = vec![place(
        "desk",
        "cuda:0",
        "NVIDIA GeForce RTX 4090",
        fit,
        42 * GIB,
        21 * GIB,
    )];
    Answer::new(places, Vec::new())
}

fn refused() -> Answer<Failure> {
    let failure = Failure::of_reason("MODEL_UNSUPPORTED", "the architecture falcon_mamba is not known");
    let refusal = Refusal {
        hive_name: "desk".into(),
        failure,
    };
    Answer::new(Vec::new(), vec![refusal])
}

/// The dialog over a state.
#[component]
fn Drawn(
    wizard: Start,
    models: ModelsView,
    #[props(default = true)] has_hive: bool,
    #[props(default = "ltr")] dir: &'static str,
) -> Element {
    let wizard = use_signal(|| wizard);
    let models = use_signal(|| models);
    rsx! {
        div { dir,
            WizardView { wizard, models, has_hive, on: |_| {} }
        }
    }
}

fn at_models() -> Start {
    let mut wizard = Start::default();
    wizard.choose_kind(WorkerKind::Text);
    wizard
}

fn at_devices(answer: Option<Answer<Failure>>) -> Start {
    let mut wizard = at_models();
    wizard.choose_model("a".into());
    if let Some(answer) = answer {
        wizard.answered("a".into(), answer);
    }
    wizard
}

fn kind() -> Element {
    rsx! { Drawn { wizard: Start::default(), models: known() } }
}

fn kind_nothing_here() -> Element {
    rsx! { Drawn { wizard: Start::default(), models: ModelsView::default() } }
}

fn models_asking() -> Element {
    rsx! { Drawn { wizard: at_models(), models: known() } }
}

fn models() -> Element {
    let mut wizard = at_models();
    wizard.answered("a".into(), fits());
    wizard.answered("b".into(), only(Fit::TooLarge));
    wizard.answered("c".into(), only(Fit::Evicting));
    wizard.answered("d".into(), refused());
    rsx! { Drawn { wizard, models: known() } }
}

fn models_none() -> Element {
    rsx! { Drawn { wizard: at_models(), models: ModelsView::default() } }
}

fn models_not_found() -> Element {
    let mut wizard = at_models();
    wizard.search = "mixtral".into();
    rsx! { Drawn { wizard, models: known() } }
}

fn devices_asking() -> Element {
    rsx! { Drawn { wizard: at_devices(None), models: known() } }
}

fn devices() -> Element {
    let mut answer = fits();
    answer.places.push(place(
        "attic",
        "cuda:1",
        "NVIDIA Tesla P40",
        Fit::NoProgram,
        6 * GIB,
        21 * GIB,
    ));
    rsx! { Drawn { wizard: at_devices(Some(answer)), models: known() } }
}

fn devices_evict() -> Element {
    rsx! { Drawn { wizard: at_devices(Some(only(Fit::Evicting))), models: known() } }
}

fn devices_too_large() -> Element {
    let mut wizard = at_devices(Some(only(Fit::TooLarge)));
    wizard.chosen = Some(("desk".into(), "cuda:0".into()));
    rsx! { Drawn { wizard, models: known() } }
}

fn devices_refused() -> Element {
    rsx! { Drawn { wizard: at_devices(Some(refused())), models: known() } }
}

fn no_devices() -> Element {
    let answer = Answer::new(Vec::new(), Vec::new());
    rsx! { Drawn { wizard: at_devices(Some(answer)), models: known() } }
}

fn no_hive() -> Element {
    rsx! { Drawn { wizard: at_devices(None), models: known(), has_hive: false } }
}

/// A spawn after its first steps.
fn begun(events: Vec<SpawnEvent<Failure>>) -> Element {
    let mut wizard = at_devices(Some(fits()));
    wizard.begin();
    let first = [
        SpawnEvent::Named("w".into()),
        SpawnEvent::Finished(SpawnStep::Model, "qwen2, Q4_K_M, 4.7 GiB".into()),
        SpawnEvent::Finished(SpawnStep::Compatibility, "cuda-llm can serve it".into()),
        SpawnEvent::Finished(SpawnStep::Program, "llm-worker-rbee-cuda 0.1.0, bundled".into()),
        SpawnEvent::Began(SpawnStep::Prepare),
    ];
    for event in first.into_iter().chain(events) {
        wizard.apply(event);
    }
    rsx! { Drawn { wizard, models: known() } }
}

fn prepared() -> SpawnEvent<Failure> {
    SpawnEvent::Finished(SpawnStep::Prepare, "cuda:0, about 6.2 GiB of 21.0 GiB".into())
}

fn starting() -> Element {
    begun(vec![
        SpawnEvent::Evicted("e".into()),
        prepared(),
        SpawnEvent::Began(SpawnStep::Start),
        SpawnEvent::Loading(0.62),
    ])
}

fn fetching() -> Element {
    begun(vec![SpawnEvent::Fetching {
        done_bytes: 2 * GIB,
        total_bytes: 5 * GIB,
    }])
}

fn ready() -> Element {
    begun(vec![
        prepared(),
        SpawnEvent::Finished(SpawnStep::Start, "ready after 2.4 s".into()),
        SpawnEvent::Finished(SpawnStep::Register, String::new()),
        SpawnEvent::Ready,
    ])
}

fn insufficient_memory() -> Element {
    let failure = Failure::of_reason(
        "INSUFFICIENT_MEMORY",
        "needs about 42.0 GiB, cuda:0 has 21.0 GiB available",
    );
    begun(vec![SpawnEvent::Failed(failure)])
}

fn worker_exited() -> Element {
    let failure = Failure::of_reason(
        "WORKER_EXITED",
        "the worker exited with code 1: CUDA driver too old",
    );
    begun(vec![
        prepared(),
        SpawnEvent::Began(SpawnStep::Start),
        SpawnEvent::Failed(failure),
    ])
}

fn right_to_left() -> Element {
    rsx! { Drawn { wizard: at_devices(Some(fits())), models: named("نموذج اللغة العربية"), dir: "rtl" } }
}

fn named(name: &str) -> ModelsView {
    let mut view = known();
    let model = model("a", name, WorkerKind::Text, GIB, Some("Q4_K_M"));
    view.apply(ModelsChange::Upserted(Box::new(model)));
    view
}

fn cjk() -> Element {
    let mut wizard = at_models();
    wizard.answered("a".into(), fits());
    rsx! { Drawn { wizard, models: named("通义千问 指令微调 日本語 한국어") } }
}

fn long_word() -> Element {
    let mut wizard = at_models();
    wizard.answered("a".into(), fits());
    let mut refused = refused();
    refused.refused[0].failure.sentence = LONG.into();
    wizard.answered("c".into(), refused);
    rsx! { Drawn { wizard, models: named(LONG) } }
}
