//! Bringing models and worker programs in, as a user sees it: the real command against a scripted
//! provisioner, which says what a test needs to be said.

mod common;

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use common::provisioner::{Script, Scripted, job, refusal};
use common::terminal::Terminal;
use common::{processes, run, wait_until};
use rbee_proto::provisioner::v1::{
    Alternative, CollectGarbageResponse, Credential, CredentialSource, FileProblem, FileProblemKind, Gate,
    Job, JobFailure, JobPhase, JobState, RemoteFile, Resolution, SearchHit, SearchKind, SearchModelsResponse,
    SetCredentialResponse, Verification, WorkerPackage, job::Result as Outcome,
};
use rbee_proto::types::v1::{Model, ModelState, Vendor, WorkerBinary, WorkerType};
use tonic::Code;

const CTRL_C: &str = "\x03";
/// No real one, but of the length of one.
const TOKEN: &str = "hf_thisisnorealtokenbutlookslikeone";

fn downloading() -> Job {
    Job {
        phase: JobPhase::Downloading as i32,
        done_bytes: 1 << 20,
        total_bytes: Some(4 << 20),
        bytes_per_second: Some(f64::from(1 << 20)),
        remaining: Some(prost_types::Duration { seconds: 3, nanos: 0 }),
        file_name: "model-Q4_K_M.gguf".into(),
        note: "Q4_K_M: the best that fits".into(),
        ..job(JobState::Running)
    }
}

fn pulled() -> Job {
    Job {
        result: Some(Outcome::Model(Model {
            id: "org/repo:model-Q4_K_M.gguf".into(),
            state: ModelState::Available as i32,
            size_bytes: 4 << 20,
            quantization: Some("Q4_K_M".into()),
            ..Model::default()
        })),
        ..job(JobState::Succeeded)
    }
}

fn failed(reason: &str, message: &str) -> Job {
    Job {
        failure: Some(JobFailure {
            reason: reason.into(),
            message: message.into(),
        }),
        ..job(JobState::Failed)
    }
}

fn silent(steps: impl IntoIterator<Item = Job>) -> Script {
    Script {
        steps: steps.into_iter().map(|job| (job, Vec::new())).collect(),
        ..Script::default()
    }
}

#[test]
fn a_pull_tells_its_way_and_what_came_of_it() {
    let server = Scripted::start(silent([job(JobState::Pending), downloading(), pulled()]));
    let said = server.rbee(&["model", "pull", "org/repo"]).ok();
    assert_eq!(
        said.stdout,
        "org/repo:model-Q4_K_M.gguf is there: Q4_K_M, 4.0 MiB\n"
    );
    assert_eq!(
        said.stderr,
        "Q4_K_M: the best that fits\norg/repo: downloading model-Q4_K_M.gguf\n"
    );
    assert_eq!(
        server.asked(),
        ["ProvisionModelRequest { model_id: \"org/repo\" }"]
    );

    let lines = server
        .rbee(&["model", "pull", "org/repo", "--json"])
        .ok()
        .json_lines();
    assert_eq!(lines[1]["remaining_seconds"], 3.0);
    assert_eq!(lines[1]["file_name"], "model-Q4_K_M.gguf");
    assert_eq!(lines[1]["phase"], "downloading");
    assert_eq!(lines[2]["model"]["id"], "org/repo:model-Q4_K_M.gguf");
}

#[test]
fn on_a_terminal_a_pull_shows_bytes_rate_and_time_left() {
    let mut script = silent([downloading()]);
    script.stays_open = true;
    let server = Scripted::start(script);
    let mut terminal = Terminal::run(&server.command(&["model", "pull", "org/repo"]));
    terminal.wait_for("Q4_K_M: the best that fits");
    terminal.wait_for("1.0 MiB of 4.0 MiB, 1.0 MiB/s, 3.0 s left");
    terminal.wait_for("model-Q4_K_M.gguf");

    // Ctrl-C leaves the job alone, and says how to come back.
    terminal.press(CTRL_C);
    terminal.wait_for("the job 0199-job goes on");
    terminal.wait_for("`rbee job watch 0199-job` follows it, `rbee job cancel 0199-job` cancels it");
    assert_eq!(terminal.wait().code(), Some(130));
    assert!(
        server.asked().iter().all(|asked| !asked.starts_with("CancelJob")),
        "leaving is not cancelling"
    );

    server.change(|script| *script = silent([downloading(), pulled()]));
    let said = server.rbee(&["job", "watch", "0199"]).ok();
    assert!(said.stdout.contains("is there"), "{said:?}");
}

