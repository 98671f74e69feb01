//! Sizes, rates, times and counts as people read them; the same words as the command line's.

use std::time::Duration;

/// `468.6 MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// `118.2 MiB/s`.
#[must_use]
pub fn rate(bytes_per_second: f64) -> String {
    format!("{}/s", size(bytes_per_second.max(0.0) as u64))
}

/// `1.2 of 4.1 GiB`, or `1.2 GiB` where the whole is not known.
#[must_use]
pub fn of_whole(done_bytes: u64, total_bytes: Option<u64>) -> String {
    let done = size(done_bytes);
    let Some(total) = total_bytes.map(size) else {
        return done;
    };
    match (done.split_once(' '), total.split_once(' ')) {
        (Some((number, unit)), Some((_, whole))) if unit == whole => format!("{number} of {total}"),
        _ => format!("{done} of {total}"),
    }
}

/// How long something takes, in at most two units: `58 s`, `3 min`, `1 h 20 min`.
#[must_use]
pub fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// Parameters, downloads, likes: `494M`, `7.6B`.
#[must_use]
pub fn count(number: u64) -> String {
    let value = number as f64;
    for (unit, name) in [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")] {
        if value >= unit {
            let scaled = value / unit;
            return if scaled < 10.0 {
                format!("{scaled:.1}{name}")
            } else {
                format!("{scaled:.0}{name}")
            };
        }
    }
    number.to_string()
}

/// `1 file`, `3 files`.
#[must_use]
pub fn number(count: usize, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_the_unit_that_suits_them() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(4_402_341_478), "4.1 GiB");
        assert_eq!(size(u64::MAX), "16777216.0 TiB");
        assert_eq!(rate(-1.0), "0 B/s");
    }

    #[test]
    fn a_unit_is_said_once_where_both_have_it() {
        assert_eq!(of_whole(1 << 30, Some(4 << 30)), "1.0 of 4.0 GiB");
        assert_eq!(of_whole(1 << 20, Some(4 << 30)), "1.0 MiB of 4.0 GiB");
        assert_eq!(of_whole(1 << 20, None), "1.0 MiB");
    }

    #[test]
    fn times_have_two_units_at_most() {
        let of = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!(of(58), "58 s");
        assert_eq!(of(185), "3 min");
        assert_eq!(of(3_600), "1 h");
        assert_eq!(of(4_800), "1 h 20 min");
        assert_eq!(of(90_000), "1 d 1 h");
    }

    #[test]
    fn counts_are_short() {
        assert_eq!(count(999), "999");
        assert_eq!(count(1_500), "1.5K");
        assert_eq!(count(494_000_000), "494M");
        assert_eq!(number(1, "file"), "1 file");
        assert_eq!(number(0, "file"), "0 files");
    }
}
