//! `rbee top`: live at a terminal, once, and as lines for scripts.

#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

mod common;

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::Stdio;

use common::hives::{Script, Scripted};
use common::terminal::Terminal;
use rbee_proto::hive::v1::{WatchTelemetryResponse, WorkerTelemetry};
use rbee_proto::types::v1::{Device, Hive, Worker, WorkerState};
use serde_json::Value;

/// Gives the terminal back, and shows the cursor again.
const RESTORED: [&str; 2] = ["\x1b[?1049l", "\x1b[?25h"];

fn hive(id: &str, address: String) -> Hive {
    Hive {
        id: id.into(),
        name: format!("the-{id}"),
        address,
        ..Hive::default()
    }
}

fn telemetry() -> WatchTelemetryResponse {
    WatchTelemetryResponse {
        time: None,
        cache: None,
        devices: vec![Device {
            id: "cpu:0".into(),
            name: "a processor".into(),
            memory_total_bytes: Some(16 << 30),
            memory_free_bytes: Some(8 << 30),
            memory_available_bytes: Some(4 << 30),
            ..Device::default()
        }],
        workers: vec![WorkerTelemetry {
            worker_id: "qwen-1".into(),
            state: WorkerState::Busy as i32,
            tokens_per_second: Some(41.25),
            running_requests: Some(1),
            waiting_requests: Some(0),
            slot_count: Some(4),
            ..WorkerTelemetry::default()
        }],
    }
}

fn script() -> Script {
    Script {
        hives: vec![hive("desk", String::new())],
        workers: vec![Worker {
            id: "qwen-1".into(),
            model_id: "local:qwen".into(),
            hive_id: "desk".into(),
            device_id: "cpu:0".into(),
            state: WorkerState::Ready as i32,
            ..Worker::default()
        }],
        telemetry: telemetry(),
        ..Script::default()
    }
}

/// An address where nobody listens: taken and given back.
fn nobody() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

#[test]
fn where_output_is_no_terminal_it_is_one_table() {
    let server = Scripted::start(script());
    for arguments in [
        &["top", "--interval", "100ms"][..],
        &["top", "--interval", "100ms", "--once"],
    ] {
        let said = server.rbee(arguments).ok();
        for words in [
            "the-desk  cpu:0",
            "8.0 GiB    4.0 GiB    4.0 GiB   16.0 GiB",
            "qwen-1  busy   41.2 tok/s",
            "1 hive · 1 worker: 1 busy · 1 request running, 0 waiting · 41.2 tok/s",
        ] {
            assert!(said.stdout.contains(words), "{words}: {}", said.stdout);
        }
        assert!(!said.stdout.contains('\x1b'), "{:?}", said.stdout);
    }
}

#[test]
fn one_look_is_a_line_for_each_hive() {
    let mut script = script();
    script.hives.push(hive("attic", format!("http://{}", nobody())));
    let server = Scripted::start(script);
    let said = server
        .rbee(&["top", "--once", "--json", "--interval", "100ms"])
        .ok();
    let lines = said.json_lines();
    let measured: Vec<&Value> = lines.iter().filter(|line| line["event"] == "measured").collect();
    assert_eq!(measured.len(), 1, "{said:#?}");
    assert_eq!(measured[0]["hive_name"], "the-desk");
    assert_eq!(measured[0]["workers"][0]["tokens_per_second"], 41.25);
    assert_eq!(measured[0]["workers"][0]["model_id"], "local:qwen");
    assert_eq!(measured[0]["workers"][0]["cpu_percent"], Value::Null);
    let lost = lines.iter().find(|line| line["event"] == "hive_lost").unwrap();
    assert_eq!(lost["hive_id"], "attic");
}

#[test]
fn a_hive_that_cannot_be_reached_comes_back_by_itself() {
    let address = nobody();
    let mut here = script();
    here.hives.push(hive("attic", format!("http://{address}")));
    let server = Scripted::start(here);
    let mut command = server.command(&["top", "--json", "--interval", "100ms"]);
    let mut top = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(top.stdout.take().unwrap()).lines();
    let mut events = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let of_attic = |event: &Value, kind: &str| event["hive_id"] == "attic" && event["event"] == kind;

    assert!(events.any(|event| of_attic(&event, "hive_lost")));
    let attic = Scripted::start_at(
        address,
        Script {
            telemetry: telemetry(),
            ..Script::default()
        },
    );
    assert!(events.any(|event| of_attic(&event, "measured")));
    drop(attic);
    assert!(events.any(|event| of_attic(&event, "hive_lost")));
    assert!(events.any(|event| event["hive_id"] == "desk"), "the others go on");
    common::processes::signal(top.id(), "INT");
    assert!(top.wait().unwrap().success(), "watching ends by Ctrl-C");
}

/// Runs it at a terminal until it shows the worker.
fn at_terminal(server: &Scripted) -> Terminal {
    let mut terminal = Terminal::run(&server.command(&["top", "--interval", "100ms"]));
    terminal.wait_for("rbee top");
    // Blanks that are there already are not written.
    terminal.wait_for("41.2");
    terminal
}

#[track_caller]
fn leaves_well(mut terminal: Terminal) {
    for code in RESTORED {
        terminal.wait_for(code);
    }
    assert!(terminal.wait().success());
}

#[test]
fn it_is_live_at_a_terminal_and_leaves_it_as_it_was() {
    let server = Scripted::start(script());
    let mut terminal = at_terminal(&server);
    terminal.press("p");
    terminal.wait_for("paused");
    terminal.press("p");
    server.change(|script| script.telemetry.workers[0].state = WorkerState::Draining as i32);
    terminal.wait_for("draining");
    terminal.press("q");
    leaves_well(terminal);
}

#[test]
fn ctrl_c_and_being_told_to_leave_restore_the_terminal_too() {
    let server = Scripted::start(script());
    let mut terminal = at_terminal(&server);
    terminal.press("\x03");
    leaves_well(terminal);

    let terminal = at_terminal(&server);
    common::processes::signal(terminal.program_id(), "TERM");
    leaves_well(terminal);
}

#[test]
fn without_a_server_it_says_so_at_once() {
    let address = format!("http://{}", nobody());
    let mut command = common::rbee_command();
    command.args(["top", "--server", &address]);
    let said = common::run(command).failed(3);
    assert!(said.stderr.contains("nothing answers at"), "{said:#?}");
}
