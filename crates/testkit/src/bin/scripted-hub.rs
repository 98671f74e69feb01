//! A scripted Hugging Face as a program, for tests whose clients run in containers.
//!
//! ```text
//! scripted-hub 172.18.0.2:8080 /repos [PATH_PART=BYTES_PER_SECOND …]
//! ```
//!
//! Each folder `/repos/ORG/NAME` is a public repository; its files lie in git LFS. What a path with `PATH_PART` in it
//! leads to comes at that speed; an empty part is in every path. The address must be one that clients reach it at: the hub's links name it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rbee_testkit::hub::huggingface::{HuggingFaceConfig, HuggingFaceHub, Repo};
use rbee_testkit::hub::{Fault, FaultRule, FileBody};

/// Pieces a second of what comes slowly.
const PIECES: u64 = 20;

type Error = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: scripted-hub ADDRESS:PORT FOLDER [PATH_PART=BYTES_PER_SECOND …]".into());
    };
    let address: SocketAddr = address.parse()?;
    let slow = arguments
        .map(|rule| slow(&rule))
        .collect::<Result<Vec<_>, Error>>()?;
    let config = HuggingFaceConfig::of(repos(Path::new(&folder))?);
    let hub = HuggingFaceHub::start_at(config, address).await;
    for rule in slow {
        hub.hosts().faults().add(rule);
    }
    println!("{}", hub.endpoint());
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminated.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}

fn slow(rule: &str) -> Result<FaultRule, Error> {
    let (part, speed) = rule
        .split_once('=')
        .ok_or_else(|| format!("`{rule}` is not PATH_PART=BYTES_PER_SECOND"))?;
    let bytes = (speed.parse::<u64>()? / PIECES).max(1);
    let pause = Duration::from_secs(1) / PIECES as u32;
    Ok(FaultRule::any().path(part).with(Fault::Drip { bytes, pause }))
}

/// A repository for each `ORG/NAME` below a folder.
fn repos(folder: &Path) -> Result<Vec<Repo>, Error> {
    let mut repos = Vec::new();
    for organisation in folders(folder)? {
        for repo in folders(&folder.join(&organisation))? {
            let id = format!("{organisation}/{repo}");
            let place = folder.join(&id);
            repos.push(add_files(Repo::new(&id).license("apache-2.0"), &place, "")?);
        }
    }
    Ok(repos)
}

fn add_files(mut repo: Repo, folder: &Path, prefix: &str) -> Result<Repo, Error> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{prefix}{}", name(&entry)?);
        repo = if entry.file_type()?.is_dir() {
            add_files(repo, &entry.path(), &format!("{path}/"))?
        } else {
            repo.lfs(&path, FileBody::bytes(std::fs::read(entry.path())?))
        };
    }
    Ok(repo)
}

fn folders(folder: &Path) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(name(&entry)?);
        }
    }
    Ok(found)
}

fn name(entry: &std::fs::DirEntry) -> Result<String, Error> {
    let name = entry.file_name().into_string();
    name.map_err(|name| format!("{} is not UTF-8", name.display()).into())
}
