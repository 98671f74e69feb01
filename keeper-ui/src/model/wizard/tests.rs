use std::collections::BTreeMap;

use proptest::prelude::*;

use super::spawn::Outcome;
use super::*;
use crate::model::cluster::{Hardware, WorkerType};
use crate::model::models::{ModelType, ModelsChange};

fn model(id: &str, kind: WorkerKind) -> Model {
    Model {
        id: id.into(),
        name: id.to_owned(),
        size_bytes: 0,
        state: ModelState::Available,
        added_at: None,
        model_type: match kind {
            WorkerKind::Text => ModelType::Llm {
                architecture: "qwen2".into(),
            },
            WorkerKind::Image => ModelType::Diffusion { version: None },
        },
        vendor: None,
        quantization: None,
        metadata: BTreeMap::new(),
        files: Vec::new(),
        context_length: None,
        parameter_count: None,
        worker_types: Vec::new(),
    }
}

fn models(ids: &[&str]) -> ModelsView {
    let mut view = ModelsView::default();
    for id in ids {
        view.apply(ModelsChange::Upserted(Box::new(model(id, WorkerKind::Text))));
    }
    view.apply(ModelsChange::Upserted(Box::new(model(
        "painter",
        WorkerKind::Image,
    ))));
    view
}

fn place(device: &str, fit: Fit) -> Place {
    Place {
        hive: "h".into(),
        hive_name: "desk".into(),
        hive_address: String::new(),
        device: device.into(),
        device_name: String::new(),
        worker_type: WorkerType {
            hardware: Hardware::Cpu,
            kind: WorkerKind::Text,
        },
        fit,
        sentence: String::new(),
        needed_bytes: 10,
        available_bytes: Some(20),
        total_bytes: Some(30),
        files_present: true,
        evictable: Vec::new(),
    }
}

fn answer(places: Vec<Place>) -> Answer<&'static str> {
    Answer::new(places, Vec::new())
}

#[test]
fn what_fits_comes_first_and_what_does_not_last() {
    let models = models(&["a-too-large", "b-unasked", "c-fits", "d-refused"]);
    let mut wizard = Wizard::default();
    assert!(wizard.choices(&models).is_empty(), "no kind is chosen");
    wizard.choose_kind(WorkerKind::Text);
    wizard.answered("a-too-large".into(), answer(vec![place("cpu:0", Fit::TooLarge)]));
    wizard.answered("c-fits".into(), answer(vec![place("cpu:0", Fit::Fits)]));
    let refusal = Refusal {
        hive_name: "desk".into(),
        failure: "MODEL_UNSUPPORTED",
    };
    wizard.answered("d-refused".into(), Answer::new(Vec::new(), vec![refusal]));
    let names: Vec<_> = wizard
        .choices(&models)
        .iter()
        .map(|choice| choice.model.name.as_str())
        .collect();
    assert_eq!(names, ["c-fits", "b-unasked", "a-too-large", "d-refused"]);
    wizard.search = " FITS".into();
    assert_eq!(wizard.choices(&models).len(), 1);
}

#[test]
fn the_best_device_is_the_one_with_room_and_files() {
    let mut far = place("cuda:1", Fit::Fits);
    (far.files_present, far.available_bytes) = (false, Some(90));
    let mut roomy = place("cuda:0", Fit::Fits);
    roomy.available_bytes = Some(50);
    let mut two = place("cuda:2", Fit::Evicting);
    two.evictable = vec!["w1".into(), "w2".into()];
    let mut one = place("cuda:3", Fit::Evicting);
    one.evictable = vec!["w1".into()];
    let places = vec![
        place("cuda:9", Fit::NoProgram),
        two,
        far,
        place("cpu:0", Fit::TooLarge),
        one,
        place("cuda:4", Fit::Fits),
        roomy,
    ];
    let answer = answer(places);
    let order: Vec<_> = answer.places.iter().map(|place| place.device.as_str()).collect();
    assert_eq!(
        order,
        [
            "cuda:0", "cuda:4", "cuda:1", "cuda:3", "cuda:2", "cpu:0", "cuda:9"
        ]
    );
    assert_eq!(answer.best().unwrap().device.as_str(), "cuda:0");
    assert_eq!(
        super::Answer::<()>::new(Vec::new(), Vec::new()).verdict(),
        Verdict::NoDevice
    );
}

