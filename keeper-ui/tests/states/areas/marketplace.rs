//! The page Marketplace.

use dioxus::prelude::*;
use rbee_keeper::client::failure::Failure;
use rbee_keeper::model::cluster::{Hardware, WorkerKind, WorkerType};
use rbee_keeper::model::downloads::{DownloadsView, Job, JobKind, JobPhase, JobState};
use rbee_keeper::model::marketplace::{
    Arrangement, Dependency, Details, Filters, Gate, Hub, Loading, Market, Offer, OfferKind, OfferPage,
    Package, Plan, Variant,
};
use rbee_keeper::pages::marketplace::MarketScreen;

use super::sample::*;
use crate::State;

pub(super) const STATES: &[State] = &[
    State::new("loading", loading),
    State::new("cards", cards),
    State::new("list", list),
    State::new("civitai", civitai),
    State::new("nothing-found", nothing_found),
    State::new("filtered-away", filtered_away),
    State::new("words", words),
    State::new("no-devices", no_devices),
    State::new("error-rate-limited", error_rate_limited),
    State::new("error-next-page", error_next_page),
    State::new("details", details),
    State::new("details-loading", details_loading),
    State::new("details-gated", details_gated),
    State::new("details-error", details_error),
    State::new("details-here", details_here),
    State::new("downloading", downloading),
    State::new("workers", workers),
    State::new("workers-building", workers_building),
    State::new("workers-empty", workers_empty),
    State::new("error-package-index", error_package_index),
];

fn screen_with(market: Market<Failure>, downloads: DownloadsView<Failure>, memory: Option<u64>) -> Element {
    let market = use_signal(move || market);
    let downloads = use_signal(move || downloads);
    let cluster = use_signal(move || cluster(memory, Vec::new()));
    rsx! { MarketScreen { market, downloads, cluster, onwish: |_| {} } }
}

fn screen(market: Market<Failure>) -> Element {
    screen_with(market, DownloadsView::default(), Some(24))
}

fn offer(id: &str, name: &str, gibibytes: Option<u64>) -> Offer {
    Offer {
        id: id.to_owned(),
        name: name.to_owned(),
        author: id.split('/').next().unwrap_or_default().to_owned(),
        kind: Some(OfferKind::Llm),
        base_model: String::new(),
        downloads: Some(1_240_000),
        likes: Some(842),
        licence: "apache-2.0".to_owned(),
        gate: Some(Gate::Open),
        nsfw: false,
        updated_at: None,
        size_bytes: gibibytes.map(|size| size << 30),
        thumbnail_url: String::new(),
        page_url: format!("https://huggingface.co/{id}"),
        tags: vec!["gguf".to_owned(), "conversational".to_owned()],
        local: None,
        already_here: false,
        version_name: String::new(),
        versions: Vec::new(),
    }
}

fn offers() -> Vec<Offer> {
    vec![
        Offer {
            already_here: true,
            ..offer("Qwen/Qwen3-4B-GGUF", "Qwen3-4B-GGUF", Some(2))
        },
        Offer {
            licence: "llama3.2".to_owned(),
            gate: Some(Gate::Manual),
            ..offer(
                "meta-llama/Llama-3.2-3B-Instruct",
                "Llama-3.2-3B-Instruct",
                Some(6),
            )
        },
        offer("bartowski/gemma-3-27b-it-GGUF", "gemma-3-27b-it-GGUF", Some(22)),
        offer("unsloth/DeepSeek-R1-GGUF", "DeepSeek-R1-GGUF", Some(380)),
        Offer {
            downloads: None,
            likes: None,
            licence: String::new(),
            ..offer("someone/tiny-model", "tiny-model", None)
        },
        Offer {
            kind: None,
            ..offer("someone/unknown-thing", "unknown-thing", None)
        },
    ]
}

fn pictures() -> Vec<Offer> {
    let image = |id: &str, name: &str, base: &str| Offer {
        kind: Some(OfferKind::Diffusion),
        base_model: base.to_owned(),
        author: "Lykon".to_owned(),
        version_name: "v8".to_owned(),
        thumbnail_url: "https://image.civitai.com/a.jpeg".to_owned(),
        versions: vec![
            Variant {
                id: id.to_owned(),
                name: "v8 · SD 1.5".to_owned(),
                size_bytes: Some(2 << 30),
            },
            Variant {
                id: format!("{id}0"),
                name: "v7 · SD 1.5".to_owned(),
                size_bytes: Some(4 << 30),
            },
        ],
        ..offer(id, name, Some(2))
    };
    vec![
        image("civitai:128713", "DreamShaper", "SD 1.5"),
        image("civitai:288982", "Juggernaut XL", "SDXL 1.0"),
        Offer {
            kind: Some(OfferKind::Lora),
            thumbnail_url: String::new(),
            ..image("civitai:135867", "Detail tweaker", "SDXL 1.0")
        },
    ]
}

