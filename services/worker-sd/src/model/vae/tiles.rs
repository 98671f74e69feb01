//! Large pictures in tiles that lie over each other, faded into one another.

use candle_core::{DType, Device, Result, Tensor};

/// Latents of a tile's edge.
const EDGE: usize = 96;
/// Latents that a tile shares with its neighbour, at least.
const OVERLAP: usize = 16;

/// A part of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    pub(super) top: usize,
    pub(super) left: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Tile {
    /// The same where each latent is so many pixels.
    pub(super) fn scaled(&self, factor: usize) -> Self {
        Self {
            top: self.top * factor,
            left: self.left * factor,
            height: self.height * factor,
            width: self.width * factor,
        }
    }
}

/// The tiles of a picture, in latents.
#[derive(Debug)]
pub(super) struct Tiles {
    rows: Vec<(usize, usize)>,
    columns: Vec<(usize, usize)>,
}

impl Tiles {
    /// How latents of this size are cut; `None` where they are few enough to stay whole.
    pub(super) fn of(height: usize, width: usize, max_latents: usize) -> Option<Self> {
        (height.saturating_mul(width) > max_latents).then(|| Self {
            rows: cut(height),
            columns: cut(width),
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Tile> {
        self.rows.iter().flat_map(move |&(top, height)| {
            self.columns.iter().map(move |&(left, width)| Tile {
                top,
                left,
                height,
                width,
            })
        })
    }
}

/// Beginnings and lengths that cover a length evenly.
fn cut(length: usize) -> Vec<(usize, usize)> {
    if length <= EDGE {
        return vec![(0, length)];
    }
    let count = (length - OVERLAP).div_ceil(EDGE - OVERLAP);
    (0..count)
        .map(|number| ((length - EDGE) * number / (count - 1), EDGE))
        .collect()
}

/// Sums of tiles and of their weights.
#[derive(Debug)]
pub(super) struct Weighted {
    height: usize,
    width: usize,
    images: usize,
    channels: usize,
    sums: Vec<f32>,
    weights: Vec<f32>,
    device: Device,
}

impl Weighted {
    pub(super) fn new(height: usize, width: usize) -> Self {
        Self {
            height,
            width,
            images: 0,
            channels: 0,
            sums: Vec::new(),
            weights: vec![0.0; height * width],
            device: Device::Cpu,
        }
    }

    /// Adds a tile `[images, height, width, channels]` at its place, less and less towards its edges.
    pub(super) fn add(&mut self, part: &Tensor, tile: &Tile) -> Result<()> {
        let (images, height, width, channels) = part.dims4()?;
        if self.sums.is_empty() {
            (self.images, self.channels) = (images, channels);
            self.sums = vec![0.0; images * self.height * self.width * channels];
            self.device = part.device().clone();
        }
        let numbers = part
            .to_dtype(DType::F32)?
            .flatten_all()?
            .to_device(&Device::Cpu)?
            .to_vec1::<f32>()?;
        for y in 0..height {
            for x in 0..width {
                let weight = fade(y, height) * fade(x, width);
                let pixel = (tile.top + y) * self.width + tile.left + x;
                self.weights[pixel] += weight;
                for image in 0..images {
                    let from = &numbers[((image * height + y) * width + x) * channels..][..channels];
                    let to = (image * self.height * self.width + pixel) * channels;
                    for (sum, number) in self.sums[to..to + channels].iter_mut().zip(from) {
                        *sum += weight * number;
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Tensor> {
        let pixels = self.height * self.width;
        for (pixel, numbers) in self.sums.chunks_exact_mut(self.channels.max(1)).enumerate() {
            let weight = self.weights[pixel % pixels];
            numbers.iter_mut().for_each(|number| *number /= weight);
        }
        let shape = (self.images, self.height, self.width, self.channels);
        Tensor::from_vec(self.sums, shape, &Device::Cpu)?.to_device(&self.device)
    }
}

/// From near 0 at an edge to 1 where the overlap ends.
fn fade(place: usize, length: usize) -> f32 {
    let from_edge = place.min(length - 1 - place) as f32 + 0.5;
    // The overlap of tiles of this length, whether it counts latents or pixels.
    let overlap = (length * OVERLAP) as f32 / EDGE as f32;
    (from_edge / overlap).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_all_and_share_their_edges() {
        for length in 1..700 {
            let parts = cut(length);
            assert_eq!(parts[0].0, 0);
            let (begin, count) = parts[parts.len() - 1];
            assert_eq!(begin + count, length);
            for pair in parts.windows(2) {
                assert!(pair[0].0 + pair[0].1 >= pair[1].0 + OVERLAP, "{length}: {pair:?}");
            }
        }
        assert!(Tiles::of(128, 128, 128 * 128).is_none());
        assert_eq!(
            Tiles::of(128, 129, 128 * 128).map(|tiles| tiles.iter().count()),
            Some(4)
        );
    }

    #[test]
    fn what_tiles_agree_on_comes_out_as_it_went_in() {
        let (height, width) = (100, 120);
        let whole: Vec<f32> = (0..height * width * 2).map(|number| number as f32).collect();
        let whole = Tensor::from_vec(whole, (1, height, width, 2), &Device::Cpu).unwrap();
        let mut sum = Weighted::new(height, width);
        for tile in Tiles::of(height, width, 1).unwrap().iter() {
            let part = whole.narrow(1, tile.top, tile.height).unwrap();
            let part = part.narrow(2, tile.left, tile.width).unwrap();
            sum.add(&part.contiguous().unwrap(), &tile).unwrap();
        }
        let difference = (sum.finish().unwrap() - &whole).unwrap().abs().unwrap();
        let worst = difference
            .flatten_all()
            .unwrap()
            .max(0)
            .unwrap()
            .to_scalar::<f32>()
            .unwrap();
        assert!(worst < 0.01, "{worst}");
    }
}
