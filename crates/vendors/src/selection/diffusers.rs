//! Diffusers pipelines: the parts that `model_index.json` lists, in one variant.

use rbee_artifacts::detect::{COMPONENTS, Component, JsonObject, ModelIndex};

use super::folder::Folder;
use super::names::is_pickle;
use super::weights::{self, Prefer};
use super::{Arrangement, Listing, Selection, chosen, incomplete, nothing, pickle};
use crate::error::VendorError;

/// The file that makes a repository a pipeline.
pub(super) const INDEX: &str = "model_index.json";
/// Parts without weights that turn text into tokens, and what they may consist of.
const TOKENIZERS: [&str; 2] = ["tokenizer", "tokenizer_2"];
const TOKENIZER_FILES: [&str; 6] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
];

/// `model_index.json`, and the indices of weights in several files.
pub(super) fn wanted_texts(folder: &Folder<'_>) -> Vec<String> {
    let mut wanted = vec![INDEX.to_owned()];
    for component in COMPONENTS {
        let below = format!("{}/", component.folder);
        let indices = folder
            .beginning(&below)
            .filter(|file| file.name.contains(".safetensors.index."));
        wanted.extend(indices.map(|file| file.name.clone()));
    }
    wanted
}

/// The parts that make a picture. Checkers, feature extractors and checkpoints of the whole in one file are left
/// out.
pub(super) fn select<'a>(listing: &Listing<'a>, folder: &Folder<'a>) -> Result<Selection<'a>, VendorError> {
    let index = match listing.texts.get(INDEX) {
        Some(text) => {
            let json = JsonObject::parse(INDEX, text).and_then(ModelIndex::read);
            Some(json.map_err(|error| nothing(listing, error.in_words()))?)
        }
        None => None,
    };
    let has = |component: Component| match &index {
        Some(index) => index
            .has(component)
            .map_err(|error| nothing(listing, error.in_words())),
        // It could not be read: go by what is there.
        None => Ok(folder
            .beginning(&format!("{}/", component.folder))
            .next()
            .is_some()),
    };
    let mut files = Vec::new();
    let (mut half, mut plain) = (Vec::new(), Vec::new());
    for component in COMPONENTS {
        if !has(component)? {
            continue;
        }
        let below = format!("{}/", component.folder);
        let config = match component.weights {
            Some(_) => "config.json",
            None => "scheduler_config.json",
        };
        if let Some(stem) = component.weights {
            let Some(weights) = weights::find(listing, folder, &below, stem, Prefer::Half)? else {
                let pickled = folder.beginning(&below).find(|file| is_pickle(&file.name));
                return Err(match pickled {
                    Some(file) => pickle(listing, &file.name),
                    None => incomplete(listing, &format!("{below}{stem}.safetensors")),
                });
            };
            match weights.variant {
                Some("fp16") => half.push(component.folder),
                _ => plain.push(component.folder),
            }
            files.extend(weights::files_of(listing, &weights)?);
        }
        let config = format!("{below}{config}");
        match folder.file(&config) {
            Some(file) => files.push(chosen(listing, file)?),
            None => return Err(incomplete(listing, &config)),
        }
    }
    if half.is_empty() && plain.is_empty() {
        return Err(incomplete(listing, "unet/diffusion_pytorch_model.safetensors"));
    }
    for tokenizer in TOKENIZERS {
        for name in TOKENIZER_FILES {
            if let Some(file) = folder.file(&format!("{tokenizer}/{name}")) {
                files.push(chosen(listing, file)?);
            }
        }
    }
    if let Some(index) = folder.file(INDEX) {
        files.push(chosen(listing, index)?);
    }
    let variant = match (half.is_empty(), plain.is_empty()) {
        (false, true) => "the fp16 variant, half the size of the other".to_owned(),
        (true, _) => "the one variant there is".to_owned(),
        (false, false) => format!(
            "the fp16 variant of {}, the plain one of {}",
            half.join(", "),
            plain.join(", ")
        ),
    };
    let choice =
        format!("the parts that make a picture, {variant}; no checkers, no duplicates in other formats");
    let mut selection = weights::selection(Arrangement::Diffusers, files, choice);
    selection.quantization = (plain.is_empty() && !half.is_empty()).then(|| "F16".to_owned());
    Ok(selection)
}
