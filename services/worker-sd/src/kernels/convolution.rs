//! Convolutions as products whose rows are the pixels' neighbours, where they lie.

use super::isa::Isa;
use super::panels::Panels;
use super::product::{Finish, RowSource, check, multiply};
use super::winograd;

/// How a convolution moves over a picture, channels last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// Pictures.
    pub images: usize,
    /// Height in pixels of each.
    pub height: usize,
    /// Width in pixels of each.
    pub width: usize,
    /// The size to which a picture is first enlarged, each pixel repeated: `(height, width)`. Itself for none.
    pub enlarged: (usize, usize),
    /// Height and width of the kernel.
    pub kernel: usize,
    /// Pixels from one output to the next.
    pub stride: usize,
    /// Rows of zeros above, and columns of zeros before the picture.
    pub padding_before: usize,
    /// The same below and after it.
    pub padding_after: usize,
}

impl Convolution {
    /// One that keeps the size of its picture.
    #[must_use]
    pub fn same(images: usize, height: usize, width: usize, kernel: usize) -> Self {
        Self {
            images,
            height,
            width,
            enlarged: (height, width),
            kernel,
            stride: 1,
            padding_before: kernel / 2,
            padding_after: kernel / 2,
        }
    }

    /// Height and width of the result; 0 where the picture is smaller than the kernel.
    #[must_use]
    pub fn output(&self) -> (usize, usize) {
        let size = |size: usize| {
            (size + self.padding_before + self.padding_after)
                .checked_sub(self.kernel)
                .map_or(0, |rest| rest / self.stride + 1)
        };
        (size(self.enlarged.0), size(self.enlarged.1))
    }
}

/// A picture whose pixels are asked for by where they lie in the result.
pub(super) struct Neighbours<'a> {
    numbers: &'a [f32],
    channels: usize,
    shape: Convolution,
    output: (usize, usize),
    /// For each row of the enlarged picture the row that it repeats; the same of columns.
    rows: Vec<usize>,
    columns: Vec<usize>,
    zeros: Vec<f32>,
}

impl Neighbours<'_> {
    /// A pixel of the enlarged picture by its place in the padded one; zeros beyond it.
    pub(super) fn pixel(&self, image: usize, y: usize, x: usize) -> &[f32] {
        let place = |at: usize, map: &[usize]| map.get(at.checked_sub(self.shape.padding_before)?).copied();
        match (place(y, &self.rows), place(x, &self.columns)) {
            (Some(y), Some(x)) => {
                let pixel = (image * self.shape.height + y) * self.shape.width + x;
                &self.numbers[pixel * self.channels..][..self.channels]
            }
            _ => &self.zeros,
        }
    }
}

impl RowSource for Neighbours<'_> {
    fn count(&self) -> usize {
        self.shape.images * self.output.0 * self.output.1
    }

    fn address(&self, row: usize, tap: usize) -> *const f32 {
        let (pixel, x) = (row / self.output.1, row % self.output.1);
        let (image, y) = (pixel / self.output.0, pixel % self.output.0);
        let (down, right) = (tap / self.shape.kernel, tap % self.shape.kernel);
        let (y, x) = (y * self.shape.stride + down, x * self.shape.stride + right);
        self.pixel(image, y, x).as_ptr()
    }
}

/// Convolves pictures, channels last.
///
/// # Panics
/// When the sizes do not fit together.
#[must_use]
pub fn convolve(
    isa: Isa,
    shape: &Convolution,
    numbers: &[f32],
    panels: &Panels,
    finish: &Finish<'_>,
) -> Vec<f32> {
    let channels = panels.channels();
    assert!(panels.taps() == shape.kernel * shape.kernel);
    assert!(numbers.len() == shape.images * shape.height * shape.width * channels);
    // As PyTorch's interpolation to the nearest does it.
    let map = |from: usize, to: usize| (0..to).map(|place| place * from / to).collect();
    let neighbours = Neighbours {
        numbers,
        channels,
        shape: *shape,
        output: shape.output(),
        rows: map(shape.height, shape.enlarged.0),
        columns: map(shape.width, shape.enlarged.1),
        zeros: vec![0.0; channels],
    };
    if winograd::applies(shape, panels) {
        check(neighbours.count(), panels, finish);
        return winograd::convolve(isa, shape, &neighbours, panels, finish);
    }
    multiply(isa, &neighbours, panels, finish)
}
