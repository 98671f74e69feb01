//! The command line without a cluster: help, wrong usage, completions, nobody who answers.

use std::process::Stdio;

use assert_cmd::Command;

fn rbee() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rbee"));
    for name in [
        "RBEE_SERVER",
        "RBEE_TOKEN",
        "RBEE_TOKEN_FILE",
        "RBEE_OTLP_ENDPOINT",
        "RBEE_LOG",
        "RBEE_DATA_DIR",
    ] {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1");
    command
}

fn stdout(command: &mut Command) -> String {
    String::from_utf8(command.assert().success().get_output().stdout.clone()).expect("UTF-8")
}

fn stderr(command: &mut Command, code: i32) -> String {
    String::from_utf8(command.assert().code(code).get_output().stderr.clone()).expect("UTF-8")
}

/// A port that nobody listens on: taken and given back.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!(
        "http://{}",
        listener.local_addr().expect("a bound listener has an address")
    )
}

#[test]
fn help_lists_the_commands() {
    let help = stdout(rbee().arg("--help"));
    for command in [
        "up", "status", "top", "model", "worker", "chat", "complete", "job", "login", "hive", "device",
        "events",
    ] {
        assert!(
            help.lines()
                .any(|line| line.trim_start().starts_with(&format!("{command} "))),
            "{command}: {help}"
        );
    }
    assert!(help.contains("RBEE_SERVER"), "{help}");
}

#[test]
fn exit_codes_are_explained() {
    for arguments in [["help", "exit-codes"].as_slice(), &["exit-codes"]] {
        let text = stdout(rbee().args(arguments));
        assert!(text.contains("  3  the server can't be reached"), "{text}");
        assert!(text.contains("130  interrupted"), "{text}");
    }
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_is_right() {
    for (arguments, hint) in [
        (["chatt", "x"].as_slice(), "chat"),
        (&["worker", "spawn", "local:x", "--device", "cpu:0"], "--type"),
        (
            &["worker", "spawn", "local:x", "--type", "cpu", "--device", "cpu:0"],
            "cpu-llm",
        ),
        (&["worker", "stop"], "ID"),
        (&["worker", "restart"], "ID"),
        (&["worker", "set", "w1"], "--idle-ttl"),
        (&["worker", "stop", "w1", "--now", "--drain", "1s"], "--drain"),
        (&["hive", "drain", "desk", "--drain", "2h"], "at most 1h"),
        (&["top", "--interval", "1ms"], "100ms to 1h"),
        (&["model", "import"], "PATH"),
        (&["model", "import", "x.gguf", "--copy", "--link"], "--link"),
        (&["model", "pull"], "REF"),
        (&["model", "search", "--hub", "github"], "civitai"),
        (&["model", "search", "--limit", "0"], "--limit"),
        (&["model", "gc", "--older-than", "a while"], "--older-than"),
        (&["worker", "install"], "TYPE"),
        (&["worker", "rm"], "BINARY"),
        (&["login", "github"], "github"),
        (&["login", "hf", "a-token"], "a-token"),
        (&["login", "hf", "--token-stdin", "--forget"], "--forget"),
        (&["chat", "local:x", "--temperature", "warm"], "temperature"),
    ] {
        let said = stderr(rbee().args(arguments), 2);
        assert!(said.contains(hint), "{arguments:?}: {said}");
    }
}

#[test]
fn versions_are_told() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(stdout(rbee().arg("--version")), format!("rbee {version}\n"));
    assert_eq!(stdout(rbee().arg("version")), format!("rbee {version}\n"));
    let document: serde_json::Value =
        serde_json::from_str(&stdout(rbee().args(["version", "--json"]))).unwrap();
    assert_eq!(document["version"], version);
}

#[test]
fn shells_are_completed() {
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(rbee().args(["completions", shell]));
        assert!(
            script.contains("spawn") && script.contains("max-tokens"),
            "{shell}"
        );
    }
}

#[test]
fn a_server_that_does_not_answer_gives_3_and_what_to_do() {
    let said = stderr(rbee().args(["status", "--server", &nobody()]), 3);
    assert!(
        said.starts_with("error: nothing answers at http://127.0.0.1:"),
        "{said}"
    );
    assert!(said.contains("rbee up"), "{said}");
}

#[test]
fn health_tells_by_its_exit_code_that_nobody_answers() {
    let said = stderr(rbee().args(["health", "--server", &nobody()]), 3);
    assert!(said.contains("nothing answers at"), "{said}");
}

#[test]
fn with_json_an_error_is_a_document() {
    let said = stderr(rbee().args(["model", "ls", "--json", "--server", &nobody()]), 3);
    let document: serde_json::Value = serde_json::from_str(said.trim()).unwrap();
    assert_eq!(document["error"]["exit_code"], 3);
}

#[test]
fn an_address_that_is_none_gives_2() {
    stderr(rbee().args(["status", "--server", "not an address"]), 2);
}

#[test]
fn a_ca_that_is_not_there_is_named() {
    let arguments = [
        "status",
        "--server",
        "https://127.0.0.1:7220",
        "--ca",
        "/no/such/ca.pem",
    ];
    let said = stderr(rbee().args(arguments), 2);
    assert!(said.contains("/no/such/ca.pem"), "{said}");
}

#[test]
fn an_empty_prompt_is_not_sent() {
    let said = stderr(rbee().args(["chat", "local:x"]).write_stdin(" \n"), 2);
    assert!(said.contains("the prompt is empty"), "{said}");
}

#[test]
fn who_stops_reading_gets_no_complaint() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_rbee"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn what_cannot_be_asked_is_said_before_anybody_is_asked() {
    let ask = ["complete", "local:model", "--prompt", "x"];
    let said = stderr(rbee().args(ask).args(["--logprobs", "2"]), 2);
    assert!(said.contains("--logprobs needs --json"), "{said}");
    let said = stderr(
        rbee().args(ask).args(["--json-schema", "/nowhere/schema.json"]),
        1,
    );
    assert!(said.contains("can't read /nowhere/schema.json"), "{said}");
    let said = stderr(rbee().args(ask).args(["--regex", "a", "--json-object"]), 2);
    assert!(said.contains("cannot be used with"), "{said}");
}