#[test]
fn detached_the_id_is_all_there_is_on_stdout() {
    let mut script = silent([downloading()]);
    script.stays_open = true;
    let server = Scripted::start(script);
    for command in [
        ["model", "pull", "org/repo", "--detach"].as_slice(),
        &["model", "import", "x.gguf", "--detach"],
        &["model", "verify", "--detach"],
        &["worker", "install", "cpu-llm", "--detach"],
    ] {
        let said = server.rbee(command).ok();
        assert_eq!(said.stdout, "0199-job\n", "{command:?}");
        assert!(said.stderr.contains("rbee job cancel 0199-job"), "{said:?}");
    }
    // What is here already needs no job to come back to.
    server.change(|script| *script = silent([pulled()]));
    let said = server.rbee(&["model", "pull", "org/repo", "--detach"]).ok();
    assert!(said.stdout.contains("is there"), "{said:?}");
}

#[test]
fn why_a_pull_failed_comes_with_what_to_do() {
    let server = Scripted::start(Script::default());
    for (reason, code, hint) in [
        ("MODEL_GATED", 5, "rbee login hf"),
        ("VENDOR_LOGIN_REQUIRED", 5, "rbee login civitai"),
        ("MODEL_NOT_AT_VENDOR", 4, "rbee model search"),
        ("MODEL_FILE_AMBIGUOUS", 5, "rbee model resolve"),
        ("VENDOR_RATE_LIMITED", 6, "rbee login"),
        ("VENDOR_UNAVAILABLE", 6, "is kept"),
        ("DISK_FULL", 6, "rbee model gc"),
        ("DOWNLOAD_CORRUPT", 1, "pull it again"),
        ("MODEL_CORRUPT", 1, "checksum"),
    ] {
        server.change(|script| *script = silent([failed(reason, "the hub's own words")]));
        let said = server.rbee(&["model", "pull", "org/repo"]).failed(code);
        assert!(said.stderr.contains("why: the hub's own words"), "{said:?}");
        assert!(said.stderr.contains(hint), "{reason}: {said:?}");
        assert!(
            said.stderr.contains(&format!("docs/errors/{reason}.md")),
            "{said:?}"
        );
        let said = server.rbee(&["model", "pull", "org/repo", "--json"]).failed(code);
        assert_eq!(said.reason(), reason);
    }
    // Before there is a job, the server answers with a status of its own.
    server.change(|script| {
        script.refusal = refusal(Code::InvalidArgument, "INVALID_MODEL_ID", "`??` is no model id");
    });
    let said = server.rbee(&["model", "pull", "??", "--json"]).failed(2);
    assert_eq!(said.reason(), "INVALID_MODEL_ID");
}

#[test]
fn a_resolution_says_what_a_pull_would_do() {
    let mut script = silent([]);
    script.resolution = Resolution {
        model_id: "org/repo:m-Q4_K_M.gguf".into(),
        vendor: Vendor::Huggingface as i32,
        license: "llama3".into(),
        gate: Gate::Automatic as i32,
        accessible: false,
        files: vec![RemoteFile {
            name: "m-Q4_K_M.gguf".into(),
            size_bytes: Some(1 << 30),
            sha256: String::new(),
        }],
        size_bytes: Some(1 << 30),
        choice: "Q4_K_M: the best that fits".into(),
        alternatives: vec![Alternative {
            model_id: "org/repo:m-Q8_0.gguf".into(),
            quantization: Some("Q8_0".into()),
            size_bytes: Some(2 << 30),
        }],
        page_url: "https://hub/org/repo".into(),
        disk_available_bytes: Some(1 << 20),
        fits_disk: Some(false),
        ..Resolution::default()
    };
    let server = Scripted::start(script);
    let text = server.rbee(&["model", "resolve", "org/repo"]).ok().stdout;
    for words in [
        "accept the terms at https://hub/org/repo, then `rbee login hf`",
        "license       ",
        "llama3",
        "too full: 1.0 MiB free",
        "m-Q4_K_M.gguf  1.0 GiB",
        "org/repo:m-Q8_0.gguf  Q8_0   2.0 GiB",
    ] {
        let words = words.trim_end();
        assert!(text.contains(words), "{words}: {text}");
    }
    let document = server
        .rbee(&["model", "resolve", "org/repo", "--json"])
        .ok()
        .json();
    assert_eq!(document["accessible"], false);
    assert_eq!(document["gate"], "automatic");
    assert_eq!(document["fits_disk"], false);
    assert_eq!(document["alternatives"][0]["quantization"], "Q8_0");
    assert_eq!(document["files"][0]["sha256"], serde_json::Value::Null);
}

