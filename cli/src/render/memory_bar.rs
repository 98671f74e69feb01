//! A device's memory as a bar: what is used, what is reserved, what is left.

use rbee_proto::types::v1::Device;

use super::human::size;
use super::paint::{Paint, Tone};

const USED: &str = "█";
const RESERVED: &str = "▒";
const AVAILABLE: &str = "░";

/// A device's memory in parts that add up to its total, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    /// All that it has.
    pub(crate) total: u64,
    /// What somebody has taken, workers or others.
    pub(crate) used: u64,
    /// What workers have reserved and may still take.
    pub(crate) reserved: u64,
    /// What a new worker may count on.
    pub(crate) available: u64,
}

/// What a piece of a bar stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Taken.
    Used,
    /// Not taken yet.
    Reserved,
    /// Left.
    Available,
}

impl Part {
    /// How it looks.
    pub(crate) fn tone(self) -> Tone {
        match self {
            Self::Used => Tone::Plain,
            Self::Reserved => Tone::Busy,
            Self::Available => Tone::Faint,
        }
    }
}

impl Memory {
    /// Of a device; absent where not known.
    pub(crate) fn of(device: &Device) -> Option<Self> {
        let total = device.memory_total_bytes?;
        let free = device.memory_free_bytes?.min(total);
        let available = device.memory_available_bytes.unwrap_or(free).min(free);
        Some(Self {
            total,
            used: total - free,
            reserved: free - available,
            available,
        })
    }

    /// The bar in pieces, `width` characters together.
    pub(crate) fn bar(self, width: usize) -> [(Part, String); 3] {
        let end = |bytes: u64| {
            let share = bytes as f64 / self.total.max(1) as f64;
            (share * width as f64).round() as usize
        };
        // Each end is rounded, not each piece: so they fill the width.
        let used = end(self.used).min(width);
        let reserved = end(self.used + self.reserved).clamp(used, width);
        [
            (Part::Used, USED.repeat(used)),
            (Part::Reserved, RESERVED.repeat(reserved - used)),
            (Part::Available, AVAILABLE.repeat(width - reserved)),
        ]
    }

    /// The bar with its colours.
    pub(crate) fn painted(self, width: usize, paint: Paint) -> String {
        let pieces = self.bar(width);
        pieces
            .iter()
            .filter(|(_, piece)| !piece.is_empty())
            .map(|(part, piece)| paint.tone(part.tone(), piece))
            .collect()
    }

    /// `3.2 GiB used, 1.1 GiB reserved, 11.7 GiB available of 16.0 GiB`.
    pub(crate) fn words(self) -> String {
        let reserved = match self.reserved {
            0 => String::new(),
            reserved => format!("{} reserved, ", size(reserved)),
        };
        format!(
            "{} used, {reserved}{} available of {}",
            size(self.used),
            size(self.available),
            size(self.total)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn device(total: u64, free: u64, available: Option<u64>) -> Device {
        Device {
            memory_total_bytes: Some(total),
            memory_free_bytes: Some(free),
            memory_available_bytes: available,
            ..Device::default()
        }
    }

    fn bar(device: &Device) -> String {
        Memory::of(device).unwrap().painted(8, Paint::OFF)
    }

    #[test]
    fn a_bar_shows_what_is_used_reserved_and_left() {
        let device = device(16 * GIB, 8 * GIB, Some(4 * GIB));
        assert_eq!(bar(&device), "████▒▒░░");
        assert_eq!(
            Memory::of(&device).unwrap().words(),
            "8.0 GiB used, 4.0 GiB reserved, 4.0 GiB available of 16.0 GiB"
        );
    }

    #[test]
    fn bars_have_their_width_whatever_a_hive_says() {
        for (total, free, available) in [
            (0, 0, None),
            (5, 9, Some(12)),
            (7, 3, Some(0)),
            (u64::MAX, 1, Some(1)),
        ] {
            let bar = bar(&device(total, free, available));
            assert_eq!(bar.chars().count(), 8, "{total} {free} {available:?}");
        }
        assert_eq!(Memory::of(&Device::default()), None);
    }

    #[test]
    fn without_reservations_none_are_told() {
        let words = Memory::of(&device(2 * GIB, GIB, None)).unwrap().words();
        assert_eq!(words, "1.0 GiB used, 1.0 GiB available of 2.0 GiB");
    }
}
