//! `rbee top`.

use std::time::Duration;

use clap::Args;

use crate::render::top::Column;

pub(super) const EXAMPLES: &str = "\
Examples:
  rbee top                      q leaves, p pauses, ←→ choose what is sorted by, r reverses it, ↑↓ scroll
  rbee top --sort rate          who computes most comes first
  rbee top --once               one look, measured over a second; so also where output is no terminal
  rbee top --json               a line for each hive, once a second, until Ctrl-C

A dash stands for what was not measured.";

/// How it is watched.
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Print one table, and leave
    #[arg(long)]
    pub(crate) once: bool,
    /// Time between two measurements, 100ms to 1h
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub(crate) interval: Duration,
    /// What the workers are sorted by at first
    #[arg(long, value_enum, value_name = "COLUMN", default_value_t)]
    pub(crate) sort: Column,
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_millis(100)..=Duration::from_secs(3600)).contains(&interval) {
        Ok(interval)
    } else {
        Err("100ms to 1h".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_what_a_hive_takes() {
        assert_eq!(interval("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(interval("1h"), Ok(Duration::from_secs(3600)));
        for wrong in ["99ms", "61m", "often"] {
            assert!(interval(wrong).is_err(), "{wrong}");
        }
    }
}
