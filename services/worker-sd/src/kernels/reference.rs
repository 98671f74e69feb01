//! The kernels once more, in the plainest code and in 64 bits: what tests hold them against.

use super::attention::Attention;
use super::convolution::Convolution;
use super::norm::GroupNorm;

/// `[rows, inputs]` by `[outputs, inputs]`, transposed.
pub(super) fn product(numbers: &[f32], weights: &[f32], inputs: usize) -> Vec<f64> {
    let mut result = Vec::new();
    for row in numbers.chunks_exact(inputs) {
        for weights in weights.chunks_exact(inputs) {
            result.push(
                row.iter()
                    .zip(weights)
                    .map(|(a, b)| f64::from(*a) * f64::from(*b))
                    .sum(),
            );
        }
    }
    result
}

/// A convolution with weights `[outputs, channels, kernel, kernel]`.
pub(super) fn convolve(shape: &Convolution, numbers: &[f32], weights: &[f32], channels: usize) -> Vec<f64> {
    let (height, width) = shape.output();
    let taps = shape.kernel * shape.kernel;
    let outputs = weights.len() / (channels * taps);
    let mut result = Vec::new();
    for image in 0..shape.images {
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            for output in 0..outputs {
                let mut sum = 0.0;
                for tap in 0..taps {
                    let up = (y * shape.stride + tap / shape.kernel) as isize - shape.padding_before as isize;
                    let left =
                        (x * shape.stride + tap % shape.kernel) as isize - shape.padding_before as isize;
                    if up < 0
                        || left < 0
                        || up as usize >= shape.enlarged.0
                        || left as usize >= shape.enlarged.1
                    {
                        continue;
                    }
                    let row = up as usize * shape.height / shape.enlarged.0;
                    let column = left as usize * shape.width / shape.enlarged.1;
                    for channel in 0..channels {
                        let number = numbers
                            [((image * shape.height + row) * shape.width + column) * channels + channel];
                        let weight = weights[(output * channels + channel) * taps + tap];
                        sum += f64::from(number) * f64::from(weight);
                    }
                }
                result.push(sum);
            }
        }
    }
    result
}

pub(super) fn attend(shape: &Attention, queries: &[f32], keys: &[f32], values: &[f32]) -> Vec<f64> {
    let row = shape.heads * shape.width;
    let mut result = vec![0.0; queries.len()];
    for sequence in 0..shape.batch {
        for (head, query) in
            (0..shape.heads).flat_map(|head| (0..shape.queries).map(move |query| (head, query)))
        {
            let place = (sequence * shape.queries + query) * row + head * shape.width;
            let key = |key: usize| (sequence * shape.keys + key) * row + head * shape.width;
            let last = if shape.causal {
                shape.keys.min(query + 1)
            } else {
                shape.keys
            };
            let scores: Vec<f64> = (0..last)
                .map(|number| {
                    let product: f64 = (0..shape.width)
                        .map(|column| {
                            f64::from(queries[place + column]) * f64::from(keys[key(number) + column])
                        })
                        .sum();
                    (product / (shape.width as f64).sqrt()).exp()
                })
                .collect();
            let sum: f64 = scores.iter().sum();
            for (number, score) in scores.iter().enumerate() {
                for column in 0..shape.width {
                    result[place + column] += score / sum * f64::from(values[key(number) + column]);
                }
            }
        }
    }
    result
}

pub(super) fn group_norm(norm: &GroupNorm<'_>, numbers: &[f32], pixels: usize) -> Vec<f64> {
    let channels = norm.weight.len();
    let size = channels / norm.groups;
    let mut result = vec![0.0; numbers.len()];
    for image in 0..numbers.len() / (pixels * channels) {
        for group in 0..norm.groups {
            let places: Vec<usize> = (0..pixels)
                .flat_map(|pixel| (0..size).map(move |channel| (pixel, channel)))
                .map(|(pixel, channel)| (image * pixels + pixel) * channels + group * size + channel)
                .collect();
            let count = places.len() as f64;
            let mean = places.iter().map(|&place| f64::from(numbers[place])).sum::<f64>() / count;
            let variance = places
                .iter()
                .map(|&place| (f64::from(numbers[place]) - mean).powi(2))
                .sum::<f64>()
                / count;
            for place in places {
                let channel = place % channels;
                let number = (f64::from(numbers[place]) - mean) / (variance + f64::from(norm.epsilon)).sqrt()
                    * f64::from(norm.weight[channel])
                    + f64::from(norm.bias[channel]);
                result[place] = if norm.silu {
                    number / (1.0 + (-number).exp())
                } else {
                    number
                };
            }
        }
    }
    result
}
