//! What the view looks like, drawn by ratatui's own backend for tests.

use prost_types::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use rbee_proto::hive::v1::{WatchTelemetryResponse, WorkerTelemetry};
use rbee_proto::types::v1::{Device, Hive, Worker, WorkerState};

use super::super::paint::Paint;
use super::{Column, Model, Sort, Update, View, draw, once};

const GIB: u64 = 1 << 30;

const NOW: Timestamp = Timestamp {
    seconds: 1_795_415_822,
    nanos: 0,
};

fn hive(id: &str, name: &str) -> Hive {
    Hive {
        id: id.into(),
        name: name.into(),
        ..Hive::default()
    }
}

fn worker(id: &str, hive_id: &str, device_id: &str, state: WorkerState) -> Worker {
    Worker {
        id: id.into(),
        model_id: "local:qwen".into(),
        hive_id: hive_id.into(),
        device_id: device_id.into(),
        state: state as i32,
        ..Worker::default()
    }
}

fn devices() -> Vec<Device> {
    vec![
        Device {
            id: "cpu:0".into(),
            name: "AMD EPYC 9B14".into(),
            memory_total_bytes: Some(16 * GIB),
            memory_free_bytes: Some(12 * GIB),
            memory_available_bytes: Some(8 * GIB),
            utilization_percent: Some(38),
            ..Device::default()
        },
        Device {
            id: "cuda:0".into(),
            name: "RTX 4090".into(),
            declared: true,
            memory_total_bytes: Some(24 * GIB),
            memory_free_bytes: Some(24 * GIB),
            memory_available_bytes: Some(24 * GIB),
            utilization_percent: Some(0),
            temperature_celsius: Some(61),
            ..Device::default()
        },
    ]
}

fn measured(id: &str, tokens_per_second: f64) -> WorkerTelemetry {
    WorkerTelemetry {
        worker_id: id.into(),
        state: WorkerState::Busy as i32,
        cpu_percent: Some(198.4),
        resident_bytes: Some(GIB),
        running_requests: Some(2),
        waiting_requests: Some(3),
        slot_count: Some(4),
        tokens_per_second: Some(tokens_per_second),
        prompt_tokens_per_second: Some(312.0),
        ..WorkerTelemetry::default()
    }
}

fn telemetry(workers: Vec<WorkerTelemetry>) -> Update {
    Update::Telemetry {
        hive_id: "h1".into(),
        measured: WatchTelemetryResponse {
            time: Some(NOW),
            devices: devices(),
            workers,
            ..WatchTelemetryResponse::default()
        },
    }
}

/// A cluster of two hives: one works, the other can't be reached.
fn model() -> Model {
    let mut model = Model::default();
    let waiting = Worker {
        next_attempt_at: Some(Timestamp {
            seconds: NOW.seconds + 8,
            nanos: 0,
        }),
        ..worker("gemma-2", "h1", "", WorkerState::Pending)
    };
    model.apply(Update::Cluster {
        hives: vec![hive("h1", "desk"), hive("h2", "attic")],
        workers: vec![
            worker("qwen-7kx3mc2d", "h1", "cpu:0", WorkerState::Ready),
            waiting,
            worker("qwen-3", "h2", "cpu:0", WorkerState::Busy),
        ],
    });
    for rate in [0.0, 20.0, 41.2] {
        model.apply(telemetry(vec![measured("qwen-7kx3mc2d", rate)]));
    }
    model.apply(Update::HiveLost {
        hive_id: "h2".into(),
        why: "connection refused".into(),
    });
    model
}

fn view(model: &Model, column: Column) -> View<'_> {
    View {
        model,
        server: "http://127.0.0.1:7220",
        now: NOW,
        paused: false,
        sort: Sort::by(column),
        scrolled: 0,
    }
}

/// The frame as text, without blanks at the ends of its lines. The clock is the user's: it is left out.
fn frame(view: &View<'_>, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| {
            let area = frame.area();
            draw(view, area, frame.buffer_mut());
        })
        .unwrap();
    let buffer = terminal.backend().buffer();
    let rows = buffer.content().chunks(usize::from(width));
    let clock = super::super::human::clock(&NOW).unwrap();
    rows.map(|row| {
        let row: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        row.replace(&clock, "HH:MM:SS").trim_end().to_owned()
    })
    .collect()
}

