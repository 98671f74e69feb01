//! `cargo xtask bench download`: throughput against `curl | sha256sum`, memory, and a kill at half.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::interrupt::{self, Interrupt};
use crate::process;
use crate::workspace::Workspace;

#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// Size of the file, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    size: u64,
    /// How often each takes its turn; the median counts.
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Connections of our side (one is what it takes on loopback by itself).
    #[arg(long, value_name = "N", default_value_t = 1)]
    connections: usize,
    /// Where the file is downloaded to [default: rbee's folder in the user's cache].
    #[arg(long, value_name = "FOLDER")]
    folder: Option<std::path::PathBuf>,
    /// For scripts: the last line of standard output is one JSON object.
    #[arg(long)]
    json: bool,
}

/// What the hub says of itself.
#[derive(Deserialize)]
struct Served {
    url: String,
    sha256: String,
}

/// What our side says of a download.
#[derive(Deserialize)]
struct Downloaded {
    size_bytes: u64,
    resumed_bytes: u64,
    sha256: String,
    peak_resident_kib: Option<u64>,
}

/// The result, as it is printed.
#[derive(Serialize)]
struct Report {
    size_bytes: u64,
    rounds: usize,
    connections: usize,
    curl_sha256sum_seconds: Vec<f64>,
    /// The same with openssl, which uses the processor's SHA instructions where sha256sum may not; empty without it.
    curl_openssl_seconds: Vec<f64>,
    rbee_seconds: Vec<f64>,
    /// Median throughput of ours, which writes the file too, by that of curl into sha256sum.
    ratio: f64,
    /// And into openssl.
    ratio_openssl: Option<f64>,
    peak_resident_kib: u64,
    /// Claimed by the part when the process was killed, and found there by the next.
    killed_at_bytes: u64,
    resumed_bytes: u64,
    resume_seconds: f64,
}

/// Both programs and what they work on.
struct Bench<'a> {
    interrupt: &'a Interrupt,
    program: &'a Path,
    served: &'a Served,
    size_bytes: u64,
    connections: usize,
    folder: &'a Path,
}

