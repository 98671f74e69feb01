//! What the process module promises, on real processes.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rbee_hive::domain::{Exit, Failure, Report};
use rbee_hive::log::{Log, Logs};
use rbee_hive::process::{Launched, Launcher, WorkerCommand, capture, environment, kill_leftovers};

/// Long enough for a loaded machine; nothing here waits that long when it works.
const DEADLINE: Duration = Duration::from_secs(20);

fn shell(script: &str, folder: &Path) -> WorkerCommand {
    WorkerCommand {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: environment::for_worker(std::env::vars_os(), &BTreeMap::new(), folder),
        folder: folder.into(),
        token: "secret-token".into(),
        cgroup: None,
    }
}

fn log_in(folder: &Path, limit_bytes: u64) -> Log {
    Logs::open(folder.join("logs"), limit_bytes)
        .unwrap()
        .of(&"w".parse().unwrap())
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !holds() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what}: not within {DEADLINE:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether a process runs: a zombie doesn't.
fn runs(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .trim_start()
            .starts_with('Z')
    })
}

/// Starts a script that prints the id of a process that it forked, and gives that.
async fn launch_with_child(launcher: &Launcher, script: &str, folder: &Path) -> (Launched, u32) {
    use tokio::io::AsyncReadExt as _;
    let mut launched = launcher.launch(shell(script, folder)).await.unwrap();
    let mut text = String::new();
    while !text.ends_with('\n') {
        let mut buffer = [0; 64];
        let count = launched.stdout.read(&mut buffer).await.unwrap();
        assert!(count > 0, "it ended after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    (launched, text.trim().parse().unwrap())
}

#[tokio::test]
async fn output_is_read_and_exits_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let launcher = Launcher::start().unwrap();
    let script =
        r#"read token; echo "got $token"; echo 'rbee-worker: {"event":"ready"}'; echo to-stderr >&2; exit 7"#;
    let Launched {
        process,
        stdout,
        stderr,
    } = launcher.launch(shell(script, folder.path())).await.unwrap();
    let log = log_in(folder.path(), 0);
    log.hive_line("not the worker's");
    let mut output = capture("w", stdout, stderr, log);
    assert_eq!(process.wait().await, Exit::Code(7));
    assert_eq!(output.drain(DEADLINE).await, [Report::Ready]);
    let lines: BTreeSet<_> = output.tail(10).into_iter().collect();
    assert_eq!(
        lines,
        BTreeSet::from(["got secret-token".to_owned(), "to-stderr".to_owned()])
    );
    let streams: BTreeSet<_> = output
        .log
        .tail(10)
        .iter()
        .map(|line| line.stream.name())
        .collect();
    assert_eq!(streams, BTreeSet::from(["err", "hive", "out"]));
    output.log.flushed().await;
    let file = folder.path().join("logs/w/00000000000000000000.log");
    assert!(
        std::fs::read_to_string(file)
            .unwrap()
            .contains(" err to-stderr\n")
    );
}

#[tokio::test]
async fn a_token_that_is_written_is_concealed_in_log_and_reports() {
    let folder = tempfile::tempdir().unwrap();
    let launcher = Launcher::start().unwrap();
    let script = r#"read token; echo "my token is $token!"; printf '%s' "$token" >&2
        echo "rbee-worker: {\"event\":\"failed\",\"reason\":\"MODEL_CORRUPT\",\"message\":\"$token\"}""#;
    let command = shell(script, folder.path());
    let log = log_in(folder.path(), 0);
    log.conceal(&command.token);
    let Launched {
        process,
        stdout,
        stderr,
    } = launcher.launch(command).await.unwrap();
    let mut output = capture("w", stdout, stderr, log);
    assert_eq!(process.wait().await, Exit::Code(0));
    let reports = output.drain(DEADLINE).await;
    assert_eq!(
        reports,
        [Report::Failed(Failure::new("MODEL_CORRUPT", "[token]"))]
    );
    let lines: BTreeSet<_> = output.tail(10).into_iter().collect();
    assert_eq!(
        lines,
        BTreeSet::from(["my token is [token]!".to_owned(), "[token]".to_owned()])
    );
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let launcher = Launcher::start().unwrap();
    let command = WorkerCommand {
        program: "/no/such/worker".into(),
        ..shell("", folder.path())
    };
    let error = launcher.launch(command).await.unwrap_err();
    assert!(error.to_string().contains("/no/such/worker"), "{error}");
}

#[tokio::test]
async fn one_that_ignores_the_request_to_leave_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let launcher = Launcher::start().unwrap();
    let (launched, child) = launch_with_child(
        &launcher,
        "trap '' TERM; sleep 600 & echo $!; while :; do wait; done",
        folder.path(),
    )
    .await;
    let exit = launched.process.stop(Duration::from_millis(100)).await;
    assert_eq!(exit, Exit::Signal(9));
    until("its child is gone too", || !runs(child)).await;
}

