//! Downloads one file as rbee does, and prints what it took: what the tests kill and the benchmark measures.
//!
//! `download URL FOLDER [--name NAME] [--key KEY] [--sha256 DIGITS] [--size BYTES] [--connections N]
//! [--parallel-above BYTES] [--chunk BYTES] [--flush-ms N] [--keep]`. The URL's host is trusted as a configured
//! endpoint is. Without `--keep` the file is removed again.

use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rbee_download::http::{Ask, HttpClient, HttpConfig};
use rbee_download::{AvailableBytes, Bandwidth, Digest, Download, DownloadConfig, Downloader, Expected};
use tokio_util::sync::CancellationToken;
use url::Url;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url: Url = arguments.next().ok_or("URL is missing")?.parse()?;
    let folder = PathBuf::from(arguments.next().ok_or("FOLDER is missing")?);
    let mut options = HashMap::new();
    while let Some(option) = arguments.next() {
        let value = match option.as_str() {
            "--keep" => String::new(),
            _ => arguments
                .next()
                .ok_or_else(|| format!("{option} is without a value"))?,
        };
        options.insert(option, value);
    }
    let text = |name: &str| options.get(name).cloned();
    let number = |name: &str| text(name).map(|value| value.parse::<u64>()).transpose();
    let mut config = DownloadConfig::default();
    if let Some(connections) = number("--connections")? {
        config.connections_on_own_network = connections as usize;
    }
    config.parallel_above_bytes = number("--parallel-above")?.unwrap_or(config.parallel_above_bytes);
    config.chunk_bytes = number("--chunk")?.unwrap_or(config.chunk_bytes);
    config.flush_every = number("--flush-ms")?.map_or(config.flush_every, Duration::from_millis);
    let what = Download {
        folder,
        name: text("--name").unwrap_or_else(|| "file".to_owned()),
        key: text("--key").unwrap_or_else(|| url.path().to_owned()),
        source: Arc::new(Ask::new(url.clone())),
        expected: Expected {
            size_bytes: number("--size")?,
            digest: text("--sha256").as_deref().and_then(Digest::sha256),
            text: false,
        },
    };
    let client = HttpClient::new(HttpConfig {
        trusted: vec![url],
        ..HttpConfig::default()
    })?;
    let unlimited = AvailableBytes::by(|_| Ok(None));
    let downloader = Downloader::new(client, config, Arc::new(Bandwidth::new(None)), unlimited);
    let begun = Instant::now();
    let done = downloader
        .download(&what, &CancellationToken::new(), &|_| {})
        .await?;
    let seconds = begun.elapsed().as_secs_f64();
    let report = serde_json::json!({
        "seconds": seconds,
        "size_bytes": done.size_bytes,
        "resumed_bytes": done.resumed_bytes,
        "sha256": Digest::Sha256(done.sha256).to_string(),
        "peak_resident_kib": peak_resident_kib(),
    });
    if options.contains_key("--keep") {
        drop(done);
    } else {
        done.finish().await?;
    }
    println!("{report}");
    Ok(())
}

/// `VmHWM`, where the kernel tells it.
fn peak_resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
