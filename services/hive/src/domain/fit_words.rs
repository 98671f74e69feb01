//! How a worker fits, for people.

use super::memory::Fit;
use super::plan::describe_bytes;

/// `needs about 6.2 GiB, cuda:0 has 4.1 GiB available; a context of 8192 would fit`.
#[must_use]
pub fn sentence(fit: &Fit) -> String {
    let device = fit.device.label();
    let mut words = format!("needs about {}", describe_bytes(fit.needed_bytes()));
    if fit.shared_bytes > 0 {
        words += &format!(
            " besides the {} of weights that another worker has in memory",
            describe_bytes(fit.shared_bytes)
        );
    }
    let Some(available) = fit.available_bytes else {
        return words + &format!("; how much {device} has is not known");
    };
    words += &format!(", {device} has {} available", describe_bytes(available));
    let reserved = fit
        .device
        .memory_free_bytes
        .map_or(0, |free| free.saturating_sub(available));
    if reserved > 0 {
        words += &format!(
            " ({} more are free but reserved for running workers)",
            describe_bytes(reserved)
        );
    }
    match (fit.fits(), fit.fitting_context_length) {
        (Some(false), Some(context)) => words + &format!("; a context of {context} would fit"),
        (Some(false), None) => words + "; no setting makes it fit, a smaller model or quantization may",
        _ => words,
    }
}

#[cfg(test)]
mod tests {
    use rbee_artifacts::estimate::{Estimate, Room};

    use super::*;
    use crate::domain::Device;

    fn fit(free_gib: u64, available_gib: Option<u64>, context: Option<u32>) -> Fit {
        Fit {
            device: Device {
                memory_free_bytes: available_gib.map(|_| free_gib << 30),
                ..Device::named("cuda:0".parse().unwrap(), "card")
            },
            estimate: Estimate {
                weights_bytes: 5 << 30,
                mapped_bytes: 0,
                kv_cache_bytes: 1 << 30,
                activations_bytes: 0,
                overhead_bytes: 0,
                room: Room::Text {
                    context_length: 32_768,
                    slot_count: 4,
                },
            },
            shared_bytes: 0,
            available_bytes: available_gib.map(|gib| gib << 30),
            fitting_context_length: context,
        }
    }

    #[test]
    fn it_reads_like_this() {
        assert_eq!(
            sentence(&fit(8, Some(8), None)),
            "needs about 6.0 GiB, cuda:0 has 8.0 GiB available"
        );
        assert_eq!(
            sentence(&fit(4, Some(4), Some(8192))),
            "needs about 6.0 GiB, cuda:0 has 4.0 GiB available; a context of 8192 would fit"
        );
        assert_eq!(
            sentence(&fit(6, Some(2), None)),
            "needs about 6.0 GiB, cuda:0 has 2.0 GiB available (4.0 GiB more are free but reserved for running \
             workers); no setting makes it fit, a smaller model or quantization may"
        );
        assert_eq!(
            sentence(&fit(0, None, None)),
            "needs about 6.0 GiB; how much cuda:0 has is not known"
        );
        let mut shared = fit(8, Some(8), None);
        shared.shared_bytes = 5 << 30;
        shared.device.declared = true;
        assert_eq!(
            sentence(&shared),
            "needs about 1.0 GiB besides the 5.0 GiB of weights that another worker has in memory, cuda:0 (declared) \
             has 8.0 GiB available"
        );
    }
}
