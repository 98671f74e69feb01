//! Golden data as they lie in files.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::Path;

use candle_core::{Device, Tensor};
use serde::de::DeserializeOwned;

use super::FidelityError;

/// A file of JSON in the form of `T`.
pub(super) fn json<T: DeserializeOwned>(path: &Path) -> Result<T, FidelityError> {
    let file = File::open(path).map_err(|source| FidelityError {
        source: Some(source),
        ..FidelityError::new(path, "it cannot be read")
    })?;
    serde_json::from_reader(BufReader::new(file)).map_err(|error| FidelityError::new(path, error.to_string()))
}

/// The same; `None` where there is no such file.
pub(super) fn json_if_there<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FidelityError> {
    match path.try_exists() {
        Ok(false) => Ok(None),
        _ => json(path).map(Some),
    }
}

/// The names in a folder in alphabetical order; none where there is no such folder.
fn names(folder: &Path) -> Result<Vec<String>, FidelityError> {
    let unreadable = |source| FidelityError {
        source: Some(source),
        ..FidelityError::new(folder, "the folder cannot be listed")
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        names.extend(entry.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

/// The folders in a folder.
pub(super) fn folders(folder: &Path) -> Result<Vec<String>, FidelityError> {
    let mut names = names(folder)?;
    names.retain(|name| folder.join(name).is_dir());
    Ok(names)
}

/// The names before `.json` in a folder.
pub(super) fn json_names(folder: &Path) -> Result<Vec<String>, FidelityError> {
    let names = names(folder)?;
    let stems = names.iter().filter_map(|name| name.strip_suffix(".json"));
    Ok(stems.map(str::to_owned).collect())
}

/// Arrays of one safetensors file.
pub(super) struct Arrays {
    arrays: HashMap<String, Tensor>,
}

impl Arrays {
    pub(super) fn read(path: &Path) -> Result<Self, FidelityError> {
        candle_core::safetensors::load(path, &Device::Cpu)
            .map(|arrays| Self { arrays })
            .map_err(|error| FidelityError::new(path, error.to_string()))
    }

    /// An array of two dimensions; `None` where there is no such array.
    pub(super) fn rows(&self, name: &str) -> Option<Vec<Vec<f32>>> {
        self.arrays.get(name)?.to_vec2().ok()
    }

    /// All numbers of an array; `None` where there is no such array.
    pub(super) fn numbers(&self, name: &str) -> Option<Vec<f32>> {
        self.arrays.get(name)?.flatten_all().ok()?.to_vec1().ok()
    }
}