#[tokio::test]
async fn one_that_heeds_it_leaves_on_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let launcher = Launcher::start().unwrap();
    let script = "trap 'exit 3' TERM; sleep 600 & echo $!; while :; do wait; done";
    let (launched, child) = launch_with_child(&launcher, script, folder.path()).await;
    assert_eq!(launched.process.stop(DEADLINE).await, Exit::Code(3));
    until("its child is gone too", || !runs(child)).await;
}

#[tokio::test]
async fn what_it_forked_ends_with_it_even_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let launcher = Launcher::start().unwrap();
    let script = "sh -c 'trap \"\" TERM HUP; exec sleep 600' & echo $!; kill -SEGV $$";
    let (launched, child) = launch_with_child(&launcher, script, folder.path()).await;
    assert_eq!(launched.process.wait().await, Exit::Signal(11));
    until("its child is gone too", || !runs(child)).await;
}

#[tokio::test]
async fn dropping_a_process_ends_it_and_what_it_forked() {
    let folder = tempfile::tempdir().unwrap();
    let launcher = Launcher::start().unwrap();
    let (launched, child) = launch_with_child(&launcher, "sleep 600 & echo $!; wait", folder.path()).await;
    let leader = launched.process.id();
    drop(launched);
    until("both are gone", || !runs(leader) && !runs(child)).await;
    until("it was reaped", || {
        !Path::new(&format!("/proc/{leader}")).exists()
    })
    .await;
}

#[tokio::test]
async fn it_leads_its_own_group_in_its_own_folder_and_dies_with_its_launcher() {
    let folder = tempfile::tempdir().unwrap();
    let launcher = Launcher::start().unwrap();
    let (launched, child) = launch_with_child(&launcher, "sleep 600 & echo $!; wait", folder.path()).await;
    let leader = launched.process.id();
    let group = nix::unistd::getpgid(Some(Pid::from_raw(leader.cast_signed()))).unwrap();
    assert_eq!(group.as_raw().cast_unsigned(), leader);
    let cwd = std::fs::read_link(format!("/proc/{leader}/cwd")).unwrap();
    assert_eq!(cwd, folder.path().canonicalize().unwrap());

    // What happens when a hive is killed: the thread that forked is gone.
    drop(launcher);
    assert_eq!(launched.process.wait().await, Exit::Signal(9));
    until("its child is gone too", || !runs(child)).await;
}

