//! The pages Workers, Hives and Activity in all that they can be.

use dioxus::prelude::*;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rbee_keeper::components::{DeviceMeter, WorkerShare};
use rbee_keeper::model::activity::ActivityFilter;
use rbee_keeper::model::cluster::*;
use rbee_keeper::model::logs::{LogLine, LogStream, LogView};
use rbee_keeper::model::narration::{EventLevel, NarrationChange, NarrationLine, NarrationView};
use rbee_keeper::model::telemetry::*;
use rbee_keeper::pages::activity::ActivityView;
use rbee_keeper::pages::hives::{HivesView, LogPanelView, LogState};
use rbee_keeper::pages::workers::WorkersView;

use crate::State;

pub(super) const STATES: &[State] = &[
    State::new("workers-loading", || workers(ClusterView::default(), "")),
    State::new("workers-empty", || workers(synced(&[], &[]), "")),
    State::new("workers-full", || workers(busy(), "")),
    State::new("workers-forty", || workers(forty(), "")),
    State::new("workers-none-like-that", || {
        workers(busy(), "nothing has this name")
    }),
    State::new("workers-long-words", || workers(long(), "")),
    State::new("hives-loading", || hives(ClusterView::default())),
    State::new("hives-empty", || hives(synced(&[], &[]))),
    State::new("hives-full", || hives(busy())),
    State::new("hives-no-devices", || hives(synced(&[hive("desk", vec![])], &[]))),
    State::new("hives-long-words", || hives(long())),
    State::new("log-following", || log(LogState::Following)),
    State::new("log-broken", || {
        log(LogState::Broken(
            "The connection to the cluster broke.".to_owned(),
        ))
    }),
    State::new("log-ended", || log(LogState::Ended)),
    State::new("activity-empty", || {
        activity(NarrationView::default(), ActivityFilter::default())
    }),
    State::new("activity-full", || {
        activity(narration(), ActivityFilter::default())
    }),
    State::new("activity-errors", || {
        activity(
            narration(),
            ActivityFilter {
                least: EventLevel::Error,
                query: String::new(),
            },
        )
    }),
    State::new("activity-none-like-that", || {
        activity(
            narration(),
            ActivityFilter {
                least: EventLevel::Info,
                query: "nobody".to_owned(),
            },
        )
    }),
    State::new("device-unknown", || {
        rsx! { DeviceMeter { device: device("cuda:0", false), share: WorkerShare::default() } }
    }),
];

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_763_900_000 + second).unwrap()
}

fn device(id: &str, known: bool) -> Device {
    let gib = |count: u64| known.then_some(count << 30);
    Device {
        id: id.into(),
        hardware: Some(if id.starts_with("cpu") {
            Hardware::Cpu
        } else {
            Hardware::Cuda
        }),
        name: if id.starts_with("cpu") {
            "AMD Ryzen 9 7950X"
        } else {
            "NVIDIA GeForce RTX 4090"
        }
        .to_owned(),
        memory_total_bytes: gib(24),
        memory_free_bytes: gib(9),
        memory_available_bytes: gib(8),
        core_count: known.then_some(16),
        utilization_percent: known.then_some(34),
        temperature_celsius: known.then_some(54),
        compute_capability: String::new(),
        driver_version: String::new(),
        declared: false,
        uses: Vec::new(),
    }
}

fn hive(id: &str, devices: Vec<Device>) -> Hive {
    Hive {
        id: id.into(),
        name: id.to_owned(),
        address: format!("http://{id}.lan:7220"),
        reachable: true,
        devices,
        version: "0.1.0".to_owned(),
        platform: "linux x86_64".to_owned(),
        last_seen_at: Some(at(0)),
        draining: false,
    }
}

fn worker(number: usize, kind: WorkerKind, state: WorkerState) -> Worker {
    let model = match kind {
        WorkerKind::Text => "Qwen/Qwen3-4B-GGUF:Qwen3-4B-Q4_K_M.gguf",
        WorkerKind::Image => "stabilityai/sdxl-turbo",
    };
    Worker {
        id: format!("worker-{number:06}").as_str().into(),
        model: model.into(),
        worker_type: Some(WorkerType {
            hardware: Hardware::Cuda,
            kind,
        }),
        device: Some("cuda:0".into()),
        state,
        hive: "desk".into(),
        hive_address: String::new(),
        created_at: Some(at(0)),
        failure: None,
        load_fraction: (state == WorkerState::Loading).then_some(0.45),
        context_length: Some(4096),
        process_id: None,
        memory: None,
        state_since: Some(at(0)),
        restart_count: 0,
        next_attempt_at: None,
        pinned: false,
        idle_ttl: None,
        unreachable: false,
    }
}

fn synced(hives: &[Hive], workers: &[Worker]) -> ClusterView {
    let mut view = ClusterView::default();
    let hives = hives
        .iter()
        .map(|hive| ClusterChange::Hive(Box::new(hive.clone())));
    let workers = workers
        .iter()
        .map(|worker| ClusterChange::Worker(Box::new(worker.clone())));
    for change in hives.chain(workers).chain([ClusterChange::Synced]) {
        view.apply(change);
    }
    view
}

