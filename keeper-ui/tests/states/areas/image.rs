//! The image pane in all that it can be.

use std::time::{Duration, Instant};

use dioxus::prelude::*;
use rbee_keeper::client::failure::Failure;
use rbee_keeper::model::image::run::{Made, Started, Timings};
use rbee_keeper::model::image::{
    Convention, Facts, Family, GalleryItem, HighResolution, Picture, PictureId, Point, RunEvent, RunId,
    Sampler, SamplerFacts, Schedule, Size, Source,
};
use rbee_keeper::model::models::AddOnKind;
use rbee_keeper::panes::image::{AddOnChoice, ImageSession, ImageView, Painter};

use crate::State;

pub(super) const STATES: &[State] = &[
    State::new("empty", empty),
    State::new("loading", loading),
    State::new("not-ready", not_ready),
    State::new("worker-failed", worker_failed),
    State::new("trouble", trouble),
    State::new("asked", asked),
    State::new("queued", queued),
    State::new("painting", painting),
    State::new("decoding-with-gallery", decoding),
    State::new("done", done),
    State::new("full-with-panel", full_with_panel),
    State::new("second-pass-and-embeddings", second_pass_and_embeddings),
    State::new("out-of-memory", out_of_memory),
    State::new("add-on-unsuitable", add_on_unsuitable),
    State::new("queue-full", queue_full),
    State::new("notes", notes),
    State::new("mask", mask),
    State::new("large", large),
    State::new("compare", compare),
    State::new("right-to-left", right_to_left),
    State::new("cjk", cjk),
    State::new("long-word", long_word),
];

const SQUARE: Size = Size {
    width: 512,
    height: 512,
};
const LONG: &str =
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaftsvorsitzender";

fn facts() -> Facts {
    let sampler = |&sampler: &Sampler| SamplerFacts {
        sampler,
        stochastic: false,
        evaluations_per_step: if sampler == Sampler::Heun { 2 } else { 1 },
        schedules: Schedule::ALL.to_vec(),
    };
    Facts {
        family: Family::V1,
        native_edge: 512,
        inpainting: false,
        samplers: Sampler::ALL.iter().map(sampler).collect(),
        default_sampler: Some(Sampler::Dpmpp2m),
        default_schedule: Some(Schedule::Karras),
        add_ons: Vec::new(),
    }
}

fn picture(id: u64) -> Picture {
    let size = rbee_pictures::Size {
        width: 512,
        height: 512,
    };
    let file = rbee_pictures::black_and_white(size, &[1; 512 * 512]).unwrap();
    Picture::of_bytes(PictureId(id), file).unwrap()
}

fn item(id: u64, prompt: &str, size: Size) -> GalleryItem {
    GalleryItem {
        picture: picture(id),
        size,
        seed: Some(id + 1000),
        parameters: format!(
            "{prompt}\nNegative prompt: blurry\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, \
             Seed: {}, Size: {}x{}, Model: dreamshaper_8",
            id + 1000,
            size.width,
            size.height
        ),
        settings: None,
    }
}

fn session() -> ImageSession {
    let mut session = ImageSession::default();
    session.facts = Some(facts());
    session
}

fn with_pictures() -> ImageSession {
    let mut session = session();
    session.settings.prompt =
        "a bee on a lavender flower, macro photograph, golden hour, shallow depth of field".into();
    session.settings.negative_prompt = "blurry, low quality".into();
    for id in 1..=9 {
        let size = if id % 3 == 0 {
            Size {
                width: 512,
                height: 768,
            }
        } else {
            SQUARE
        };
        session.gallery.add(item(id, "a bee on a lavender flower", size));
    }
    session
}

fn painter() -> Painter {
    Painter {
        model: "DreamShaper 8".into(),
        serves: true,
    }
}

/// Draws a session as it is; nothing is granted.
#[component]
fn Pane(
    session: ImageSession,
    painter: Painter,
    now: Instant,
    #[props(default)] add_ons: Vec<AddOnChoice>,
    #[props(default)] open: bool,
    #[props(default)] masking: bool,
    #[props(default = "ltr")] dir: &'static str,
) -> Element {
    let session = use_signal(|| session);
    let now = use_signal(|| now);
    rsx! {
        div { style: "width: 100%; height: 720px", dir,
            ImageView { session, painter, add_ons, now, start_open: open, start_masking: masking, on: |_| {} }
        }
    }
}

