//! Where a build finds its programs.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// The `PATH` of a build after the operator's folders; those that don't exist do no harm.
const SYSTEM_FOLDERS: [&str; 8] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    // CUDA, where Arch and NVIDIA's own packages put it.
    "/opt/cuda/bin",
    "/usr/local/cuda/bin",
];

/// rustc answers at once, unless rustup has to fetch it first.
const RUSTC_PATIENCE: Duration = Duration::from_secs(20);

/// The folders in which a build finds its programs.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    folders: Vec<PathBuf>,
    /// Folders outside the system's own that a confined build must be able to read.
    readable: Vec<PathBuf>,
}

impl Tools {
    /// Looks for the tools: the operator's folders first, then the Rust toolchain of whoever runs this
    /// program, then the system's.
    ///
    /// rustup keeps toolchains in the user's home and puts stand-ins into `PATH` that need its settings. A
    /// build gets the toolchain itself, which needs neither, and no home.
    pub(crate) async fn find(own: &[PathBuf]) -> Self {
        let mut folders = own.to_vec();
        let mut readable = own.to_vec();
        if let Some(toolchain) = rust_toolchain().await {
            folders.push(toolchain.join("bin"));
            readable.push(toolchain);
        }
        folders.extend(SYSTEM_FOLDERS.map(PathBuf::from));
        Self { folders, readable }
    }

    /// The value of `PATH`. Folders with a `:` in their names, which it can't hold, are left out.
    pub(crate) fn path(&self) -> String {
        let folders: Vec<&str> = self
            .folders
            .iter()
            .filter_map(|folder| folder.to_str())
            .filter(|folder| !folder.contains(':'))
            .collect();
        folders.join(":")
    }

    pub(crate) fn readable(&self) -> &[PathBuf] {
        &self.readable
    }

    /// The file that a build would start under this name.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        self.folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|path| is_executable(path))
    }
}

/// The folder of the Rust toolchain that this program's own environment leads to, if it is not the system's.
async fn rust_toolchain() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo/bin"));
    let folders: Vec<PathBuf> = std::env::split_paths(&path).chain(home).collect();
    let rustc = folders
        .iter()
        .map(|folder| folder.join("rustc"))
        .find(|path| is_executable(path))?;
    let mut command = Command::new(rustc);
    command
        .args(["--print", "sysroot"])
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(RUSTC_PATIENCE, command.output())
        .await
        .ok()?
        .ok()?;
    let sysroot = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    let is_own = !["/usr", "/bin"].iter().any(|system| sysroot.starts_with(system));
    (output.status.success() && is_own && is_executable(&sysroot.join("bin/cargo"))).then_some(sysroot)
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn programs_are_found_as_a_shell_finds_them() {
        let tools = Tools::find(&["/nowhere".into(), "/odd:name".into()]).await;
        assert!(tools.program("sh").is_some_and(|path| path.is_absolute()));
        assert_eq!(tools.program("no-such-program"), None);
        // Cargo runs this test, so there is one to be found.
        assert!(tools.program("cargo").is_some(), "{tools:?}");
        assert!(tools.path().starts_with("/nowhere:"), "{}", tools.path());
        assert!(!tools.path().contains("odd"), "{}", tools.path());
    }
}
