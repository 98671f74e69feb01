//! Whether something would fit a device here, judged by the size of its files.

use crate::model::cluster::ClusterView;

/// What a worker takes beyond its weights, as a share of them: caches, activations. An estimate; the hive makes the real one
/// when a worker is spawned.
const BEYOND_WEIGHTS: f64 = 1.2;

/// Whether something would fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fits {
    /// With room to spare.
    Likely,
    /// The weights alone would; what a worker takes beyond them might not.
    Tight,
    /// Not on any device that is here.
    TooLarge,
    /// Its size, or the memory here, is not known.
    Unknown,
}

impl Fits {
    /// Judges files by the memory that the roomiest device has.
    #[must_use]
    pub fn judge(size_bytes: Option<u64>, room_bytes: Option<u64>) -> Self {
        let (Some(size), Some(room)) = (size_bytes, room_bytes) else {
            return Self::Unknown;
        };
        if size > room {
            Self::TooLarge
        } else if size as f64 * BEYOND_WEIGHTS > room as f64 {
            Self::Tight
        } else {
            Self::Likely
        }
    }

    /// The words for a person; `None` where there is nothing to say.
    #[must_use]
    pub const fn label(self) -> Option<&'static str> {
        match self {
            Self::Likely => Some("Should fit"),
            Self::Tight => Some("Tight fit"),
            Self::TooLarge => Some("Too large here"),
            Self::Unknown => None,
        }
    }
}

/// The memory of the roomiest device of the hives that can be reached, in bytes.
#[must_use]
pub fn room_bytes(cluster: &ClusterView) -> Option<u64> {
    let reachable = cluster.hives.values().filter(|hive| hive.reachable);
    reachable
        .flat_map(|hive| &hive.devices)
        .filter_map(|device| device.memory_total_bytes)
        .max()
}