/// Measures. Exit status: 0 measured; 1 something failed or ended wrong; 130 interrupted.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let build = [
        "--release",
        "--locked",
        "--package",
        "rbee-download",
        "--examples",
    ];
    process::run(workspace.cargo("build").args(build))?;
    let examples = workspace.target.join("release/examples");
    let interrupt = Interrupt::listen(interrupt::ALL)?;
    let folder = super::work_folder(workspace, arguments.folder.as_deref())?;
    let size_bytes = arguments.size << 20;
    let (mut hub, served) = serve(&examples.join("serve_pattern"), size_bytes)?;
    let bench = Bench {
        interrupt: &interrupt,
        program: &examples.join("download"),
        served: &served,
        size_bytes,
        connections: arguments.connections,
        folder: folder.path(),
    };
    let report = bench.measure(arguments.rounds.max(1));
    hub.kill()
        .and_then(|()| hub.wait())
        .context("cannot end the hub")?;
    let report = report?;
    show(&report);
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts the hub; it has hashed its file when it says where it is.
fn serve(program: &Path, size_bytes: u64) -> Result<(Child, Served)> {
    let mut hub = Command::new(program)
        .arg(size_bytes.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let mut line = String::new();
    let stdout = hub.stdout.take().context("the hub's output is a pipe")?;
    BufReader::new(stdout).read_line(&mut line)?;
    let served = serde_json::from_str(&line).context("the hub said nothing that can be understood")?;
    Ok((hub, served))
}

impl Bench<'_> {
    fn measure(&self, rounds: usize) -> Result<Report> {
        let (mut sha256sum, mut openssl, mut rbee, mut peak) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let has_openssl = process::succeeds("openssl", &["version"]);
        self.curl_into("sha256sum")?; // so that none is the first to touch anything
        for _ in 0..rounds {
            sha256sum.push(self.curl_into("sha256sum")?);
            if has_openssl {
                openssl.push(self.curl_into("openssl dgst -sha256")?);
            }
            let (seconds, done) = self.rbee()?;
            ensure!(done.resumed_bytes == 0, "there was a part already");
            peak = peak.max(done.peak_resident_kib.unwrap_or(0));
            rbee.push(seconds);
            self.clear()?;
        }
        let killed_at_bytes = self.killed_at_half()?;
        let (resume_seconds, done) = self.rbee()?;
        ensure!(
            done.resumed_bytes >= killed_at_bytes && killed_at_bytes >= self.size_bytes / 2,
            "killed at {killed_at_bytes} bytes, it found only {}",
            done.resumed_bytes
        );
        Ok(Report {
            size_bytes: self.size_bytes,
            rounds,
            connections: self.connections,
            ratio: median(&sha256sum) / median(&rbee),
            ratio_openssl: has_openssl.then(|| median(&openssl) / median(&rbee)),
            curl_sha256sum_seconds: sha256sum,
            curl_openssl_seconds: openssl,
            rbee_seconds: rbee,
            peak_resident_kib: peak.max(done.peak_resident_kib.unwrap_or(0)),
            killed_at_bytes,
            resumed_bytes: done.resumed_bytes,
            resume_seconds,
        })
    }

    /// Seconds that curl into a program that hashes takes.
    fn curl_into(&self, hash: &str) -> Result<f64> {
        self.interrupt.check()?;
        let begun = Instant::now();
        let pipe = format!("curl -sSfL \"$1\" | {hash}");
        let output = process::run_quietly(Command::new("sh").args(["-c", &pipe, "sh", &self.served.url]))?;
        let seconds = begun.elapsed().as_secs_f64();
        let digest = String::from_utf8_lossy(&output.stdout);
        ensure!(digest.contains(&self.served.sha256), "curl got another file");
        Ok(seconds)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command
            .arg(&self.served.url)
            .arg(self.folder)
            .args(["--name", "f", "--keep", "--sha256", &self.served.sha256])
            .args(["--size", &self.size_bytes.to_string()])
            .args(["--connections", &self.connections.to_string()]);
        command
    }

    /// Seconds that our download takes, from the start of the process to its end, and what it says.
    fn rbee(&self) -> Result<(f64, Downloaded)> {
        self.interrupt.check()?;
        let begun = Instant::now();
        let output = process::run_quietly(&mut self.command())?;
        let seconds = begun.elapsed().as_secs_f64();
        let done: Downloaded = serde_json::from_slice(&output.stdout)?;
        let right = done.size_bytes == self.size_bytes && done.sha256.ends_with(&self.served.sha256);
        ensure!(right, "the download ended wrong: {}", done.sha256);
        Ok((seconds, done))
    }

    /// Kills a download once its part claims half of the file: bytes claimed by then.
    fn killed_at_half(&self) -> Result<u64> {
        let mut child = self
            .command()
            .args(["--flush-ms", "200"])
            .stdout(Stdio::null())
            .spawn()?;
        loop {
            self.interrupt.check().inspect_err(|_| drop(child.kill()))?;
            let claimed = self.claimed();
            if claimed >= self.size_bytes / 2 {
                child.kill()?;
                child.wait()?;
                return Ok(self.claimed());
            }
            if let Some(status) = child.try_wait()? {
                bail!("the download ended before it was killed: {status}; take a larger --size");
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Bytes that the part's state claims.
    fn claimed(&self) -> u64 {
        let state = fs::read(self.folder.join("f.part.json")).unwrap_or_default();
        let state: serde_json::Value = serde_json::from_slice(&state).unwrap_or_default();
        let ranges = state["done"].as_array().into_iter().flatten();
        ranges
            .filter_map(|range| Some(range[1].as_u64()? - range[0].as_u64()?))
            .sum()
    }

    fn clear(&self) -> Result<()> {
        for entry in fs::read_dir(self.folder)? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        0 => sorted[middle - 1].midpoint(sorted[middle]),
        _ => sorted[middle],
    }
}

fn show(report: &Report) {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let row = |name: &str, seconds: &[f64]| {
        let times: Vec<String> = seconds.iter().map(|seconds| format!("{seconds:.2}")).collect();
        let speed = mib(report.size_bytes) / median(seconds);
        println!("{name:<18} {speed:>7.0} MiB/s   ({} s)", times.join(", "));
    };
    println!(
        "\n{:.0} MiB from a hub on loopback, in turns:",
        mib(report.size_bytes)
    );
    row("curl | sha256sum", &report.curl_sha256sum_seconds);
    if let Some(ratio) = report.ratio_openssl {
        row("curl | openssl", &report.curl_openssl_seconds);
        row("rbee", &report.rbee_seconds);
        println!("{:<18} {ratio:>7.2} of curl | openssl", "ratio");
    } else {
        row("rbee", &report.rbee_seconds);
    }
    println!("{:<18} {:>7.2} of curl | sha256sum", "ratio", report.ratio);
    println!(
        "{:<18} {:>7.1} MiB",
        "peak resident",
        report.peak_resident_kib as f64 / 1024.0
    );
    println!(
        "killed (-9) at {:.0} MiB; the next went on at {:.0} MiB and ended right after {:.2} s",
        mib(report.killed_at_bytes),
        mib(report.resumed_bytes),
        report.resume_seconds
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_counts() {
        assert_eq!(median(&[9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
