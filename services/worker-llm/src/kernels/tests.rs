//! Products against golden data of ggml, against candle, and against each other.

use std::path::PathBuf;
use std::sync::Arc;

use candle_core::Device;
use proptest::prelude::*;
use rbee_artifacts::gguf::{GgmlType, GgufHeader};

use super::*;
use crate::sampling::Random;

pub(super) const BLOCK_KINDS: [GgmlType; 10] = [
    GgmlType::Q4_0,
    GgmlType::Q4_1,
    GgmlType::Q5_0,
    GgmlType::Q5_1,
    GgmlType::Q8_0,
    GgmlType::Q2_K,
    GgmlType::Q3_K,
    GgmlType::Q4_K,
    GgmlType::Q5_K,
    GgmlType::Q6_K,
];

fn matrix(kind: GgmlType, rows: usize, len: usize, bytes: Vec<u8>) -> Matrix {
    let range = 0..bytes.len();
    Matrix::new(kind, rows, len, SharedBytes::new(Arc::new(bytes), range).unwrap()).unwrap()
}

/// Random blocks with sane scales.
pub(super) fn random_matrix(kind: GgmlType, rows: usize, len: usize, random: &mut Random) -> Matrix {
    let block_bytes = kind.block_bytes() as usize;
    let blocks = rows * len / kind.block_items() as usize;
    let mut bytes: Vec<u8> = (0..blocks * block_bytes)
        .map(|_| random.next_u64() as u8)
        .collect();
    let scale_places: &[usize] = match kind {
        GgmlType::Q4_1 | GgmlType::Q5_1 | GgmlType::Q4_K | GgmlType::Q5_K => &[0, 2],
        GgmlType::Q2_K => &[80, 82],
        GgmlType::Q3_K => &[108],
        GgmlType::Q6_K => &[208],
        _ => &[0],
    };
    for block in bytes.chunks_exact_mut(block_bytes) {
        for &place in scale_places {
            let scale = half::f16::from_f64(random.next_f64() * 0.2 - 0.1);
            block[place..place + 2].copy_from_slice(&scale.to_le_bytes());
        }
    }
    matrix(kind, rows, len, bytes)
}

fn random_rows(count: usize, random: &mut Random) -> Vec<f32> {
    (0..count)
        .map(|_| (random.next_f64() * 2.0 - 1.0) as f32)
        .collect()
}

fn dequantise(matrix: &Matrix) -> Vec<f32> {
    let mut weights = vec![0.0; matrix.rows() * matrix.len()];
    for (row, out) in weights.chunks_exact_mut(matrix.len()).enumerate() {
        matrix.dequantise_row(row, out);
    }
    weights
}

fn multiply(compute: &Compute, matrix: &Matrix, x: &[f32]) -> Vec<f32> {
    let mut out = vec![f32::NAN; x.len() / matrix.len() * matrix.rows()];
    let input = compute.input(x, matrix.len());
    let products = [Product {
        matrix,
        out: &mut out,
    }];
    compute.multiply(&input, products);
    out
}

fn every_compute() -> Vec<Compute> {
    Isa::available()
        .into_iter()
        .flat_map(|isa| [1, 2].map(|threads| Compute::new(threads, isa, Arithmetic::Fast).unwrap()))
        .collect()
}

