//! Three network namespaces, each with a virtual cable to a switch in the client's.
//!
//! A test that wants them runs itself again in a network namespace of its own ([`enter_or_explain`]), so that
//! nothing of the machine's network is touched and nothing is left behind.

use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};

use crate::network::Host;

/// Set in the run within a namespace.
const INSIDE: &str = "RBEE_TEST_INSIDE_NAMESPACE";
const SWITCH: &str = "switch";
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 254);

/// Where a test stands.
pub(crate) enum Standing {
    /// In a namespace of its own: go on.
    Inside,
    /// Outside, and the run inside has passed, or there can be none here: done.
    Done,
}

/// Runs the test `name` again in a network namespace. Where the system gives none, says so.
pub(crate) fn enter_or_explain(name: &str) -> Standing {
    if std::env::var_os(INSIDE).is_some() {
        return Standing::Inside;
    }
    // As root, or as an ordinary user where these may be root of a namespace of their own.
    let ways: [&[&str]; 2] = [&["--net"], &["--map-root-user", "--net"]];
    let can = |way: &&&[&str]| {
        let mut probe = Command::new("unshare");
        probe
            .args(**way)
            .args(["ip", "link", "add", SWITCH, "type", "bridge"]);
        let probed = probe.stdin(Stdio::null()).output();
        probed.is_ok_and(|output| output.status.success())
    };
    let Some(way) = ways.iter().find(can) else {
        // Past the test harness's capture: it must be seen that this was not tried.
        let _ = Command::new("sh")
            .args(["-c", "echo 'SKIPPED: no network namespace can be had here (unshare, ip); the same runs with relays' >&2"])
            .status();
        return Standing::Done;
    };
    let status = Command::new("unshare")
        .args(*way)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(
        status.success(),
        "the run within a network namespace failed: {status}"
    );
    Standing::Done
}

/// The namespaces. They are gone with the processes that hold them.
pub(crate) struct Namespaces {
    holders: Vec<(Host, Child)>,
}

impl Namespaces {
    /// Makes a namespace for each host, and plugs all of them into one switch.
    pub(crate) fn build() -> Self {
        ip(&["link", "add", SWITCH, "type", "bridge"]);
        ip(&["addr", "add", &format!("{CLIENT}/24"), "dev", SWITCH]);
        ip(&["link", "set", SWITCH, "up"]);
        ip(&["link", "set", "lo", "up"]);
        let mut namespaces = Self { holders: Vec::new() };
        for host in Host::ALL {
            namespaces.add(host);
        }
        namespaces
    }

    fn add(&mut self, host: Host) {
        let holder = Command::new("unshare")
            // It ends with its standard input, which ends with this process.
            .args(["--net", "sh", "-c", "echo; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut holder = holder.unwrap();
        // What it says comes from within.
        let mut said = [0; 1];
        std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut said).unwrap();
        let id = holder.id().to_string();
        self.holders.push((host, holder));
        let name = host.name();
        ip(&[
            "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", &id,
        ]);
        ip(&["link", "set", name, "master", SWITCH, "up"]);
        let address = format!("{}/24", Self::address(host));
        for line in [
            &["addr", "add", &address, "dev", "eth0"][..],
            &["link", "set", "eth0", "up"],
            &["link", "set", "lo", "up"],
        ] {
            run(self.enter(host).arg("ip").args(line));
        }
    }

    pub(crate) fn address(host: Host) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, host.number())
    }

    /// The beginning of a command within a host's namespace.
    pub(crate) fn enter(&self, host: Host) -> Command {
        let (_, holder) = self.holders.iter().find(|(held, _)| *held == host).unwrap();
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &holder.id().to_string(), "--"]);
        command
    }

    /// Takes a host's cable out of the switch: what is sent either way is lost.
    pub(crate) fn unplug(&self, host: Host) {
        ip(&["link", "set", host.name(), "nomaster"]);
    }

    /// Plugs it in again.
    pub(crate) fn plug_in(&self, host: Host) {
        ip(&["link", "set", host.name(), "master", SWITCH]);
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for (_, holder) in &mut self.holders {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

fn ip(arguments: &[&str]) {
    run(Command::new("ip").args(arguments));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}
