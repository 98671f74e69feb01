//! The page Models.

use dioxus::prelude::*;
use rbee_keeper::client::failure::{Action, Failure};
use rbee_keeper::model::cluster::{ClusterView, WorkerKind, WorkerState};
use rbee_keeper::model::downloads::{DownloadsEvent, DownloadsView, Job, JobPhase, JobState};
use rbee_keeper::model::import::{ImportDraft, ImportMode};
use rbee_keeper::model::models::ModelsView;
use rbee_keeper::pages::models::ModelsScreen;

use super::sample::*;
use crate::State;

pub(super) const STATES: &[State] = &[
    State::new("loading", loading),
    State::new("empty", empty),
    State::new("full", full),
    State::new("downloads", all_downloads),
    State::new("first-download", first_download),
    State::new("words", words),
    State::new("forty-workers", forty_workers),
    State::new("import", import),
    State::new("import-without-name", import_without_name),
    State::new("error-disk", error_disk),
    State::new("error-connection", error_connection),
];

fn screen(
    models: ModelsView,
    cluster: ClusterView,
    downloads: DownloadsView<Failure>,
    trouble: Option<Failure>,
    draft: Option<ImportDraft>,
) -> Element {
    let models = use_signal(move || models);
    let cluster = use_signal(move || cluster);
    let downloads = use_signal(move || downloads);
    let draft = use_signal(move || draft);
    rsx! { ModelsScreen { models, cluster, downloads, trouble, draft, onwish: |_| {} } }
}

fn used() -> ClusterView {
    let qwen = "Qwen/Qwen3-4B-GGUF:Qwen3-4B-Q4_K_M.gguf";
    cluster(
        Some(24),
        vec![
            worker("1", qwen, WorkerKind::Text, "cuda:0", WorkerState::Busy),
            worker(
                "2",
                "civitai:101055",
                WorkerKind::Image,
                "cuda:0",
                WorkerState::Loading,
            ),
        ],
    )
}

fn loading() -> Element {
    screen(
        ModelsView::default(),
        ClusterView::default(),
        DownloadsView::default(),
        None,
        None,
    )
}

fn empty() -> Element {
    screen(
        models(Vec::new()),
        cluster(Some(24), Vec::new()),
        DownloadsView::default(),
        None,
        None,
    )
}

fn full() -> Element {
    screen(models(shelf()), used(), DownloadsView::default(), None, None)
}

fn all_downloads() -> Element {
    let failed = JobState::Failed {
        reason: "DISK_FULL".to_owned(),
        message: "1.2 GiB are missing on /models".to_owned(),
    };
    let noted = Job {
        note: "Q4_K_M was chosen out of 9 files: the best that fits 24 GiB".to_owned(),
        file_name: "Qwen3-8B-Q4_K_M.gguf".to_owned(),
        ..job("1", "Qwen/Qwen3-8B-GGUF", JobState::Running)
    };
    let checking = Job {
        phase: Some(JobPhase::Resolving),
        bytes_per_second: None,
        remaining: None,
        done_bytes: 0,
        total_bytes: None,
        ..job("2", "civitai:4384", JobState::Running)
    };
    let events = vec![
        told(job("0", "a/paused-model-GGUF", JobState::Stopped), &[]),
        told(noted, &[]),
        told(checking, &[]),
        told(job("3", "a/waiting-model", JobState::Pending), &[]),
        told(job("4", "a/large-model", failed), &[]),
        DownloadsEvent::Asked("a/asked-for".to_owned()),
        DownloadsEvent::Asked("a/refused".to_owned()),
        DownloadsEvent::Refused(
            "a/refused".to_owned(),
            Failure::of_reason("TOO_MANY_JOBS", "16 jobs are running"),
        ),
    ];
    screen(models(shelf()), used(), downloads(events), None, None)
}

fn first_download() -> Element {
    let events = vec![told(job("1", "Qwen/Qwen3-8B-GGUF", JobState::Running), &[])];
    screen(
        models(Vec::new()),
        cluster(None, Vec::new()),
        downloads(events),
        None,
        None,
    )
}

fn words() -> Element {
    let all = vec![
        model("local:long", LONG, 12, llm(LONG)),
        model("local:rtl", "نموذج اللغة العربية الكبير", 2_048, llm("jais")),
        model("local:cjk", "通义千问大语言模型第三代", 2_048, llm("qwen3")),
        model(&format!("{LONG}/{LONG}"), "", 1, llm("llama")),
    ];
    screen(
        models(all),
        cluster(None, Vec::new()),
        DownloadsView::default(),
        None,
        None,
    )
}

fn forty_workers() -> Element {
    let qwen = "Qwen/Qwen3-4B-GGUF:Qwen3-4B-Q4_K_M.gguf";
    let workers = (0..40).map(|number| {
        worker(
            &format!("{number:02}"),
            qwen,
            WorkerKind::Text,
            &format!("cuda:{number}"),
            WorkerState::Ready,
        )
    });
    screen(
        models(shelf()),
        cluster(Some(24), workers.collect()),
        DownloadsView::default(),
        None,
        None,
    )
}

fn import() -> Element {
    let draft = ImportDraft {
        path: "/home/vince/Downloads/Qwen3-4B-Q4_K_M.gguf".to_owned(),
        name: "Qwen3-4B-Q4_K_M".to_owned(),
        mode: ImportMode::LinkOrCopy,
    };
    screen(
        models(shelf()),
        used(),
        DownloadsView::default(),
        None,
        Some(draft),
    )
}

fn import_without_name() -> Element {
    let draft = ImportDraft {
        path: format!("/{LONG}/量化.gguf"),
        name: String::new(),
        mode: ImportMode::InPlace,
    };
    screen(
        models(Vec::new()),
        used(),
        DownloadsView::default(),
        None,
        Some(draft),
    )
}

fn error_disk() -> Element {
    let trouble = Failure::of_reason("DISK_FULL", "1.2 GiB are missing on /models");
    screen(
        models(shelf()),
        used(),
        DownloadsView::default(),
        Some(trouble),
        None,
    )
}

fn error_connection() -> Element {
    let trouble = Failure::new("Nothing answers at http://127.0.0.1:9600.").with(Action::Reconnect);
    screen(
        ModelsView::default(),
        ClusterView::default(),
        DownloadsView::default(),
        Some(trouble),
        None,
    )
}
