//! A scripted Hugging Face with one file of a pattern, as a process of its own, until its standard input ends:
//! `serve_pattern BYTES`. Prints one line of JSON: `url`, `sha256`.

use std::error::Error;
use std::io::Read as _;

use rbee_testkit::hub::FileBody;
use rbee_testkit::hub::huggingface::{HuggingFaceConfig, HuggingFaceHub, Repo};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let bytes = std::env::args().nth(1).ok_or("BYTES is missing")?.parse()?;
    let body = FileBody::pattern(bytes, 2);
    let sha256 = body.sha256();
    let hub = HuggingFaceHub::start(HuggingFaceConfig::of([
        Repo::new("bench/file").lfs("file.gguf", body)
    ]))
    .await;
    let url = format!("{}/bench/file/resolve/main/file.gguf", hub.endpoint());
    println!("{}", serde_json::json!({ "url": url, "sha256": sha256 }));
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}
