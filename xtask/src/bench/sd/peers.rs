//! PyTorch with diffusers, and stable-diffusion.cpp: Python packages in a folder of the user's cache.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context as _, Result};
use fs_err as fs;

use crate::system::{self, Need};
use crate::workspace::Workspace;
use crate::{process, tools};

const PYTORCH: [&str; 3] = ["torch==2.15.0", "diffusers==0.42.1", "transformers"];
/// Built here, for this very processor.
const SD_CPP: &str = "stable-diffusion-cpp-python==0.4.7";

const PYTORCH_PROGRAM: &str = include_str!("pytorch.py");
const SD_CPP_PROGRAM: &str = include_str!("sd_cpp.py");

/// Where the packages are.
pub(super) struct Peers {
    folder: PathBuf,
}

impl Peers {
    /// Installs what is not there yet.
    pub(super) fn install(workspace: &Workspace) -> Result<Self> {
        let folder = workspace.cache.join("bench/sd-peers");
        let peers = Self { folder };
        if !peers.folder.join("finished").is_file() {
            system::ensure(&[Need::Pip, Need::CCompiler])?;
            eprintln!(
                "cargo xtask: installing PyTorch and building stable-diffusion.cpp in {} (some ten minutes, several gigabytes, once)",
                peers.folder.display()
            );
            fs::create_dir_all(&peers.folder)?;
            peers.add(&PYTORCH, |pip| pip)?;
            let jobs = available_parallelism().map_or(1, usize::from).to_string();
            peers.add(&[SD_CPP], |pip| {
                pip.args(["--no-binary", "stable-diffusion-cpp-python"])
                    .env("CMAKE_ARGS", "-DGGML_NATIVE=ON")
                    .env("CMAKE_BUILD_PARALLEL_LEVEL", jobs)
            })?;
            fs::write(peers.folder.join("finished"), "")?;
        }
        Ok(peers)
    }

    fn add(&self, packages: &[&str], how: impl FnOnce(&mut Command) -> &mut Command) -> Result<()> {
        let mut pip = tools::pip("install");
        pip.arg("--upgrade")
            .arg("--target")
            .arg(self.folder.join("packages"));
        process::run_quietly(how(&mut pip).args(packages))
            .with_context(|| format!("cannot install {} with pip", packages.join(", ")))?;
        Ok(())
    }

    fn python(&self, program: &str) -> Command {
        let mut command = Command::new("python3");
        command
            .env("PYTHONPATH", self.folder.join("packages"))
            .args(["-c", program]);
        command
    }

    /// A program that times PyTorch in f32 and bf16.
    pub(super) fn pytorch(&self, rounds: usize, threads: usize) -> Command {
        let mut command = self.python(PYTORCH_PROGRAM);
        command.args([rounds.to_string(), threads.to_string()]);
        command
    }

    /// A program that times stable-diffusion.cpp on a model.
    pub(super) fn sd_cpp(&self, model: &Path, rounds: usize, threads: usize) -> Command {
        let mut command = self.python(SD_CPP_PROGRAM);
        command.arg(model).args([rounds.to_string(), threads.to_string()]);
        command
    }
}
