//! The names, shapes and types of a model's tensors: all that detection looks at.

use crate::safetensors::{Dtype, SafetensorsHeader};

/// One tensor, without its place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tensor<'a> {
    /// The name.
    pub name: &'a str,
    /// Items in each dimension, the row's length last.
    pub shape: &'a [u64],
    /// How the items are stored.
    pub dtype: Dtype,
}

impl Tensor<'_> {
    /// How many numbers it holds; as many as fit into 64 bits.
    #[must_use]
    pub fn element_count(&self) -> u64 {
        self.shape
            .iter()
            .fold(1_u64, |product, &items| product.saturating_mul(items))
    }
}

/// The tensors of one model, ordered by name, whatever number of files they lie in.
#[derive(Debug, Clone, Default)]
pub struct Layout<'a> {
    tensors: Vec<Tensor<'a>>,
}

impl<'a> FromIterator<Tensor<'a>> for Layout<'a> {
    fn from_iter<I: IntoIterator<Item = Tensor<'a>>>(tensors: I) -> Self {
        let mut tensors: Vec<_> = tensors.into_iter().collect();
        tensors.sort_by_key(|tensor| tensor.name);
        Self { tensors }
    }
}

impl<'a> From<&'a SafetensorsHeader> for Layout<'a> {
    fn from(header: &'a SafetensorsHeader) -> Self {
        tensors_of(header).collect()
    }
}

/// The tensors of one file.
pub(super) fn tensors_of(header: &SafetensorsHeader) -> impl Iterator<Item = Tensor<'_>> {
    header.tensors().iter().map(|tensor| Tensor {
        name: &tensor.name,
        shape: &tensor.shape,
        dtype: tensor.dtype,
    })
}

impl<'a> Layout<'a> {
    /// All tensors, ordered by name.
    #[must_use]
    pub fn tensors(&self) -> &[Tensor<'a>] {
        &self.tensors
    }

    /// The tensor of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Tensor<'a>> {
        self.tensors
            .binary_search_by(|tensor| tensor.name.cmp(name))
            .ok()
            .map(|place| self.tensors[place])
    }

    /// Whether there is a tensor of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The shape of the tensor of this name.
    #[must_use]
    pub fn shape(&self, name: &str) -> Option<&'a [u64]> {
        self.get(name).map(|tensor| tensor.shape)
    }

    /// The tensors whose names begin with `prefix`, ordered by name.
    #[must_use]
    pub fn below(&self, prefix: &str) -> &[Tensor<'a>] {
        let begin = self.tensors.partition_point(|tensor| tensor.name < prefix);
        let count = self.tensors[begin..].partition_point(|tensor| tensor.name.starts_with(prefix));
        &self.tensors[begin..begin + count]
    }

    /// Whether the name of some tensor begins with `prefix`.
    #[must_use]
    pub fn has_below(&self, prefix: &str) -> bool {
        !self.below(prefix).is_empty()
    }

    /// The first tensor below `prefix` whose name ends with `suffix`.
    #[must_use]
    pub fn find(&self, prefix: &str, suffix: &str) -> Option<Tensor<'a>> {
        self.below(prefix)
            .iter()
            .copied()
            .find(|tensor| tensor.name.ends_with(suffix))
    }
}