fn page(ids: &[&str], next: &str) -> SearchModelsResponse {
    SearchModelsResponse {
        hits: ids
            .iter()
            .map(|id| SearchHit {
                model_id: (*id).into(),
                name: "repo".into(),
                kind: SearchKind::Llm as i32,
                already_here: *id == "a/repo",
                ..SearchHit::default()
            })
            .collect(),
        next_page_token: next.into(),
    }
}

#[test]
fn a_search_goes_from_page_to_page_up_to_its_limit() {
    let mut script = silent([]);
    // A page may be empty although more follow.
    script.pages = [
        page(&["a/repo"], "p|1"),
        page(&[], "p|2"),
        page(&["b/repo"], "p|3"),
    ]
    .into();
    let server = Scripted::start(script);
    let said = server
        .rbee(&["model", "search", "qwen", "coder", "--gguf", "--limit", "2"])
        .ok();
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert!(lines[1].starts_with("here  a/repo"), "{said:?}");
    assert!(lines[2].starts_with("      b/repo"), "{said:?}");
    // The token can be pasted into a shell.
    assert!(said.stderr.contains("--page-token 'p|3'"), "{said:?}");
    let asked = server.asked();
    assert_eq!(asked.len(), 3);
    assert!(
        asked[0].contains("text: \"qwen coder\"") && asked[0].contains("gguf_only: true"),
        "{asked:?}"
    );
    assert!(
        asked[0].contains("page_size: 2") && asked[2].contains("page_size: 1"),
        "{asked:?}"
    );
    assert!(asked[2].contains("page_token: \"p|2\""), "{asked:?}");

    server.change(|script| script.pages = [page(&["c/repo"], "")].into());
    let document = server
        .rbee(&[
            "model",
            "search",
            "--hub",
            "civitai",
            "--page-token",
            "p|3",
            "--json",
        ])
        .ok()
        .json();
    assert_eq!(document["hits"][0]["id"], "c/repo");
    assert_eq!(document["next_page_token"], serde_json::Value::Null);
    assert!(server.asked()[0].contains("p|3"));
}

#[test]
fn a_hub_without_end_is_left_after_some_pages() {
    let mut script = silent([]);
    script.pages = (0..100).map(|_| page(&[], "again")).collect();
    let server = Scripted::start(script);
    let said = server.rbee(&["model", "search"]).ok();
    assert!(said.stderr.contains("nothing like this"), "{said:?}");
    assert_eq!(server.asked().len(), 20);
}

#[test]
fn damage_that_is_found_fails_verify() {
    let verified = |problems| Job {
        result: Some(Outcome::Verification(Verification {
            model_count: 2,
            file_count: 3,
            size_bytes: 5 << 20,
            problems,
        })),
        ..job(JobState::Succeeded)
    };
    let server = Scripted::start(silent([verified(Vec::new())]));
    let said = server.rbee(&["model", "verify", "local:a", "local:b"]).ok();
    assert_eq!(said.stdout, "2 models, 3 files, 5.0 MiB: all good\n");
    assert!(server.asked()[0].contains("\"local:a\", \"local:b\""));

    let problem = FileProblem {
        model_id: "org/a".into(),
        file_name: "a.gguf".into(),
        kind: FileProblemKind::Damaged as i32,
        message: "its SHA-256 is another".into(),
    };
    server.change(|script| *script = silent([verified(vec![problem])]));
    let said = server.rbee(&["model", "verify"]).failed(1);
    assert!(
        said.stderr
            .contains("why: org/a: a.gguf is damaged: its SHA-256 is another"),
        "{said:?}"
    );
    let said = server.rbee(&["model", "verify", "--json"]).failed(1);
    assert_eq!(
        said.json_lines()[0]["verification"]["problems"][0]["kind"],
        "damaged"
    );
}

