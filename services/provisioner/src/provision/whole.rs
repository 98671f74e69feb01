//! What came, put together under its own names, so that it can be looked at as a whole.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt as _;
use rbee_artifacts::RelativePath;
use rbee_artifacts::detect::{Claim, Contradiction, Links, Summary, detect_path, settle};
use rbee_store::Store;

use super::download::Received;
use crate::domain::plan::Plan;
use crate::error::JobError;
use crate::import::blocking;

/// The folder of names, within that of the parts.
const WHOLE: &str = "whole";

/// What the files are by their headers, and where that contradicts the hub.
pub(super) async fn inspect(
    store: &Store,
    plan: &Plan,
    received: &[Received],
    parts: &Path,
) -> Result<(Summary, Vec<Contradiction>), JobError> {
    let whole = parts.join(WHOLE);
    let mut links = Vec::new();
    for file in received {
        let local = match &file.part {
            Some(part) => Some(part.path.clone()),
            None => store.local_path(&file.sha256),
        };
        match local {
            Some(path) => links.push((file.name.clone(), path)),
            None => fetch(store, file, &whole).await?,
        }
    }
    let claim = Claim::from(&plan.claim);
    let only = only_weights(received.iter().map(|file| &file.name)).map(|name| whole.join(name.as_str()));
    let folder = whole.clone();
    blocking(move || {
        let looked = link_all(&folder, &links)
            .map_err(work_dir("linking in", &folder))
            .and_then(|()| {
                let path = only.as_deref().unwrap_or(&folder);
                // The links are those that were made here.
                Ok(detect_path(path, Links::All)?)
            });
        let removed = fs::remove_dir_all(&folder);
        let detected = looked?;
        removed.map_err(work_dir("removing", &folder))?;
        let (detected, contradictions) = settle(detected, &claim);
        Ok((detected.summary(), contradictions))
    })
    .await?
}

/// The one file of weights of a model that is one file; what lies beside it are papers.
fn only_weights<'a>(names: impl Iterator<Item = &'a RelativePath>) -> Option<&'a RelativePath> {
    let names: Vec<_> = names.collect();
    if let [only] = names[..] {
        return Some(only);
    }
    let is = |name: &RelativePath, ending: &str| name.as_str().to_ascii_lowercase().ends_with(ending);
    let describes = |name: &&RelativePath| matches!(name.as_str(), "config.json" | "model_index.json");
    if names.iter().any(describes) {
        return None;
    }
    let mut weights = names
        .iter()
        .filter(|name| is(name, ".gguf") || is(name, ".safetensors"));
    match (weights.next(), weights.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

fn link_all(whole: &Path, links: &[(RelativePath, PathBuf)]) -> io::Result<()> {
    fs::create_dir_all(whole)?;
    for (name, path) in links {
        let link = whole.join(name.as_str());
        if let Some(folder) = link.parent() {
            fs::create_dir_all(folder)?;
        }
        match fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        link_to(&fs::canonicalize(path)?, &link)?;
    }
    Ok(())
}

#[cfg(unix)]
fn link_to(path: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(path, link)
}

/// Symbolic links are for administrators there.
#[cfg(not(unix))]
fn link_to(path: &Path, link: &Path) -> io::Result<()> {
    match fs::hard_link(path, link) {
        Err(_) => fs::copy(path, link).map(drop),
        linked => linked,
    }
}

/// Brings a blob here that is in a store on another host.
async fn fetch(store: &Store, file: &Received, whole: &Path) -> Result<(), JobError> {
    let path = whole.join(file.name.as_str());
    let error = |source| work_dir("writing", &path)(source);
    let Some(bytes) = store.read_blob(&file.sha256).await? else {
        return Err(error(io::Error::new(
            io::ErrorKind::NotFound,
            "its blob has just been removed from the store; try again",
        )));
    };
    let at = path.clone();
    let mut out = blocking(move || {
        if let Some(folder) = at.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::File::create(at)
    })
    .await?
    .map_err(error)?;
    let mut bytes = std::pin::pin!(bytes);
    while let Some(piece) = bytes.try_next().await? {
        out = blocking(move || out.write_all(&piece).map(|()| out))
            .await?
            .map_err(error)?;
    }
    Ok(())
}

fn work_dir(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JobError + use<> {
    let path = path.to_owned();
    move |source| JobError::WorkDir { doing, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_of_one_file_is_looked_at_as_that() {
        let only = |names: &[&str]| {
            let names: Vec<RelativePath> = names.iter().map(|name| name.parse().unwrap()).collect();
            only_weights(names.iter()).map(ToString::to_string)
        };
        assert_eq!(only(&["m.gguf"]).as_deref(), Some("m.gguf"));
        assert_eq!(only(&["odd.bin"]).as_deref(), Some("odd.bin"));
        assert_eq!(
            only(&["LICENSE", "sd.safetensors"]).as_deref(),
            Some("sd.safetensors")
        );
        assert_eq!(only(&["config.json", "model.safetensors"]), None);
        assert_eq!(only(&["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]), None);
    }
}
