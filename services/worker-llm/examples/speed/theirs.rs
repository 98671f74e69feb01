//! Their side: `llama-bench` for the engine alone, and `llama-server` for what a client sees.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long the server may take to load a model.
const DEADLINE: Duration = Duration::from_secs(60);

/// What the engine does by itself.
pub(crate) fn engine(
    folder: &Path,
    model: &Path,
    threads: usize,
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let program = folder.join("llama-bench");
    let output = Command::new(&program)
        .arg("-m")
        .arg(model)
        .args(["-t", &threads.to_string(), "-p", "128,512", "-n", "64", "-r", "1"])
        .args(["-ctk", "f16", "-ctv", "f16", "-o", "json"])
        .stderr(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    ensure!(output.status.success(), "llama-bench failed: {}", output.status);
    let tests: Value = serde_json::from_slice(&output.stdout)?;
    let mut rates = Vec::new();
    for test in tests.as_array().context("llama-bench printed no list")? {
        let measure = match (test["n_prompt"].as_u64(), test["n_gen"].as_u64()) {
            (Some(128), Some(0)) => "prefill 128",
            (Some(512), Some(0)) => "prefill 512",
            (Some(0), Some(64)) => "decode",
            _ => bail!("llama-bench measured something else: {test}"),
        };
        rates.push((measure, test["avg_ts"].as_f64().context("a rate is missing")?));
    }
    Ok(rates)
}

/// The server, running; killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Starts it and waits until it says that it is well.
    pub(crate) async fn start(
        folder: &Path,
        model: &Path,
        threads: usize,
        slots: usize,
    ) -> anyhow::Result<Self> {
        // Whoever takes the port in between makes the server fail, and this with it.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let program = folder.join("llama-server");
        let child = Command::new(&program)
            .arg("-m")
            .arg(model)
            .args(["-t", &threads.to_string(), "-np", &slots.to_string()])
            .args(["-c", &(slots * 1024).to_string()])
            .args(["-ctk", "f16", "-ctv", "f16", "--no-warmup"])
            .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut server = Self {
            child,
            address: address.to_string(),
        };
        let began = Instant::now();
        while server.request("GET", "/health", &Value::Null).await.is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("llama-server ended: {status}");
            }
            ensure!(began.elapsed() < DEADLINE, "llama-server does not become ready");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(server)
    }

    /// Continues a prompt greedily; how many tokens came.
    pub(crate) async fn complete(&self, prompt: &str, tokens: u32) -> anyhow::Result<u32> {
        let request = json!({
            "prompt": prompt,
            "n_predict": tokens,
            "temperature": 0,
            "ignore_eos": true,
            "cache_prompt": true,
        });
        let answer = self.request("POST", "/completion", &request).await?;
        let count = answer["tokens_predicted"]
            .as_u64()
            .context("llama-server counts no tokens")?;
        Ok(u32::try_from(count)?)
    }

    /// One request on a connection of its own.
    async fn request(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let mut stream = TcpStream::connect(&self.address).await?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
        ensure!(
            head.starts_with("HTTP/1.1 200"),
            "{}",
            head.lines().next().unwrap_or_default()
        );
        Ok(serde_json::from_str(body)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