fn busy() -> ClusterView {
    let mut failed = worker(3, WorkerKind::Text, WorkerState::CrashLooping);
    failed.failure = Some(WorkerFailure {
        reason: "WORKER_CRASH_LOOPING".to_owned(),
        message: "it crashed 5 times in a row".to_owned(),
        exit_code: None,
        signal: Some(9),
        log_tail: Vec::new(),
        occurred_at: Some(at(0)),
    });
    let mut lost = worker(5, WorkerKind::Text, WorkerState::Ready);
    lost.unreachable = true;
    lost.hive = "attic".into();
    let mut kept = worker(1, WorkerKind::Text, WorkerState::Busy);
    kept.pinned = true;
    let workers = [
        kept,
        worker(2, WorkerKind::Image, WorkerState::Loading),
        failed,
        worker(4, WorkerKind::Image, WorkerState::Ready),
        lost,
    ];
    let attic = Hive {
        reachable: false,
        ..hive("attic", vec![device("cpu:0", false)])
    };
    let cellar = Hive {
        draining: true,
        ..hive("cellar", vec![device("cpu:0", true)])
    };
    let mut declared = device("cuda:1", false);
    declared.declared = true;
    let desk = hive(
        "desk",
        vec![device("cpu:0", true), device("cuda:0", true), declared],
    );
    synced(&[attic, cellar, desk], &workers)
}

fn forty() -> ClusterView {
    let kind = |number| {
        if number % 3 == 0 {
            WorkerKind::Image
        } else {
            WorkerKind::Text
        }
    };
    let workers: Vec<_> = (0..40)
        .map(|number| worker(number, kind(number), WorkerState::Ready))
        .collect();
    synced(&[hive("desk", vec![device("cuda:0", true)])], &workers)
}

fn long() -> ClusterView {
    let word = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft".repeat(3);
    let mut device = device("cuda:0", true);
    device.name = word.clone();
    let mut hive = hive("desk", vec![device]);
    hive.name = word.clone();
    let mut worker = worker(1, WorkerKind::Text, WorkerState::Ready);
    worker.model = format!("local:{word}").as_str().into();
    synced(&[hive], &[worker])
}

fn measured() -> TelemetryView {
    let telemetry = WorkerTelemetry {
        device_memory_bytes: Some(5 << 30),
        running_requests: Some(1),
        waiting_requests: Some(0),
        slot_count: Some(4),
        tokens_per_second: Some(34.2),
        ..WorkerTelemetry::default()
    };
    let mut view = TelemetryView::default();
    view.apply(TelemetryChange::Measured(Box::new(TelemetrySample {
        hive: "desk".into(),
        devices: vec![device("cpu:0", true), device("cuda:0", true)],
        workers: vec![("worker-000001".into(), telemetry)],
    })));
    view
}

fn workers(view: ClusterView, query: &'static str) -> Element {
    let cluster = use_signal(|| view);
    let telemetry = use_signal(measured);
    rsx! {
        WorkersView {
            cluster: ReadSignal::from(cluster),
            telemetry: ReadSignal::from(telemetry),
            query: query.to_owned(),
            onquery: |_| {},
            ondeed: |_| {},
        }
    }
}

fn hives(view: ClusterView) -> Element {
    let cluster = use_signal(|| view);
    let telemetry = use_signal(measured);
    rsx! {
        HivesView {
            cluster: ReadSignal::from(cluster),
            telemetry: ReadSignal::from(telemetry),
            now: at(600),
            ondeed: |_| {},
        }
    }
}

fn log(state: LogState) -> Element {
    let log = use_signal(|| {
        let line = |number: u64, stream, text: &str| LogLine {
            number,
            at: Some(at(number as i64)),
            stream,
            text: text.to_owned(),
        };
        let mut view = LogView::default();
        view.push([
            line(0, LogStream::Hive, "the process 4711 started"),
            line(1, LogStream::Error, "loading the model: 312 tensors"),
            line(9, LogStream::Output, "שורה בעברית, 日本語の行"),
            line(10, LogStream::Error, &"x".repeat(300)),
        ]);
        view
    });
    rsx! {
        LogPanelView {
            title: "Log of Qwen3-4B 000001",
            log: ReadSignal::from(log),
            state,
            zone: TimeZone::UTC,
            onretry: |()| {},
            onclose: |()| {},
        }
    }
}

fn narration() -> NarrationView {
    let mut view = NarrationView::default();
    let lines = [
        (
            EventLevel::Info,
            "rbee-hive",
            "worker worker-000001 is ready on cuda:0",
            None,
        ),
        (
            EventLevel::Warning,
            "rbee-provisioner",
            "Hugging Face asks to wait 20 s",
            Some("VENDOR_RATE_LIMITED"),
        ),
        (
            EventLevel::Error,
            "rbee-hive",
            "worker worker-000003 crashed: signal 9",
            Some("OUT_OF_MEMORY"),
        ),
        (
            EventLevel::Info,
            "rbee-catalog",
            "モデル「夕食」が追加されました",
            None,
        ),
    ];
    for ((level, service, message, reason), second) in lines.into_iter().zip(0..) {
        view.apply(NarrationChange::Told(Box::new(NarrationLine {
            number: 0,
            at: Some(at(second)),
            level,
            service: service.to_owned(),
            message: message.to_owned(),
            job: None,
            worker: None,
            fields: reason
                .map(|reason| ("reason".to_owned(), reason.to_owned()))
                .into_iter()
                .collect(),
        })));
    }
    view.apply(NarrationChange::Missed(3));
    view
}

fn activity(view: NarrationView, filter: ActivityFilter) -> Element {
    let narration = use_signal(|| view);
    rsx! {
        ActivityView {
            narration: ReadSignal::from(narration),
            filter,
            zone: TimeZone::UTC,
            onfilter: |_| {},
            onaction: |_| {},
        }
    }
}