fn drawn(session: ImageSession) -> Element {
    rsx! { Pane { session, painter: painter(), now: Instant::now() } }
}

fn empty() -> Element {
    drawn(session())
}

fn loading() -> Element {
    drawn(ImageSession::default())
}

fn not_ready() -> Element {
    let painter = Painter {
        serves: false,
        ..painter()
    };
    rsx! { Pane { session: ImageSession::default(), painter, now: Instant::now() } }
}

fn worker_failed() -> Element {
    let painter = Painter {
        serves: false,
        ..painter()
    };
    rsx! { Pane { session: with_pictures(), painter, now: Instant::now() } }
}

fn trouble() -> Element {
    let trouble = Failure::of_reason("WORKER_UNRESPONSIVE", "the worker did not answer within 10 s");
    let mut session = ImageSession::default();
    session.trouble = Some(trouble);
    drawn(session)
}

fn asked() -> Element {
    let mut session = session();
    session.settings.prompt = "a bee".into();
    session.begin();
    drawn(session)
}

fn queued() -> Element {
    let mut session = session();
    session.settings.prompt = "a bee".into();
    let run = session.begin();
    session.apply(run, RunEvent::Queued { ahead: 3 }, Instant::now());
    session.begin();
    drawn(session)
}

fn step(image: u32, step: u32) -> RunEvent<Failure> {
    RunEvent::Step {
        image,
        step,
        total: 20,
        took: Some(Duration::from_millis(1310)),
    }
}

/// A run that has begun.
fn begun(session: &mut ImageSession, size: Size, now: Instant) -> RunId {
    let run = session.begin();
    let started = Started {
        seed: 7,
        size,
        sampler: Some(Sampler::Dpmpp2m),
        schedule: Some(Schedule::Karras),
        steps: 20,
        guidance: 7.0,
    };
    session.apply(run, RunEvent::Started(started), now);
    run
}

fn preview(image: u32) -> RunEvent<Failure> {
    RunEvent::Preview {
        image,
        picture: picture(99),
    }
}

fn painting() -> Element {
    let (mut session, now) = (session(), Instant::now());
    session.settings.prompt = "a bee on a lavender flower, macro photograph".into();
    let run = begun(
        &mut session,
        Size {
            width: 768,
            height: 512,
        },
        now,
    );
    session.apply(run, step(0, 7), now);
    session.apply(run, preview(0), now);
    rsx! { Pane { session, painter: painter(), now } }
}

fn decoding() -> Element {
    let (mut session, now) = (with_pictures(), Instant::now());
    session.settings.set_count(4);
    let run = begun(&mut session, SQUARE, now);
    session.apply(run, step(3, 20), now);
    session.apply(run, preview(3), now);
    rsx! { Pane { session, painter: painter(), now } }
}

fn done() -> Element {
    let (mut session, now) = (with_pictures(), Instant::now());
    let run = begun(&mut session, SQUARE, now);
    session.apply(run, step(0, 20), now);
    let made = Made {
        index: 0,
        seed: 7,
        size: SQUARE,
        parameters: "a bee".into(),
        picture: picture(50),
    };
    session.apply(run, RunEvent::Picture(made), now);
    let timings = Timings {
        queue: Some(Duration::ZERO),
        text: Some(Duration::from_millis(180)),
        denoise: Some(Duration::from_millis(26_200)),
        decode: Some(Duration::from_millis(2_400)),
    };
    session.apply(run, RunEvent::Finished(timings), now);
    drawn(session)
}

fn add_ons() -> Vec<AddOnChoice> {
    let of = |kind, id: &str, name: &str, suits| AddOnChoice {
        kind,
        id: id.into(),
        name: name.into(),
        suits,
    };
    let lora = |id, name, suits| of(AddOnKind::Lora, id, name, suits);
    vec![
        lora("civitai:1", "Honey light", Some(true)),
        lora("civitai:2", "Add more detail", Some(true)),
        lora("civitai:3", "Pixel art XL", Some(false)),
        of(AddOnKind::Embedding, "civitai:4", "EasyNegative", Some(true)),
        of(AddOnKind::Embedding, "civitai:5", "Bad hands", None),
        of(AddOnKind::Vae, "civitai:6", "kl-f8-anime2", None),
    ]
}

fn source() -> Source {
    Source::new(picture(60), "garden-2024-05-11.jpg".into()).unwrap()
}

