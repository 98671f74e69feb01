//! What a build can see and touch.
//!
//! With [bubblewrap](https://github.com/containers/bubblewrap) a build sees the system's programs read-only,
//! its own folders, and nothing else: no home, no other process, no network unless it is given. All that
//! it starts is in a process namespace of its own, whose end is the end of each of them. Where `bwrap` is
//! missing or the kernel refuses it (inside some containers), builds run with the rights of this program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;

/// What the operator wants of confinement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfinementPolicy {
    /// Builds run confined where `bwrap` works, else with the rights of this program.
    #[default]
    WhereAvailable,
    /// Builds that can't be confined are refused.
    Required,
    /// Builds are never confined.
    Off,
}

/// How builds are run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confinement {
    /// Within bubblewrap.
    Bubblewrap {
        /// The program.
        program: PathBuf,
    },
    /// With the rights of this program.
    None {
        /// Why, in words.
        why: String,
    },
}

/// Folders of the system that builds may read.
const SYSTEM: [&str; 9] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix/store",
];
/// What programs read of the system's settings: names, certificates, time. No `/etc` as a whole, in which there
/// are secrets too.
const SETTINGS: [&str; 18] = [
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pki",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl",
];
const PROBE_PATIENCE: Duration = Duration::from_secs(10);

/// What a program is started with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    pub(crate) read_only: Vec<PathBuf>,
    pub(crate) writable: Vec<PathBuf>,
    /// What is seen as `/tmp`.
    pub(crate) temporary: PathBuf,
    pub(crate) network: bool,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) folder: PathBuf,
}

impl Confinement {
    /// Finds out how builds can be run here, by trying it.
    pub(crate) async fn probe(policy: ConfinementPolicy, bwrap: Option<PathBuf>) -> Self {
        let none = |why: &str| Self::None { why: why.to_owned() };
        if policy == ConfinementPolicy::Off {
            return none("it is switched off");
        }
        if !cfg!(target_os = "linux") {
            return none("bubblewrap is for Linux only");
        }
        let Some(program) = bwrap else {
            return none("bubblewrap is not installed");
        };
        let confinement = Self::Bubblewrap { program };
        let access = Access {
            temporary: std::env::temp_dir(),
            folder: "/".into(),
            ..Access::default()
        };
        let mut command = confinement.command("true".as_ref(), &access);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        match tokio::time::timeout(PROBE_PATIENCE, command.output()).await {
            Ok(Ok(output)) if output.status.success() => confinement,
            Ok(Ok(output)) => {
                let said = String::from_utf8_lossy(&output.stderr);
                none(&format!(
                    "the system does not allow bubblewrap: {}",
                    super::first_line(&said)
                ))
            }
            Ok(Err(error)) => none(&format!("bubblewrap can't be started: {error}")),
            Err(_) => none("bubblewrap does not answer"),
        }
    }

    /// Whether builds are confined.
    #[must_use]
    pub fn is_confined(&self) -> bool {
        matches!(self, Self::Bubblewrap { .. })
    }

    /// A command for `program`, to which its arguments are to be added. Killing it kills, if confined, all that
    /// it starts.
    pub(crate) fn command(&self, program: &Path, access: &Access) -> Command {
        let mut command = match self {
            Self::None { .. } => Command::new(program),
            Self::Bubblewrap { program: bwrap } => {
                let mut command = Command::new(bwrap);
                confine(&mut command, access);
                command.arg("--").arg(program);
                command
            }
        };
        command
            .env_clear()
            .envs(&access.environment)
            .current_dir(&access.folder)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        command
    }
}

fn confine(command: &mut Command, access: &Access) {
    command.args([
        "--unshare-user-try",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
    ]);
    if !access.network {
        command.arg("--unshare-net");
    }
    // The parent is the thread that starts it: one of the runtime's, which all live as long as this program.
    command.args(["--die-with-parent", "--new-session"]);
    for folder in SYSTEM {
        // Distributions make /bin a link to /usr/bin; a link stays one, so that paths mean the same.
        match std::fs::read_link(folder) {
            Ok(target) => command.arg("--symlink").arg(target).arg(folder),
            Err(_) => command.args(["--ro-bind-try", folder, folder]),
        };
    }
    for file in SETTINGS {
        command.args(["--ro-bind-try", file, file]);
    }
    command.args(["--proc", "/proc", "--dev", "/dev"]);
    // Before the folders, which may lie below it.
    command.arg("--bind").arg(&access.temporary).arg("/tmp");
    for folder in &access.read_only {
        command.arg("--ro-bind-try").arg(folder).arg(folder);
    }
    for folder in &access.writable {
        command.arg("--bind").arg(folder).arg(folder);
    }
    // What bubblewrap itself had to make on the way to these folders is not to be written to, or a program
    // installed there would be lost without a word.
    command.args(["--remount-ro", "/"]);
    command.arg("--chdir").arg(&access.folder);
}
