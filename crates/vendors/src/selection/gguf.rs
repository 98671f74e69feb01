//! GGUF models: one file, or a split set, each a model of its own.

use std::collections::BTreeMap;

use rbee_artifacts::RelativePath;

use super::names::{base, is_gguf, part};
use super::quantization::{find, rank};
use super::{Arrangement, ListedFile, Listing, Other, Selection, ambiguous, chosen_alone, incomplete, safe};
use crate::error::VendorError;
use crate::machine::Machine;
use crate::text::{excerpt, human};

/// One model: a file, or all parts of a split set that are there.
#[derive(Debug)]
pub(super) struct Set<'a> {
    /// The parts by number; a whole file is number 1.
    files: BTreeMap<u32, &'a ListedFile>,
    /// How many parts there must be.
    count: u32,
    label: Option<&'static str>,
    /// The name without label and numbers, in lower case: what tells two models from two quantizations.
    model: String,
}

impl Set<'_> {
    pub(super) fn has(&self, name: &str) -> bool {
        self.files.values().any(|file| file.name == name)
    }

    /// The name of the first part that is missing.
    fn missing(&self) -> Option<String> {
        let absent = (1..=self.count).find(|number| !self.files.contains_key(number))?;
        let present = self.files.values().next()?;
        Some(part(&present.name)?.sibling(absent))
    }

    fn size_bytes(&self) -> Option<u64> {
        self.files
            .values()
            .try_fold(0_u64, |sum, file| sum.checked_add(file.size_bytes?))
    }

    fn first_name(&self) -> &str {
        self.files.values().next().map_or("", |file| file.name.as_str())
    }

    /// The better first; of two alike the one in fewer parts and folders.
    fn order(&self) -> (usize, u32, usize, &str) {
        let name = self.first_name();
        (rank(self.label), self.count, name.matches('/').count(), name)
    }

    fn in_words(&self) -> String {
        match self.label {
            Some(label) => label.to_owned(),
            None => excerpt(base(self.first_name())),
        }
    }
}

/// Files in GGUF that are no models: projectors of vision models, importance matrices, vocabularies.
fn is_model(name: &str) -> bool {
    let name = base(name).to_ascii_lowercase();
    !(name.contains("mmproj") || name.contains("imatrix") || name.starts_with("ggml-vocab"))
}

/// The models of a listing, best first.
pub(super) fn sets(files: &[ListedFile]) -> Vec<Set<'_>> {
    let mut sets: BTreeMap<(&str, u32), Set<'_>> = BTreeMap::new();
    for file in files
        .iter()
        .filter(|file| is_gguf(&file.name) && is_model(&file.name))
    {
        let (stem, number, count) = match part(&file.name) {
            Some(part) => (part.stem, part.number, part.count),
            None => (file.name.as_str(), 1, 1),
        };
        let set = sets.entry((stem, count)).or_insert_with(|| {
            let (label, model) = describe(stem);
            Set {
                files: BTreeMap::new(),
                count,
                label,
                model,
            }
        });
        set.files.insert(number, file);
    }
    let mut sets: Vec<Set<'_>> = sets.into_values().collect();
    sets.sort_by(|a, b| a.order().cmp(&b.order()));
    sets
}

/// The label, from the name or else from the folder, and the name without it.
fn describe(stem: &str) -> (Option<&'static str>, String) {
    let name = base(stem);
    let name = if is_gguf(name) {
        &name[..name.len() - ".gguf".len()]
    } else {
        name
    };
    let folder = stem.rsplit_once('/').map(|(folder, _)| base(folder));
    let (label, model) = match find(name) {
        Some((label, place)) => (
            Some(label),
            format!("{}{}", &name[..place.start], &name[place.end..]),
        ),
        None => (folder.and_then(find).map(|(label, _)| label), name.to_owned()),
    };
    let mut model = model.to_ascii_lowercase();
    // Marks of how it was quantized: Unsloth's dynamic ones, importance matrices.
    for mark in ["ud", "i1", "imat"] {
        for end in ['-', '.', '_'] {
            model = model.trim_end_matches(end).to_owned();
            if let Some(rest) = model.strip_suffix(mark).and_then(|rest| rest.strip_suffix(end)) {
                model = rest.to_owned();
            }
        }
    }
    (label, model)
}

