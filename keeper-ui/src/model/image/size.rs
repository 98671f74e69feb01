//! Sizes of pictures, and which of them a worker makes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Smallest and largest edge in pixels, as the contract has them.
pub const EDGES: std::ops::RangeInclusive<u32> = 64..=4096;
/// What an edge is a multiple of.
pub const EDGE_STEP: u32 = 8;

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Size {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Size {
    /// The nearest edge that can be asked for.
    #[must_use]
    pub fn nearest_edge(pixels: u64) -> u32 {
        let step = u64::from(EDGE_STEP);
        let rounded = pixels.saturating_add(step / 2) / step * step;
        u32::try_from(rounded)
            .unwrap_or(*EDGES.end())
            .clamp(*EDGES.start(), *EDGES.end())
    }

    /// Whether a request can ask for it.
    #[must_use]
    pub fn is_possible(self) -> bool {
        let fits = |edge: u32| EDGES.contains(&edge) && edge.is_multiple_of(EDGE_STEP);
        fits(self.width) && fits(self.height)
    }

    /// The nearest size that can be asked for.
    #[must_use]
    pub fn nearest(self) -> Self {
        Self {
            width: Self::nearest_edge(self.width.into()),
            height: Self::nearest_edge(self.height.into()),
        }
    }

    /// Width and height swapped.
    #[must_use]
    pub fn turned(self) -> Self {
        Self {
            width: self.height,
            height: self.width,
        }
    }

    /// The shorter of its edges in pixels.
    #[must_use]
    pub fn shorter_edge(self) -> u32 {
        self.width.min(self.height)
    }

    /// The same shape with at most so many pixels an edge, at least one.
    #[must_use]
    pub fn within(self, most: u32) -> Self {
        let longest = self.width.max(self.height).max(1);
        if longest <= most {
            return self;
        }
        let edge = |edge: u32| (u64::from(edge) * u64::from(most) / u64::from(longest)).max(1);
        Self {
            // At most `most`, which is 32 bits.
            width: edge(self.width) as u32,
            height: edge(self.height) as u32,
        }
    }

    /// The size of this shape that suits a model of the given native edge: about as many pixels as it was made for.
    #[must_use]
    pub fn of_shape(self, native_edge: u32) -> Self {
        let ratio = (f64::from(self.width.max(1)) / f64::from(self.height.max(1))).sqrt();
        let native = f64::from(native_edge);
        Self {
            width: Self::nearest_edge((native * ratio) as u64),
            height: Self::nearest_edge((native / ratio) as u64),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}×{}", self.width, self.height)
    }
}
