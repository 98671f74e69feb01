#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Instant;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(20);

fn script(folder: &tempfile::TempDir, body: &str) -> PathBuf {
    let path = folder.path().join("program");
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

async fn ask(body: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    version(&script(&folder, body), WorkerType::CpuLlm, TIMEOUT).await
}

#[tokio::test]
async fn a_worker_says_its_version() {
    assert_eq!(ask("echo llm-worker-rbee-cpu 0.1.0").await, Ok("0.1.0".into()));
    assert_eq!(
        ask("[ \"$1\" = --version ] && echo llm-worker-rbee-cpu 1.2.3-rc.1+x; echo more").await,
        Ok("1.2.3-rc.1+x".into())
    );
}

#[tokio::test]
async fn whoever_is_not_the_worker_is_refused_in_words() {
    for (body, words) in [
        ("echo llm-worker-rbee-cuda 0.1.0", "llm-worker-rbee-cpu VERSION"),
        ("echo llm-worker-rbee-cpu", "llm-worker-rbee-cpu VERSION"),
        ("echo llm-worker-rbee-cpu 0.1 beta", "llm-worker-rbee-cpu VERSION"),
        ("true", "it said \"\""),
        ("echo libfoo.so is missing >&2; exit 127", "libfoo.so is missing"),
        ("kill -9 $$", "signal"),
    ] {
        let problem = ask(body).await.unwrap_err();
        assert!(problem.contains(words), "{problem}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = script(&folder, "true");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let problem = version(&path, WorkerType::CpuLlm, TIMEOUT).await.unwrap_err();
    assert!(problem.contains("chmod"), "{problem}");
}

#[tokio::test]
async fn the_environment_is_clean() {
    // Cargo sets this for every test.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let said = ask("echo llm-worker-rbee-cpu \"${CARGO_MANIFEST_DIR:-none}\"").await;
    assert_eq!(said, Ok("none".into()));
}

#[tokio::test]
async fn one_that_hangs_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("pid");
    let path = script(
        &folder,
        &format!("/bin/sleep 600 & echo $! > {}; wait", pid_file.display()),
    );
    let asking = version(&path, WorkerType::CpuLlm, Duration::from_secs(2));
    let problem = asking.await.unwrap_err();
    assert!(problem.contains("did not answer within 2s"), "{problem}");
    let child: i32 = std::fs::read_to_string(&pid_file)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let deadline = Instant::now() + TIMEOUT;
    while !is_gone(child) {
        assert!(Instant::now() < deadline, "its child lives on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Gone, or dead and only waiting for somebody to notice.
fn is_gone(pid: i32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Err(_) => nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_err(),
        Ok(stat) => stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('Z')),
    }
}

#[tokio::test]
async fn much_output_is_no_trouble() {
    let problem = ask("/usr/bin/head -c 3000000 /dev/zero | /usr/bin/tr '\\0' x")
        .await
        .unwrap_err();
    assert!(problem.len() < 500, "{problem}");
}
