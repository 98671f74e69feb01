//! Tiny models and the reference's numbers for them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use serde_json::Value;

/// Where the fixtures lie: `RBEE_SD_FIXTURES` for the whole set, else what the repository has.
pub(super) fn folder() -> PathBuf {
    std::env::var_os("RBEE_SD_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/sd"),
        PathBuf::from,
    )
}

/// The reference's numbers for one model.
pub(super) struct Golden {
    pub(super) json: Value,
    tensors: HashMap<String, Tensor>,
}

impl Golden {
    pub(super) fn read(model: &str) -> Self {
        let folder = folder().join(model);
        let text = std::fs::read_to_string(folder.join("golden.json")).unwrap();
        // Python writes infinities, which JSON does not have; no test here needs them.
        let text = text.replace("-Infinity", "null").replace("Infinity", "null");
        Self {
            json: serde_json::from_str(&text).unwrap(),
            tensors: candle_core::safetensors::load(folder.join("golden.safetensors"), &Device::Cpu).unwrap(),
        }
    }

    pub(super) fn tensor(&self, name: &str) -> Tensor {
        self.tensors[name].clone()
    }

    /// The tensor that an entry names.
    pub(super) fn of(&self, entry: &Value) -> Tensor {
        self.tensor(entry.as_str().unwrap())
    }

    pub(super) fn list(&self, key: &str) -> &[Value] {
        self.json[key].as_array().unwrap()
    }
}

/// Ids of one row.
pub(super) fn ids(tensor: &Tensor) -> Vec<u32> {
    let ids = tensor.flatten_all().unwrap().to_vec1::<i64>().unwrap();
    ids.into_iter().map(|id| u32::try_from(id).unwrap()).collect()
}

#[track_caller]
pub(super) fn assert_near(what: &str, found: &Tensor, right: &Tensor, tolerance: f64) {
    assert_eq!(found.dims(), right.dims(), "{what}");
    let distance = (found.to_dtype(DType::F32).unwrap() - right.to_dtype(DType::F32).unwrap()).unwrap();
    let worst = distance.abs().unwrap().flatten_all().unwrap().max(0).unwrap();
    let worst = f64::from(worst.to_scalar::<f32>().unwrap());
    println!("{what}: {worst:.2e} of {tolerance:.0e}");
    assert!(
        worst <= tolerance,
        "{what} differs by {worst:e}, more than {tolerance:e}"
    );
}
