//! A hub with a file, and a downloader that is not patient.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rbee_download::http::{Ask, HttpClient, HttpConfig, RetryPolicy};
use rbee_download::{
    AvailableBytes, Bandwidth, Digest, Download, DownloadConfig, DownloadError, Downloaded, Downloader,
    Expected,
};
use rbee_testkit::hub::huggingface::{HuggingFaceConfig, HuggingFaceHub, Repo};
use rbee_testkit::hub::{FileBody, git_blob_sha1};
use tokio_util::sync::CancellationToken;

/// Tries again at once.
pub(crate) const IMPATIENT: RetryPolicy = RetryPolicy {
    attempts: 4,
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(4),
    longest_wait: Duration::from_secs(2),
};

pub(crate) fn client(hub: &HuggingFaceHub) -> HttpClient {
    client_of(&[&hub.endpoint()], Duration::from_millis(800))
}

pub(crate) fn client_of(trusted: &[&str], read_timeout: Duration) -> HttpClient {
    HttpClient::new(HttpConfig {
        trusted: trusted.iter().map(|url| url.parse().unwrap()).collect(),
        retry: IMPATIENT,
        read_timeout,
        ..HttpConfig::default()
    })
    .unwrap()
}

pub(crate) fn quick() -> DownloadConfig {
    DownloadConfig {
        retry: IMPATIENT,
        flush_every: Duration::from_millis(50),
        ..DownloadConfig::default()
    }
}

pub(crate) fn downloader(hub: &HuggingFaceHub, config: DownloadConfig) -> Downloader {
    downloader_with(client(hub), config)
}

pub(crate) fn downloader_with(client: HttpClient, config: DownloadConfig) -> Downloader {
    let plenty = AvailableBytes::by(|_| Ok(Some(u64::MAX)));
    Downloader::new(client, config, Arc::new(Bandwidth::new(None)), plenty)
}

/// A file on a hub of its own.
pub(crate) struct Served {
    pub(crate) hub: HuggingFaceHub,
    pub(crate) body: FileBody,
    pub(crate) folder: tempfile::TempDir,
}

impl Served {
    pub(crate) async fn new(size: u64) -> Self {
        let body = FileBody::pattern(size, 5);
        let repo = Repo::new("o/r")
            .lfs("f.gguf", body.clone())
            .small("c.txt", body.clone());
        Self {
            hub: HuggingFaceHub::start(HuggingFaceConfig::of([repo])).await,
            body,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn what(&self) -> Download {
        self.download("f.gguf", sha256(&self.body))
    }

    pub(crate) fn small(&self) -> Download {
        self.download(
            "c.txt",
            Digest::git_blob_sha1(&git_blob_sha1(&self.body.to_vec())),
        )
    }

    fn download(&self, name: &str, digest: Option<Digest>) -> Download {
        let url = format!("{}/o/r/resolve/main/{name}", self.hub.endpoint());
        Download {
            folder: self.folder.path().to_owned(),
            name: "f".to_owned(),
            key: "o/r@main:f".to_owned(),
            source: Arc::new(Ask::new(url.parse().unwrap())),
            expected: Expected {
                size_bytes: Some(self.body.len()),
                digest,
                text: false,
            },
        }
    }

    /// Checks that the file is there and right, and takes it away as a caller does.
    pub(crate) async fn accept(&self, done: Downloaded) {
        assert_eq!(done.size_bytes, self.body.len());
        assert_eq!(hex(&done.sha256), self.body.sha256());
        assert_eq!(fs::read(&done.path).unwrap(), self.body.to_vec());
        done.finish().await.unwrap();
        assert_eq!(names(self.folder.path()), [""; 0]);
    }
}

pub(crate) fn sha256(body: &FileBody) -> Option<Digest> {
    Digest::sha256(&body.sha256())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Downloads to the end, with nobody watching.
pub(crate) async fn fetch(downloader: &Downloader, what: &Download) -> Result<Downloaded, DownloadError> {
    downloader
        .download(what, &CancellationToken::new(), &|_| {})
        .await
}

/// What lies in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Checks that what lies there is a part that can be resumed, every byte it claims being the file's, or nothing.
/// Gives the bytes claimed.
pub(crate) fn assert_resumable(folder: &Path, right: &[u8]) -> u64 {
    let (claimed, is_right) = part_of(folder, right);
    assert!(is_right, "a claimed byte is wrong");
    claimed
}

/// Checks that what lies there can be resumed, or is nothing. Gives the bytes claimed, and whether all are the file's:
/// a bit that flipped on the way is only found in the end.
pub(crate) fn part_of(folder: &Path, right: &[u8]) -> (u64, bool) {
    let names = names(folder);
    if names.is_empty() {
        return (0, true);
    }
    assert_eq!(names, ["f.part", "f.part.json"]);
    let state = fs::read(folder.join("f.part.json")).unwrap();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap();
    let part = fs::read(folder.join("f.part")).unwrap();
    let (mut claimed, mut is_right) = (0, true);
    for range in state["done"].as_array().unwrap() {
        let (start, end) = (
            range[0].as_u64().unwrap() as usize,
            range[1].as_u64().unwrap() as usize,
        );
        assert!(start < end && end <= part.len(), "{state}");
        is_right &= right.get(start..end) == Some(&part[start..end]);
        claimed += (end - start) as u64;
    }
    assert!(claimed > 0, "an empty part is no part");
    (claimed, is_right)
}

/// The example program `download`, which `cargo test` builds beside the tests.
pub(crate) fn program() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples/download");
    assert!(
        path.exists(),
        "cargo build -p rbee-download --examples builds {}",
        path.display()
    );
    path
}
