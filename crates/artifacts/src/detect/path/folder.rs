//! Folders: a language model with its `config.json`, a model as diffusers writes it, or weights alone.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::reading::File;
use super::{DiffusersFolder, Links, LlmFolder, detect_one};
use crate::RelativePath;
use crate::detect::Detected;
use crate::detect::diffusers::{COMPONENTS, Component, ComponentFiles, ModelIndex, detect_diffusers};
use crate::detect::error::DetectError;
use crate::detect::file_kind::FileKind;
use crate::detect::json::{JsonObject, MAX_INDEX_BYTES, MAX_TEXT_BYTES, ShardIndex};
use crate::detect::llm::{LlmConfig, TokenizerFiles, detect_safetensors_llm};
use crate::safetensors::SafetensorsHeader;

/// The most files a folder is listed to.
const MAX_ENTRIES: usize = 10_000;
/// The longest `tokenizer.json`: the largest have 35 MB. It is read as a stream and not kept.
const MAX_TOKENIZER_BYTES: u64 = 128 << 20;
/// The most files of weights: the largest published models have a few hundred.
const MAX_SHARDS: usize = 2000;
/// The most that the headers of all files of one model may take: those of the largest have 20 MB.
const MAX_HEADERS_BYTES: u64 = 48 << 20;

type Shards = Vec<(String, SafetensorsHeader)>;

/// A folder whose files are named relative to it.
pub(super) struct Folder {
    /// Without links, so that what lies inside of it can be told.
    root: PathBuf,
    links: Links,
}

impl Folder {
    pub(super) fn open(path: &Path, links: Links) -> Result<Self, DetectError> {
        match fs::canonicalize(path) {
            Ok(root) => Ok(Self { root, links }),
            Err(source) => Err(DetectError::Read {
                file: path.display().to_string(),
                source,
            }),
        }
    }

    /// The file of this name; `None` where there is none.
    fn file(&self, name: &str) -> Result<Option<File>, DetectError> {
        let error = |source| DetectError::Read {
            file: name.to_owned(),
            source,
        };
        let path = self.root.join(name);
        let resolved = match fs::canonicalize(&path) {
            Ok(resolved) => resolved,
            Err(source)
                if matches!(
                    source.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(source) => return Err(error(source)),
        };
        if self.links == Links::Inside && !resolved.starts_with(&self.root) {
            return Err(error(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "it is a link that leads out of the folder",
            )));
        }
        File::open(&resolved, name.to_owned()).map(Some)
    }

    fn json(&self, name: &str) -> Result<Option<JsonObject>, DetectError> {
        match self.file(name)? {
            Some(file) => JsonObject::parse(name, &file.text(MAX_TEXT_BYTES)?).map(Some),
            None => Ok(None),
        }
    }

    /// The names of the files in the folder `below` it (`""` for itself), ordered.
    fn names(&self, below: &str) -> Result<Vec<String>, DetectError> {
        let list = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(self.root.join(below))?.take(MAX_ENTRIES) {
                // Names that are no text belong to no model.
                if let Ok(name) = entry?.file_name().into_string() {
                    names.push(name);
                }
            }
            names.sort();
            Ok(names)
        };
        list().map_err(|source| DetectError::Read {
            file: if below.is_empty() {
                ".".to_owned()
            } else {
                below.to_owned()
            },
            source,
        })
    }
}

/// What a folder is.
pub(super) fn detect(folder: &Folder) -> Result<Detected, DetectError> {
    if folder.file("model_index.json")?.is_some() {
        return diffusers(folder).map(|folder| Detected::StableDiffusion(folder.facts));
    }
    let config = folder.json("config.json")?;
    if let Some(config) = &config
        && config.get("_class_name").is_some()
    {
        // A part of a diffusers model by itself: a VAE, a ControlNet, a UNet.
        return only_file(folder, "diffusion_pytorch_model");
    }
    if config.is_some() {
        return llm(folder).map(|folder| Detected::Llm(folder.facts));
    }
    // What trainers leave: `adapter_model.safetensors` of PEFT, `pytorch_lora_weights.safetensors` of diffusers.
    for lora in ["adapter_model.safetensors", "pytorch_lora_weights.safetensors"] {
        if let Some(file) = folder.file(lora)? {
            return detect_one(file);
        }
    }
    gguf(folder)
}