fn here(hub: Hub, offers: Vec<Offer>, next: Option<&str>) -> Market<Failure> {
    let mut market = Market {
        hub,
        ..Market::default()
    };
    let search = market.search_mut(hub).expect("a hub that is searched");
    let ticket = search.begin();
    search.arrived(
        ticket,
        Ok(OfferPage {
            offers,
            next: next.map(str::to_owned),
        }),
    );
    market
}

fn loading() -> Element {
    screen(Market::default())
}

fn cards() -> Element {
    screen(here(Hub::HuggingFace, offers(), Some("2")))
}

fn list() -> Element {
    screen(Market {
        arrangement: Arrangement::List,
        ..here(Hub::HuggingFace, offers(), None)
    })
}

fn civitai() -> Element {
    let mut market = here(Hub::CivitAi, pictures(), None);
    if let Loading::Here(offers) = &mut market.civitai.offers {
        offers[1].nsfw = true;
    }
    market.civitai.filters.include_nsfw = true;
    screen(market)
}

fn nothing_found() -> Element {
    let mut market = here(Hub::HuggingFace, Vec::new(), None);
    market.hugging_face.filters.text = "xyzzy".to_owned();
    screen(market)
}

fn filtered_away() -> Element {
    let mut market = here(
        Hub::HuggingFace,
        offers().into_iter().skip(3).take(1).collect(),
        Some("2"),
    );
    market.hugging_face.filters = Filters {
        fits_only: true,
        largest_bytes: Some(8 << 30),
        ..Filters::new(Hub::HuggingFace)
    };
    screen(market)
}

fn words() -> Element {
    screen(here(
        Hub::HuggingFace,
        vec![
            Offer {
                author: LONG.to_owned(),
                licence: LONG.to_owned(),
                ..offer("a/long", LONG, Some(1))
            },
            Offer {
                author: "مؤلف".to_owned(),
                ..offer("a/rtl", "نموذج اللغة العربية", Some(1))
            },
            Offer {
                author: "通义".to_owned(),
                ..offer("a/cjk", "通义千问大语言模型第三代", Some(1))
            },
        ],
        None,
    ))
}

fn no_devices() -> Element {
    screen_with(
        here(Hub::HuggingFace, offers(), None),
        DownloadsView::default(),
        None,
    )
}

fn error_rate_limited() -> Element {
    let mut market = Market::default();
    let ticket = market.hugging_face.begin();
    market.hugging_face.arrived(
        ticket,
        Err(Failure::of_reason(
            "VENDOR_RATE_LIMITED",
            "the hub asks to wait 40 s",
        )),
    );
    screen(market)
}

fn error_next_page() -> Element {
    let mut market = here(Hub::HuggingFace, offers(), Some("2"));
    let (ticket, _) = market.hugging_face.begin_more().expect("there is a next page");
    market.hugging_face.arrived(
        ticket,
        Err(Failure::of_reason(
            "VENDOR_UNAVAILABLE",
            "the hub does not answer",
        )),
    );
    screen(market)
}

fn plan() -> Plan {
    let variant = |name: &str, mebibytes: u64| Variant {
        id: format!("bartowski/gemma-3-27b-it-GGUF:gemma-{name}.gguf"),
        name: name.to_owned(),
        size_bytes: Some(mebibytes << 20),
    };
    Plan {
        id: "bartowski/gemma-3-27b-it-GGUF:gemma-Q4_K_M.gguf".to_owned(),
        name: "gemma-3-27b-it".to_owned(),
        licence: "gemma".to_owned(),
        gate: Some(Gate::Open),
        accessible: true,
        files: vec![("gemma-Q4_K_M.gguf".to_owned(), Some(16_546 << 20))],
        size_bytes: Some(16_546 << 20),
        download_bytes: Some(12_000 << 20),
        choice: "Q4_K_M is the usual choice between size and quality.".to_owned(),
        quantization: Some("Q4_K_M".to_owned()),
        variants: vec![
            variant("Q6_K", 22_150),
            variant("Q8_0", 28_700),
            variant("Q3_K_M", 13_440),
        ],
        page_url: "https://huggingface.co/bartowski/gemma-3-27b-it-GGUF".to_owned(),
        already_here: false,
        disk_available_bytes: Some(412 << 30),
        fits_disk: Some(true),
    }
}

