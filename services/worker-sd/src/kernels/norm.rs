//! Normalisation: of groups of channels over a picture, and of rows.

use rayon::prelude::*;

use super::isa::Isa;
use super::math::{for_each_isa, silu};

/// Pixels whose sums are added in 32 bits before they are widened; they stay in the first cache.
const BLOCK: usize = 16;
/// Pixels of one task.
const STEP: usize = 256;

/// Group normalisation (Wu and He 2018).
#[derive(Debug, Clone, Copy)]
pub struct GroupNorm<'a> {
    /// For each channel, what the normalised number is multiplied with.
    pub weight: &'a [f32],
    /// For each channel, what is added then.
    pub bias: &'a [f32],
    /// Groups of channels.
    pub groups: usize,
    /// Added to the variance.
    pub epsilon: f32,
    /// Whether the result goes through SiLU.
    pub silu: bool,
}

/// Sums of some pixels for each channel: their number, mean and sum of squared distances from it.
#[derive(Clone)]
struct Moments {
    count: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    fn new(channels: usize) -> Self {
        Self {
            count: 0.0,
            mean: vec![0.0; channels],
            squares: vec![0.0; channels],
        }
    }

    /// Both together (Chan, Golub and LeVeque 1983).
    fn merge(mut self, other: &Self) -> Self {
        let count = self.count + other.count;
        if count > 0.0 {
            let share = other.count / count;
            for channel in 0..self.mean.len() {
                let distance = other.mean[channel] - self.mean[channel];
                self.mean[channel] += distance * share;
                self.squares[channel] += other.squares[channel] + distance * distance * self.count * share;
            }
        }
        self.count = count;
        self
    }
}

for_each_isa! {
    /// Mean and squared distances of each channel over at most [`BLOCK`] pixels.
    fn block_moments(pixels: &[f32], mean: &mut [f32], squares: &mut [f32]) {
        let channels = mean.len();
        mean.fill(0.0);
        for pixel in pixels.chunks_exact(channels) {
            for (sum, number) in mean.iter_mut().zip(pixel) {
                *sum += number;
            }
        }
        let share = channels as f32 / pixels.len() as f32;
        mean.iter_mut().for_each(|sum| *sum *= share);
        squares.fill(0.0);
        for pixel in pixels.chunks_exact(channels) {
            for ((sum, number), mean) in squares.iter_mut().zip(pixel).zip(mean.iter()) {
                let distance = number - mean;
                *sum += distance * distance;
            }
        }
    }
}

for_each_isa! {
    /// Adds a block's moments, as [`Moments::merge`].
    fn add_block(count: f64, before: f64, block_mean: &[f32], block_squares: &[f32], mean: &mut [f64], squares: &mut [f64]) {
        let share = count / (before + count);
        let weight = before * share;
        for (((mean, squares), &block_mean), &block_squares) in
            mean.iter_mut().zip(squares.iter_mut()).zip(block_mean).zip(block_squares)
        {
            let distance = f64::from(block_mean) - *mean;
            *mean += distance * share;
            *squares += f64::from(block_squares) + distance * distance * weight;
        }
    }
}

for_each_isa! {
    fn scale_and_shift(pixels: &[f32], scale: &[f32], shift: &[f32], result: &mut [f32]) {
        for (pixel, result) in pixels.chunks_exact(scale.len()).zip(result.chunks_exact_mut(scale.len())) {
            for (((result, number), scale), shift) in result.iter_mut().zip(pixel).zip(scale).zip(shift) {
                *result = number * scale + shift;
            }
        }
    }
}

for_each_isa! {
    fn scale_shift_and_silu(pixels: &[f32], scale: &[f32], shift: &[f32], result: &mut [f32]) {
        for (pixel, result) in pixels.chunks_exact(scale.len()).zip(result.chunks_exact_mut(scale.len())) {
            for (((result, number), scale), shift) in result.iter_mut().zip(pixel).zip(scale).zip(shift) {
                *result = silu(number * scale + shift);
            }
        }
    }
}

fn moments(isa: Isa, pixels: &[f32], channels: usize) -> Moments {
    let mut all = Moments::new(channels);
    let (mut mean, mut squares) = (vec![0.0; channels], vec![0.0; channels]);
    for block in pixels.chunks(BLOCK * channels) {
        block_moments(isa, block, &mut mean, &mut squares);
        let count = (block.len() / channels) as f64;
        add_block(
            isa,
            count,
            all.count,
            &mean,
            &squares,
            &mut all.mean,
            &mut all.squares,
        );
        all.count += count;
    }
    all
}

