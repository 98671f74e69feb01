//! What is left when the process is killed at any instant: everything that was acknowledged, nothing half.
//!
//! The test starts its own program again as a writer, kills it with SIGKILL at some moment, and looks at
//! the store it leaves.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a panic in a helper of a test fails the test")]

use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rbee_artifacts::Sha256;
use rbee_store::{Ingest, Store};

/// Tells the program that it is the writer, and where.
const WRITER_FOLDER: &str = "RBEE_STORE_TEST_WRITER_FOLDER";
const ROUNDS: u32 = 25;
const BLOB_BYTES: usize = 3 << 20;

/// The content of a document or blob by its number, so that anything half-written shows.
fn content(number: u64, repetitions: usize) -> Vec<u8> {
    number.to_le_bytes().repeat(repetitions)
}

fn document(number: u64) -> Vec<u8> {
    content(number, 1 + number as usize % 1000)
}

fn blob(number: u64) -> Vec<u8> {
    content(number, BLOB_BYTES / 8)
}

/// Writes documents and blobs until it is killed, and says so of each that is done.
async fn write_until_killed(folder: &Path, first: u64) {
    let store = Store::open(&folder.join("store").display().to_string())
        .await
        .expect("a store");
    let mut out = std::io::stdout();
    for number in first.. {
        // Two documents that are replaced again and again, and one that comes and goes.
        store
            .put_document("models", &format!("m{}", number % 2), document(number))
            .await
            .expect("a document");
        writeln!(out, "document {number}").expect("somebody listens");
        store
            .put_document("models", "passing", "x")
            .await
            .expect("a document");
        store
            .delete_document("models", "passing")
            .await
            .expect("a removal");
        let source = folder.join("source");
        std::fs::write(&source, blob(number)).expect("a source");
        let ingest = if number % 2 == 0 {
            Ingest::Copy
        } else {
            Ingest::Move
        };
        store
            .put_file(&source, ingest, None, |_| ControlFlow::Continue(()))
            .await
            .expect("a blob");
        writeln!(out, "blob {number}").expect("somebody listens");
    }
}

/// Runs the writer for `time` after its first word, kills it, and gives the numbers it acknowledged.
fn run_and_kill(folder: &Path, first: u64, time: Duration) -> (Vec<u64>, Vec<u64>) {
    let mut writer = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "killed_at_any_instant_nothing_acknowledged_is_lost",
            "--nocapture",
        ])
        .env(WRITER_FOLDER, folder)
        .env("RBEE_STORE_TEST_FIRST", first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the writer starts");
    let mut lines = BufReader::new(writer.stdout.take().expect("its output is piped")).lines();
    let (mut documents, mut blobs) = (Vec::new(), Vec::new());
    let mut take = |line: &str| {
        // The test harness writes lines of its own.
        if let Some((kind, number)) = line.split_once(' ')
            && let Ok(number) = number.parse()
        {
            match kind {
                "document" => documents.push(number),
                "blob" => blobs.push(number),
                _ => {}
            }
            return true;
        }
        false
    };
    while !take(&lines.next().expect("the writer writes").expect("text")) {}
    // The moment of the kill is the experiment, and this the only way to choose it.
    std::thread::sleep(time);
    writer.kill().expect("the writer lives");
    writer.wait().expect("the writer is gone");
    for line in lines {
        take(&line.expect("text"));
    }
    (documents, blobs)
}

async fn expect_intact(folder: &Path, documents: &[u64], blobs: &[u64]) {
    let store = Store::open(&folder.join("store").display().to_string())
        .await
        .unwrap();
    let left: Vec<_> = std::fs::read_dir(folder.join("store/staging")).unwrap().collect();
    assert!(left.is_empty(), "leftovers: {left:?}");

    for parity in 0..2 {
        let Some(&acknowledged) = documents.iter().rev().find(|number| **number % 2 == parity) else {
            continue;
        };
        let found = store
            .get_document("models", &format!("m{parity}"))
            .await
            .unwrap()
            .expect("it was acknowledged");
        let number = u64::from_le_bytes(found[..8].try_into().unwrap());
        assert!(
            number >= acknowledged,
            "document {acknowledged} was lost: {number} is there"
        );
        assert_eq!(found, document(number), "a document is whole");
    }
    for key in store.list_documents("models").await.unwrap() {
        assert!(["m0", "m1", "passing"].contains(&key.as_str()), "{key}");
    }

    for &number in blobs {
        let sha256 = Sha256::digest(&blob(number));
        assert!(
            store.blob_exists(&sha256).await.unwrap(),
            "blob {number} was lost"
        );
    }
    let blobs_folder = folder.join("store/blobs/sha256");
    if !blobs_folder.exists() {
        // Killed before the first blob.
        return;
    }
    for folder in std::fs::read_dir(&blobs_folder).unwrap() {
        for blob in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let blob = blob.unwrap();
            let digest = Sha256::digest(&std::fs::read(blob.path()).unwrap());
            assert_eq!(
                blob.file_name().to_string_lossy(),
                digest.to_string(),
                "a blob is what its name says"
            );
        }
    }
    // Checked; the next round need not read them again.
    std::fs::remove_dir_all(&blobs_folder).unwrap();
}

#[test]
fn killed_at_any_instant_nothing_acknowledged_is_lost() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(folder) = std::env::var_os(WRITER_FOLDER) {
        let first = std::env::var("RBEE_STORE_TEST_FIRST").unwrap().parse().unwrap();
        return runtime.block_on(write_until_killed(Path::new(&folder), first));
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut next, mut acknowledged) = (0, 0);
    for round in 0..ROUNDS {
        // Moments spread over some rounds of the writer, none a multiple of another.
        let time = Duration::from_micros(u64::from(round) * 37_000 % 500_000);
        let (documents, blobs) = run_and_kill(folder.path(), next, time);
        acknowledged += documents.len() + blobs.len();
        runtime.block_on(expect_intact(folder.path(), &documents, &blobs));
        next = documents.last().map_or(next, |last| last + 2);
    }
    assert!(
        acknowledged > ROUNDS as usize,
        "the writer got somewhere: {acknowledged}"
    );
}