fn looked_at(plan: Loading<Plan, Failure>) -> Market<Failure> {
    let offer = Offer {
        base_model: "google/gemma-3-27b-it".to_owned(),
        ..offers()[2].clone()
    };
    let details = Details {
        plan,
        ..Details::open(offer)
    };
    Market {
        details: Some(details),
        ..here(Hub::HuggingFace, offers(), None)
    }
}

fn details() -> Element {
    screen(looked_at(Loading::Here(plan())))
}

fn details_loading() -> Element {
    screen(looked_at(Loading::Waiting))
}

fn details_gated() -> Element {
    let plan = Plan {
        gate: Some(Gate::Manual),
        accessible: false,
        fits_disk: Some(false),
        ..plan()
    };
    screen(looked_at(Loading::Here(plan)))
}

fn details_error() -> Element {
    let failure = Failure::of_reason("VENDOR_LOGIN_REQUIRED", "the hub wants a token");
    screen(looked_at(Loading::Failed(failure)))
}

fn details_here() -> Element {
    screen(looked_at(Loading::Here(Plan {
        already_here: true,
        variants: Vec::new(),
        ..plan()
    })))
}

fn downloading() -> Element {
    let running = job("1", &plan().id, JobState::Running);
    screen_with(
        looked_at(Loading::Here(plan())),
        downloads(vec![told(running, &[])]),
        Some(24),
    )
}

fn packages() -> Vec<Package> {
    let package = |name: &str, kind, hardware| Package {
        name: name.to_owned(),
        worker_type: Some(WorkerType { hardware, kind }),
        version: "0.1.0-1".to_owned(),
        description: "Answers with language models, in Rust alone.".to_owned(),
        licence: "MIT".to_owned(),
        architectures: vec!["x86_64".to_owned(), "aarch64".to_owned()],
        supported: true,
        dependencies: Vec::new(),
        preferred: true,
        problem: String::new(),
        installed: Vec::new(),
    };
    let missing = |name: &str, hint: &str| Dependency {
        name: name.to_owned(),
        missing: true,
        hint: hint.to_owned(),
    };
    vec![
        Package {
            installed: vec!["0.1.0".to_owned()],
            ..package("llm-worker-rbee-cpu", WorkerKind::Text, Hardware::Cpu)
        },
        Package {
            dependencies: vec![missing("cuda", "install the CUDA toolkit"), missing("git", "")],
            ..package("llm-worker-rbee-cuda", WorkerKind::Text, Hardware::Cuda)
        },
        package("sd-worker-rbee-cpu", WorkerKind::Image, Hardware::Cpu),
        Package {
            supported: false,
            preferred: false,
            ..package("sd-worker-rbee-metal", WorkerKind::Image, Hardware::Metal)
        },
        Package {
            problem: "The PKGBUILD names no version.".to_owned(),
            ..package("broken", WorkerKind::Text, Hardware::Cpu)
        },
    ]
}

fn of_workers(packages: Loading<Vec<Package>, Failure>) -> Market<Failure> {
    Market {
        hub: Hub::Workers,
        packages,
        ..Market::default()
    }
}

fn workers() -> Element {
    screen(of_workers(Loading::Here(packages())))
}

fn workers_building() -> Element {
    let build = Job {
        kind: JobKind::InstallWorker,
        phase: Some(JobPhase::Building),
        done_bytes: 0,
        total_bytes: None,
        bytes_per_second: None,
        remaining: None,
        ..job("1", "sd-worker-rbee-cpu", JobState::Running)
    };
    let failure = JobState::Failed {
        reason: "PACKAGE_BUILD_FAILED".to_owned(),
        message: "build() ended with 101".to_owned(),
    };
    let failed = Job {
        state: failure,
        ..Job {
            id: "2".into(),
            subject: "llm-worker-rbee-cuda".to_owned(),
            ..build.clone()
        }
    };
    let lines = [
        "==> Starting build()...",
        "   Compiling proc-macro2 v1.0.95",
        "   Compiling <unknown> & others",
    ];
    let view = downloads(vec![
        told(build, &lines),
        told(failed, &["error: nvcc not found"]),
    ]);
    screen_with(of_workers(Loading::Here(packages())), view, Some(24))
}

fn workers_empty() -> Element {
    screen(of_workers(Loading::Here(Vec::new())))
}

fn error_package_index() -> Element {
    screen(of_workers(Loading::Failed(Failure::of_reason(
        "PACKAGE_SOURCE_UNAVAILABLE",
        "no such folder",
    ))))
}
