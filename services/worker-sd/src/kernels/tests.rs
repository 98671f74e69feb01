//! Every kernel on every instruction set against the plain version, at sizes that leave rests everywhere.

use half::{bf16, f16};

use super::*;

/// Numbers between -1 and 1 that repeat only after long: a linear congruence (Knuth, MMIX).
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed
        .wrapping_mul(2_862_933_555_777_941_757)
        .wrapping_add(3_037_000_493);
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

#[track_caller]
fn assert_near(found: &[f32], right: &[f64], tolerance: f64) {
    assert_eq!(found.len(), right.len());
    for (place, (found, right)) in found.iter().zip(right).enumerate() {
        assert!(
            (f64::from(*found) - right).abs() <= tolerance,
            "at {place}: {found} instead of {right}"
        );
    }
}

#[test]
fn products_are_those_of_plain_code() {
    for (rows, inputs, outputs) in [(1, 1, 1), (13, 5, 3), (12, 32, 32), (200, 70, 33), (25, 1100, 65)] {
        let (a, b) = (numbers(1, rows * inputs), numbers(2, outputs * inputs));
        let bias = numbers(3, outputs);
        let residual = numbers(4, rows * outputs);
        let images = numbers(5, rows.div_ceil(7) * outputs);
        let mut right = reference::product(&a, &b, inputs);
        for (place, right) in right.iter_mut().enumerate() {
            let (row, output) = (place / outputs, place % outputs);
            *right += f64::from(bias[output])
                + f64::from(residual[place])
                + f64::from(images[row / 7 * outputs + output]);
        }
        let panels = Panels::pack(Numbers::F32(&b), outputs, inputs, 1, Lanes::InOrder);
        for isa in Isa::available() {
            let finish = Finish {
                bias: Some(&bias),
                per_image: Some((&images, 7)),
                residual: Some(&residual),
            };
            assert_near(
                &product(isa, &a, &panels, &finish),
                &right,
                1e-5 * (inputs as f64).sqrt(),
            );
        }
    }
}

#[test]
fn short_numbers_are_widened_exactly() {
    let (a, b) = (numbers(1, 30 * 600), numbers(2, 40 * 600));
    let halves: Vec<f16> = b.iter().map(|&number| f16::from_f32(number)).collect();
    let brains: Vec<bf16> = b.iter().map(|&number| bf16::from_f32(number)).collect();
    let wide: Vec<f32> = halves.iter().map(|number| number.to_f32()).collect();
    let wide_brains: Vec<f32> = brains.iter().map(|number| number.to_f32()).collect();
    for isa in Isa::available() {
        let run = |numbers: Numbers<'_>| {
            let panels = Panels::pack(numbers, 40, 600, 1, Lanes::InOrder);
            product(isa, &a, &panels, &Finish::default())
        };
        assert_eq!(run(Numbers::F16(&halves)), run(Numbers::F32(&wide)));
        assert_eq!(run(Numbers::Bf16(&brains)), run(Numbers::F32(&wide_brains)));
    }
}

#[test]
fn gated_products_are_values_times_the_gelu_of_gates() {
    let (rows, inputs, inner) = (20, 24, 44);
    let (a, b) = (numbers(6, rows * inputs), numbers(7, 2 * inner * inputs));
    let bias = numbers(8, 2 * inner);
    let whole = reference::product(&a, &b, inputs);
    let mut right = Vec::new();
    for row in whole.chunks_exact(2 * inner) {
        for place in 0..inner {
            let gate = (row[inner + place] + f64::from(bias[inner + place])) as f32;
            right.push((row[place] + f64::from(bias[place])) * f64::from(math::gelu(gate)));
        }
    }
    let panels = Panels::pack(Numbers::F32(&b), 2 * inner, inputs, 1, Lanes::Gated);
    for isa in Isa::available() {
        let finish = Finish {
            bias: Some(&bias),
            ..Finish::default()
        };
        assert_near(&product(isa, &a, &panels, &finish), &right, 2e-5);
    }
}

#[test]
fn convolutions_are_those_of_plain_code() {
    let same = Convolution::same(2, 7, 5, 3);
    let shapes = [
        same,
        Convolution::same(1, 4, 9, 1),
        Convolution { stride: 2, ..same },
        Convolution {
            stride: 2,
            padding_before: 0,
            padding_after: 1,
            ..same
        },
        Convolution {
            enlarged: (14, 10),
            ..same
        },
        Convolution {
            enlarged: (13, 9),
            ..same
        },
    ];
    for shape in shapes {
        let (channels, outputs) = (37, 34);
        let a = numbers(9, shape.images * shape.height * shape.width * channels);
        let b = numbers(10, outputs * channels * shape.kernel * shape.kernel);
        let right = reference::convolve(&shape, &a, &b, channels);
        let taps = shape.kernel * shape.kernel;
        let panels = Panels::pack(Numbers::F32(&b), outputs, channels, taps, Lanes::InOrder);
        for isa in Isa::available() {
            assert_near(
                &convolve(isa, &shape, &a, &panels, &Finish::default()),
                &right,
                2e-5,
            );
        }
    }
}