#[test]
fn gc_says_what_it_freed() {
    let mut script = silent([]);
    script.collected = CollectGarbageResponse {
        blob_count: 1,
        blob_bytes: 1 << 20,
        part_count: 2,
        part_bytes: 3 << 20,
    };
    let server = Scripted::start(script);
    let said = server
        .rbee(&["model", "gc", "--dry-run", "--older-than", "2h"])
        .ok();
    assert_eq!(
        said.stdout,
        "would remove 1 blob (1.0 MiB) and 2 unfinished downloads (3.0 MiB)\n"
    );
    let asked = server.asked();
    assert!(
        asked[0].contains("dry_run: true") && asked[0].contains("seconds: 7200"),
        "{asked:?}"
    );
    let document = server.rbee(&["model", "gc", "--json"]).ok().json();
    assert_eq!(document["part_bytes"], 3 << 20);
    assert!(server.asked()[0].contains("minimum_age: None"));
}

#[test]
fn a_build_shows_what_it_prints_unless_it_is_to_be_quiet() {
    let building = Job {
        phase: JobPhase::Building as i32,
        subject: "llm-worker-rbee-cpu-git".into(),
        ..job(JobState::Running)
    };
    let installed = Job {
        result: Some(Outcome::WorkerBinary(WorkerBinary {
            worker_type: WorkerType::CpuLlm as i32,
            version: "0.1.0".into(),
            ..WorkerBinary::default()
        })),
        ..job(JobState::Succeeded)
    };
    let mut script = silent([]);
    script.steps = vec![
        (building, vec!["   Compiling rbee\x1b[2J v0.1.0".into()]),
        (installed, Vec::new()),
    ];
    let server = Scripted::start(script);
    let said = server.rbee(&["worker", "install", "cpu-llm"]).ok();
    assert_eq!(said.stdout, "cpu-llm 0.1.0 is installed\n");
    // A build does not draw on the terminal.
    assert_eq!(
        said.stderr,
        "   Compiling rbee v0.1.0\nllm-worker-rbee-cpu-git: building\n"
    );
    let said = server
        .rbee(&["worker", "install", "--package", "x-bin", "--quiet"])
        .ok();
    assert!(!said.stderr.contains("Compiling"), "{said:?}");
    let asked = server.asked();
    assert!(
        asked[0].contains("CpuLlm") && asked[1].contains("package: \"x-bin\""),
        "{asked:?}"
    );

    let lines = server
        .rbee(&["worker", "install", "cpu-llm", "--json"])
        .ok()
        .json_lines();
    assert!(
        lines[0]["output_lines"][0]
            .as_str()
            .unwrap()
            .contains("Compiling")
    );
    assert!(lines[1].get("output_lines").is_none());

    server.change(|script| *script = silent([failed("PACKAGE_DEPENDENCY_MISSING", "cargo is missing")]));
    let said = server.rbee(&["worker", "install", "cpu-llm"]).failed(5);
    assert!(said.stderr.contains("rbee worker packages"), "{said:?}");
}

#[test]
fn packages_are_listed() {
    let mut script = silent([]);
    script.packages = vec![WorkerPackage {
        name: "llm-worker-rbee-cpu-git".into(),
        worker_type: WorkerType::CpuLlm as i32,
        supported: true,
        preferred: true,
        ..WorkerPackage::default()
    }];
    let server = Scripted::start(script);
    let table = server.rbee(&["worker", "packages"]).ok().stdout;
    assert!(table.contains("*  llm-worker-rbee-cpu-git  cpu-llm"), "{table}");
    let documents = server.rbee(&["worker", "packages", "--json"]).ok().json();
    assert_eq!(documents[0]["preferred"], true);
}

#[test]
fn a_cancelled_job_may_leave_nothing() {
    let server = Scripted::start(silent([job(JobState::Running)]));
    let said = server.rbee(&["job", "cancel", "0199"]).ok();
    assert_eq!(said.stdout, "cancelled 0199-job\n");
    assert!(server.asked().last().unwrap().contains("discard: false"));
    server.rbee(&["job", "cancel", "0199", "--discard"]).ok();
    assert!(server.asked().last().unwrap().contains("discard: true"));
}

fn accepted() -> SetCredentialResponse {
    SetCredentialResponse {
        credential: Some(Credential {
            vendor: Vendor::Huggingface as i32,
            origin: "https://huggingface.co".into(),
            source: CredentialSource::Stored as i32,
            set_at: None,
        }),
        checked: true,
        account: "mildred".into(),
    }
}