#[test]
fn a_wide_terminal_shows_all() {
    let model = model();
    assert_eq!(
        frame(&view(&model, Column::Device), 140, 14),
        [
            "rbee top  http://127.0.0.1:7220                                                                                                     HH:MM:SS",
            "2 hives · 3 workers: 1 busy, 1 pending, 1 unreachable · 2 requests running, 3 waiting · 41.2 tok/s",
            "",
            "HIVE  DEVICE             MEMORY                                         USED   RESERVED  AVAILABLE         OF  BUSY   TEMP  NAME",
            "attic  can't be reached: connection refused",
            "desk  cpu:0              ██████████▒▒▒▒▒▒▒▒▒▒░░░░░░░░░░░░░░░░░░░░    4.0 GiB    4.0 GiB    8.0 GiB   16.0 GiB   38%      -  AMD EPYC 9B14",
            "desk  cuda:0 (declared)  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░        0 B        0 B   24.0 GiB   24.0 GiB    0%  61 °C  RTX 4090",
            "",
            "WORKER         STATE                        RATE  HISTORY                     RUN  WAIT   CPU     MEMORY  DEVICE ▴     MODEL         PROMPTS",
            "qwen-3         unreachable                     -                                -     -     -          -  attic cpu:0  local:qwen          -",
            "gemma-2        pending, again in 8 s           -                                -     -     -          -  desk         local:qwen          -",
            "qwen-7kx3mc2d  busy                   41.2 tok/s                         ▁▅█  2/4     3  198%    1.0 GiB  desk cpu:0   local:qwen  312 tok/s",
            "",
            "q leave  p pause  ←→ sort by  r reverse  ↑↓ scroll",
        ]
    );
}

#[test]
fn a_narrow_terminal_shows_what_matters() {
    let model = model();
    assert_eq!(
        frame(&view(&model, Column::Rate), 60, 13),
        [
            "rbee top  http://127.0.0.1:7220                     HH:MM:SS",
            "2 hives · 3 workers: 1 busy, 1 pending, 1 unreachable",
            "2 requests running, 3 waiting · 41.2 tok/s",
            "HIVE  DEVICE             MEMORY        USED  AVAILABLE  BUSY",
            "attic  can't be reached: connection refused",
            "desk  cpu:0              ██▒▒░░░    4.0 GiB    8.0 GiB   38%",
            "desk  cuda:0 (declared)  ░░░░░░░        0 B   24.0 GiB    0%",
            "",
            "WORKER         STATE                      RATE ▾  RUN  WAIT",
            "qwen-7kx3mc2d  busy                   41.2 tok/s  2/4     3",
            "qwen-3         unreachable                     -    -     -",
            "gemma-2        pending, again in 8 s           -    -     -",
            "q leave  p pause  ←→ sort by  r reverse  ↑↓ scroll",
        ]
    );
}

#[test]
fn what_has_no_room_is_counted_and_scrolled_to() {
    let model = model();
    let mut view = view(&model, Column::Rate);
    let low = frame(&view, 60, 10);
    assert_eq!(low[4], "… 3 more devices");
    assert!(low[7].starts_with("qwen-7kx3mc2d"), "{low:#?}");
    assert_eq!(low[8], "… 2 more workers");
    view.scrolled = 99;
    let low = frame(&view, 60, 10);
    assert!(
        low[7].starts_with("qwen-3") && low[8].starts_with("gemma-2"),
        "{low:#?}"
    );
    let area = Rect::new(0, 0, 60, 10);
    assert_eq!(
        draw(&view, area, &mut Buffer::empty(area)),
        1,
        "no further than the last"
    );
}

#[test]
fn a_pause_and_a_silent_catalog_are_said() {
    let mut model = model();
    model.apply(Update::ClusterLost {
        why: "connection\x1b[2J refused".into(),
    });
    let mut view = view(&model, Column::Device);
    view.paused = true;
    let lines = frame(&view, 80, 14);
    assert!(lines[0].ends_with("paused  HH:MM:SS"), "{lines:#?}");
    assert_eq!(
        lines[1],
        "the catalog can't be reached, trying again: connection refused"
    );
}

#[test]
fn every_size_can_be_drawn() {
    let (model, empty) = (model(), Model::default());
    for model in [&model, &empty] {
        for (width, height) in (0..150).flat_map(|width| (0..16).map(move |height| (width, height))) {
            let area = Rect::new(0, 0, width, height);
            draw(&view(model, Column::State), area, &mut Buffer::empty(area));
        }
    }
}

#[test]
fn one_look_is_a_table() {
    let model = model();
    let text = once(&view(&model, Column::Rate), 200, Paint::OFF);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("HIVE  DEVICE"), "{text}");
    assert_eq!(lines[1], "attic  can't be reached: connection refused");
    assert!(
        lines[5].starts_with("WORKER") && !lines[5].contains("HISTORY"),
        "{text}"
    );
    assert!(lines[6].contains("41.2 tok/s"), "{text}");
    assert_eq!(
        lines[10],
        "2 hives · 3 workers: 1 busy, 1 pending, 1 unreachable · 2 requests running, 3 waiting · 41.2 tok/s"
    );
    assert!(lines.iter().all(|line| *line == line.trim_end()), "{text}");
}
