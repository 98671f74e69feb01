//! A picture that is made while the text model answers.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use serde::Serialize;
use serde_json::Value;

use super::cluster::Cluster;
use super::expect_success;
use crate::interrupt::Interrupt;
use crate::process;

/// A tiny model of the real layout with random numbers: no real one can be had from a package index.
pub(super) const MODEL: &str = "fixtures/sd/sd15-tiny/model.safetensors";
pub(super) const MODEL_NAME: &str = "noise";
pub(super) const MODEL_ID: &str = "local:noise";
const PROMPT: &str = "a bee on a flower";
const STEPS: &str = "60";
/// Smaller than what the family was made for: a picture beside an answer in little time, on a processor.
const EDGE: &str = "384";

/// `rbee image` at work.
pub(super) struct Painting {
    process: Child,
    command: Command,
    output: PathBuf,
    steps: Arc<AtomicU32>,
    reader: JoinHandle<()>,
}

/// What came of it.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Painted {
    /// The picture.
    pub(super) file: PathBuf,
    /// Steps that were made.
    pub(super) steps: u32,
    /// How many of them while the answer was being written.
    pub(super) steps_beside_the_answer: u32,
}

impl Painting {
    /// Begins; each step is told on standard error.
    pub(super) fn begin(cluster: &Cluster, output: &Path) -> Result<Self> {
        let mut command = cluster.rbee([
            "image", MODEL_ID, PROMPT, "--steps", STEPS, "--width", EDGE, "--height", EDGE, "--seed", "7",
            "--json",
        ]);
        command.arg("-o").arg(output);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command
            .spawn()
            .with_context(|| format!("cannot start {}", process::show(&command)))?;
        let stdout = process
            .stdout
            .take()
            .expect("standard output was asked for as a pipe");
        let steps = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&steps);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(words) = step_in(&line) {
                    count.fetch_add(1, Ordering::Relaxed);
                    eprintln!("    [picture: {words}]");
                }
            }
        });
        Ok(Self {
            process,
            command,
            output: output.into(),
            steps,
            reader,
        })
    }

    /// Steps so far.
    pub(super) fn steps(&self) -> u32 {
        self.steps.load(Ordering::Relaxed)
    }

    /// Waits until it is done. `beside` steps were made while the answer was.
    pub(super) fn finish(mut self, interrupt: &Interrupt, beside: u32) -> Result<Painted> {
        let status = interrupt.wait(&mut self.process)?;
        expect_success(&self.command, status)?;
        if self.reader.join().is_err() {
            bail!("reading from rbee image failed");
        }
        let file = fs::read(&self.output)?;
        if !file.starts_with(b"\x89PNG") {
            bail!("{} is no picture", self.output.display());
        }
        Ok(Painted {
            steps: self.steps.load(Ordering::Relaxed),
            steps_beside_the_answer: beside,
            file: self.output,
        })
    }

    /// Ends it without asking; after `finish` there is nothing to end.
    pub(super) fn give_up(mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `step 3 of 60, noise 7.21`, if a line of `rbee image --json` tells of a step.
fn step_in(line: &str) -> Option<String> {
    let event: Value = serde_json::from_str(line).ok()?;
    if event["event"] != "step" {
        return None;
    }
    let (step, total) = (event["step"].as_u64()?, event["total_steps"].as_u64()?);
    Some(format!(
        "step {step} of {total}, noise {:.2}",
        event["sigma"].as_f64()?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_told_and_nothing_else() {
        let step = r#"{"event":"step","image":0,"step":3,"total_steps":60,"sigma":7.214,"ms":12.0}"#;
        assert_eq!(step_in(step).as_deref(), Some("step 3 of 60, noise 7.21"));
        assert_eq!(step_in(r#"{"event":"started","seed":7}"#), None);
        assert_eq!(step_in("no JSON"), None);
    }
}
