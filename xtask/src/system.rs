//! System packages: what is missing is installed with apt, or named in one clear line.

use std::env;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

use crate::process;

/// Something of the system that a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A C compiler: Rust links with it.
    CCompiler,
    /// Python 3 with pip: models and tools come as Python packages.
    Pip,
    /// git: tidy asks it which files belong to the repository.
    Git,
    /// bubblewrap: the builds of worker packages are tested confined, too.
    Bubblewrap,
    /// The system's webview with its headers: Keeper's window is built on it.
    Webview,
    /// A screen of a test's own, and what looks at it.
    Screen,
}

impl Need {
    /// The commands that work when the need is met.
    fn tried(self) -> &'static [&'static str] {
        match self {
            Need::CCompiler => &["cc --version"],
            Need::Pip => &["python3 -m pip --version"],
            Need::Git => &["git --version"],
            Need::Bubblewrap => &["bwrap --version"],
            // xdo has no pkg-config file: its header is found by the compiler's own search.
            Need::Webview => &["pkg-config --exists webkit2gtk-4.1", "test -e /usr/include/xdo.h"],
            Need::Screen => &["which Xvfb", "which xdotool", "which import"],
        }
    }

    /// The first of those commands that does not work.
    fn lacking(self) -> Option<&'static str> {
        self.tried().iter().copied().find(|command| {
            let words: Vec<&str> = command.split(' ').collect();
            !process::succeeds(words[0], &words[1..])
        })
    }

    /// The Debian and Ubuntu packages that meet it.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Need::CCompiler => &["build-essential"],
            Need::Pip => &["python3", "python3-pip"],
            Need::Git => &["git", "ca-certificates"],
            Need::Bubblewrap => &["bubblewrap"],
            Need::Webview => &["libwebkit2gtk-4.1-dev", "libxdo-dev", "pkg-config"],
            Need::Screen => &["xvfb", "xdotool", "imagemagick", "fonts-dejavu-core"],
        }
    }
}

/// How this user can run apt.
#[derive(Debug, PartialEq, Eq)]
enum Apt {
    AsRoot,
    ThroughSudo,
    Unavailable(&'static str),
}

/// Makes sure that every need is met, and says first what it will install.
pub(crate) fn ensure(needs: &[Need]) -> Result<()> {
    let missing: Vec<Need> = needs
        .iter()
        .copied()
        .filter(|need| need.lacking().is_some())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = packages_of(&missing).join(" ");
    let prefix: &[&str] = match find_apt() {
        Apt::AsRoot => &[],
        Apt::ThroughSudo => &["sudo"],
        Apt::Unavailable(why) => {
            bail!("missing system packages, and {why}; please install (Debian/Ubuntu names): {packages}")
        }
    };
    eprintln!("cargo xtask: installing missing system packages with apt: {packages}");
    for arguments in [&["update"][..], &["install", "--yes", "--no-install-recommends"]] {
        let mut words = prefix
            .iter()
            .copied()
            .chain(["apt-get"])
            .chain(arguments.iter().copied());
        let mut command = Command::new(words.next().expect("apt-get at least"));
        command.args(words).env("DEBIAN_FRONTEND", "noninteractive");
        if arguments[0] == "install" {
            command.args(packages.split(' '));
        }
        // Package managers talk on standard output, which belongs to the command's result.
        command.stdout(io::stderr());
        process::run(&mut command).with_context(|| format!("please install by hand: {packages}"))?;
    }
    match missing.iter().find_map(|need| need.lacking()) {
        Some(still) => bail!(
            "`{still}` still does not work after installing {packages}: does another one come first on PATH?"
        ),
        None => Ok(()),
    }
}

/// rustfmt and clippy are parts of the Rust toolchain, which xtask leaves as it is.
pub(crate) fn ensure_rust_components() -> Result<()> {
    let missing: Vec<&str> = [("rustfmt", "cargo-fmt"), ("clippy", "cargo-clippy")]
        .into_iter()
        .filter(|(_, program)| !process::succeeds(program, &["--version"]))
        .map(|(component, _)| component)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(" ");
    bail!("the Rust toolchain has no {missing}; add it with: rustup component add {missing}")
}

fn packages_of(needs: &[Need]) -> Vec<&'static str> {
    needs.iter().flat_map(|need| need.packages()).copied().collect()
}

fn find_apt() -> Apt {
    apt_for(
        is_on_path("apt-get"),
        Uid::effective().is_root(),
        is_on_path("sudo"),
        io::stdin().is_terminal() || process::succeeds("sudo", &["-n", "true"]),
    )
}

/// `may_ask`: sudo needs no password, or there is somebody to type one.
fn apt_for(has_apt: bool, is_root: bool, has_sudo: bool, may_ask: bool) -> Apt {
    match (has_apt, is_root, has_sudo, may_ask) {
        (false, ..) => Apt::Unavailable("this system has no apt-get"),
        (_, true, ..) => Apt::AsRoot,
        (_, _, true, true) => Apt::ThroughSudo,
        (_, _, true, false) => Apt::Unavailable("sudo wants a password that nobody is here to type"),
        (_, _, false, _) => Apt::Unavailable("only root can install them (there is no sudo)"),
    }
}

fn is_on_path(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
        || Path::new("/usr/bin").join(program).is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_is_used_by_those_who_may() {
        assert_eq!(apt_for(true, true, false, false), Apt::AsRoot);
        assert_eq!(apt_for(true, false, true, true), Apt::ThroughSudo);
        for (has_apt, is_root, has_sudo, may_ask) in [
            (false, true, true, true),
            (true, false, false, true),
            (true, false, true, false),
        ] {
            let found = apt_for(has_apt, is_root, has_sudo, may_ask);
            assert!(matches!(found, Apt::Unavailable(_)), "{found:?}");
        }
    }

    #[test]
    fn every_need_names_its_packages() {
        let names = packages_of(&[
            Need::CCompiler,
            Need::Pip,
            Need::Git,
            Need::Bubblewrap,
            Need::Webview,
            Need::Screen,
        ]);
        assert_eq!(
            names,
            [
                "build-essential",
                "python3",
                "python3-pip",
                "git",
                "ca-certificates",
                "bubblewrap",
                "libwebkit2gtk-4.1-dev",
                "libxdo-dev",
                "pkg-config",
                "xvfb",
                "xdotool",
                "imagemagick",
                "fonts-dejavu-core"
            ]
        );
    }
}