#[test]
fn a_token_is_read_from_a_file_or_standard_input() {
    let mut script = silent([]);
    script.login = accepted();
    let server = Scripted::start(script);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let said = server
        .rbee(&["login", "hf", "--hub-token-file", file.to_str().unwrap()])
        .ok();
    assert_eq!(
        said.stdout,
        "Hugging Face takes the token: it belongs to mildred. It is sent to https://huggingface.co only.\n"
    );
    assert!(!said.stderr.contains(TOKEN));

    let mut command = server.command(&["login", "civitai", "--token-stdin", "--json", "--log", "trace"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(TOKEN.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["account"], "mildred");
    for stream in [&output.stdout, &output.stderr] {
        assert!(
            !String::from_utf8_lossy(stream).contains(TOKEN),
            "not even in a trace"
        );
    }

    let asked = server.asked();
    assert!(
        asked[0].contains("vendor: Huggingface") && asked[1].contains("vendor: Civitai"),
        "{asked:?}"
    );
    assert_eq!(server.tokens(), [TOKEN, TOKEN]);
}

#[test]
fn a_token_that_is_typed_is_not_shown() {
    let mut script = silent([]);
    script.login = accepted();
    let server = Scripted::start(script);
    let mut terminal = Terminal::run(&server.command(&["login", "hf"]));
    terminal.wait_for("Token for Hugging Face (it is not shown):");
    terminal.press(&format!("{TOKEN}\r"));
    let shown = terminal.wait_for("it belongs to mildred");
    assert!(!shown.contains(TOKEN), "{shown}");
    assert!(terminal.wait().success());
    assert_eq!(server.tokens(), [TOKEN]);

    let mut terminal = Terminal::run(&server.command(&["login", "hf"]));
    terminal.wait_for("not shown");
    terminal.press(CTRL_C);
    terminal.wait_for("no token was kept");
    assert_eq!(terminal.wait().code(), Some(130));
    assert!(server.tokens().is_empty());
}

#[test]
fn without_a_terminal_a_login_says_how_to_give_the_token() {
    let server = Scripted::start(Script::default());
    let mut command = std::process::Command::new("setsid");
    let rbee = server.command(&["login", "hf"]);
    command
        .arg("--wait")
        .arg(rbee.get_program())
        .args(rbee.get_args());
    for (name, value) in rbee.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::null());
    let said = run(command).failed(2);
    assert!(said.stderr.contains("--token-stdin"), "{said:?}");
}

#[test]
fn a_token_that_the_hub_refuses_is_not_kept() {
    let mut script = silent([]);
    script.refusal = refusal(
        Code::PermissionDenied,
        "VENDOR_TOKEN_REJECTED",
        "it does not know it",
    );
    let server = Scripted::start(script);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    let said = server
        .rbee(&[
            "login",
            "hf",
            "--hub-token-file",
            file.to_str().unwrap(),
            "--json",
        ])
        .failed(5);
    assert_eq!(said.reason(), "VENDOR_TOKEN_REJECTED");
    assert!(!said.stderr.contains(TOKEN));
}

#[test]
fn tokens_are_forgotten_and_listed() {
    let mut script = silent([]);
    script.credentials = accepted().credential.into_iter().collect();
    let server = Scripted::start(script);
    let said = server.rbee(&["login", "hf", "--forget"]).ok();
    assert_eq!(said.stdout, "no token is kept for Hugging Face any more\n");
    assert_eq!(server.tokens(), [""]);
    let table = server.rbee(&["login", "ls"]).ok().stdout;
    assert!(
        table.contains("huggingface  https://huggingface.co  stored"),
        "{table}"
    );
    let documents = server.rbee(&["login", "ls", "--json"]).ok().json();
    assert_eq!(documents[0]["origin"], "https://huggingface.co");
}

#[test]
fn ctrl_c_without_a_terminal_leaves_the_job_alone_too() {
    let mut script = silent([downloading()]);
    script.stays_open = true;
    let server = Scripted::start(script);
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let mut command = server.command(&["model", "pull", "org/repo", "--json"]);
    command
        .stdout(std::fs::File::create(&told).unwrap())
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    wait_until("the job has begun", Duration::from_secs(30), || {
        std::fs::read_to_string(&told).unwrap().contains("downloading")
    });
    processes::signal(child.id(), "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("rbee job watch 0199-job"), "{said}");
}