/// The set that fits the machine and is preferred.
pub(super) fn best<'a>(
    listing: &Listing<'a>,
    sets: &[Set<'a>],
    machine: &Machine,
) -> Result<Selection<'a>, VendorError> {
    let whole: Vec<&Set<'a>> = sets.iter().filter(|set| set.missing().is_none()).collect();
    let Some(&preferred) = whole.first() else {
        let missing = sets.iter().find_map(Set::missing).unwrap_or_default();
        return Err(incomplete(listing, &missing));
    };
    let fits = |set: &&&Set<'a>| machine.fits(set.size_bytes());
    let (set, why) = match whole.iter().find(fits) {
        Some(&set) if std::ptr::eq(set, preferred) => (set, String::new()),
        Some(&set) => (
            set,
            format!("; {} does not fit this machine", preferred.in_words()),
        ),
        None => {
            let smallest = whole.iter().min_by_key(|set| set.size_bytes());
            let why = "; none fits this machine, and this is the smallest".to_owned();
            (*smallest.unwrap_or(&preferred), why)
        }
    };
    let rivals: Vec<&Set<'a>> = whole
        .iter()
        .copied()
        .filter(|other| other.label == set.label && other.model != set.model)
        .collect();
    if !rivals.is_empty() {
        let all = std::iter::once(set).chain(rivals);
        return Err(ambiguous(
            listing,
            all.map(|set| (set.first_name(), set.size_bytes())),
        ));
    }
    let mut selection = take(listing, sets, set)?;
    if sets.len() > 1 {
        let size = set
            .size_bytes()
            .map(|size| format!(" of {}", human(size)))
            .unwrap_or_default();
        let order = if why.is_empty() {
            ", the most preferred of them"
        } else {
            ""
        };
        selection.choice = format!(
            "{}{size} out of {} models in GGUF{order}{why}",
            set.in_words(),
            sets.len()
        );
    }
    Ok(selection)
}

/// The set that was asked for.
pub(super) fn named<'a>(
    listing: &Listing<'a>,
    sets: &[Set<'a>],
    set: &Set<'a>,
) -> Result<Selection<'a>, VendorError> {
    match set.missing() {
        Some(missing) => Err(incomplete(listing, &missing)),
        None => take(listing, sets, set),
    }
}

/// The set with this label, if the wish is one.
pub(super) fn labelled<'s, 'a>(
    listing: &Listing<'_>,
    sets: &'s [Set<'a>],
    wish: &str,
) -> Result<Option<&'s Set<'a>>, VendorError> {
    let Some((label, place)) = find(wish) else {
        return Ok(None);
    };
    if place.len() != wish.len() {
        return Ok(None);
    }
    let mut found = sets.iter().filter(|set| set.label == Some(label));
    let first = found.next();
    let rivals: Vec<&Set<'a>> = found
        .filter(|other| first.is_some_and(|first| first.model != other.model))
        .collect();
    match (first, rivals.is_empty()) {
        (Some(first), false) => {
            let all = std::iter::once(first).chain(rivals);
            Err(ambiguous(
                listing,
                all.map(|set| (set.first_name(), set.size_bytes())),
            ))
        }
        (first, _) => Ok(first),
    }
}

fn take<'a>(listing: &Listing<'a>, sets: &[Set<'a>], set: &Set<'a>) -> Result<Selection<'a>, VendorError> {
    let mut notes = Vec::new();
    for (set, missing) in sets.iter().filter_map(|set| Some((set, set.missing()?))) {
        notes.push(format!(
            "{} is left out: {} is missing",
            set.in_words(),
            excerpt(&missing)
        ));
    }
    let others = sets
        .iter()
        .filter(|set| set.missing().is_none())
        .filter_map(|set| {
            Some(Other {
                file: set.first_name().parse::<RelativePath>().ok()?,
                quantization: set.label.map(str::to_owned),
                size_bytes: set.size_bytes(),
            })
        });
    Ok(Selection {
        arrangement: Arrangement::Gguf,
        files: set
            .files
            .values()
            .map(|file| chosen_alone(listing, file))
            .collect::<Result<_, _>>()?,
        file: Some(safe(listing, set.first_name())?),
        quantization: set.label.map(str::to_owned),
        choice: String::new(),
        others: others.collect(),
        notes,
    })
}
