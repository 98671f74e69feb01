//! Where the tensors of a model come from.

use rbee_artifacts::LlmArchitecture;
use rbee_artifacts::gguf::{DecoderFacts, GgufError};

use super::file::ModelFile;
use crate::kernels::Matrix;

/// Something that holds the tensors of one model. They are asked for by their roles, which have the
/// names that GGUF gives them: `blk.0.attn_q.weight`.
pub trait TensorSource {
    /// What may be wrong with a tensor.
    type Error;

    /// Checks that the tensors make a model, before any of them is taken.
    ///
    /// # Errors
    /// Names the first tensor that is absent or of another shape than the others make it.
    fn check(&self) -> Result<(), Self::Error>;

    /// Whether there is a tensor for a role.
    fn has(&self, role: &str) -> bool;

    /// What the source calls the tensors of a role; those that are not there, too.
    fn names(&self, role: &str) -> Vec<String>;

    /// A matrix of `rows` rows of `len` numbers.
    ///
    /// # Errors
    /// When it is not there, has another shape, or a format without a kernel.
    fn matrix(&self, role: &str, rows: usize, len: usize) -> Result<Matrix, Self::Error>;

    /// The matrices of a role that has `count` of them.
    ///
    /// # Errors
    /// As for one matrix.
    fn stack(&self, role: &str, count: usize, rows: usize, len: usize) -> Result<Vec<Matrix>, Self::Error>;

    /// `len` numbers, all of them finite.
    ///
    /// # Errors
    /// When they are not there, are more or fewer, or some are no numbers.
    fn vector(&self, role: &str, len: usize) -> Result<Vec<f32>, Self::Error>;

    /// The source's names of all tensors that belong to one of the first `layer_count` layers.
    fn of_layers(&self, layer_count: usize) -> impl Iterator<Item = &str>;

    /// The error that a tensor has no role in the architecture.
    fn left_out(&self, name: &str, architecture: LlmArchitecture) -> Self::Error;
}

impl TensorSource for ModelFile {
    type Error = GgufError;

    fn check(&self) -> Result<(), GgufError> {
        DecoderFacts::read(self.header())?.check_tensors(self.header())
    }

    fn has(&self, role: &str) -> bool {
        self.header().tensor(role).is_some()
    }

    fn names(&self, role: &str) -> Vec<String> {
        vec![role.to_owned()]
    }

    fn matrix(&self, role: &str, rows: usize, len: usize) -> Result<Matrix, GgufError> {
        self.rows(role, &[len, rows])
    }

    /// One tensor of three dimensions.
    fn stack(&self, role: &str, count: usize, rows: usize, len: usize) -> Result<Vec<Matrix>, GgufError> {
        let all = self.rows(role, &[len, rows, count])?;
        let parts = (0..count).map(|index| all.part(index * rows..(index + 1) * rows));
        Ok(parts.collect())
    }

    fn vector(&self, role: &str, len: usize) -> Result<Vec<f32>, GgufError> {
        finite(&self.rows(role, &[len])?).ok_or_else(|| GgufError::Invalid {
            field: format!("tensor {role}"),
            problem: NOT_FINITE.to_owned(),
        })
    }

    fn of_layers(&self, layer_count: usize) -> impl Iterator<Item = &str> {
        let names = self.header().tensors.iter().map(|tensor| tensor.name.as_str());
        names.filter(move |name| layer_of(name, "blk.").is_some_and(|layer| layer < layer_count))
    }

    fn left_out(&self, name: &str, architecture: LlmArchitecture) -> GgufError {
        GgufError::Unsupported {
            field: format!("tensor {name}"),
            problem: format!("is not a part of {architecture} that this worker knows"),
        }
    }
}

/// What is wrong with a vector that has infinities.
pub(super) const NOT_FINITE: &str = "has numbers that are infinite or not numbers";

/// The numbers of the only row of a matrix, if all are finite.
pub(super) fn finite(matrix: &Matrix) -> Option<Vec<f32>> {
    let mut numbers = vec![0.0; matrix.len()];
    matrix.dequantise_row(0, &mut numbers);
    numbers.iter().all(|number| number.is_finite()).then_some(numbers)
}

/// The layer that a tensor's name begins with after `prefix`.
pub(super) fn layer_of(name: &str, prefix: &str) -> Option<usize> {
    name.strip_prefix(prefix)?.split('.').next()?.parse().ok()
}
