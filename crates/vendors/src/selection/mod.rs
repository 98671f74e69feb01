//! Which files of a repository make up a model: plain functions over a listing.
//!
//! What a repository holds is told by the names of its files, in this order:
//! 1. GGUF files: one model a file or split set (`gguf`); the best for the machine is taken.
//! 2. `model_index.json`: a diffusers pipeline, taken part by part (`diffusers`).
//! 3. `config.json` with safetensors: a language model, or one part of a pipeline (`weights`).
//! 4. A LoRA as its trainer leaves it, or single safetensors files.
//!
//! Pickles are never taken. A file that an id names goes before all of this.

mod diffusers;
mod folder;
mod gguf;
mod names;
mod quantization;
mod weights;

use std::collections::{BTreeMap, HashSet};

use rbee_artifacts::RelativePath;
use rbee_artifacts::detect::FileKind;

pub(crate) use names::{is_gguf, is_pickle, is_safetensors, is_text};
pub use quantization::{QUANTIZATIONS, quantization_of};

use crate::error::VendorError;
use crate::machine::Machine;
use crate::resolution::FileDigest;
use crate::text::{excerpt, human};
use folder::Folder;

/// Sizes above this are a lie, or a fault: 16 TiB, several times the largest published model.
const MAX_FILE_BYTES: u64 = 16 << 40;
/// Candidates named in a message.
const MAX_NAMED: usize = 20;

/// A file as a hub lists it. The name is a stranger's text: only what is selected is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    /// Its name, with `/` between folders.
    pub name: String,
    /// Its size in bytes, if told.
    pub size_bytes: Option<u64>,
    /// Its digest, if told.
    pub digest: FileDigest,
}

/// What is chosen from.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'a> {
    /// The id of the whole, for messages and to put file names behind: `org/repo`, `org/repo@revision`.
    pub id: &'a str,
    /// Its files.
    pub files: &'a [ListedFile],
    /// The contents of the files that [`wanted_texts`] names, as far as they could be had.
    pub texts: &'a BTreeMap<String, Vec<u8>>,
}

/// How the chosen files are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrangement {
    /// One GGUF file, or a split set.
    Gguf,
    /// A language model in safetensors.
    Safetensors,
    /// A diffusers pipeline.
    Diffusers,
    /// One part of a pipeline, or an adapter, with its configuration.
    Part,
    /// One safetensors file.
    SingleFile,
}

/// A file that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// As the hub lists it.
    pub file: &'a ListedFile,
    /// Its name within the model.
    pub name: RelativePath,
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection<'a> {
    /// How the files are arranged.
    pub arrangement: Arrangement,
    /// The files, the main one first.
    pub files: Vec<Chosen<'a>>,
    /// The file that the model's id names; absent if the repository is taken whole.
    pub file: Option<RelativePath>,
    /// How the weights are stored, by the file's name.
    pub quantization: Option<String>,
    /// What was chosen and why; empty if there was nothing to choose.
    pub choice: String,
    /// Other files to ask for, best first.
    pub others: Vec<Other>,
    /// What a person should know beside.
    pub notes: Vec<String>,
}

/// A file that could be asked for instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// The name to ask by.
    pub file: RelativePath,
    /// How its weights are stored, by its name.
    pub quantization: Option<String>,
    /// Size of all its parts together in bytes.
    pub size_bytes: Option<u64>,
}

/// The small files whose content [`select`] wants to see: which parts a pipeline has, and in which files weights
/// lie. Without them it goes by names alone.
#[must_use]
pub fn wanted_texts(files: &[ListedFile], wish: Option<&RelativePath>) -> Vec<String> {
    let folder = Folder::of(files);
    if wish.is_some_and(|wish| !weights::is_of_whole(&folder, wish.as_str())) || !gguf::sets(files).is_empty()
    {
        return Vec::new();
    }
    match folder.has(diffusers::INDEX) {
        true => diffusers::wanted_texts(&folder),
        false => weights::wanted_texts(&folder),
    }
}

