//! What requests can use beside the model: LoRAs, VAEs, embeddings.
//!
//! They lie in a folder, which its hive fills while the worker lives:
//!
//! ```text
//! <add-ons>/<key>/id           the add-on's id in the catalog
//! <add-ons>/<key>/files/…      its files
//! <add-ons>/name.safetensors   for whom starts the worker by hand: the id is `local:name`
//! ```

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rbee_artifacts::ModelId;

use crate::engine::EngineError;

/// Longest id in bytes that is read.
const MAX_ID_BYTES: u64 = 1024;
/// Most add-ons that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// The folder of add-ons, as it is at each question.
#[derive(Debug, Clone, Default)]
pub struct AddOns {
    folder: Option<PathBuf>,
}

impl AddOns {
    /// Those in `folder`; none without.
    #[must_use]
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// The ids, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<ModelId> {
        let mut ids: Vec<_> = self.entries().map(|(id, _)| id).collect();
        ids.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        ids
    }

    /// The file or folder of an add-on.
    ///
    /// # Errors
    /// If it is not there.
    pub fn find(&self, model_id: &ModelId) -> Result<PathBuf, EngineError> {
        self.entries()
            .find(|(id, _)| id == model_id)
            .map(|(_, path)| path)
            .ok_or_else(|| EngineError::AddOnNotFound {
                model_id: model_id.clone(),
            })
    }

    fn entries(&self) -> impl Iterator<Item = (ModelId, PathBuf)> {
        self.folder
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flatten()
            .take(MAX_ENTRIES)
            .filter_map(|entry| entry_of(&entry.ok()?.path()))
    }
}

fn entry_of(path: &Path) -> Option<(ModelId, PathBuf)> {
    if !path.is_dir() {
        let id = ModelId::local_for_file(path.file_name()?.to_str()?);
        return Some((id, path.to_path_buf()));
    }
    let mut id = String::new();
    let file = fs::File::open(path.join("id")).ok()?;
    file.take(MAX_ID_BYTES).read_to_string(&mut id).ok()?;
    let files = path.join("files");
    let mut inside = fs::read_dir(&files).ok()?.filter_map(Result::ok);
    let only = match (inside.next(), inside.next()) {
        (Some(one), None) => one.path(),
        (Some(_), Some(_)) => files,
        _ => return None,
    };
    Some((id.trim().parse().ok()?, only))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_there_is_found_by_its_id() {
        let folder = tempfile::tempdir().unwrap();
        let add_ons = AddOns::new(Some(folder.path().to_path_buf()));
        assert!(add_ons.ids().is_empty());
        let files = folder.path().join("civitai-7/files");
        fs::create_dir_all(&files).unwrap();
        fs::write(files.join("honey.safetensors"), "").unwrap();
        let id: ModelId = "civitai:7".parse().unwrap();
        assert!(add_ons.find(&id).is_err(), "it is there when its id is");
        fs::write(folder.path().join("civitai-7/id"), "civitai:7\n").unwrap();
        assert_eq!(add_ons.find(&id).unwrap(), files.join("honey.safetensors"));
        fs::write(files.join("config.json"), "{}").unwrap();
        assert_eq!(add_ons.find(&id).unwrap(), files);

        fs::write(folder.path().join("comb.safetensors"), "").unwrap();
        let ids: Vec<_> = add_ons.ids().iter().map(ToString::to_string).collect();
        assert_eq!(ids, ["civitai:7", "local:comb"]);
    }

    #[test]
    fn what_is_not_there_is_told_by_its_id() {
        let id = ModelId::local("honey").unwrap();
        for add_ons in [AddOns::default(), AddOns::new(Some("/nowhere".into()))] {
            assert_eq!(
                add_ons.find(&id),
                Err(EngineError::AddOnNotFound { model_id: id.clone() })
            );
        }
    }
}
