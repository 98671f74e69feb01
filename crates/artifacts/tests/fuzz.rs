//! The readers of headers against files that chance has changed.
//!
//! The corpus are the fixtures: every GGUF and safetensors file, the broken ones too. Each try changes one of them in a
//! few places and reads it as a worker would: header, kind, dimensions, tokenizer, memory. A finding is a panic, a try
//! that takes long or memory that the file's size does not explain. `RBEE_FUZZ_SECONDS` says for how long (two seconds
//! for each format unless said), `RBEE_FUZZ_SEED` where to begin; a finding names its seed.

#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

#[path = "support/memory.rs"]
mod memory;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use memory::peak_bytes;
use rbee_artifacts::detect::{Layout, detect_file, detect_gguf};
use rbee_artifacts::estimate::LlmShape;
use rbee_artifacts::gguf::{DecoderFacts, GgufHeader, TokenizerFacts};
use rbee_artifacts::safetensors::SafetensorsHeader;

/// What a single try may take, and what the fixtures ask of every file.
const LIMIT: Duration = Duration::from_secs(1);
const MEMORY_LIMIT_BYTES: usize = 64 << 20;
/// So much of a file is changed: what follows a header is not read.
const KEPT_BYTES: usize = 512 << 10;
/// Changes of a try.
const MOST_CHANGES: u64 = 6;
/// Numbers that are often at the edge of something.
const EDGES: [u64; 14] = [
    0,
    1,
    7,
    32,
    255,
    65_535,
    i32::MAX as u64,
    u32::MAX as u64,
    1 << 32,
    1 << 40,
    (1 << 53) + 1,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// Random numbers that are the same for a seed everywhere (xorshift64*, Vigna 2016).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// A file's beginning and how long the whole of it is.
struct Seed {
    name: String,
    head: Vec<u8>,
    size_bytes: u64,
}

fn collect(folder: &Path, end: &str, found: &mut Vec<Seed>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, end, found);
        } else if path.extension().is_some_and(|extension| extension == end) {
            let mut head = std::fs::read(&path).unwrap();
            let size_bytes = head.len() as u64;
            head.truncate(KEPT_BYTES);
            found.push(Seed {
                name: path.display().to_string(),
                head,
                size_bytes,
            });
        }
    }
}

fn corpus(end: &str) -> Vec<Seed> {
    let mut found = Vec::new();
    collect(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures"),
        end,
        &mut found,
    );
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(found.len() > 20, "the fixtures are there");
    found
}

fn change(bytes: &mut Vec<u8>, others: &[Seed], chance: &mut Chance) {
    if bytes.is_empty() {
        return;
    }
    // Most of what is read is at the beginning.
    let reach = if chance.below(3) == 0 {
        bytes.len()
    } else {
        bytes.len().min(2048)
    };
    let at = chance.below(reach);
    match chance.below(8) {
        0 => bytes[at] ^= 1 << chance.below(8),
        1 => bytes[at] = chance.next() as u8,
        2 => {
            let number = EDGES[chance.below(EDGES.len())].to_le_bytes();
            let width = [1, 2, 4, 8][chance.below(4)].min(bytes.len() - at);
            bytes[at..at + width].copy_from_slice(&number[..width]);
        }
        3 => {
            let number = chance.next().to_le_bytes();
            let width = 8.min(bytes.len() - at);
            bytes[at..at + width].copy_from_slice(&number[..width]);
        }
        4 => {
            let end = (at + 1 + chance.below(64)).min(bytes.len());
            bytes.drain(at..end);
        }
        5 => {
            let end = (at + 1 + chance.below(64)).min(bytes.len());
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        6 => bytes.truncate(at),
        _ => {
            let other = &others[chance.below(others.len())].head;
            let from = chance.below(other.len());
            let end = (from + 1 + chance.below(128)).min(other.len());
            let piece = other.get(from..end).unwrap_or_default().to_vec();
            bytes.splice(at..at, piece);
        }
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Reads changed files until the time is over, and says how many.
fn fuzz(end: &str, read: impl Fn(&[u8], u64)) {
    let corpus = corpus(end);
    let time = Duration::from_secs(setting("RBEE_FUZZ_SECONDS", 2));
    let mut seed = setting("RBEE_FUZZ_SEED", 20_261_123);
    let (began, mut tries) = (Instant::now(), 0u64);
    while began.elapsed() < time {
        seed += 1;
        let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        chance.next();
        let of = &corpus[chance.below(corpus.len())];
        let mut bytes = of.head.clone();
        for _ in 0..=chance.next() % MOST_CHANGES {
            change(&mut bytes, &corpus, &mut chance);
        }
        // The rest of the file counts as there, so that what is said of it can be true.
        let rest = of.size_bytes - of.head.len() as u64;
        let size_bytes = bytes.len() as u64 + rest;
        let attempt = || {
            let began = Instant::now();
            let (outcome, peak) = peak_bytes(|| catch_unwind(AssertUnwindSafe(|| read(&bytes, size_bytes))));
            (outcome, peak, began.elapsed())
        };
        let (outcome, peak, mut took) = attempt();
        // Once may be the machine's doing, which had others to serve; a file that takes long takes long again.
        for _ in 0..3 {
            if took >= LIMIT {
                took = took.min(attempt().2);
            }
        }
        let of = format!("seed {seed} of {}", of.name);
        assert!(outcome.is_ok(), "{of}: a panic");
        assert!(took < LIMIT, "{of}: {took:?}");
        assert!(peak < MEMORY_LIMIT_BYTES, "{of}: {peak} bytes");
        tries += 1;
    }
    println!(
        "{end}: {tries} changed files in {:.0} s, no finding",
        began.elapsed().as_secs_f64()
    );
    assert!(tries > 0);
}

#[test]
fn changed_gguf_files_are_read_or_refused() {
    fuzz("gguf", |bytes, size_bytes| {
        if let Ok(header) = GgufHeader::read(bytes, size_bytes) {
            let _ = detect_gguf(&header, "a.gguf");
            if let Ok(facts) = DecoderFacts::read(&header) {
                let _ = facts.check_tensors(&header);
                let _ = TokenizerFacts::read(&header, facts.vocab_size);
            }
            let _ = LlmShape::read(&header);
        }
    });
}

#[test]
fn changed_safetensors_files_are_read_or_refused() {
    fuzz("safetensors", |bytes, size_bytes| {
        if let Ok(header) = SafetensorsHeader::read(bytes, size_bytes) {
            let _ = detect_file(&Layout::from(&header), &header.metadata, "a.safetensors");
        }
    });
}
