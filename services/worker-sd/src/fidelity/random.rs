//! Random numbers: what PyTorch draws.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::golden::{Arrays, difference, json};
use super::{FidelityError, Report};
use crate::random::{NoiseSource, Normals, TorchCpu};

/// How far a sum may be off for each number, besides its own rounding to six digits.
const SUM: f64 = 2e-6;

#[derive(Deserialize)]
struct Golden {
    tolerance: Limit,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Limit {
    max_abs: f64,
}

#[derive(Deserialize)]
struct Entry {
    generator: String,
    seed: u64,
    tensor: String,
    shape: Vec<usize>,
    #[serde(default)]
    offset: usize,
    sum: Option<f64>,
    sum_abs: Option<f64>,
}

pub(super) fn check(folder: &Path, report: &mut Report) -> Result<(), FidelityError> {
    let path = folder.join("rng.json");
    if !path.is_file() {
        report.absent.push("random numbers".to_owned());
        return Ok(());
    }
    let golden: Golden = json(&path)?;
    let arrays = Arrays::open(&folder.join("rng.safetensors"))?;
    // Sequences from one generator are told apart by their seed alone.
    let mut sequences: HashMap<u64, Normals> = HashMap::new();
    for entry in &golden.entries {
        let case = format!("random {}", entry.tensor);
        let count = entry.shape.iter().product();
        let numbers = entry.draw(count, &mut sequences);
        if !report.wants(&case) {
            continue;
        }
        let expected = arrays.numbers(&entry.tensor)?;
        let first = numbers.get(..expected.len()).unwrap_or_default();
        report.at_most(
            &case,
            "largest difference of numbers",
            difference(first, &expected),
            golden.tolerance.max_abs,
        );
        if let (Some(sum), Some(sum_abs)) = (entry.sum, entry.sum_abs) {
            let found: f64 = numbers.iter().map(|&number| f64::from(number)).sum();
            let found_abs: f64 = numbers.iter().map(|&number| f64::from(number.abs())).sum();
            let off = (found - sum).abs().max((found_abs - sum_abs).abs());
            let limit = SUM * count as f64 + 1e-5 * sum_abs;
            report.at_most(&case, "difference of the sum of all", off, limit);
        }
    }
    Ok(())
}

impl Entry {
    fn draw(&self, count: usize, sequences: &mut HashMap<u64, Normals>) -> Vec<f32> {
        let source = match self.generator.as_str() {
            "torch_cpu_raw" => return TorchCpu::new(self.seed).uniforms(count),
            "philox" => NoiseSource::Gpu,
            _ => NoiseSource::Cpu,
        };
        let mut fresh = Normals::new(source, self.seed);
        if self.tensor.contains(".seq") {
            let sequence = sequences.entry(self.seed);
            return sequence.or_insert(fresh).draw(count);
        }
        for _ in 0..self.offset {
            drop(fresh.draw(count));
        }
        fresh.draw(count)
    }
}
