//! Our side: the example `measure` for the engine alone, and the real worker for what a client sees.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context as _, ensure};
use rbee_proto::worker::v1::complete_response::Event;
use rbee_proto::worker::v1::text_service_client::TextServiceClient;
use rbee_proto::worker::v1::{CompleteRequest, SamplingParameters, StopConditions};
use rbee_service_kit::client::{ClientChannel, unix_channel};
use secrecy::SecretString;
use serde_json::Value;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// What the engine does by itself.
pub(crate) fn engine(
    worker: &Path,
    model: &Path,
    threads: usize,
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let measure = worker
        .parent()
        .context("a program lies in a folder")?
        .join("examples/measure");
    let output = Command::new(&measure)
        .arg(model)
        .args(["--threads", &threads.to_string(), "--runs", "1"])
        .args(["--chats", "1,8", "--json"])
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", measure.display()))?;
    ensure!(output.status.success(), "`measure` failed: {}", output.status);
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let names = [
        ("prefill 128", "prefill_128"),
        ("prefill 512", "prefill_512"),
        ("decode", "decode_1"),
        ("8 chats, engine alone", "decode_8"),
    ];
    names
        .into_iter()
        .map(|(measure, name)| Ok((measure, report[name].as_f64().context("a number is missing")?)))
        .collect()
}

/// The worker, running; killed when dropped.
pub(crate) struct Worker {
    child: Child,
    /// Open as long as the worker is to live.
    _stdin: ChildStdin,
    client: TextServiceClient<ClientChannel>,
    socket: PathBuf,
}

impl Worker {
    /// Starts it as a hive does, and waits until it is ready.
    pub(crate) fn start(
        program: &Path,
        folder: &Path,
        model: &Path,
        threads: usize,
        slots: usize,
    ) -> anyhow::Result<Self> {
        let socket = folder.join("w.sock");
        let mut child = Command::new(program)
            .args(["--worker-id", "w1", "--model-id", "local:bench", "--log", "warn"])
            .args(["--threads", &threads.to_string(), "--slots", &slots.to_string()])
            .arg("--model")
            .arg(model)
            .arg("--socket")
            .arg(&socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        writeln!(stdin, "{TOKEN}")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let ready = lines.any(|line| line.contains("\"ready\""));
        std::thread::spawn(move || lines.for_each(drop));
        let channel = unix_channel(&socket, Some(&SecretString::from(TOKEN)))?;
        let worker = Self {
            child,
            _stdin: stdin,
            client: TextServiceClient::new(channel),
            socket,
        };
        ensure!(ready, "the worker ended without being ready");
        Ok(worker)
    }

    /// Continues a prompt greedily; how many tokens came.
    pub(crate) async fn complete(&self, prompt: &str, tokens: u32) -> anyhow::Result<u32> {
        let request = CompleteRequest {
            prompt: prompt.to_owned(),
            sampling: Some(SamplingParameters {
                temperature: Some(0.0),
                ..SamplingParameters::default()
            }),
            stop: Some(StopConditions {
                max_tokens: Some(tokens),
                ignore_end_of_generation: true,
                ..StopConditions::default()
            }),
            ..CompleteRequest::default()
        };
        let mut stream = self.client.clone().complete(request).await?.into_inner();
        while let Some(response) = stream.message().await? {
            if let Some(Event::Finished(finished)) = response.event {
                return Ok(finished.usage.unwrap_or_default().completion_tokens);
            }
        }
        anyhow::bail!("the answer has no end")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}
