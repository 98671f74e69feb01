//! Large files: whole, right, and without the memory they would need.

use http_body_util::BodyExt as _;
use rbee_testkit::hub::huggingface::{HuggingFaceConfig, HuggingFaceHub, Repo};
use rbee_testkit::hub::{FileBody, Host};
use sha2::{Digest as _, Sha256};

use crate::client::{head, open};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_streams_in_little_memory() {
    const SIZE: u64 = 192 << 20;
    let repo = Repo::new("o/r").lfs("f.gguf", FileBody::pattern(SIZE, 8));
    let hub = HuggingFaceHub::start(HuggingFaceConfig::of([repo])).await;
    let redirect = head(&format!("{}/o/r/resolve/main/f.gguf", hub.endpoint()), &[]).await;
    let mut body = open("GET", redirect.location(), &[]).await.unwrap().into_body();
    let mut hasher = Sha256::new();
    while let Some(frame) = body.frame().await {
        hasher.update(frame.unwrap().into_data().unwrap_or_default());
    }
    let sha256 = hex::encode(hasher.finalize());
    assert_eq!(redirect.header("x-linked-etag"), Some(&*format!("\"{sha256}\"")));
    assert_eq!(hub.hosts().body_bytes(Host::Cdn), SIZE);
    #[cfg(target_os = "linux")]
    {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        // This holds where each test has a process of its own, as under nextest, and holds anyway
        // while no test beside it keeps a large body.
        assert!(peak_kib < 96 * 1024, "{peak_kib} KiB at the highest");
    }
}
