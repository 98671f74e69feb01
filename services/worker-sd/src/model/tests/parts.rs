//! Parts of models by themselves.

use std::path::Path;

use crate::kernels::Activation;
use crate::model::TowerKind;
use crate::model::builder::{self, Builder};
use crate::model::file::WeightFile;
use crate::model::text::{Tower, Use};
use crate::model::weight::Backend;
use crate::model::{layers, names, open};

/// A text encoder in a file of its own, with original names.
pub(super) fn tower(path: &Path, kind: TowerKind, trained_without: usize, norm: bool) -> Tower {
    let file = WeightFile::open(path, "tower").unwrap();
    let tensors = open::of_single_file(&file).unwrap();
    let (prefix, activation) = match kind {
        TowerKind::ClipL => (names::TOWERS[0], Activation::QuickGelu),
        TowerKind::OpenClip => (names::TOWERS[1], Activation::Gelu),
    };
    let how = Use {
        kind,
        trained_without,
        dropped: 0,
        norm,
        pooled: kind == TowerKind::OpenClip,
        activation,
    };
    let builder = Builder::new(&tensors);
    let backend: Backend = layers::kernels_backend();
    let tower = Tower::new(&builder.below(prefix, &backend), how).unwrap();
    builder::load(&builder.finish(&[prefix]).unwrap(), &mut |_| {}).unwrap();
    tower
}