#[test]
fn from_a_row_it_begins_by_itself_only_where_there_is_room() {
    let chosen = model("qwen", WorkerKind::Text);
    let mut wizard = Wizard::for_model(&chosen);
    assert_eq!((wizard.page, wizard.kind), (Page::Device, Some(WorkerKind::Text)));
    assert!(!wizard.answered("other".into(), answer(vec![place("cpu:0", Fit::Fits)])));
    assert!(wizard.answered("qwen".into(), answer(vec![place("cpu:0", Fit::Fits)])));
    assert!(
        !wizard.answered("qwen".into(), answer(vec![place("cpu:0", Fit::Fits)])),
        "once is enough"
    );

    let mut wizard = Wizard::for_model(&chosen);
    assert!(!wizard.answered("qwen".into(), answer(vec![place("cpu:0", Fit::TooLarge)])));
    assert!(
        !wizard.answered("qwen".into(), answer(vec![place("cpu:0", Fit::Fits)])),
        "it waits for the person now"
    );
}

#[test]
fn a_device_can_be_chosen_and_the_choice_goes_with_the_model() {
    let mut wizard = Wizard::default();
    wizard.choose_kind(WorkerKind::Text);
    wizard.choose_model("qwen".into());
    assert!(!wizard.is_ready(), "nothing is known yet");
    let places = vec![
        place("cuda:0", Fit::Fits),
        place("cpu:0", Fit::TooLarge),
        place("cuda:1", Fit::NoProgram),
    ];
    wizard.answered("qwen".into(), answer(places));
    assert_eq!(wizard.place().unwrap().device.as_str(), "cuda:0");
    // A person may insist on what is too large by estimate, and not on what has no program.
    wizard.chosen = Some(("h".into(), "cpu:0".into()));
    assert!(wizard.is_ready());
    wizard.chosen = Some(("h".into(), "cuda:1".into()));
    assert!(!wizard.is_ready());
    wizard.back();
    wizard.choose_model("other".into());
    assert_eq!((&wizard.chosen, wizard.place()), (&None, None));
}

#[test]
fn a_spawn_that_failed_leads_back_and_one_that_runs_does_not() {
    let mut wizard = Wizard::for_model(&model("qwen", WorkerKind::Text));
    wizard.begin();
    wizard.apply(SpawnEvent::Named("w".into()));
    wizard.apply(SpawnEvent::Began(SpawnStep::Model));
    wizard.back();
    assert!(wizard.page == Page::Starting && wizard.is_starting());
    wizard.apply(SpawnEvent::Finished(SpawnStep::Model, "qwen2".into()));
    wizard.apply(SpawnEvent::Began(SpawnStep::Compatibility));
    wizard.apply(SpawnEvent::Failed("MODEL_INCOMPATIBLE"));
    let spawn = wizard.spawn.clone().unwrap();
    assert_eq!(spawn.steps[0], StepState::Done("qwen2".into()));
    assert_eq!(
        (&spawn.steps[1], &spawn.steps[2]),
        (&StepState::Failed, &StepState::Waiting)
    );
    wizard.back();
    assert!(wizard.page == Page::Device && wizard.spawn.is_none());
}

#[test]
fn what_is_fetched_and_loaded_is_a_share() {
    let mut spawn = Spawn::<()>::default();
    assert_eq!(spawn.share(), None);
    spawn.apply(SpawnEvent::Fetching {
        done_bytes: 1,
        total_bytes: 0,
    });
    assert_eq!(spawn.share(), None);
    spawn.apply(SpawnEvent::Fetching {
        done_bytes: 1,
        total_bytes: 4,
    });
    assert_eq!(spawn.share(), Some(0.25));
    spawn.apply(SpawnEvent::Finished(SpawnStep::Prepare, String::new()));
    assert_eq!(spawn.share(), None);
    spawn.apply(SpawnEvent::Loading(7.0));
    assert_eq!(spawn.share(), Some(1.0));
    spawn.apply(SpawnEvent::Ready);
    assert_eq!(spawn.outcome, Some(Outcome::Ready));
}

fn event() -> impl Strategy<Value = SpawnEvent<&'static str>> {
    let step = || proptest::sample::select(SpawnStep::ALL.to_vec());
    prop_oneof![
        step().prop_map(SpawnEvent::Began),
        step().prop_map(|step| SpawnEvent::Finished(step, String::new())),
        any::<f32>().prop_map(SpawnEvent::Loading),
        (any::<u64>(), any::<u64>()).prop_map(|(done_bytes, total_bytes)| SpawnEvent::Fetching {
            done_bytes,
            total_bytes
        }),
        Just(SpawnEvent::Ready),
        Just(SpawnEvent::Failed("WORKER_EXITED")),
    ]
}

proptest! {
    #[test]
    fn whatever_a_hive_says_a_spawn_makes_sense(events in proptest::collection::vec(event(), 0..30)) {
        let mut spawn = Spawn::default();
        for event in events {
            let before = spawn.clone();
            spawn.apply(event);
            if before.outcome.is_some() {
                prop_assert_eq!(&spawn, &before);
            }
            prop_assert!(spawn.share().is_none_or(|share| (0.0..=1.0).contains(&share)));
            if spawn.has_failed() {
                prop_assert!(!spawn.steps.contains(&StepState::Running));
            }
        }
    }
}
