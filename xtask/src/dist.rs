//! `cargo xtask dist`: what people install, in `dist/`.
//!
//! ```text
//! dist/programs/…                          the stripped programs; deploy/docker/Dockerfile copies them
//! dist/rbee-0.1.0-x86_64-linux.tar.gz      programs, units, completions, licences, docs
//! dist/rbee_0.1.0_amd64.deb                the same for Debian and its relatives
//! dist/SHA256SUMS
//! ```
//!
//! Packing is reproducible: names are sorted, owners are root, times are `SOURCE_DATE_EPOCH` or that of the last commit.

mod archive;
mod debian;
mod layout;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use sha2::{Digest, Sha256};

use crate::process;
use crate::system::{self, Need};
use crate::test::ALL;
use crate::workspace::Workspace;

/// The programs and the packages that they are of.
const PROGRAMS: &[(&str, &str)] = &[
    ("rbee", "rbee"),
    ("rbee-catalog", "rbee-catalog"),
    ("rbee-provisioner", "rbee-provisioner"),
    ("rbee-hive", "rbee-hive"),
    ("llm-worker-rbee-cpu", "llm-worker-rbee"),
    ("sd-worker-rbee-cpu", "sd-worker-rbee"),
];

#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// Only the programs, into dist/programs: what images are made of.
    #[arg(long)]
    programs_only: bool,
    /// Programs of the dev profile, for tests; no archives are made of them.
    #[arg(long, requires = "programs_only")]
    dev: bool,
    /// Pack the stripped programs of this folder instead of building any.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["programs_only", "dev"])]
    programs: Option<PathBuf>,
    /// The window too, where the system's webview is installed.
    #[arg(long)]
    keeper: bool,
    /// Where to put it all.
    #[arg(long, value_name = "DIR", default_value = "dist")]
    out: PathBuf,
}

/// Builds and packs.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let out = workspace.root.join(&arguments.out);
    let mut programs: Vec<(&str, &str)> = PROGRAMS.to_vec();
    if arguments.keeper {
        programs.push(("rbee-keeper", "rbee-keeper"));
    }
    if arguments.dev {
        programs.push(("scripted-hub", "rbee-testkit"));
    }
    let folder = match &arguments.programs {
        Some(folder) => workspace.root.join(folder),
        None => {
            build(workspace, arguments, &programs)?;
            let folder = out.join("programs");
            stage(workspace, arguments.dev, &programs, &folder)?;
            folder
        }
    };
    if arguments.programs_only {
        println!("{}", folder.display());
        return Ok(ExitCode::SUCCESS);
    }
    let time = source_date(workspace)?;
    let version = env!("CARGO_PKG_VERSION");
    fs::create_dir_all(&out)?;
    let entries = layout::entries(workspace, &folder, &programs, version)?;
    let name = format!(
        "rbee-{version}-{}-{}",
        std::env::consts::ARCH,
        std::env::consts::OS
    );
    let tarball = out.join(format!("{name}.tar.gz"));
    fs::write(&tarball, archive::tar_gz(&layout::below(&entries, &name), time)?)?;
    let architecture = debian::architecture(std::env::consts::ARCH)?;
    let package = out.join(format!("rbee_{version}_{architecture}.deb"));
    fs::write(
        &package,
        debian::package(workspace, &entries, version, architecture, time)?,
    )?;
    let made = [tarball, package];
    fs::write(out.join("SHA256SUMS"), sums(&made)?)?;
    for file in &made {
        println!("{}  {} MB", file.display(), fs::metadata(file)?.len() / 1_000_000);
    }
    Ok(ExitCode::SUCCESS)
}

fn build(workspace: &Workspace, arguments: &Arguments, programs: &[(&str, &str)]) -> Result<()> {
    system::ensure(&[Need::CCompiler])?;
    let mut command = workspace.cargo("build");
    if arguments.dev {
        // As the tests build them, so that nothing is compiled twice.
        return process::run(command.args(ALL).args(["--bins", "--tests"]));
    }
    command.args(["--release", "--locked"]);
    for (program, package) in programs {
        command.args(["--package", package, "--bin", program]);
    }
    if arguments.keeper {
        command.args(["--features", "rbee-keeper/desktop"]);
    }
    process::run(&mut command)
}

/// Copies the programs without their symbols. What an earlier run left there is removed.
fn stage(workspace: &Workspace, dev: bool, programs: &[(&str, &str)], folder: &Path) -> Result<()> {
    let built = workspace.target.join(if dev { "debug" } else { "release" });
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    for (program, _) in programs {
        let mut strip = workspace.tool("strip");
        strip.arg("-o").arg(folder.join(program)).arg(built.join(program));
        process::run_quietly(&mut strip)?;
    }
    Ok(())
}

/// The time that everything in the archives has: `SOURCE_DATE_EPOCH`, else that of the last commit.
fn source_date(workspace: &Workspace) -> Result<u64> {
    if let Ok(set) = std::env::var("SOURCE_DATE_EPOCH") {
        return set
            .trim()
            .parse()
            .with_context(|| format!("SOURCE_DATE_EPOCH is `{set}`, which is no number of seconds"));
    }
    let output = process::run_quietly(workspace.tool("git").args(["log", "-1", "--format=%ct"]))
        .context("set SOURCE_DATE_EPOCH: this is no git checkout that could say when it was written")?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.trim().parse() {
        Ok(time) => Ok(time),
        Err(_) => bail!("git says that the last commit is of `{}`", text.trim()),
    }
}

/// Lines as `sha256sum --check` reads them.
fn sums(files: &[PathBuf]) -> Result<String> {
    let mut lines = String::new();
    for file in files {
        let name = file
            .file_name()
            .context("a file has a name")?
            .to_string_lossy()
            .into_owned();
        let digest = hex::encode(Sha256::digest(fs::read(file)?));
        lines.push_str(&format!("{digest}  {name}\n"));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_as_sha256sum_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.txt");
        std::fs::write(&file, "abc").unwrap();
        assert_eq!(
            sums(&[file]).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a.txt\n"
        );
    }

    #[test]
    fn the_dockerfile_builds_the_same_programs() {
        let text = include_str!("../../deploy/docker/Dockerfile");
        for (program, package) in PROGRAMS {
            assert!(text.contains(&format!("-p {package}")), "{package}");
            assert!(text.contains(&format!(" {program}")), "{program}");
        }
    }
}
