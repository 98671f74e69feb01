//! The scripted worker as a process: that it does what it is told, so that tests of its hive test its hive.
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use rbee_proto::worker::v1::text_service_client::TextServiceClient;
use rbee_proto::worker::v1::worker_service_client::WorkerServiceClient;
use rbee_proto::worker::v1::{
    CompleteRequest, CompleteResponse, GetInfoRequest, WorkerLoad, complete_response,
};
use rbee_service_kit::RemoteFault;
use rbee_service_kit::client::{ClientChannel, unix_channel};
use rbee_service_kit::reason;
use rbee_testkit::scripted_worker::{Act, Script, Starts, last_words};
use tempfile::TempDir;
use tonic::{Code, Status, Streaming};

const DEADLINE: Duration = Duration::from_secs(30);

/// A worker without a hive, killed with its group when the test ends.
struct Worker {
    folder: TempDir,
    child: Child,
}

impl Worker {
    fn start(script: &Script) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = start_in(folder.path(), script);
        Self { folder, child }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn channel(&self) -> ClientChannel {
        unix_channel(&self.path().join("socket"), Some(&"secret".to_owned().into())).unwrap()
    }

    /// Waits until it says that it is ready, and answers what it wrote until then.
    fn until_ready(&mut self) -> Vec<String> {
        let stdout = self.child.stdout.as_mut().unwrap();
        let mut lines = Vec::new();
        for line in BufReader::new(stdout).lines() {
            let line = line.unwrap();
            if line == r#"rbee-worker: {"event":"ready"}"# {
                return lines;
            }
            lines.push(line);
        }
        panic!("it ended before it was ready: {lines:?}");
    }

    fn ended(&mut self) -> ExitStatus {
        ended(&mut self.child)
    }

    fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    async fn complete(&self, prompt: &str) -> Result<Streaming<CompleteResponse>, Status> {
        let request = CompleteRequest {
            prompt: prompt.into(),
            ..CompleteRequest::default()
        };
        let answer = TextServiceClient::new(self.channel()).complete(request).await;
        answer.map(tonic::Response::into_inner)
    }

    async fn load(&self) -> WorkerLoad {
        let mut client = WorkerServiceClient::new(self.channel());
        let info = client.get_info(GetInfoRequest {}).await.unwrap();
        info.into_inner().load.unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = killpg(pid(&self.child), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

fn start_in(folder: &Path, script: &Script) -> Child {
    std::fs::write(folder.join("model"), script.to_model()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_scripted-worker"))
        .args(["--worker-id", "w-1", "--model", "model", "--socket"])
        .arg(folder.join("socket"))
        .current_dir(folder)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "secret").unwrap();
    child
}

fn ended(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn loading(acts: Vec<Act>) -> Script {
    Script {
        loading: acts,
        ..Script::default()
    }
}

#[test]
fn it_ends_as_it_is_told() {
    for code in [0, 1, 139] {
        let mut worker = Worker::start(&loading(vec![Act::Exit(code)]));
        assert_eq!(worker.ended().code(), Some(code));
    }
    for signal in [
        Signal::SIGSEGV,
        Signal::SIGKILL,
        Signal::SIGABRT,
        Signal::SIGILL,
        Signal::SIGBUS,
    ] {
        let mut worker = Worker::start(&loading(vec![Act::Signal(signal as i32)]));
        assert_eq!(worker.ended().signal(), Some(signal as i32));
    }
    let said = last_words::CUDA_OUT_OF_MEMORY;
    let mut worker = Worker::start(&loading(vec![Act::Say(said.into()), Act::Exit(1)]));
    assert_eq!(worker.ended().code(), Some(1));
    let mut stderr = String::new();
    let mut pipe = worker.child.stderr.take().unwrap();
    pipe.read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr.trim(), said);
}

#[test]
fn it_leaves_when_its_hive_does_or_says_so() {
    let mut worker = Worker::start(&Script::default());
    worker.until_ready();
    drop(worker.child.stdin.take());
    assert_eq!(worker.ended().code(), Some(0));

    let mut worker = Worker::start(&Script::default());
    worker.until_ready();
    kill(pid(&worker.child), Signal::SIGTERM).unwrap();
    assert_eq!(worker.ended().code(), Some(0));

    let deaf = Script {
        ignore_term: true,
        ..Script::default()
    };
    let mut worker = Worker::start(&deaf);
    worker.until_ready();
    for _ in 0..3 {
        kill(pid(&worker.child), Signal::SIGTERM).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(worker.is_running());
}

#[test]
fn only_the_starts_that_are_meant_go_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let script = Script {
        starts: Some(Starts::first(2, &folder.path().join("starts"))),
        ..loading(vec![Act::Exit(7)])
    };
    for _ in 0..2 {
        assert_eq!(ended(&mut start_in(folder.path(), &script)).code(), Some(7));
    }
    let child = start_in(folder.path(), &script);
    Worker { folder, child }.until_ready();
}

#[test]
fn what_it_forks_stays_in_its_group_or_leaves_it() {
    for (act, stays) in [(Act::Fork, true), (Act::Flee, false)] {
        let mut worker = Worker::start(&loading(vec![act]));
        let lines = worker.until_ready();
        let forked = lines.iter().find_map(|line| line.strip_prefix("forked process "));
        let forked = Pid::from_raw(forked.unwrap().parse().unwrap());
        let own = pid(&worker.child);
        let deadline = Instant::now() + DEADLINE;
        while (nix::unistd::getpgid(Some(forked)).unwrap() == own) != stays {
            assert!(Instant::now() < deadline, "{forked} is in the wrong group");
            std::thread::sleep(Duration::from_millis(5));
        }
        kill(forked, Signal::SIGKILL).unwrap();
    }
}

#[test]
fn it_floods_its_log_and_takes_memory() {
    let mut worker = Worker::start(&loading(vec![Act::Flood(None)]));
    let stdout = worker.child.stdout.as_mut().unwrap();
    let lines = BufReader::new(stdout).lines().map(Result::unwrap);
    let flooded = lines.filter(|line| line.contains("of a flood"));
    assert_eq!(flooded.take(20_000).count(), 20_000);

    let leak = Act::Leak {
        mib_per_second: 1000,
        up_to_mib: 60,
    };
    let worker = Worker::start(&loading(vec![leak]));
    let resident_pages = || -> u64 {
        let statistics = std::fs::read_to_string(format!("/proc/{}/statm", worker.child.id())).unwrap();
        statistics.split(' ').nth(1).unwrap().parse().unwrap()
    };
    let deadline = Instant::now() + DEADLINE;
    while resident_pages() * 4096 < 60 << 20 {
        assert!(Instant::now() < deadline, "{} pages", resident_pages());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn one_that_hangs_answers_nothing_and_can_still_be_told_to_exit() {
    let mut worker = Worker::start(&Script::default());
    worker.until_ready();
    let mut client = WorkerServiceClient::new(worker.channel());
    client.get_info(GetInfoRequest {}).await.unwrap();
    Act::Hang.put(worker.path()).unwrap();
    let deadline = Instant::now() + DEADLINE;
    loop {
        let asked = client.get_info(GetInfoRequest {});
        if tokio::time::timeout(Duration::from_millis(300), asked)
            .await
            .is_err()
        {
            break;
        }
        assert!(Instant::now() < deadline, "it goes on answering");
    }
    kill(pid(&worker.child), Signal::SIGTERM).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert!(worker.is_running(), "it hears no signal either");
    Act::Exit(9).put(worker.path()).unwrap();
    assert_eq!(worker.ended().code(), Some(9));
}

#[tokio::test]
async fn a_message_tells_it_what_to_do_now() {
    let mut worker = Worker::start(&Script::default());
    worker.until_ready();
    let mut answer = worker.complete("one two three").await.unwrap();
    let first = answer.message().await.unwrap().unwrap().event.unwrap();
    assert!(
        matches!(first, complete_response::Event::Started(started) if started.prompt_tokens == 3),
        "{first:?}"
    );
    let status = worker.complete(&Act::Exit(5).to_message()).await.unwrap_err();
    assert_ne!(status.code(), Code::Ok);
    assert_eq!(worker.ended().code(), Some(5));
}

#[tokio::test]
async fn it_counts_what_it_does() {
    let script = Script {
        slots: 1,
        queue: 1,
        tokens: 1_000_000,
        ..Script::default()
    };
    let mut worker = Worker::start(&script);
    worker.until_ready();
    let mut running = worker.complete("go").await.unwrap();
    for _ in 0..4 {
        running.message().await.unwrap().unwrap();
    }
    let mut client = TextServiceClient::new(worker.channel());
    let waiting = tokio::spawn(async move { client.complete(CompleteRequest::default()).await.map(|_| ()) });
    let deadline = Instant::now() + DEADLINE;
    while worker.load().await.waiting_requests == 0 {
        assert!(Instant::now() < deadline, "nobody waits");
    }
    let load = worker.load().await;
    assert_eq!((load.running_requests, load.waiting_requests), (1, 1));
    assert_eq!((load.slot_count, load.queue_length), (1, 1));
    assert!(
        load.generated_tokens >= 3 && load.prefilled_tokens == 1,
        "{load:?}"
    );

    let full = RemoteFault::from(&worker.complete("no room").await.unwrap_err());
    assert!(
        full.is(reason::QUEUE_FULL) && full.retry_after.is_some(),
        "{full:?}"
    );
    drop(running);
    waiting.await.unwrap().unwrap();
    while worker.load().await.running_requests > 0 {
        assert!(Instant::now() < deadline, "it goes on generating");
    }
}

#[tokio::test]
async fn a_flood_of_tokens_comes_without_a_pause_and_whole() {
    let script = Script {
        tokens: 20_000,
        token_ms: 0,
        ..Script::default()
    };
    let mut worker = Worker::start(&script);
    worker.until_ready();
    let mut answer = worker.complete("go").await.unwrap();
    let mut messages = 0;
    while answer.message().await.unwrap().is_some() {
        messages += 1;
    }
    assert_eq!(messages, 20_002);
    assert_eq!(worker.load().await.generated_tokens, 20_000);
}

#[tokio::test]
async fn one_that_stalls_answers_health_and_nothing_else() {
    let mut worker = Worker::start(&Script::default());
    worker.until_ready();
    let stall = Act::Stall.to_message();
    let stalled = worker.complete(&stall);
    tokio::time::timeout(Duration::from_millis(200), stalled)
        .await
        .unwrap_err();
    let mut client = WorkerServiceClient::new(worker.channel());
    let asked = client.get_info(GetInfoRequest {});
    tokio::time::timeout(Duration::from_millis(200), asked)
        .await
        .unwrap_err();
    let mut health = tonic_health::pb::health_client::HealthClient::new(worker.channel());
    let request = tonic_health::pb::HealthCheckRequest::default();
    let answer = tokio::time::timeout(DEADLINE, health.check(request))
        .await
        .unwrap();
    assert_eq!(answer.unwrap().into_inner().status, 1, "SERVING");
}