/// Winograd's way, in tiles of 4×4: sizes that leave rests of tiles, groups of several, rests of panels and of depths.
#[test]
fn convolutions_with_fewer_products_are_those_of_plain_code() {
    let same = Convolution::same(2, 11, 13, 3);
    let enlarged = Convolution {
        enlarged: (20, 25),
        ..same
    };
    for (shape, channels, outputs) in [
        (same, 16, 34),
        (Convolution::same(1, 50, 41, 3), 48, 8),
        (Convolution::same(1, 1, 64, 3), 272, 170),
        (enlarged, 160, 33),
    ] {
        let rows = shape.images * shape.output().0 * shape.output().1;
        let a = numbers(9, shape.images * shape.height * shape.width * channels);
        let b: Vec<f16> = numbers(10, outputs * channels * 9)
            .into_iter()
            .map(f16::from_f32)
            .collect();
        let (bias, residual) = (numbers(11, outputs), numbers(12, rows * outputs));
        let images = numbers(13, shape.images * outputs);
        let wide: Vec<f32> = b.iter().map(|number| number.to_f32()).collect();
        let mut right = reference::convolve(&shape, &a, &wide, channels);
        let each = rows / shape.images;
        for (place, right) in right.iter_mut().enumerate() {
            let (row, output) = (place / outputs, place % outputs);
            *right += f64::from(bias[output])
                + f64::from(residual[place])
                + f64::from(images[row / each * outputs + output]);
        }
        let panels = Panels::pack(Numbers::F16(&b), outputs, channels, 9, Lanes::InOrder);
        assert!(winograd::applies(&shape, &panels));
        for isa in Isa::available() {
            let finish = Finish {
                bias: Some(&bias),
                per_image: Some((&images, each)),
                residual: Some(&residual),
            };
            // On average the errors are twice those of a direct sum.
            let tolerance = 4e-6 * (9.0 * channels as f64).sqrt();
            assert_near(&convolve(isa, &shape, &a, &panels, &finish), &right, tolerance);
        }
    }
}

#[test]
fn attention_is_that_of_plain_code() {
    for (queries, keys, causal) in [(5, 9, false), (70, 900, false), (77, 77, true), (1, 1, true)] {
        let shape = Attention {
            batch: 2,
            heads: 3,
            width: 13,
            queries,
            keys,
            causal,
        };
        let row = shape.heads * shape.width;
        let q: Vec<f32> = numbers(11, 2 * queries * row)
            .iter()
            .map(|number| number * 6.0)
            .collect();
        let k: Vec<f32> = numbers(12, 2 * keys * row)
            .iter()
            .map(|number| number * 6.0)
            .collect();
        let v = numbers(13, 2 * keys * row);
        let right = reference::attend(&shape, &q, &k, &v);
        for isa in Isa::available() {
            assert_near(&attend(isa, &shape, &q, &k, &v), &right, 3e-5);
        }
    }
}

#[test]
fn norms_are_those_of_plain_code_also_far_from_zero() {
    let (channels, pixels) = (96, 700);
    let (weight, bias) = (numbers(14, channels), numbers(15, channels));
    // A mean a thousand times the spread, as some groups of real models have it.
    let a: Vec<f32> = numbers(16, 2 * pixels * channels)
        .iter()
        .map(|number| 300.0 + number * 0.3)
        .collect();
    for silu in [false, true] {
        let norm = GroupNorm {
            weight: &weight,
            bias: &bias,
            groups: 32,
            epsilon: 1e-5,
            silu,
        };
        let right = reference::group_norm(&norm, &a, pixels);
        for isa in Isa::available() {
            assert_near(&group_norm(isa, &norm, &a, pixels), &right, 4e-4);
        }
    }
    let near = numbers(17, 10 * channels);
    let norm = GroupNorm {
        weight: &weight,
        bias: &bias,
        groups: 1,
        epsilon: 1e-5,
        silu: false,
    };
    let right = reference::group_norm(&norm, &near, 1);
    for isa in Isa::available() {
        assert_near(&layer_norm(isa, &weight, &bias, 1e-5, &near), &right, 1e-5);
    }
}

#[test]
fn activations_reach_every_number() {
    for activation in [Activation::Silu, Activation::Gelu, Activation::QuickGelu] {
        for isa in Isa::available() {
            let mut found = vec![1.0; 40_001];
            activate(isa, activation, &mut found);
            assert!(
                found.iter().all(|&number| (0.7..0.9).contains(&number)),
                "{activation:?}"
            );
        }
    }
}
