//! Takes tensors for the parts of a model, and remembers which.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;
use rbee_artifacts::detect::DetectError;

use super::error::LoadError;
use super::tensors::{Tensors, left_over};
use super::weight::{Backend, Form, Weight};

/// All weights of a model by their names.
pub(super) type Weights = BTreeMap<String, Arc<Weight>>;

/// Tensors on their way into a model. Nothing is read yet: a model can be built to see whether it is whole.
pub(super) struct Builder<'a> {
    tensors: &'a Tensors,
    weights: RefCell<Weights>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(tensors: &'a Tensors) -> Self {
        Self {
            tensors,
            weights: RefCell::default(),
        }
    }

    /// Where names begin with `prefix`, which ends with a dot.
    pub(super) fn below(&'a self, prefix: &str, backend: &Backend) -> Scope<'a> {
        Scope {
            builder: self,
            prefix: prefix.to_owned(),
            backend: backend.clone(),
        }
    }

    /// The weights that were taken.
    ///
    /// # Errors
    /// When a tensor below one of the prefixes was not.
    pub(super) fn finish(self, prefixes: &[&str]) -> Result<Weights, DetectError> {
        let weights = self.weights.into_inner();
        for prefix in prefixes {
            if let Some((_, place)) = self
                .tensors
                .below(prefix)
                .find(|(name, _)| !weights.contains_key(*name))
            {
                return Err(left_over(place));
            }
        }
        Ok(weights)
    }
}

/// Reads all weights; calls `progress` with the fraction that is done.
pub(super) fn load(weights: &Weights, progress: &mut dyn FnMut(f64)) -> Result<(), LoadError> {
    let total: u64 = weights.values().map(|weight| weight.size_bytes()).sum();
    let all: Vec<&Arc<Weight>> = weights.values().collect();
    let mut done = 0;
    // Some at a time, so that progress can be told and little is read that is not yet packed.
    for some in all.chunks(64) {
        some.par_iter().try_for_each(|weight| weight.load())?;
        done += some.iter().map(|weight| weight.size_bytes()).sum::<u64>();
        progress(done as f64 / total.max(1) as f64);
    }
    Ok(())
}

/// A part of a model that is being built.
pub(super) struct Scope<'a> {
    builder: &'a Builder<'a>,
    prefix: String,
    backend: Backend,
}

impl Scope<'_> {
    /// The part below this one.
    pub(super) fn at(&self, part: &str) -> Self {
        Self {
            builder: self.builder,
            prefix: format!("{}{part}.", self.prefix),
            backend: self.backend.clone(),
        }
    }

    pub(super) fn backend(&self) -> &Backend {
        &self.backend
    }

    /// The whole name of something here.
    pub(super) fn name(&self, part: &str) -> String {
        format!("{}{part}", self.prefix)
    }

    pub(super) fn has(&self, part: &str) -> bool {
        self.builder.tensors.has_below(&format!("{}{part}.", self.prefix))
    }

    /// Whether there is a tensor of this name.
    pub(super) fn has_tensor(&self, part: &str) -> bool {
        self.builder.tensors.get(&self.name(part)).is_some()
    }

    /// How many there are of `part.0`, `part.1`, and so on.
    pub(super) fn count(&self, part: &str) -> usize {
        self.builder
            .tensors
            .count_below(&format!("{}{part}.", self.prefix))
    }

    /// The shape that a tensor has in its file.
    pub(super) fn shape(&self, part: &str) -> Result<Vec<usize>, DetectError> {
        let name = self.name(part);
        let place = self
            .builder
            .tensors
            .get(&name)
            .ok_or_else(|| self.builder.tensors.missing(&name))?;
        // Sizes were bounded when the tensors were named.
        Ok(place.shape().iter().map(|&size| size as usize).collect())
    }

    /// One size of a tensor whose others follow from it.
    pub(super) fn size(&self, part: &str, dimension: usize) -> Result<usize, DetectError> {
        let shape = self.shape(part)?;
        match shape.get(dimension) {
            Some(&size) if size > 0 => Ok(size),
            _ => Err(self.invalid(part, format!("has the shape {shape:?}, which makes no model"))),
        }
    }

    /// The error about a tensor here.
    pub(super) fn invalid(&self, part: &str, problem: impl Into<String>) -> DetectError {
        let name = self.name(part);
        match self.builder.tensors.get(&name) {
            Some(place) => place.invalid(problem),
            None => DetectError::Invalid {
                file: self.builder.tensors.file_of(&name),
                field: name,
                problem: problem.into(),
            },
        }
    }

    /// Takes a tensor of this shape. A matrix may lie as a convolution of one pixel.
    pub(super) fn take(&self, part: &str, shape: &[usize], form: Form) -> Result<Arc<Weight>, DetectError> {
        let name = self.name(part);
        let tensors = self.builder.tensors;
        let place = tensors.get(&name).ok_or_else(|| tensors.missing(&name))?;
        let found: Vec<usize> = place.shape().iter().map(|&size| size as usize).collect();
        let as_pixel = shape.len() == 2 && found.len() == 4 && found[..2] == *shape && found[2..] == [1, 1];
        if found != shape && !as_pixel {
            let problem = format!("has the shape {found:?}, but the rest of the model asks for {shape:?}");
            return Err(place.invalid(problem));
        }
        place.check_type()?;
        let weight = Weight::new(
            name.clone(),
            shape.to_vec(),
            form,
            place.clone(),
            self.backend.clone(),
        );
        let weight = Arc::new(weight);
        self.builder
            .weights
            .borrow_mut()
            .insert(name, Arc::clone(&weight));
        Ok(weight)
    }
}
