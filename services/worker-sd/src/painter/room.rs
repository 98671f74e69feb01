//! Whether there is memory for a picture. Allocations that fail end the process, and systems that overcommit end it
//! later and without a word; so what certainly does not fit is refused before.

use std::fs;

use crate::engine::EngineError;

/// Channels of the first level of every published UNet.
const CHANNELS: u64 = 320;
/// How many arrays of that size are there at the busiest moment, at the least: input and skip of a block, what its two
/// convolutions and its attention work on.
const ARRAYS: u64 = 12;
/// Bytes of a number.
const NUMBER_BYTES: u64 = 4;
/// Latents are so many times smaller than pixels, in each direction.
const LATENT_PIXELS: u64 = 8;

/// Bytes that a step takes at the least, for pictures of this size computed `rows` at a time.
fn least_bytes(width: u32, height: u32, rows: u64) -> u64 {
    let latents = u64::from(width) / LATENT_PIXELS * (u64::from(height) / LATENT_PIXELS);
    latents * rows * CHANNELS * ARRAYS * NUMBER_BYTES
}

/// Refuses a picture for which there is no memory, with this many rows computed side by side.
///
/// # Errors
/// If there is certainly too little.
pub(super) fn check(width: u32, height: u32, rows: u64) -> Result<(), EngineError> {
    let needed = least_bytes(width, height, rows);
    match available_bytes() {
        Some(available) if needed > available => Err(EngineError::OutOfMemory {
            message: format!(
                "{width}x{height} pixels take more than {:.1} GiB, and {:.1} GiB are available",
                gib(needed),
                gib(available)
            ),
        }),
        _ => Ok(()),
    }
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

/// What the system and the process's own control group leave; `None` where nobody tells.
fn available_bytes() -> Option<u64> {
    let system = available_in(&fs::read_to_string("/proc/meminfo").ok()?)?;
    Some(system.min(left_in_group().unwrap_or(u64::MAX)))
}

fn available_in(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn left_in_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let read = |name: &str| -> Option<u64> {
        let text = fs::read_to_string(format!("/sys/fs/cgroup/{group}/{name}")).ok()?;
        text.trim().parse().ok()
    };
    // Without a limit it is the word `max`, which is no number.
    Some(read("memory.max")?.saturating_sub(read("memory.current")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_sizes_are_far_from_any_limit() {
        assert!(least_bytes(512, 512, 2) < 1 << 28);
        assert!(least_bytes(1024, 1024, 2) < 1 << 29);
        assert!(least_bytes(4096, 4096, 2) > 7 << 30);
        assert!(check(512, 512, 2).is_ok());
        assert!(check(4096, 4096, 1 << 20).is_err());
    }

    #[test]
    fn the_kernels_words_are_understood() {
        let meminfo = "MemTotal:       16384000 kB\nMemAvailable:    8000000 kB\n";
        assert_eq!(available_in(meminfo), Some(8_192_000_000));
        assert_eq!(available_in("MemTotal: 5 kB\n"), None);
        assert_eq!(available_in("MemAvailable: many kB\n"), None);
    }
}