/// Scale and shift of each channel that normalise its group.
fn coefficients(norm: &GroupNorm<'_>, moments: &Moments) -> (Vec<f32>, Vec<f32>) {
    let channels = norm.weight.len();
    let size = channels / norm.groups;
    let (mut scales, mut shifts) = (Vec::with_capacity(channels), Vec::with_capacity(channels));
    for group in 0..norm.groups {
        let range = group * size..(group + 1) * size;
        let mean = moments.mean[range.clone()].iter().sum::<f64>() / size as f64;
        let squares: f64 = range
            .clone()
            .map(|channel| {
                let distance = moments.mean[channel] - mean;
                moments.squares[channel] + distance * distance * moments.count
            })
            .sum();
        let variance = squares / (moments.count * size as f64);
        let inverse = 1.0 / (variance + f64::from(norm.epsilon)).sqrt();
        for channel in range {
            let scale = f64::from(norm.weight[channel]) * inverse;
            scales.push(scale as f32);
            shifts.push((f64::from(norm.bias[channel]) - mean * scale) as f32);
        }
    }
    (scales, shifts)
}

/// Normalises pictures of `pixels` pixels each, channels last.
///
/// # Panics
/// When `numbers` are no whole number of pictures, or the channels no whole number of groups.
#[must_use]
pub fn group_norm(isa: Isa, norm: &GroupNorm<'_>, numbers: &[f32], pixels: usize) -> Vec<f32> {
    let channels = norm.weight.len();
    let picture = pixels * channels;
    assert!(picture > 0 && numbers.len().is_multiple_of(picture) && channels.is_multiple_of(norm.groups));
    let mut result = vec![0.0; numbers.len()];
    for (numbers, result) in numbers
        .chunks_exact(picture)
        .zip(result.chunks_exact_mut(picture))
    {
        let parts: Vec<Moments> = numbers
            .par_chunks(STEP * channels)
            .map(|part| moments(isa, part, channels))
            .collect();
        let all = parts.iter().fold(Moments::new(channels), Moments::merge);
        let (scale, shift) = coefficients(norm, &all);
        numbers
            .par_chunks(STEP * channels)
            .zip(result.par_chunks_mut(STEP * channels))
            .for_each(|(numbers, result)| match norm.silu {
                true => scale_shift_and_silu(isa, numbers, &scale, &shift, result),
                false => scale_and_shift(isa, numbers, &scale, &shift, result),
            });
    }
    result
}

for_each_isa! {
    fn layer_norm_rows(numbers: &[f32], weight: &[f32], bias: &[f32], epsilon: f32, result: &mut [f32]) {
        const LANES: usize = 16;
        let width = weight.len();
        for (row, result) in numbers.chunks_exact(width).zip(result.chunks_exact_mut(width)) {
            let mut sums = [0.0_f32; LANES];
            let (whole, rest) = row.as_chunks::<LANES>();
            for part in whole {
                for (sum, number) in sums.iter_mut().zip(part) {
                    *sum += number;
                }
            }
            let mean = (sums.iter().sum::<f32>() + rest.iter().sum::<f32>()) / width as f32;
            let mut sums = [0.0_f32; LANES];
            for part in whole {
                for (sum, number) in sums.iter_mut().zip(part) {
                    *sum += (number - mean) * (number - mean);
                }
            }
            let rest: f32 = rest.iter().map(|number| (number - mean) * (number - mean)).sum();
            let variance = (sums.iter().sum::<f32>() + rest) / width as f32;
            let inverse = 1.0 / (variance + epsilon).sqrt();
            for (((result, number), weight), bias) in result.iter_mut().zip(row).zip(weight).zip(bias) {
                *result = (number - mean) * inverse * weight + bias;
            }
        }
    }
}

/// Normalises each row (Ba, Kiros and Hinton 2016).
///
/// # Panics
/// When `numbers` are no whole number of rows as long as `weight`.
#[must_use]
pub fn layer_norm(isa: Isa, weight: &[f32], bias: &[f32], epsilon: f32, numbers: &[f32]) -> Vec<f32> {
    let width = weight.len();
    assert!(width > 0 && numbers.len().is_multiple_of(width) && bias.len() == width);
    let mut result = vec![0.0; numbers.len()];
    numbers
        .par_chunks(64 * width)
        .zip(result.par_chunks_mut(64 * width))
        .for_each(|(numbers, result)| layer_norm_rows(isa, numbers, weight, bias, epsilon, result));
    result
}