#[tokio::test]
async fn it_inherits_three_descriptors_and_little_environment() {
    let folder = tempfile::tempdir().unwrap();
    // A descriptor that would be inherited, as a shell may leave one to the hive.
    let leaky = std::fs::File::open("/dev/null").unwrap();
    nix::fcntl::fcntl(&leaky, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    assert!(leaky.as_raw_fd() > 2);

    let launcher = Launcher::start().unwrap();
    let (launched, _) = launch_with_child(&launcher, "sleep 600 & echo $!; wait", folder.path()).await;
    let id = launched.process.id();
    let descriptors: BTreeSet<_> = std::fs::read_dir(format!("/proc/{id}/fd"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(descriptors, BTreeSet::from(["0", "1", "2"].map(str::to_owned)));

    let environ = std::fs::read(format!("/proc/{id}/environ")).unwrap();
    let environ = String::from_utf8_lossy(&environ).into_owned();
    assert!(environ.contains(environment::FOLDER_MARK));
    // Cargo sets many; none is for a worker.
    assert!(!environ.contains("CARGO"), "{environ}");
    drop(launched);
}

#[tokio::test]
async fn the_token_is_on_no_command_line_and_in_no_environment() {
    let folder = tempfile::tempdir().unwrap();
    let launcher = Launcher::start().unwrap();
    let (launched, _) = launch_with_child(&launcher, "sleep 600 & echo $!; wait", folder.path()).await;
    for file in ["cmdline", "environ"] {
        let content = std::fs::read(format!("/proc/{}/{file}", launched.process.id())).unwrap();
        assert!(
            !String::from_utf8_lossy(&content).contains("secret-token"),
            "{file}"
        );
    }
}

#[tokio::test]
async fn leftovers_are_told_from_strangers() {
    let workers = tempfile::tempdir().unwrap();
    let (ours, others) = (workers.path().join("w-1"), workers.path().join("deeper/w-2"));
    std::fs::create_dir_all(&ours).unwrap();
    std::fs::create_dir_all(&others).unwrap();
    let spawn = |folder: &Path| {
        let mut command = std::process::Command::new("sleep");
        command
            .arg("600")
            .env(environment::FOLDER_MARK, folder)
            .spawn()
            .unwrap()
    };
    let (mut leftover, mut stranger) = (spawn(&ours), spawn(&others));
    assert_eq!(kill_leftovers(workers.path()), 1);
    let status = leftover.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    assert!(runs(stranger.id()));
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn a_flood_of_log_is_bounded_in_memory_and_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let launcher = Launcher::start().unwrap();
    // 12 MB in long and short lines, the last without an end.
    let script = "i=0; while [ $i -lt 2000 ]; do printf '%06000d\n' $i; i=$((i+1)); done; printf last";
    let Launched {
        process,
        stdout,
        stderr,
    } = launcher.launch(shell(script, folder.path())).await.unwrap();
    let limit = 1 << 20;
    let mut output = capture("w", stdout, stderr, log_in(folder.path(), limit));
    assert_eq!(process.wait().await, Exit::Code(0));
    output.drain(DEADLINE).await;
    let tail = output.tail(10_000);
    assert!(tail.len() >= 100);
    assert!(
        tail.iter().map(String::len).sum::<usize>() <= 512 << 10,
        "what memory holds"
    );
    assert_eq!(tail.last().unwrap(), "last");
    assert!(tail.iter().all(|line| line.len() < 4200));
    output.log.flushed().await;
    let on_disk: u64 = std::fs::read_dir(folder.path().join("logs/w"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!((limit / 2..=limit).contains(&on_disk), "{on_disk}");
}

#[tokio::test]
async fn signals_go_nowhere_once_it_is_reaped() {
    let folder = tempfile::tempdir().unwrap();
    let launcher = Launcher::start().unwrap();
    let launched = launcher.launch(shell("exit 0", folder.path())).await.unwrap();
    assert_eq!(launched.process.wait().await, Exit::Code(0));
    let id = Pid::from_raw(launched.process.id().cast_signed());
    assert!(kill(id, None).is_err(), "it is reaped");
    launched.process.terminate();
    launched.process.kill();
    assert_eq!(launched.process.stop(Duration::ZERO).await, Exit::Code(0));
    assert_ne!(kill(id, Signal::SIGTERM), Ok(()));
}
