//! Weights as the tiles read them.
//!
//! A matrix of `columns` outputs and `depth` inputs is cut into panels of [`WIDTH`] outputs. A panel holds,
//! input by input, its outputs' weights side by side: one row of a panel is what a tile multiplies with one
//! number of each of its rows. The numbers keep the precision of their file and are widened a part at a time
//! while they are used; the last panel is filled up with zeros.

use half::{bf16, f16};
use rayon::prelude::*;

/// Outputs of a panel: two registers of AVX-512, four of AVX2.
pub const WIDTH: usize = 32;

/// Numbers as they lie in a file.
#[derive(Debug, Clone, Copy)]
pub enum Numbers<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// 16-bit floats with 10 bits of mantissa.
    F16(&'a [f16]),
    /// 16-bit floats with the range of 32-bit ones.
    Bf16(&'a [bf16]),
}

#[derive(Debug, Clone)]
pub(super) enum Packed {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

/// Which output a panel's lane holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lanes {
    /// Each panel holds the next [`WIDTH`] outputs.
    InOrder,
    /// The first half of a panel holds outputs of the matrix's first half, the other half those of its second
    /// half that belong to them: values and gates of a gated unit side by side.
    Gated,
}

/// A weight matrix, cut into panels.
#[derive(Debug, Clone)]
pub struct Panels {
    columns: usize,
    taps: usize,
    channels: usize,
    lanes: Lanes,
    pub(super) packed: Packed,
}

/// Where weights of an `[outputs, channels, taps]` tensor come from.
struct Source {
    columns: usize,
    channels: usize,
    taps: usize,
    lanes: Lanes,
}

impl Source {
    /// The output in a panel's lane; `None` for filling.
    fn column(&self, panel: usize, lane: usize) -> Option<usize> {
        match self.lanes {
            Lanes::InOrder => Some(panel * WIDTH + lane).filter(|&column| column < self.columns),
            Lanes::Gated => {
                let (half, inner) = (WIDTH / 2, self.columns / 2);
                let place = panel * half + lane % half;
                (place < inner).then_some(if lane < half { place } else { inner + place })
            }
        }
    }

    fn panel_count(&self) -> usize {
        match self.lanes {
            Lanes::InOrder => self.columns.div_ceil(WIDTH),
            Lanes::Gated => (self.columns / 2).div_ceil(WIDTH / 2),
        }
    }

    fn pack<T: Copy + Default + Send + Sync>(&self, numbers: &[T]) -> Vec<T> {
        let depth = self.taps * self.channels;
        let mut packed = vec![T::default(); self.panel_count() * depth * WIDTH];
        let size = (depth * WIDTH).max(1);
        packed.par_chunks_mut(size).enumerate().for_each(|(panel, part)| {
            for lane in 0..WIDTH {
                let Some(column) = self.column(panel, lane) else {
                    continue;
                };
                let row = &numbers[column * depth..][..depth];
                for tap in 0..self.taps {
                    for channel in 0..self.channels {
                        part[(tap * self.channels + channel) * WIDTH + lane] = row[channel * self.taps + tap];
                    }
                }
            }
        });
        packed
    }
}

impl Panels {
    /// Packs a tensor of the shape `[columns, channels, taps]`, as convolutions (taps in rows) and, with one
    /// tap, matrices lie in files.
    ///
    /// # Panics
    /// When there are fewer numbers than the shape says.
    #[must_use]
    pub fn pack(numbers: Numbers<'_>, columns: usize, channels: usize, taps: usize, lanes: Lanes) -> Self {
        let source = Source {
            columns,
            channels,
            taps,
            lanes,
        };
        let packed = match numbers {
            Numbers::F32(numbers) => Packed::F32(source.pack(numbers)),
            Numbers::F16(numbers) => Packed::F16(source.pack(numbers)),
            Numbers::Bf16(numbers) => Packed::Bf16(source.pack(numbers)),
        };
        Self {
            columns,
            taps,
            channels,
            lanes,
            packed,
        }
    }

    /// How many outputs a product has for each row: half of the matrix's for gated lanes.
    #[must_use]
    pub fn outputs(&self) -> usize {
        match self.lanes {
            Lanes::InOrder => self.columns,
            Lanes::Gated => self.columns / 2,
        }
    }

    /// Outputs of one panel.
    pub(super) fn outputs_of_panel(&self) -> usize {
        match self.lanes {
            Lanes::InOrder => WIDTH,
            Lanes::Gated => WIDTH / 2,
        }
    }

    /// Outputs of the matrix.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Taps of the convolution; 1 for a matrix.
    #[must_use]
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// Inputs of each tap.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// How the outputs lie in the panels.
    #[must_use]
    pub fn lanes(&self) -> Lanes {
        self.lanes
    }

    pub(super) fn panel_count(&self) -> usize {
        self.outputs().div_ceil(self.outputs_of_panel())
    }

    /// The outputs of the matrix that a panel's lanes hold; `None` for filling.
    pub(super) fn column(&self, panel: usize, lane: usize) -> Option<usize> {
        Source {
            columns: self.columns,
            channels: self.channels,
            taps: self.taps,
            lanes: self.lanes,
        }
        .column(panel, lane)
    }

    /// What is added to a panel's lanes.
    pub(super) fn bias(&self, panel: usize, bias: Option<&[f32]>) -> [f32; WIDTH] {
        std::array::from_fn(|lane| {
            let column = self.column(panel, lane);
            bias.zip(column).map_or(0.0, |(bias, column)| bias[column])
        })
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        match &self.packed {
            Packed::F32(numbers) => numbers.len() * 4,
            Packed::F16(numbers) => numbers.len() * 2,
            Packed::Bf16(numbers) => numbers.len() * 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_has_its_outputs_side_by_side_for_each_input() {
        // Two outputs, three channels, two taps: the number says where it belongs.
        let numbers: Vec<f32> = (0..12).map(|number| number as f32).collect();
        let panels = Panels::pack(Numbers::F32(&numbers), 2, 3, 2, Lanes::InOrder);
        let Packed::F32(packed) = &panels.packed else {
            panic!("must keep its precision");
        };
        assert_eq!(packed.len(), 6 * WIDTH);
        for (depth, [first, second]) in [[0., 6.], [2., 8.], [4., 10.], [1., 7.], [3., 9.], [5., 11.]]
            .into_iter()
            .enumerate()
        {
            assert_eq!(packed[depth * WIDTH], first);
            assert_eq!(packed[depth * WIDTH + 1], second);
            assert_eq!(packed[depth * WIDTH + 2], 0.0);
        }
    }

    #[test]
    fn gated_panels_pair_values_and_gates() {
        let numbers: Vec<f32> = (0..40).map(|number| number as f32).collect();
        let panels = Panels::pack(Numbers::F32(&numbers), 40, 1, 1, Lanes::Gated);
        assert_eq!((panels.outputs(), panels.panel_count()), (20, 2));
        assert_eq!(panels.column(1, 3), Some(19));
        assert_eq!(panels.column(1, 19), Some(39));
        assert_eq!(panels.column(1, 4), None);
    }
}
