//! Weights in safetensors with their configuration: a language model, a part of a pipeline, an adapter.

use std::collections::BTreeSet;

use rbee_artifacts::detect::ShardIndex;

use super::folder::Folder;
use super::names::{Part, base, is_safetensors, part};
use super::{Arrangement, Chosen, ListedFile, Listing, Selection, chosen, incomplete, nothing, pickle, safe};
use crate::error::VendorError;
use crate::selection::names::is_pickle;

/// The most files that one set of weights has: the largest published models have a few hundred.
const MAX_SHARDS: usize = 2000;
/// What a language model has beside its weights. `tokenizer.json` makes its predecessors superfluous.
const LLM_TEXTS: [&str; 6] = [
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
];
/// Tokenizers, the first that is there.
const TOKENIZERS: [&[&str]; 3] = [
    &["tokenizer.json"],
    &["tokenizer.model", "added_tokens.json"],
    &["vocab.json", "merges.txt", "added_tokens.json"],
];

/// Where the weights of a model, or of a part of it, lie.
pub(super) struct Weights<'a> {
    /// One file, or all shards.
    pub(super) files: Vec<&'a ListedFile>,
    /// The index of the shards.
    pub(super) index: Option<&'a ListedFile>,
    /// `fp16`, … where it is not the plain one.
    pub(super) variant: Option<&'a str>,
}

/// Which variants are preferred.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefer {
    Plain,
    Half,
}

/// The weights `<stem>` in the folder `below` (`""`, or ending in a slash): exactly one variant of them.
pub(super) fn find<'a>(
    listing: &Listing<'a>,
    folder: &Folder<'a>,
    below: &str,
    stem: &str,
    prefer: Prefer,
) -> Result<Option<Weights<'a>>, VendorError> {
    let mut variants: Vec<&'a str> = folder
        .beginning(&format!("{below}{stem}."))
        .filter_map(|file| variant(&file.name[below.len() + stem.len()..]))
        .collect();
    variants.sort_by_key(|variant| match (*variant, prefer) {
        ("fp16", Prefer::Half) => 0,
        ("", _) => 1,
        ("fp16", Prefer::Plain) => 2,
        // Weights before they were averaged, for training on.
        ("non_ema", _) => 4,
        _ => 3,
    });
    let Some(&variant) = variants.first() else {
        return Ok(None);
    };
    let dotted = if variant.is_empty() {
        String::new()
    } else {
        format!(".{variant}")
    };
    let index = folder.file(&index_name(below, stem, variant));
    let files = match index {
        Some(index) => shards(listing, folder, index, &format!("{below}{stem}{dotted}"))?,
        None => folder
            .file(&format!("{below}{stem}{dotted}.safetensors"))
            .into_iter()
            .collect(),
    };
    Ok(Some(Weights {
        files,
        index,
        variant: (!variant.is_empty()).then_some(variant),
    }))
}

fn index_name(below: &str, stem: &str, variant: &str) -> String {
    match variant {
        "" => format!("{below}{stem}.safetensors.index.json"),
        variant => format!("{below}{stem}.safetensors.index.{variant}.json"),
    }
}

/// The variant that a name behind its stem tells: `.safetensors`, `.fp16.safetensors`, and the same with an index.
fn variant(rest: &str) -> Option<&str> {
    if let Some(rest) = rest.strip_prefix(".safetensors.index") {
        return rest
            .strip_suffix(".json")
            .map(|rest| rest.trim_start_matches('.'));
    }
    let middle = rest.strip_suffix(".safetensors")?;
    let variant = middle.trim_start_matches('.');
    // A shard belongs to its index.
    (part(rest).is_none() && !variant.contains('/')).then_some(variant)
}

/// The files that an index names: by its content, or by their names where it could not be read.
fn shards<'a>(
    listing: &Listing<'a>,
    folder: &Folder<'a>,
    index: &'a ListedFile,
    stem: &str,
) -> Result<Vec<&'a ListedFile>, VendorError> {
    let below = &index.name[..index.name.len() - base(&index.name).len()];
    let names: Vec<String> = match listing.texts.get(&index.name) {
        Some(text) => {
            let index = ShardIndex::parse(&index.name, text)
                .map_err(|error| nothing(listing, format!("its index of weights is damaged: {error}")))?;
            index
                .tensors_by_file
                .into_keys()
                .map(|name| format!("{below}{name}"))
                .collect()
        }
        None => by_pattern(folder, stem),
    };
    if names.is_empty() || names.len() > MAX_SHARDS {
        return Err(nothing(
            listing,
            format!("its index of weights names {} files", names.len()),
        ));
    }
    names
        .iter()
        .map(|name| {
            safe(listing, name)?;
            if is_pickle(name) {
                return Err(pickle(listing, name));
            }
            match folder.file(name) {
                Some(file) if is_safetensors(name) => Ok(file),
                Some(_) => Err(nothing(
                    listing,
                    "its index names files that are no safetensors".to_owned(),
                )),
                None => Err(incomplete(listing, name)),
            }
        })
        .collect()
}

/// All names of the set `<stem>-00001-of-…`, whether they are there or not.
fn by_pattern(folder: &Folder<'_>, stem: &str) -> Vec<String> {
    let first: Option<Part<'_>> = folder
        .beginning(&format!("{stem}-"))
        .filter_map(|file| part(&file.name))
        .find(|part| part.stem == stem && part.ending == ".safetensors");
    match first {
        // One more than may be, so that too many are noticed.
        Some(part) => (1..=part.count)
            .take(MAX_SHARDS + 1)
            .map(|number| part.sibling(number))
            .collect(),
        None => Vec::new(),
    }
}

