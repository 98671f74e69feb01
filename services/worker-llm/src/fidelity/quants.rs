//! Block formats: what their bytes mean.

use std::path::Path;

use rbee_artifacts::gguf::GgufError;
use serde::Deserialize;

use super::golden::{Arrays, json_if_there};
use super::{FidelityError, Report};
use crate::kernels::Matrix;
use crate::model::{LoadError, ModelFile, TensorSource as _};

#[derive(Deserialize)]
struct Golden {
    expected: String,
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    file: String,
    /// Formats that a worker need not know.
    may_be_refused: bool,
    tensors: Vec<Tensor>,
}

#[derive(Deserialize)]
struct Tensor {
    tensor: String,
    shape: [usize; 2],
}

/// Compares every tensor of a folder of block formats.
pub(super) fn check(folder: &Path, report: &mut Report) -> Result<(), FidelityError> {
    let Some(golden) = json_if_there::<Golden>(&folder.join("quants.json"))? else {
        report.absent.push("quants".to_owned());
        return Ok(());
    };
    let arrays_path = folder.join(&golden.expected);
    let arrays = Arrays::read(&arrays_path)?;
    for file in &golden.files {
        let path = folder.join(&file.file);
        if !path.is_file() {
            report.absent.push(format!("quants {}", file.file));
            continue;
        }
        for Tensor { tensor, shape } in &file.tensors {
            let case = format!("quants {tensor}");
            if !report.wants(&case) {
                continue;
            }
            let expected = arrays
                .numbers(tensor)
                .ok_or_else(|| FidelityError::new(&arrays_path, format!("it has no array {tensor}")))?;
            match dequantise(&path, tensor, *shape) {
                Ok(numbers) => {
                    let wrong: Vec<String> = numbers
                        .iter()
                        .zip(&expected)
                        .filter(|(found, expected)| found.to_bits() != expected.to_bits())
                        .map(|(found, expected)| format!("{found} and not {expected}"))
                        .collect();
                    let count = if numbers.len() == expected.len() {
                        numbers.len()
                    } else {
                        0
                    };
                    report.none_differ(&case, "weights out of their blocks", count, &wrong);
                }
                Err(LoadError::File {
                    source: GgufError::Unsupported { .. },
                    ..
                }) if file.may_be_refused => {
                    report.at_most(&case, "refused with a clear error", 0.0, 0.0);
                }
                Err(error) => report.failed(&case, "weights out of their blocks", &error),
            }
        }
    }
    Ok(())
}

fn dequantise(path: &Path, tensor: &str, [rows, len]: [usize; 2]) -> Result<Vec<f32>, LoadError> {
    let file = ModelFile::open(path)?;
    let matrix: Matrix = file.matrix(tensor, rows, len).map_err(|source| LoadError::File {
        path: path.to_owned(),
        source,
    })?;
    let mut numbers = vec![0.0; rows * len];
    for (row, out) in numbers.chunks_exact_mut(len).enumerate() {
        matrix.dequantise_row(row, out);
    }
    Ok(numbers)
}
