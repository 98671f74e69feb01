//! All tensors of a model by their names inside, still in their files.

use std::collections::BTreeMap;
use std::sync::Arc;

use rbee_artifacts::detect::DetectError;

use super::file::{Place, WeightFile};
use super::names::{Blocks, Meaning};

/// Wider than any published model by far, so that products of sizes cannot overflow.
const MAX_SIZE: u64 = 1 << 20;

/// The tensors of one or several files.
#[derive(Debug, Default)]
pub(super) struct Tensors {
    places: BTreeMap<String, Place>,
    /// The blocks that original names were read with.
    files: Vec<Arc<WeightFile>>,
}

impl Tensors {
    /// Adds a file's tensors under the names that `meaning` has for them.
    pub(super) fn add(
        &mut self,
        file: &Arc<WeightFile>,
        meaning: impl Fn(&str, &Blocks) -> Option<Meaning>,
    ) -> Result<(), DetectError> {
        let names = file.header.tensors().iter().map(|tensor| tensor.name.as_str());
        let blocks = Blocks::read(names);
        for (index, tensor) in file.header.tensors().iter().enumerate() {
            let place = Place {
                file: Arc::clone(file),
                tensor: index,
                third: None,
                transposed: false,
            };
            match meaning(&tensor.name, &blocks) {
                None => return Err(left_over(&place)),
                Some(Meaning::Nothing) => {}
                Some(Meaning::Tensor(name)) => self.insert(name, place)?,
                Some(Meaning::Transposed(name)) => {
                    let transposed = tensor.shape.len() == 2;
                    self.insert(name, Place { transposed, ..place })?;
                }
                Some(Meaning::Fused(names)) => {
                    if tensor.shape.first().is_none_or(|rows| !rows.is_multiple_of(3)) {
                        let problem =
                            format!("has the shape {:?}, but holds query, key and value", tensor.shape);
                        return Err(place.invalid(problem));
                    }
                    for (third, name) in names.into_iter().enumerate() {
                        let third = Some(third);
                        self.insert(
                            name,
                            Place {
                                third,
                                ..place.clone()
                            },
                        )?;
                    }
                }
            }
        }
        self.files.push(Arc::clone(file));
        Ok(())
    }

    fn insert(&mut self, name: String, place: Place) -> Result<(), DetectError> {
        if place.info().shape.iter().any(|&size| size > MAX_SIZE) {
            return Err(place.invalid("is larger than that of any real model"));
        }
        match self.places.insert(name, place) {
            None => Ok(()),
            Some(other) => Err(other.invalid("is there twice, under two names")),
        }
    }

    /// Takes the tensors below `prefix` from another model.
    pub(super) fn take_part(&mut self, other: &Self, prefix: &str) {
        let part = other.below(prefix);
        self.places
            .extend(part.map(|(name, place)| (name.clone(), place.clone())));
        self.files.extend(other.files.iter().cloned());
    }

    pub(super) fn get(&self, name: &str) -> Option<&Place> {
        self.places.get(name)
    }

    /// The tensors whose names begin with `prefix`.
    pub(super) fn below(&self, prefix: &str) -> impl Iterator<Item = (&String, &Place)> {
        self.places
            .range(prefix.to_owned()..)
            .take_while(move |(name, _)| name.starts_with(prefix))
    }

    pub(super) fn has_below(&self, prefix: &str) -> bool {
        self.below(prefix).next().is_some()
    }

    /// How many there are of `prefix0.`, `prefix1.`, and so on.
    pub(super) fn count_below(&self, prefix: &str) -> usize {
        (0..)
            .take_while(|number| self.has_below(&format!("{prefix}{number}.")))
            .count()
    }

    /// What a part's file is called, for errors about what is missing there.
    pub(super) fn file_of(&self, name: &str) -> String {
        let part = name.split_once('.').map_or(name, |(part, _)| part);
        let place = self
            .below(&format!("{part}."))
            .next()
            .map(|(_, place)| &place.file);
        let file = place.or(self.files.first());
        file.map_or_else(|| "model.safetensors".to_owned(), |file| file.name.clone())
    }

    /// The error that a tensor is needed and not there.
    pub(super) fn missing(&self, name: &str) -> DetectError {
        DetectError::Invalid {
            file: self.file_of(name),
            field: name.to_owned(),
            problem: "is missing".to_owned(),
        }
    }
}

/// The error that a tensor has no place in the model.
pub(super) fn left_over(place: &Place) -> DetectError {
    DetectError::Unsupported {
        file: place.file.name.clone(),
        field: place.info().name.clone(),
        problem: "is not a part of such a model that this worker knows".to_owned(),
    }
}