fn full_with_panel() -> Element {
    let mut session = with_pictures();
    session.settings.add_lora("civitai:1".into(), 0.8);
    session.settings.add_lora("local:gone".into(), 1.0);
    session.settings.loras[1].enabled = false;
    let facts = facts();
    session.settings.set_source(source(), Some(&facts));
    session.settings.set_steps(28);
    session.settings.set_sampler(Some(Sampler::Heun), &facts);
    session.settings.seed.typed("2912413312");
    rsx! { Pane { session, painter: painter(), now: Instant::now(), add_ons: add_ons(), open: true } }
}

fn second_pass_and_embeddings() -> Element {
    let mut session = with_pictures();
    let settings = &mut session.settings;
    settings.high_resolution = Some(HighResolution {
        scale: 1.5,
        strength: 0.4,
        steps: Some(12),
    });
    settings.add_embedding("civitai:4".into());
    settings.add_embedding("local:gone".into());
    settings.embeddings[0].word = "blurry".into();
    settings.vae = Some("civitai:6".into());
    settings.convention = Some(Convention::ComfyUi);
    rsx! { Pane { session, painter: painter(), now: Instant::now(), add_ons: add_ons(), open: true } }
}

fn failed(reason: &str, message: &str) -> Element {
    let mut session = with_pictures();
    let run = session.begin();
    let failure = Failure::of_reason(reason, message);
    session.apply(run, RunEvent::Failed(failure), Instant::now());
    drawn(session)
}

fn out_of_memory() -> Element {
    failed(
        "OUT_OF_MEMORY",
        "2048 by 2048 pixels would take 9.1 GiB, 3.2 GiB are free",
    )
}

fn add_on_unsuitable() -> Element {
    failed("ADD_ON_UNSUITABLE", "civitai:3 was made for SDXL")
}

fn queue_full() -> Element {
    failed("QUEUE_FULL", "16 requests wait already")
}

fn notes() -> Element {
    let mut session = with_pictures();
    session.notes = vec![
        "The LoRA honey_light_v2 is not here.".into(),
        "The sampler Restart is not known here.".into(),
    ];
    drawn(session)
}

fn mask() -> Element {
    let mut session = with_pictures();
    let mut source = source();
    source.mask.begin(Point { x: 0.3, y: 0.3 }, 0.1, false);
    for step in 0..20 {
        let along = step as f32 / 20.0;
        source.mask.extend(Point {
            x: 0.3 + 0.4 * along,
            y: 0.3 + 0.2 * (along * 6.0).sin(),
        });
    }
    source.mask.begin(Point { x: 0.5, y: 0.35 }, 0.05, true);
    session.settings.set_source(source, Some(&facts()));
    rsx! { Pane { session, painter: painter(), now: Instant::now(), masking: true } }
}

fn large() -> Element {
    let mut session = with_pictures();
    session.gallery.open(PictureId(4));
    drawn(session)
}

fn compare() -> Element {
    let mut session = with_pictures();
    session.gallery.open(PictureId(4));
    session.gallery.compare_with(PictureId(2));
    drawn(session)
}

fn right_to_left() -> Element {
    let mut session = with_pictures();
    session.settings.prompt = "نحلة على زهرة الخزامى، صورة مقربة، ضوء ذهبي".into();
    session.settings.negative_prompt = "ضبابي".into();
    rsx! { Pane { session, painter: painter(), now: Instant::now(), dir: "rtl", open: true, add_ons: add_ons() } }
}

fn cjk() -> Element {
    let mut session = with_pictures();
    session.settings.prompt =
        "薰衣草上的蜜蜂，微距摄影，黄金时刻。ラベンダーの花にとまるミツバチ。라벤더 위의 꿀벌".into();
    let painter = Painter {
        model: "二次元モデル".into(),
        ..painter()
    };
    rsx! { Pane { session, painter, now: Instant::now() } }
}

fn long_word() -> Element {
    let mut session = with_pictures();
    session.settings.prompt = LONG.repeat(3);
    session.settings.negative_prompt = LONG.into();
    session
        .settings
        .add_lora(format!("local:{LONG}").as_str().into(), 1.0);
    session.settings.source = Some(Source {
        name: LONG.into(),
        ..source()
    });
    session.notes = vec![LONG.repeat(2)];
    let painter = Painter {
        model: LONG.into(),
        ..painter()
    };
    rsx! { Pane { session, painter, now: Instant::now(), open: true } }
}