/// A folder with one model in GGUF, in one file or a split set.
fn gguf(folder: &Folder) -> Result<Detected, DetectError> {
    let names = folder.names("")?;
    let mut models: Vec<&String> = names
        .iter()
        .filter(|name| name.to_ascii_lowercase().ends_with(".gguf"))
        // Of a split set the first file speaks for all.
        .filter(|name| !name.contains("-of-") || name.contains("-00001-of-"))
        .collect();
    match (models.pop(), models.len()) {
        (Some(name), 0) => match folder.file(name)? {
            Some(file) => detect_one(file),
            None => Err(missing(name, "it was there a moment ago")),
        },
        (Some(_), _) => Err(DetectError::invalid(
            ".",
            "folder",
            "holds several GGUF models: name one of them",
        )),
        (None, _) => Err(missing(
            "config.json",
            "a folder must have a config.json (a language model), a model_index.json (diffusers) or a GGUF file",
        )),
    }
}

fn only_file(folder: &Folder, stem: &str) -> Result<Detected, DetectError> {
    let name = weights_name(folder, "", stem)?;
    match folder.file(&name)? {
        Some(file) => detect_one(file),
        None => Err(missing(&name, "it holds the weights")),
    }
}

fn missing(file: &str, why: &str) -> DetectError {
    DetectError::Missing {
        file: file.to_owned(),
        why: why.to_owned(),
    }
}

/// The name of the weights `stem` in the folder `below`: plain, or the variant that is there.
fn weights_name(folder: &Folder, below: &str, stem: &str) -> Result<String, DetectError> {
    let prefix = if below.is_empty() {
        String::new()
    } else {
        format!("{below}/")
    };
    let names = folder.names(below)?;
    let plain = format!("{stem}.safetensors");
    let variant = |name: &&String| name.starts_with(&format!("{stem}.")) && name.ends_with(".safetensors");
    let index = format!("{stem}.safetensors.index.json");
    if names.contains(&plain) || names.contains(&index) {
        return Ok(format!("{prefix}{plain}"));
    }
    match names.iter().find(variant) {
        Some(name) => Ok(format!("{prefix}{name}")),
        None => Err(no_weights(&format!("{prefix}{plain}"), &prefix, &names)),
    }
}

/// Why there are no weights: often there are some, as pickles.
fn no_weights(wanted: &str, prefix: &str, names: &[String]) -> DetectError {
    let is_pickle = |name: &&String| {
        [".bin", ".pt", ".pth", ".ckpt", ".pkl"]
            .iter()
            .any(|end| name.ends_with(end))
    };
    match names.iter().find(is_pickle) {
        Some(pickle) => missing(
            wanted,
            &format!(
                "only {prefix}{pickle} is there, and {}",
                FileKind::Pickle.refusal().unwrap_or_default()
            ),
        ),
        None => missing(wanted, "no safetensors file holds the weights"),
    }
}

/// The headers of weights in one file `name`, or in those that the index beside it lists.
fn shards(folder: &Folder, name: &str) -> Result<Shards, DetectError> {
    let index_name = format!("{name}.index.json");
    let Some(index) = folder.file(&index_name)? else {
        return match folder.file(name)? {
            Some(file) => Ok(vec![file.safetensors()?]),
            None => Err(missing(name, "it holds the weights")),
        };
    };
    let index = ShardIndex::parse(&index_name, &index.text(MAX_INDEX_BYTES)?)?;
    if index.tensors_by_file.is_empty() || index.tensors_by_file.len() > MAX_SHARDS {
        return Err(DetectError::invalid(
            index_name,
            "weight_map",
            format!("names {} files", index.tensors_by_file.len()),
        ));
    }
    // All names before any file, so that an index that lies is never followed.
    for shard in index.tensors_by_file.keys() {
        if let Err(error) = shard.parse::<RelativePath>() {
            return Err(DetectError::invalid(
                &index_name,
                "weight_map",
                format!("names a file: {error}"),
            ));
        }
    }
    let below = name
        .rsplit_once('/')
        .map_or(String::new(), |(below, _)| format!("{below}/"));
    let mut headers = Shards::new();
    let mut headers_bytes = 0;
    for (shard, tensors) in &index.tensors_by_file {
        let shard = format!("{below}{shard}");
        let Some(file) = folder.file(&shard)? else {
            return Err(missing(&shard, &format!("{index_name} names it")));
        };
        let (shard, mut header) = file.safetensors()?;
        headers_bytes += header.data_offset_bytes;
        if headers_bytes > MAX_HEADERS_BYTES {
            return Err(DetectError::invalid(
                shard,
                "header",
                format!(
                    "makes the headers of all files longer than {} MiB",
                    MAX_HEADERS_BYTES >> 20
                ),
            ));
        }
        // What a writer says of each file is of no use for the whole.
        header.metadata.clear();
        if let Some(tensor) = tensors.iter().find(|tensor| header.tensor(tensor).is_none()) {
            return Err(DetectError::invalid(
                &index_name,
                crate::names::excerpt(tensor),
                format!("should be in {shard}, but is not"),
            ));
        }
        headers.push((shard, header));
    }
    expect_distinct(&headers)?;
    Ok(headers)
}