/// Chooses the files of a model.
///
/// # Errors
/// [`VendorError`], when nothing there can be used, a part is missing, several models are there, or a chosen file
/// has a name or a size that is not safe.
pub fn select<'a>(
    listing: &Listing<'a>,
    wish: Option<&RelativePath>,
    machine: &Machine,
) -> Result<Selection<'a>, VendorError> {
    let mut selection = match wish {
        Some(wish) => by_name(listing, wish)?,
        None => best(listing, machine)?,
    };
    check(listing, &selection)?;
    selection
        .others
        .retain(|other| Some(&other.file) != selection.file.as_ref());
    Ok(selection)
}

fn best<'a>(listing: &Listing<'a>, machine: &Machine) -> Result<Selection<'a>, VendorError> {
    let sets = gguf::sets(listing.files);
    let folder = Folder::of(listing.files);
    if !sets.is_empty() {
        return gguf::best(listing, &sets, machine);
    }
    if folder.has(diffusers::INDEX) {
        return diffusers::select(listing, &folder);
    }
    if let Some(selection) = weights::whole(listing, &folder)? {
        return Ok(selection);
    }
    single(listing)
}

/// The one file, or set, or whole model that a file's name means.
fn by_name<'a>(listing: &Listing<'a>, wish: &RelativePath) -> Result<Selection<'a>, VendorError> {
    let sets = gguf::sets(listing.files);
    if let Some(set) = sets.iter().find(|set| set.has(wish.as_str())) {
        return gguf::named(listing, &sets, set);
    }
    let folder = Folder::of(listing.files);
    let Some(file) = folder.file(wish.as_str()) else {
        // As other tools have it: `org/repo:Q4_K_M`.
        return match gguf::labelled(listing, &sets, wish.as_str())? {
            Some(set) => gguf::named(listing, &sets, set),
            None => Err(not_there(listing, wish)),
        };
    };
    if is_pickle(&file.name) {
        return Err(pickle(listing, &file.name));
    }
    if !is_safetensors(&file.name) {
        return Err(nothing(
            listing,
            format!("{} is no GGUF and no safetensors file", excerpt(&file.name)),
        ));
    }
    if weights::is_of_whole(&folder, &file.name)
        && let Some(selection) = weights::whole(listing, &folder)?
    {
        return Ok(selection);
    }
    if names::is_part(&file.name) {
        let problem = format!(
            "{} is one part of several; ask for {}",
            excerpt(&file.name),
            listing.id
        );
        return Err(nothing(listing, problem));
    }
    one_file(listing, file)
}

/// The only safetensors file there is.
fn single<'a>(listing: &Listing<'a>) -> Result<Selection<'a>, VendorError> {
    let (parts, candidates): (Vec<&ListedFile>, Vec<&ListedFile>) = listing
        .files
        .iter()
        .filter(|file| is_safetensors(&file.name))
        .partition(|file| names::is_part(&file.name));
    match candidates.as_slice() {
        [] => {
            let pickle_there = listing.files.iter().find(|file| is_pickle(&file.name));
            Err(match (parts.first(), pickle_there) {
                (Some(part), _) => {
                    let problem = format!(
                        "{} is one part of several, and no index says of what",
                        excerpt(&part.name)
                    );
                    nothing(listing, problem)
                }
                (None, Some(file)) => pickle(listing, &file.name),
                (None, None) => nothing(
                    listing,
                    format!(
                        "it has no GGUF and no safetensors file, but {}",
                        some_names(listing)
                    ),
                ),
            })
        }
        [only] => one_file(listing, only),
        several => Err(ambiguous(
            listing,
            several.iter().map(|file| (file.name.as_str(), file.size_bytes)),
        )),
    }
}

fn one_file<'a>(listing: &Listing<'a>, file: &'a ListedFile) -> Result<Selection<'a>, VendorError> {
    let others = listing
        .files
        .iter()
        .filter(|other| is_safetensors(&other.name) && !names::is_part(&other.name))
        .filter_map(|other| {
            Some(Other {
                file: other.name.parse().ok()?,
                quantization: None,
                size_bytes: other.size_bytes,
            })
        })
        .collect();
    Ok(Selection {
        arrangement: Arrangement::SingleFile,
        files: vec![chosen_alone(listing, file)?],
        file: Some(safe(listing, &file.name)?),
        quantization: None,
        choice: String::new(),
        others,
        notes: Vec::new(),
    })
}

