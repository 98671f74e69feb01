//! What the hives say of a model: where it would go, and why not elsewhere.

use super::PlaceId;
use crate::model::cluster::WorkerType;
use crate::model::ids::{DeviceId, HiveId, WorkerId};

/// Whether a worker has room on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It has room by estimate.
    Fits,
    /// The device's memory is not known.
    Unknown,
    /// It has room if idle workers leave.
    Evicting,
    /// It has none.
    TooLarge,
    /// No program for this hardware is installed.
    NoProgram,
}

impl Fit {
    /// The word for it in `data-state`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::Unknown => "unknown",
            Self::Evicting => "evicting",
            Self::TooLarge => "too-large",
            Self::NoProgram => "no-program",
        }
    }

    /// The words for a person.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::Unknown => "memory not known",
            Self::Evicting => "fits after stopping idle workers",
            Self::TooLarge => "does not fit",
            Self::NoProgram => "worker program missing",
        }
    }
}

/// A device on which the worker could run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its hive.
    pub hive: HiveId,
    /// The hive's name.
    pub hive_name: String,
    /// Where the hive is called.
    pub hive_address: String,
    /// The device.
    pub device: DeviceId,
    /// The device's product name.
    pub device_name: String,
    /// The program that would run there.
    pub worker_type: WorkerType,
    /// Whether there is room.
    pub fit: Fit,
    /// All this for a person, as the hive says it.
    pub sentence: String,
    /// What the worker needs by estimate, in bytes.
    pub needed_bytes: u64,
    /// What a new worker may count on there, in bytes; `None` where not known.
    pub available_bytes: Option<u64>,
    /// The device's memory in bytes; `None` where not known.
    pub total_bytes: Option<u64>,
    /// Whether the host has the model's files already.
    pub files_present: bool,
    /// Idle workers that would have to leave.
    pub evictable: Vec<WorkerId>,
}

impl Place {
    /// Which device it is.
    #[must_use]
    pub fn id(&self) -> PlaceId {
        (self.hive.clone(), self.device.clone())
    }

    /// What is left there afterwards, in bytes; less than nothing where it does not fit.
    fn left(&self) -> Option<i128> {
        let available = self.available_bytes?;
        Some(i128::from(available) - i128::from(self.needed_bytes))
    }
}

/// A hive where the worker can't run at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal<F> {
    /// The hive's name.
    pub hive_name: String,
    /// Why.
    pub failure: F,
}

/// What the hives say of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<F> {
    /// Devices, best first.
    pub places: Vec<Place>,
    /// Hives where it can't run.
    pub refused: Vec<Refusal<F>>,
}

/// What comes of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<'a, F> {
    /// There is room.
    Fits(&'a Place),
    /// There is room if idle workers leave, or it is not known whether there is.
    Perhaps(&'a Place),
    /// There is none; this device comes nearest.
    TooLarge(&'a Place),
    /// Every hive refuses it; this one speaks for all.
    Refused(&'a Refusal<F>),
    /// There is no hive.
    NoDevice,
}

impl<F> Verdict<'_, F> {
    /// Its place among others: what fits first.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Fits(_) => 0,
            Self::Perhaps(_) => 1,
            Self::TooLarge(_) => 2,
            Self::Refused(_) | Self::NoDevice => 3,
        }
    }
}

impl<F> Answer<F> {
    /// Ranks the devices: where it fits, then where that is not known, then where workers would leave (the fewest
    /// first), then the others. Among equals hosts that have the files come first, then what leaves most memory.
    #[must_use]
    pub fn new(mut places: Vec<Place>, refused: Vec<Refusal<F>>) -> Self {
        places.sort_by_key(|place| {
            (
                place.fit,
                place.evictable.len(),
                !place.files_present,
                std::cmp::Reverse(place.left()),
                place.hive_name.clone(),
                place.device.clone(),
            )
        });
        Self { places, refused }
    }

    /// Where it would go.
    #[must_use]
    pub fn best(&self) -> Option<&Place> {
        let possible = |place: &&Place| place.fit < Fit::TooLarge;
        self.places.iter().find(possible)
    }

    /// What comes of it.
    #[must_use]
    pub fn verdict(&self) -> Verdict<'_, F> {
        let Some(first) = self.places.first() else {
            return self.refused.first().map_or(Verdict::NoDevice, Verdict::Refused);
        };
        match first.fit {
            Fit::Fits => Verdict::Fits(first),
            Fit::Unknown | Fit::Evicting => Verdict::Perhaps(first),
            Fit::TooLarge | Fit::NoProgram => Verdict::TooLarge(first),
        }
    }
}
