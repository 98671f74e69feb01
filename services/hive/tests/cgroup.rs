//! What control groups promise, on the kernel's own, in a folder of the test's own. Where none can be made (no version
//! 2, a read-only mount) each test says so and ends; the parts that need no kernel are tested beside the code.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rbee_hive::domain::Exit;
use rbee_hive::process::{
    CgroupSetting, Cgroups, Launched, Launcher, WorkerCgroup, WorkerCommand, environment,
};
use rbee_testkit::control_group::{ControlGroup, processes};
use tokio::io::AsyncReadExt as _;

/// Long enough for a loaded machine; nothing here waits that long when it works.
const DEADLINE: Duration = Duration::from_secs(30);

fn groups_in(place: &ControlGroup, hive_id: &str) -> Cgroups {
    Cgroups::detect(&CgroupSetting::Folder(place.folder().into()), hive_id).unwrap()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn runs(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

/// Starts a script in a group and reads the number that it prints first.
async fn launch(launcher: &Launcher, group: &WorkerCgroup, folder: &Path, script: &str) -> (Launched, u32) {
    let command = WorkerCommand {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: environment::for_worker(std::env::vars_os(), &BTreeMap::new(), folder),
        folder: folder.into(),
        token: "secret-token".into(),
        cgroup: group.entrance(),
    };
    let mut launched = launcher.launch(command).await.unwrap();
    let mut text = String::new();
    while !text.ends_with('\n') {
        let mut buffer = [0; 32];
        let count = launched.stdout.read(&mut buffer).await.unwrap();
        assert!(count > 0, "it ended after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    (launched, text.trim().parse().unwrap())
}

#[tokio::test]
async fn a_worker_is_in_its_group_with_all_it_forks_and_what_it_uses_is_counted() {
    let Some(place) = ControlGroup::make("usage") else {
        return;
    };
    let groups = groups_in(&place, "hive-1");
    let group = groups.create("bee-1", None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let launcher = Launcher::start().unwrap();
    let script = "sleep 600 & echo $!; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; wait";
    let (launched, child) = launch(&launcher, &group, folder.path(), script).await;
    let processes = groups.processes("bee-1").unwrap();
    assert!(
        processes.contains(&launched.process.id()) && processes.contains(&child),
        "{processes:?}"
    );
    until("processor time is counted", || {
        groups.usage("bee-1").unwrap().cpu.unwrap() > Duration::from_millis(20)
    })
    .await;
    launched.process.stop(Duration::ZERO).await;
    assert_eq!(group.oom_kills(), 0);
    drop(group);
    assert_eq!(groups.usage("bee-1"), None);
    until("the group is gone", || {
        std::fs::read_dir(place.folder().join("rbee-hive-1"))
            .unwrap()
            .flatten()
            .all(|entry| !entry.path().is_dir())
    })
    .await;
}

#[tokio::test]
async fn one_that_left_the_process_group_ends_too() {
    let Some(place) = ControlGroup::make("setsid") else {
        return;
    };
    let groups = groups_in(&place, "hive-1");
    let folder = tempfile::tempdir().unwrap();
    let launcher = Launcher::start().unwrap();
    // It forgets the mark in its environment as well, leads a session of its own, and holds no pipe.
    let script = "setsid env -i sleep 600 >/dev/null 2>&1 & echo $!; wait";
    for drops in [false, true] {
        let group = groups.create("bee-1", None).unwrap();
        let (launched, _) = launch(&launcher, &group, folder.path(), script).await;
        let leader = launched.process.id();
        let other = || group.processes().into_iter().find(|id| *id != leader);
        until("the other is there and has left the group", || {
            other().is_some_and(|id| {
                let id = nix::unistd::Pid::from_raw(id.cast_signed());
                nix::unistd::getsid(Some(id)).is_ok_and(|session| session == id)
            })
        })
        .await;
        let other = other().unwrap();
        launched.process.kill();
        assert_eq!(launched.process.wait().await, Exit::Signal(9));
        assert!(runs(other), "killing the process group does not reach it");
        if drops {
            drop(group);
        } else {
            group.kill();
        }
        until("it is gone", || !runs(other)).await;
    }
}

#[tokio::test]
async fn what_an_earlier_hive_left_is_ended_and_what_is_others_is_not() {
    let Some(place) = ControlGroup::make("leftovers") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let launcher = Launcher::start().unwrap();
    let (earlier, neighbour) = (groups_in(&place, "hive-1"), groups_in(&place, "hive-2"));
    let left = earlier.create("bee-1", None).unwrap();
    let others = neighbour.create("bee-1", None).unwrap();
    let script = "echo $$; sleep 600";
    let (first, first_id) = launch(&launcher, &left, folder.path(), script).await;
    let (_second, second_id) = launch(&launcher, &others, folder.path(), script).await;
    // As after `kill -9` of the hive: nobody has cleaned.
    std::mem::forget(left);

    let next = groups_in(&place, "hive-1");
    assert_eq!(first.process.wait().await, Exit::Signal(9));
    assert!(!runs(first_id) && runs(second_id));
    let home = place.folder().join("rbee-hive-1");
    let groups = || {
        std::fs::read_dir(&home)
            .unwrap()
            .flatten()
            .filter(|entry| entry.path().is_dir())
    };
    until("nothing is left", || groups().count() == 0).await;
    drop(next.create("bee-1", None).unwrap());
    drop(next);
    until("its own folder is gone", || !home.exists()).await;
}

#[tokio::test]
async fn beyond_its_limit_a_worker_ends_and_why_is_certain() {
    let Some(place) = ControlGroup::make("memory") else {
        return;
    };
    let groups = groups_in(&place, "hive-1");
    let limit = 64 << 20;
    let group = groups.create("bee-1", Some(limit)).unwrap();
    if group.memory_limit_bytes().is_none() {
        eprintln!("skipped: the memory controller is not in this hierarchy");
        return;
    }
    assert_eq!(group.memory_limit_bytes(), Some(limit));
    let folder = tempfile::tempdir().unwrap();
    let launcher = Launcher::start().unwrap();
    // Two processes: with one of them all is ended.
    let script = "sleep 600 & echo $!; exec tail -c 1G /dev/zero";
    let (launched, child) = launch(&launcher, &group, folder.path(), script).await;
    let exit = tokio::time::timeout(DEADLINE, launched.process.wait())
        .await
        .unwrap();
    assert_eq!(exit, Exit::Signal(9));
    assert!(group.oom_kills() >= 1);
    until("what it forked is gone too", || !runs(child)).await;
}

#[test]
fn nobody_elses_group_is_taken() {
    // The test runner is in the group that this process is in, or it is the system's own.
    let groups = Cgroups::detect(&CgroupSetting::Auto, "hive-1").unwrap();
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    if let Some(group) = groups.create("bee-1", None) {
        assert!(own.contains("0::"), "{own}");
        assert!(group.processes().is_empty());
    }
    assert_eq!(
        std::fs::read_to_string("/proc/self/cgroup").unwrap(),
        own,
        "it did not move"
    );
}

/// A hive in a group, and the first thing that it says of control groups.
struct Hive {
    process: Child,
    said: String,
}

impl Hive {
    /// Starts one in `group`, with the default settings.
    fn start(group: &Path, data: &Path) -> Self {
        // The shell enters the group and becomes the hive.
        let script = "echo 0 > \"$0/cgroup.procs\" && exec \"$@\"";
        let mut process = Command::new("/bin/sh")
            .args(["-c", script])
            .arg(group)
            .arg(env!("CARGO_BIN_EXE_rbee-hive"))
            .args(["--listen", "127.0.0.1:0", "--folder"])
            .arg(data.join("hive"))
            .arg("--store")
            .arg(data.join("store"))
            .env("RBEE_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let (sender, inbox) = std::sync::mpsc::channel();
        // Reads on, so that the hive is never held up, until it ends.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let said = loop {
            let line = inbox.recv_timeout(DEADLINE).unwrap();
            if line.contains("control groups") {
                break line;
            }
        };
        Self { process, said }
    }

    fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Hive {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Marks a group as systemd marks one that it hands to a service.
fn delegate(group: &Path) {
    let path = std::ffi::CString::new(group.to_str().unwrap()).unwrap();
    // SAFETY: both strings end with a null byte, and the value has the length that is said.
    let result = unsafe {
        nix::libc::setxattr(
            path.as_ptr(),
            c"user.delegate".as_ptr(),
            b"1".as_ptr().cast(),
            1,
            0,
        )
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

fn names(place: &ControlGroup) -> Vec<String> {
    let groups = place.inner().into_iter();
    groups
        .map(|group| group.file_name().unwrap().to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_group_that_was_given_to_the_hive_is_used() {
    let Some(place) = ControlGroup::make("given") else {
        return;
    };
    delegate(place.folder());
    let data = tempfile::tempdir().unwrap();
    let hive = Hive::start(place.folder(), data.path());
    assert!(hive.said.contains("workers get control groups"), "{}", hive.said);
    assert_eq!(
        processes(place.folder()),
        [] as [u32; 0],
        "a group that hands on has none"
    );
    assert_eq!(processes(&place.folder().join("hive")), [hive.id()]);
    let groups = names(&place);
    assert!(groups.iter().any(|name| name.starts_with("rbee-")), "{groups:?}");
}

#[test]
fn a_group_that_nobody_gave_to_the_hive_is_left_alone() {
    let Some(place) = ControlGroup::make("kept") else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let hive = Hive::start(place.folder(), data.path());
    assert!(hive.said.contains("was not delegated"), "{}", hive.said);
    assert_eq!(processes(place.folder()), [hive.id()]);
    assert_eq!(names(&place), [] as [&str; 0]);
}

#[test]
fn a_group_with_others_in_it_is_left_alone() {
    let Some(place) = ControlGroup::make("shared") else {
        return;
    };
    delegate(place.folder());
    let mut other = Command::new("sleep").arg("600").spawn().unwrap();
    std::fs::write(place.folder().join("cgroup.procs"), other.id().to_string()).unwrap();
    let data = tempfile::tempdir().unwrap();
    let hive = Hive::start(place.folder(), data.path());
    assert!(hive.said.contains("others run in its group too"), "{}", hive.said);
    assert_eq!(processes(place.folder()).len(), 2);
    assert_eq!(names(&place), [] as [&str; 0]);
    drop(hive);
    other.kill().unwrap();
    other.wait().unwrap();
}
