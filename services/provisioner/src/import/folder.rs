//! Which files of a folder are the model. Blocking.
//!
//! The folder was detected already, so what is needed is there and makes sense; here only names are chosen: the
//! weights, what describes them, and what a person wants to have with them (the licence). Checkpoints of a training,
//! pickles and other editions of the same weights stay where they are.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use rbee_artifacts::RelativePath;
use rbee_artifacts::detect::{COMPONENTS, ShardIndex};

use crate::error::JobError;

/// What describes weights, by the beginning of its name.
const DESCRIPTIONS: &[&str] = &[
    "adapter_config",
    "added_tokens",
    "chat_template",
    "config",
    "generation_config",
    "merges",
    "model_index",
    "preprocessor_config",
    "processor_config",
    "scheduler_config",
    "special_tokens_map",
    "spiece",
    "tokenizer",
    "vocab",
];
const DESCRIPTION_ENDINGS: &[&str] = &[".json", ".txt", ".model", ".jinja"];
/// What a person wants to have with a model, by the beginning of its name.
const PAPERS: &[&str] = &["license", "licence", "notice", "readme", "use_policy"];
const MAX_DESCRIPTION_BYTES: u64 = 128 << 20;
const MAX_PAPER_BYTES: u64 = 1 << 20;
const MAX_INDEX_BYTES: u64 = 64 << 20;
/// The most files of a folder that are looked at.
const MAX_ENTRIES: usize = 10_000;
/// Folders of a diffusers model that hold no weights.
const PLAIN_COMPONENTS: &[&str] = &["tokenizer", "tokenizer_2"];

/// One file of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Its name within the model.
    pub(super) name: RelativePath,
    /// Where it is, without links.
    pub(super) path: PathBuf,
    /// Its size in bytes.
    pub(super) size_bytes: u64,
}

/// The model's files in the folder `root`, by name.
pub(super) fn choose(root: &Path) -> Result<Vec<Chosen>, JobError> {
    let folder = Folder {
        root: root
            .canonicalize()
            .map_err(|error| JobError::reading(root, error))?,
    };
    let mut names = BTreeSet::new();
    let top = folder.names("")?;
    if top.iter().any(|name| name == "model_index.json") {
        for component in COMPONENTS {
            folder.describe(component.folder, &mut names)?;
            if let Some(stem) = component.weights {
                folder.weights(component.folder, stem, &mut names)?;
            }
        }
        for component in PLAIN_COMPONENTS {
            folder.describe(component, &mut names)?;
        }
        names.insert("model_index.json".to_owned());
    } else if top.iter().any(|name| name == "config.json") {
        folder.describe("", &mut names)?;
        folder.weights("", "model", &mut names)?;
        folder.weights("", "diffusion_pytorch_model", &mut names)?;
    } else {
        folder.describe("", &mut names)?;
        for stem in ["adapter_model", "pytorch_lora_weights"] {
            folder.weights("", stem, &mut names)?;
        }
        if !names.iter().any(|name| name.ends_with(".safetensors")) {
            names.extend(top.iter().filter(|name| has_ending(name, ".gguf")).cloned());
        }
    }
    let is_paper = |name: &&String| PAPERS.iter().any(|paper| name.to_lowercase().starts_with(paper));
    for name in top.iter().filter(is_paper) {
        if folder
            .file(name)?
            .is_some_and(|file| file.size_bytes <= MAX_PAPER_BYTES)
        {
            names.insert(name.clone());
        }
    }
    names
        .iter()
        .filter_map(|name| folder.file(name).transpose())
        .collect()
}

struct Folder {
    /// Without links, so that what lies inside of it can be told.
    root: PathBuf,
}