/// The index of the language model.
pub(super) fn wanted_texts(folder: &Folder<'_>) -> Vec<String> {
    let indices = [
        "model.safetensors.index.json",
        "diffusion_pytorch_model.safetensors.index.json",
    ];
    indices
        .iter()
        .filter(|name| folder.has(name))
        .map(|name| (*name).to_owned())
        .collect()
}

/// Whether a file is of the weights of the model that the whole repository is.
pub(super) fn is_of_whole(folder: &Folder<'_>, name: &str) -> bool {
    let is_llm = folder.has("config.json") && !folder.has(super::diffusers::INDEX);
    let is_model = part(name).map_or(name == "model.safetensors", |part| {
        part.stem == "model" && part.ending == ".safetensors"
    });
    is_llm && is_model && folder.has(name)
}

/// The repository as one model: a language model, one part of a pipeline, or an adapter.
pub(super) fn whole<'a>(
    listing: &Listing<'a>,
    folder: &Folder<'a>,
) -> Result<Option<Selection<'a>>, VendorError> {
    if let Some(adapter) = folder.file("adapter_model.safetensors")
        && let Some(config) = folder.file("adapter_config.json")
    {
        let files = vec![chosen(listing, adapter)?, chosen(listing, config)?];
        return Ok(Some(selection(Arrangement::Part, files, String::new())));
    }
    let Some(config) = folder.file("config.json") else {
        return Ok(None);
    };
    if let Some(weights) = find(listing, folder, "", "model", Prefer::Plain)? {
        let mut files = files_of(listing, &weights)?;
        let texts = LLM_TEXTS.iter().filter_map(|name| folder.file(name));
        let tokenizer = TOKENIZERS.iter().find(|names| folder.has(names[0]));
        let tokenizer = tokenizer
            .into_iter()
            .flat_map(|names| names.iter())
            .filter_map(|name| folder.file(name));
        for file in texts.chain(tokenizer) {
            files.push(chosen(listing, file)?);
        }
        let others = others_left_out(folder);
        let choice = match others.is_empty() {
            true => String::new(),
            false => format!(
                "the weights in {} with configuration and tokenizer; left out as the same in other formats: {}",
                if weights.index.is_some() {
                    "model-….safetensors"
                } else {
                    "model.safetensors"
                },
                others.join(", ")
            ),
        };
        return Ok(Some(selection(Arrangement::Safetensors, files, choice)));
    }
    if let Some(weights) = find(listing, folder, "", "diffusion_pytorch_model", Prefer::Half)? {
        let mut files = files_of(listing, &weights)?;
        files.push(chosen(listing, config)?);
        let choice = match weights.variant {
            Some(variant) => format!("the {variant} variant of the weights, with their configuration"),
            None => String::new(),
        };
        return Ok(Some(selection(Arrangement::Part, files, choice)));
    }
    if folder
        .beginning("consolidated")
        .any(|file| is_safetensors(&file.name))
    {
        let why = "its weights are only in the layout of the model's makers (consolidated….safetensors)";
        return Err(nothing(listing, why.to_owned()));
    }
    match folder.beginning("").find(|file| is_pickle(&file.name)) {
        Some(file) if !folder.beginning("").any(|file| is_safetensors(&file.name)) => {
            Err(pickle(listing, &file.name))
        }
        _ => Ok(None),
    }
}

/// Weights under their names; the index of a variant gets the plain name, under which readers look for it.
pub(super) fn files_of<'a>(
    listing: &Listing<'_>,
    weights: &Weights<'a>,
) -> Result<Vec<Chosen<'a>>, VendorError> {
    let mut files = Vec::new();
    for file in &weights.files {
        files.push(chosen(listing, file)?);
    }
    if let Some(index) = weights.index {
        let name = match weights.variant {
            Some(variant) => index
                .name
                .replacen(&format!(".index.{variant}.json"), ".index.json", 1),
            None => index.name.clone(),
        };
        files.push(Chosen {
            file: index,
            name: safe(listing, &name)?,
        });
    }
    Ok(files)
}

pub(super) fn selection<'a>(
    arrangement: Arrangement,
    files: Vec<Chosen<'a>>,
    choice: String,
) -> Selection<'a> {
    Selection {
        arrangement,
        files,
        file: None,
        quantization: None,
        choice,
        others: Vec::new(),
        notes: Vec::new(),
    }
}

/// The formats beside safetensors that a repository has, for people.
fn others_left_out(folder: &Folder<'_>) -> Vec<&'static str> {
    let kind = |name: &str| {
        Some(match name {
            name if name.starts_with("consolidated") && is_safetensors(name) => "consolidated….safetensors",
            name if name.starts_with("original/") => "original/",
            name if is_pickle(name) => "pickles",
            name if name.contains(".onnx") => "ONNX",
            name if name.ends_with(".msgpack") => "Flax",
            name if name.ends_with(".h5") => "TensorFlow",
            _ => return None,
        })
    };
    let kinds: BTreeSet<&str> = folder.beginning("").filter_map(|file| kind(&file.name)).collect();
    kinds.into_iter().collect()
}