#[test]
fn fixtures_dequantise_exactly_and_multiply_within_a_percent() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/llm/quants"));
    let bytes = std::fs::read(folder.join("quants.gguf")).unwrap();
    let header = GgufHeader::read(&bytes[..], bytes.len() as u64).unwrap();
    let golden = candle_core::safetensors::load(folder.join("quants.safetensors"), &Device::Cpu).unwrap();
    let numbers = |name: &str| golden[name].flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let owner: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::new(bytes);
    let x_name = golden.keys().find(|name| !name.starts_with("t."));
    let x = numbers(x_name.expect("the vector that everything is multiplied with"));
    let mut kinds = 0;
    for tensor in &header.tensors {
        let [len, rows, ..] = tensor.dimensions.map(|items| items as usize);
        let start = tensor.offset_bytes as usize;
        let data = SharedBytes::new(Arc::clone(&owner), start..start + tensor.size_bytes as usize);
        let matrix = Matrix::new(tensor.kind, rows, len, data.unwrap()).unwrap();
        let weights = numbers(&tensor.name);
        assert_eq!(dequantise(&matrix), weights, "{}", tensor.name);
        let products = numbers(&format!("{}.x", tensor.name));
        let length = |numbers: &[f32]| numbers.iter().map(|x| x * x).sum::<f32>().sqrt();
        for compute in every_compute() {
            // One column for the row kernels, and enough of them for the panels.
            for columns in [1, 3, 40] {
                let found = multiply(&compute, &matrix, &x.repeat(columns));
                for (place, found) in found.iter().enumerate() {
                    let row = place % rows;
                    let limit = 0.01 * length(&weights[row * len..(row + 1) * len]) * length(&x);
                    let expected = products[row];
                    assert!(
                        (found - expected).abs() <= limit,
                        "{} by {compute:?}: {found} is not {expected}",
                        tensor.name
                    );
                }
            }
        }
        kinds += 1;
    }
    assert_eq!(kinds, 13, "three float and ten block formats");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn blocks_are_read_as_candle_reads_them(kind in prop::sample::select(&BLOCK_KINDS[..]), seed: u64) {
        let matrix = random_matrix(kind, 3, 512, &mut Random::from_seed(seed));
        let mut by_candle = vec![0.0; 3 * 512];
        reference::dequantise(kind, matrix.row_range(0..3), &mut by_candle).unwrap();
        prop_assert_eq!(dequantise(&matrix), by_candle);
    }

    /// The vector kernels round as the plain ones do, so that only the order of sums differs.
    #[test]
    fn vector_kernels_agree_with_the_plain_ones(
        kind in prop::sample::select(&BLOCK_KINDS[..]),
        rows in 1usize..70,
        blocks in 1usize..4,
        columns in 1usize..30,
        seed: u64,
    ) {
        let mut random = Random::from_seed(seed);
        let len = blocks * 256;
        let matrix = random_matrix(kind, rows, len, &mut random);
        let x = random_rows(columns * len, &mut random);
        let plain = multiply(&Compute::new(1, Isa::Plain, Arithmetic::Fast).unwrap(), &matrix, &x);
        let largest = dequantise(&matrix).iter().fold(0.0f32, |largest, weight| largest.max(weight.abs()));
        // Minimums and codes cancel where a format has an offset, so rounding is to be measured
        // by the size of what is summed.
        let limit = 2e-6 * largest * len as f32;
        for compute in every_compute() {
            for (found, plain) in multiply(&compute, &matrix, &x).iter().zip(&plain) {
                prop_assert!((found - plain).abs() <= limit, "{compute:?}: {found} is not {plain} ({limit})");
            }
        }
    }

    /// Rounding the activations is all that sets a product apart from the exact one.
    #[test]
    fn fast_products_are_near_the_exact_ones(
        kind in prop::sample::select(&BLOCK_KINDS[..]),
        columns in 1usize..30,
        seed: u64,
    ) {
        let mut random = Random::from_seed(seed);
        let len = 256;
        let matrix = random_matrix(kind, 20, len, &mut random);
        let x = random_rows(columns * len, &mut random);
        let exact = multiply(&Compute::new(1, Isa::detect(), Arithmetic::Reference).unwrap(), &matrix, &x);
        let weights = dequantise(&matrix);
        for compute in every_compute() {
            for (place, (found, exact)) in multiply(&compute, &matrix, &x).iter().zip(&exact).enumerate() {
                let row = &weights[place % 20 * len..][..len];
                // Each value is off by at most half of 1/127, independently of the others.
                let spread = row.iter().map(|w| w * w).sum::<f32>().sqrt() / 254.0;
                prop_assert!((found - exact).abs() <= 4.0 * spread + 1e-4, "{found} is not {exact} ({spread})");
            }
        }
    }

    /// A sequence gets the same numbers alone and in a batch.
    #[test]
    fn a_column_does_not_depend_on_its_neighbours(
        kind in prop::sample::select(&BLOCK_KINDS[..]),
        seed: u64,
    ) {
        let mut random = Random::from_seed(seed);
        let matrix = random_matrix(kind, 40, 512, &mut random);
        for isa in Isa::available() {
            let compute = Compute::new(2, isa, Arithmetic::Fast).unwrap();
            let mut counts = vec![(1, 12), (2, 12), (5, 12), (13, 29)];
            if panel::Panel::fills_fast(isa, kind) {
                // One order of sums for all.
                counts.push((1, 29));
            }
            for (few, many) in counts {
                let x = random_rows(many * 512, &mut random);
                let alone = multiply(&compute, &matrix, &x[..few * 512]);
                prop_assert_eq!(&alone, &multiply(&compute, &matrix, &x)[..few * 40]);
            }
        }
    }
}

#[test]
fn floats_multiply_exactly_whatever_the_length() {
    let mut random = Random::from_seed(3);
    let (rows, len) = (5, 37);
    let weights = random_rows(rows * len, &mut random);
    let x = random_rows(2 * len, &mut random);
    let as_f32 = weights.iter().flat_map(|w| w.to_le_bytes()).collect();
    let as_f16 = weights
        .iter()
        .flat_map(|&w| half::f16::from_f32(w).to_le_bytes())
        .collect();
    let as_bf16 = weights
        .iter()
        .flat_map(|&w| half::bf16::from_f32(w).to_le_bytes())
        .collect();
    for (kind, bytes, tolerance) in [
        (GgmlType::F32, as_f32, 1e-5),
        (GgmlType::F16, as_f16, 1e-2),
        (GgmlType::BF16, as_bf16, 1e-1),
    ] {
        let matrix = matrix(kind, rows, len, bytes);
        for compute in every_compute() {
            for (place, found) in multiply(&compute, &matrix, &x).iter().enumerate() {
                let (column, row) = (place / rows, place % rows);
                let expected: f32 = weights[row * len..][..len]
                    .iter()
                    .zip(&x[column * len..])
                    .map(|(w, x)| w * x)
                    .sum();
                assert!(
                    (found - expected).abs() < tolerance,
                    "{kind}: {found} is not {expected}"
                );
            }
        }
    }
}

#[test]
fn bytes_that_are_no_matrix_are_refused() {
    let bytes = || SharedBytes::new(Arc::new(vec![0; 34]), 0..34).unwrap();
    assert!(Matrix::new(GgmlType::Q8_0, 1, 32, bytes()).is_ok());
    assert!(Matrix::new(GgmlType::Q8_0, 2, 32, bytes()).is_err());
    assert!(Matrix::new(GgmlType::Q8_0, 1, 31, bytes()).is_err());
    assert!(Matrix::new(GgmlType::Q8_0, usize::MAX, 32, bytes()).is_err());
    assert!(Matrix::new(GgmlType::Q8_0, 0, 32, bytes()).is_err());
    assert_eq!(
        Matrix::new(GgmlType::IQ4_NL, 1, 32, bytes()).unwrap_err(),
        MatrixError::Format(GgmlType::IQ4_NL)
    );
    assert!(SharedBytes::new(Arc::new(vec![0; 34]), 30..35).is_none());
}