/// A file under its own name, without the folders that the repository sorts by.
fn chosen_alone<'a>(listing: &Listing<'_>, file: &'a ListedFile) -> Result<Chosen<'a>, VendorError> {
    let name = safe(listing, &file.name)?;
    Ok(Chosen {
        file,
        name: safe(listing, name.file_name())?,
    })
}

/// A file under the name that it has in the repository.
fn chosen<'a>(listing: &Listing<'_>, file: &'a ListedFile) -> Result<Chosen<'a>, VendorError> {
    Ok(Chosen {
        file,
        name: safe(listing, &file.name)?,
    })
}

fn safe(listing: &Listing<'_>, name: &str) -> Result<RelativePath, VendorError> {
    name.parse().map_err(
        |error: rbee_artifacts::RelativePathError| VendorError::InvalidAnswer {
            vendor: rbee_artifacts::Vendor::HuggingFace,
            problem: format!("{} has a file with an unsafe name: {error}", listing.id),
        },
    )
}

/// No two files of one name where case does not count, and no sizes that cannot be.
fn check(listing: &Listing<'_>, selection: &Selection<'_>) -> Result<(), VendorError> {
    let invalid = |problem| {
        Err(VendorError::InvalidAnswer {
            vendor: rbee_artifacts::Vendor::HuggingFace,
            problem,
        })
    };
    let mut seen = HashSet::new();
    let mut total = 0_u64;
    for chosen in &selection.files {
        if !seen.insert(chosen.name.as_str().to_lowercase()) {
            return invalid(format!(
                "{} has two files that are called {} but for case",
                listing.id, chosen.name
            ));
        }
        let size = chosen.file.size_bytes.unwrap_or(0);
        total = total.saturating_add(size);
        if size.max(total) > MAX_FILE_BYTES {
            return invalid(format!(
                "{} of {} is said to have {size} bytes",
                chosen.name, listing.id
            ));
        }
    }
    Ok(())
}

fn nothing(listing: &Listing<'_>, why: String) -> VendorError {
    VendorError::NothingUsable {
        model: listing.id.to_owned(),
        why,
    }
}

fn pickle(listing: &Listing<'_>, file: &str) -> VendorError {
    VendorError::Pickle {
        model: listing.id.to_owned(),
        file: excerpt(file),
        why: FileKind::Pickle.refusal().unwrap_or_default().to_owned(),
    }
}

fn incomplete(listing: &Listing<'_>, missing: &str) -> VendorError {
    VendorError::Incomplete {
        model: listing.id.to_owned(),
        missing: excerpt(missing),
    }
}

fn ambiguous<'n>(
    listing: &Listing<'_>,
    candidates: impl IntoIterator<Item = (&'n str, Option<u64>)>,
) -> VendorError {
    let named = candidates.into_iter().take(MAX_NAMED).map(|(name, size)| {
        let size = size.map(|size| format!(" ({})", human(size))).unwrap_or_default();
        format!("{}:{}{size}", listing.id, excerpt(name))
    });
    VendorError::Ambiguous {
        model: listing.id.to_owned(),
        candidates: named.collect(),
    }
}

fn not_there(listing: &Listing<'_>, wish: &RelativePath) -> VendorError {
    VendorError::NotThere {
        vendor: rbee_artifacts::Vendor::HuggingFace,
        what: format!("file {} in {}", excerpt(wish.as_str()), listing.id),
        hint: format!("; it has {}", some_names(listing)),
    }
}

/// A few names, models before others.
fn some_names(listing: &Listing<'_>) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<&str> = listing.files.iter().map(|file| file.name.as_str()).collect();
    names.sort_by_key(|name| !(is_gguf(name) || is_safetensors(name)));
    let more = names.len().saturating_sub(SHOWN);
    let shown: Vec<String> = names.into_iter().take(SHOWN).map(excerpt).collect();
    match (shown.is_empty(), more) {
        (true, _) => "no files".to_owned(),
        (_, 0) => shown.join(", "),
        (_, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests;
