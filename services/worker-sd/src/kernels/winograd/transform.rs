//! The three transforms of F(4×4, 3×3), sixteen channels at a time.
//!
//! Toom and Cook's interpolation at 0, ±[`A`], ±[`B`] and infinity, made two-dimensional by doing it to the columns and then
//! to the rows (Winograd 1980; Lavin and Gray 2016). With 1 and 2 as points, rounding errors are several times as large;
//! points near to each other's inverses keep the numbers of one size (Barabasz et al. 2020).

use std::array::from_fn;
use std::ops::{Add, Mul, Sub};

use crate::kernels::math::for_each_isa;
use crate::kernels::panels::WIDTH;

/// Channels that are transformed at a time.
pub(super) const LANES: usize = 16;
/// Pixels of a tile's edge that are read.
pub(super) const EDGE: usize = 6;
/// Pixels of a tile's edge that are made.
pub(super) const OUT: usize = 4;
/// Products of each tile: one for each of its pixels.
pub(super) const PLACES: usize = EDGE * EDGE;

const A: f32 = 0.625;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;

#[derive(Clone, Copy)]
struct Lanes([f32; LANES]);

impl Lanes {
    #[inline(always)]
    fn of(numbers: &[f32]) -> Self {
        Self(from_fn(|lane| numbers[lane]))
    }
}

impl Add for Lanes {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(from_fn(|lane| self.0[lane] + other.0[lane]))
    }
}

impl Sub for Lanes {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(from_fn(|lane| self.0[lane] - other.0[lane]))
    }
}

impl Mul<f32> for Lanes {
    type Output = Self;
    #[inline(always)]
    fn mul(self, factor: f32) -> Self {
        Self(from_fn(|lane| self.0[lane] * factor))
    }
}

#[inline(always)]
fn input(d: [Lanes; EDGE]) -> [Lanes; EDGE] {
    let (even_a, odd_a) = (d[4] - d[2] * B2, (d[3] - d[1] * B2) * A);
    let (even_b, odd_b) = (d[4] - d[2] * A2, (d[3] - d[1] * A2) * B);
    [
        d[0] * (A2 * B2) - d[2] * (A2 + B2) + d[4],
        even_a + odd_a,
        even_a - odd_a,
        even_b + odd_b,
        even_b - odd_b,
        d[1] * (A2 * B2) - d[3] * (A2 + B2) + d[5],
    ]
}

#[inline(always)]
fn weight(g: [Lanes; 3]) -> [Lanes; EDGE] {
    const NEAR: f32 = 1.0 / (2.0 * A2 * (A2 - B2));
    const FAR: f32 = 1.0 / (2.0 * B2 * (B2 - A2));
    let (even_a, odd_a) = ((g[0] + g[2] * A2) * NEAR, g[1] * (A * NEAR));
    let (even_b, odd_b) = ((g[0] + g[2] * B2) * FAR, g[1] * (B * FAR));
    [
        g[0] * (1.0 / (A2 * B2)),
        even_a + odd_a,
        even_a - odd_a,
        even_b + odd_b,
        even_b - odd_b,
        g[2],
    ]
}

#[inline(always)]
fn output(m: [Lanes; EDGE]) -> [Lanes; OUT] {
    let (sum_a, difference_a) = (m[1] + m[2], m[1] - m[2]);
    let (sum_b, difference_b) = (m[3] + m[4], m[3] - m[4]);
    [
        m[0] + sum_a + sum_b,
        difference_a * A + difference_b * B,
        sum_a * A2 + sum_b * B2,
        difference_a * (A * A2) + difference_b * (B * B2) + m[5],
    ]
}

for_each_isa! {
    /// A tile's pixels, `channels` numbers each, to its [`PLACES`] rows of as many.
    fn transform_input(pixels: &[&[f32]; PLACES], channels: usize, rows: &mut [f32]) {
        for first in (0..channels).step_by(LANES) {
            let mut columns = [[Lanes([0.0; LANES]); EDGE]; EDGE];
            for x in 0..EDGE {
                let turned = input(from_fn(|y| Lanes::of(&pixels[y * EDGE + x][first..first + LANES])));
                for y in 0..EDGE {
                    columns[y][x] = turned[y];
                }
            }
            for (y, row) in columns.into_iter().enumerate() {
                for (x, numbers) in input(row).into_iter().enumerate() {
                    rows[(y * EDGE + x) * channels + first..][..LANES].copy_from_slice(&numbers.0);
                }
            }
        }
    }
}

for_each_isa! {
    /// A panel's nine taps, as long as each other, to its [`PLACES`] panels, which begin `stride` numbers apart.
    fn transform_weights(taps: &[&[f32]; 9], panels: &mut [f32], stride: usize) {
        for first in (0..taps[0].len()).step_by(LANES) {
            let mut columns = [[Lanes([0.0; LANES]); 3]; EDGE];
            for x in 0..3 {
                let turned = weight(from_fn(|y| Lanes::of(&taps[y * 3 + x][first..first + LANES])));
                for y in 0..EDGE {
                    columns[y][x] = turned[y];
                }
            }
            for (y, row) in columns.into_iter().enumerate() {
                for (x, numbers) in weight(row).into_iter().enumerate() {
                    panels[(y * EDGE + x) * stride + first..][..LANES].copy_from_slice(&numbers.0);
                }
            }
        }
    }
}

for_each_isa! {
    /// A tile's [`PLACES`] sums, which lie `stride` numbers apart, to its pixels, with a bias added.
    fn transform_output(sums: &[f32], stride: usize, bias: &[f32; WIDTH], pixels: &mut [[f32; WIDTH]; OUT * OUT]) {
        for first in (0..WIDTH).step_by(LANES) {
            let bias = Lanes::of(&bias[first..]);
            let mut columns = [[Lanes([0.0; LANES]); EDGE]; OUT];
            for x in 0..EDGE {
                let turned = output(from_fn(|y| {
                    Lanes::of(&sums[(y * EDGE + x) * stride + first..][..LANES])
                }));
                for y in 0..OUT {
                    columns[y][x] = turned[y];
                }
            }
            for (y, row) in columns.into_iter().enumerate() {
                for (x, numbers) in output(row).into_iter().enumerate() {
                    pixels[y * OUT + x][first..first + LANES].copy_from_slice(&(numbers + bias).0);
                }
            }
        }
    }
}