impl Folder {
    /// The names of what lies in the folder `below` it; none if it is not there.
    fn names(&self, below: &str) -> Result<Vec<String>, JobError> {
        let path = self.root.join(below);
        let list = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in std::fs::read_dir(&path)?.take(MAX_ENTRIES) {
                if let Ok(name) = entry?.file_name().into_string() {
                    names.push(name);
                }
            }
            names.sort();
            Ok(names)
        };
        match list() {
            Err(error) if !below.is_empty() && error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            listed => listed.map_err(|error| JobError::reading(&path, error)),
        }
    }

    /// The file of this name, if there is one, it is an ordinary one, and it lies inside of the folder.
    fn file(&self, name: &str) -> Result<Option<Chosen>, JobError> {
        let path = self.root.join(name);
        let Ok(resolved) = path.canonicalize() else {
            return Ok(None);
        };
        let metadata = std::fs::metadata(&resolved).map_err(|error| JobError::reading(&path, error))?;
        if !metadata.is_file() {
            return Ok(None);
        }
        if !resolved.starts_with(&self.root) {
            return Err(JobError::LeadsOut { path });
        }
        // A name that can't be used everywhere is no part of a model's layout.
        Ok(name.parse().ok().map(|name| Chosen {
            name,
            path: resolved,
            size_bytes: metadata.len(),
        }))
    }

    /// Adds what describes the weights in the folder `below`.
    fn describe(&self, below: &str, chosen: &mut BTreeSet<String>) -> Result<(), JobError> {
        for name in self.names(below)? {
            let describes = DESCRIPTIONS.iter().any(|start| name.starts_with(start))
                && DESCRIPTION_ENDINGS.iter().any(|end| name.ends_with(end));
            let name = joined(below, &name);
            if describes
                && self
                    .file(&name)?
                    .is_some_and(|file| file.size_bytes <= MAX_DESCRIPTION_BYTES)
            {
                chosen.insert(name);
            }
        }
        Ok(())
    }

    /// Adds the weights `stem` in the folder `below`, if they are there: in one file, in those that an index lists, or
    /// the first variant. The same choice as detection's.
    fn weights(&self, below: &str, stem: &str, chosen: &mut BTreeSet<String>) -> Result<(), JobError> {
        let names = self.names(below)?;
        let index = format!("{stem}.safetensors.index.json");
        if names.contains(&index) {
            let index = joined(below, &index);
            for shard in self.shards(&index)? {
                chosen.insert(joined(below, &shard));
            }
            chosen.insert(index);
            return Ok(());
        }
        let plain = format!("{stem}.safetensors");
        let is_variant = |name: &&String| {
            name.strip_prefix(stem)
                .is_some_and(|rest| rest.starts_with('.') && has_ending(rest, ".safetensors"))
        };
        let found = names
            .iter()
            .find(|name| **name == plain)
            .or_else(|| names.iter().find(is_variant));
        chosen.extend(found.map(|name| joined(below, name)));
        Ok(())
    }

    fn shards(&self, index: &str) -> Result<Vec<String>, JobError> {
        let Some(file) = self
            .file(index)?
            .filter(|file| file.size_bytes <= MAX_INDEX_BYTES)
        else {
            return Ok(Vec::new());
        };
        let text = std::fs::read(&file.path).map_err(|error| JobError::reading(&file.path, error))?;
        let index = ShardIndex::parse(index, &text)?;
        // Detection has looked at these names; what is no name finds no file.
        Ok(index.tensors_by_file.into_keys().collect())
    }
}

fn joined(below: &str, name: &str) -> String {
    match below {
        "" => name.to_owned(),
        below => format!("{below}/{name}"),
    }
}

fn has_ending(name: &str, ending: &str) -> bool {
    name.to_ascii_lowercase().ends_with(ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = match name.ends_with(".index.json") {
                true => {
                    r#"{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"#
                }
                false => "x",
            };
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn chosen(names: &[&str]) -> Vec<String> {
        let folder = folder(names);
        let chosen = choose(folder.path()).unwrap();
        chosen.iter().map(|file| file.name.to_string()).collect()
    }

    #[test]
    fn a_language_model_without_what_lies_around() {
        let needed = [
            "LICENSE",
            "README.md",
            "config.json",
            "model.safetensors",
            "tokenizer.json",
        ];
        let more = [
            "trainer_state.json",
            "pytorch_model.bin",
            "optimizer.pt",
            "runs/events.json",
            ".gitattributes",
        ];
        assert_eq!(chosen(&[&needed[..], &more].concat()), needed);
        let sharded = [
            "config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "tokenizer.model",
        ];
        assert_eq!(
            chosen(&[&sharded[..], &["model-00009-of-00009.safetensors"]].concat()),
            sharded
        );
    }

    #[test]
    fn a_diffusers_model_with_one_edition_of_its_weights() {
        let needed = [
            "model_index.json",
            "scheduler/scheduler_config.json",
            "text_encoder/config.json",
            "text_encoder/model.safetensors",
            "tokenizer/merges.txt",
            "tokenizer/vocab.json",
            "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors",
            "vae/config.json",
            "vae/diffusion_pytorch_model.fp16.safetensors",
        ];
        let more = [
            "safety_checker/model.safetensors",
            "unet/diffusion_pytorch_model.fp16.safetensors",
            "unet/diffusion_pytorch_model.bin",
            "v1-5-pruned.safetensors",
        ];
        assert_eq!(chosen(&[&needed[..], &more].concat()), needed);
    }

    #[test]
    fn a_split_gguf_and_an_adapter() {
        let parts = ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"];
        assert_eq!(chosen(&[&parts[..], &["notes.txt"]].concat()), parts);
        let adapter = ["adapter_config.json", "adapter_model.safetensors"];
        assert_eq!(chosen(&[&adapter[..], &["training_args.bin"]].concat()), adapter);
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_out_are_refused() {
        let folder = folder(&["config.json", "weights/a.safetensors"]);
        let outside = tempfile::NamedTempFile::new().unwrap();
        let link = folder.path().join("tokenizer.json");
        std::os::unix::fs::symlink(outside.path(), &link).unwrap();
        assert!(matches!(choose(folder.path()), Err(JobError::LeadsOut { .. })));
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("weights/a.safetensors", folder.path().join("model.safetensors")).unwrap();
        let names: Vec<_> = choose(folder.path())
            .unwrap()
            .iter()
            .map(|file| file.name.to_string())
            .collect();
        assert_eq!(names, ["config.json", "model.safetensors"]);
    }
}
