//! The machine that a model is chosen for.

/// Margin for a model's context and buffers, beside an eighth of its size. The hive estimates exactly before it
/// spawns; here it only has to tell a choice that works from one that does not.
const MARGIN_BYTES: u64 = 256 << 20;

/// What a model has to fit. What is absent is not known, and then everything fits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Machine {
    /// Memory that a model may take: of the largest device, or the host's.
    pub memory_bytes: Option<u64>,
    /// Bytes that can still be written where models go.
    pub disk_available_bytes: Option<u64>,
}

impl Machine {
    /// Whether a model of this size can be stored and loaded. One of unknown size can.
    #[must_use]
    pub fn fits(&self, size_bytes: Option<u64>) -> bool {
        let Some(size) = size_bytes else { return true };
        let loaded = size.saturating_add(size / 8).saturating_add(MARGIN_BYTES);
        self.memory_bytes.is_none_or(|memory| loaded <= memory)
            && self.disk_available_bytes.is_none_or(|disk| size <= disk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_needs_more_than_its_own_size_and_what_is_not_known_fits() {
        let machine = Machine {
            memory_bytes: Some(8 << 30),
            disk_available_bytes: Some(7 << 30),
        };
        assert!(machine.fits(Some(6 << 30)));
        assert!(!machine.fits(Some(7 << 30)), "memory");
        assert!(machine.fits(None));
        assert!(Machine::default().fits(Some(u64::MAX)));
        let full = Machine {
            memory_bytes: None,
            disk_available_bytes: Some(9),
        };
        assert!(!full.fits(Some(10)), "disk");
    }
}