fn expect_distinct(headers: &Shards) -> Result<(), DetectError> {
    let mut seen = HashSet::new();
    for (shard, header) in headers {
        if let Some(tensor) = header
            .tensors()
            .iter()
            .find(|tensor| !seen.insert(tensor.name.as_str()))
        {
            return Err(DetectError::invalid(
                shard,
                crate::names::excerpt(&tensor.name),
                "is in two of the files",
            ));
        }
    }
    Ok(())
}

/// A language model with its `config.json`.
pub(super) fn llm(folder: &Folder) -> Result<LlmFolder, DetectError> {
    let name = "config.json";
    let json = folder
        .json(name)?
        .ok_or_else(|| missing(name, "it says how the model is built"))?;
    let config = LlmConfig::read(&json)?;
    let name = weights_name(folder, "", "model")?;
    let headers = shards(folder, &name)?;
    let tokenizer = tokenizer(folder)?;
    let facts = detect_safetensors_llm(&config, &headers, tokenizer)?;
    let weights = headers
        .into_iter()
        .map(|(name, header)| (folder.root.join(name), header));
    Ok(LlmFolder {
        json,
        config,
        weights: weights.collect(),
        facts,
    })
}

fn tokenizer(folder: &Folder) -> Result<TokenizerFiles, DetectError> {
    /// All of `tokenizer.json` that is kept.
    #[derive(Deserialize)]
    struct Tokenizer {
        model: Model,
    }
    #[derive(Deserialize)]
    struct Model {
        #[serde(rename = "type")]
        kind: Option<String>,
    }
    let name = "tokenizer.json";
    let kind = if let Some(file) = folder.file(name)? {
        let tokenizer: Tokenizer =
            serde_json::from_reader(file.stream(MAX_TOKENIZER_BYTES)).map_err(|source| {
                DetectError::Json {
                    file: name.to_owned(),
                    source,
                }
            })?;
        tokenizer.model.kind
    } else if folder.file("tokenizer.model")?.is_some() {
        Some("SentencePiece".to_owned())
    } else {
        return Err(missing(
            name,
            "without it (or tokenizer.model) no text can be turned into tokens",
        ));
    };
    let described = folder.json("tokenizer_config.json")?.is_some_and(|config| {
        config
            .get("chat_template")
            .is_some_and(|template| template.as_str() != Some(""))
    });
    Ok(TokenizerFiles {
        kind: kind.map(|kind| crate::names::excerpt(&kind)),
        has_chat_template: described || folder.file("chat_template.jinja")?.is_some(),
    })
}

/// A model as diffusers writes it.
pub(super) fn diffusers(folder: &Folder) -> Result<DiffusersFolder, DetectError> {
    let name = "model_index.json";
    let json = folder
        .json(name)?
        .ok_or_else(|| missing(name, "it says which parts the model has"))?;
    let index = ModelIndex::read(json)?;
    let mut parts: Vec<(&'static str, ComponentFiles)> = Vec::new();
    for component in COMPONENTS {
        if index.has(component)? {
            parts.push((component.folder, part(folder, component)?));
        }
    }
    let facts = detect_diffusers(&index, |name| {
        parts
            .iter()
            .find(|(folder, _)| *folder == name)
            .map(|(_, files)| files)
    })?;
    Ok(DiffusersFolder {
        root: folder.root.clone(),
        parts,
        facts,
    })
}

fn part(folder: &Folder, component: Component) -> Result<ComponentFiles, DetectError> {
    let config_name = match component.weights {
        Some(_) => format!("{}/config.json", component.folder),
        None => format!("{}/scheduler_config.json", component.folder),
    };
    let config = folder
        .json(&config_name)?
        .ok_or_else(|| missing(&config_name, "model_index.json lists the part"))?;
    let weights = match component.weights {
        Some(stem) => shards(folder, &weights_name(folder, component.folder, stem)?)?,
        None => Vec::new(),
    };
    Ok(ComponentFiles { config, weights })
}
