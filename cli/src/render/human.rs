//! Sizes, ages, durations and counts as people read them.

use std::time::Duration;

use bytesize::ByteSize;
use prost_types::Timestamp;

/// What stands where something is not known.
pub(crate) const UNKNOWN: &str = "-";

/// `468.6 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}

/// `118.2 MiB/s`.
pub(crate) fn rate(bytes_per_second: f64) -> String {
    format!("{}/s", size(bytes_per_second as u64))
}

/// Parameters of a model: `494M`, `7.6B`.
pub(crate) fn count(number: u64) -> String {
    let number = number as f64;
    for (unit, name) in [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")] {
        if number >= unit {
            let scaled = number / unit;
            return if scaled < 10.0 {
                format!("{scaled:.1}{name}")
            } else {
                format!("{scaled:.0}{name}")
            };
        }
    }
    format!("{number}")
}

/// A number of things: `1 file`, `3 files`.
pub(crate) fn number(count: u64, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

/// A word as a shell takes it.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@%+,".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// How long ago, in one unit: `3m`.
pub(crate) fn age(since: Option<&Timestamp>, now: &Timestamp) -> String {
    let Some(since) = since else {
        return UNKNOWN.to_owned();
    };
    // Clocks of two hosts may differ: what lies in the future is `0s` old.
    let seconds = (now.seconds - since.seconds).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// `12 ms`, `3.2 s`, `2 min 5 s`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 1.0 {
        format!("{} ms", duration.as_millis())
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        let whole = duration.as_secs();
        format!("{} min {} s", whole / 60, whole % 60)
    }
}

/// How long until then: `in 8 s`, `in 3 min`; `now` if that is past.
pub(crate) fn until(then: &Timestamp, now: &Timestamp) -> String {
    let nanos = i64::from(then.nanos) - i64::from(now.nanos);
    // Rounded up: what is called `in 1 s` has not happened yet.
    let seconds = then.seconds.saturating_sub(now.seconds) + i64::from(nanos > 0);
    match seconds {
        ..=0 => "now".to_owned(),
        1..120 => format!("in {seconds} s"),
        120..7200 => format!("in {} min", seconds / 60),
        _ => format!("in {} h", seconds / 3600),
    }
}

/// A time that somebody set, as they may write it: `30m`, `1h 30m`.
pub(crate) fn span(span: Duration) -> String {
    humantime::format_duration(span).to_string()
}

/// A number with its thousands apart: `1,204`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut apart = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
}

/// The time now.
pub(crate) fn now() -> Timestamp {
    let now = jiff::Timestamp::now();
    Timestamp {
        seconds: now.as_second(),
        nanos: now.subsec_nanosecond(),
    }
}

/// `2026-11-23T06:37:02Z`; absent for a time that no calendar has.
pub(crate) fn timestamp(timestamp: &Timestamp) -> Option<String> {
    jiff::Timestamp::new(timestamp.seconds, timestamp.nanos)
        .ok()
        .map(|time| time.to_string())
}

/// `2026-11-23T06:37:02.040Z`; absent for a time that no calendar has.
pub(crate) fn timestamp_millis(timestamp: &Timestamp) -> Option<String> {
    let time = jiff::Timestamp::new(timestamp.seconds, timestamp.nanos).ok()?;
    Some(format!("{time:.3}"))
}

/// Time of day in the user's zone, `06:37:02`; absent for a time that no calendar has.
pub(crate) fn clock(timestamp: &Timestamp) -> Option<String> {
    let time = jiff::Timestamp::new(timestamp.seconds, timestamp.nanos).ok()?;
    Some(
        time.to_zoned(jiff::tz::TimeZone::system())
            .strftime("%H:%M:%S")
            .to_string(),
    )
}

/// A duration of the contract; absent if it is negative.
pub(crate) fn from_proto(duration: &prost_types::Duration) -> Option<Duration> {
    Duration::try_from(*duration).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(491_400_032), "468.6 MiB");
        assert_eq!(rate(1_048_576.0), "1.0 MiB/s");
    }

    #[test]
    fn counts_have_two_digits() {
        assert_eq!(count(494_032_768), "494M");
        assert_eq!(count(7_615_616_512), "7.6B");
        assert_eq!(count(512), "512");
    }

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(shell_word("eyJh=="), "eyJh==");
        assert_eq!(shell_word("90|0|1001"), "'90|0|1001'");
        assert_eq!(shell_word("it's"), "'it'\\''s'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(number(1, "file"), "1 file");
        assert_eq!(number(0, "file"), "0 files");
    }

    #[test]
    fn ages_take_one_unit() {
        let now = Timestamp {
            seconds: 1_000_000,
            nanos: 0,
        };
        let ago = |seconds: i64| {
            age(
                Some(&Timestamp {
                    seconds: 1_000_000 - seconds,
                    nanos: 0,
                }),
                &now,
            )
        };
        assert_eq!(ago(-5), "0s");
        assert_eq!(ago(59), "59s");
        assert_eq!(ago(185), "3m");
        assert_eq!(ago(3 * 3600), "3h");
        assert_eq!(ago(400_000), "4d");
        assert_eq!(age(None, &now), "-");
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(duration(Duration::from_micros(12_400)), "12 ms");
        assert_eq!(duration(Duration::from_millis(3_240)), "3.2 s");
        assert_eq!(duration(Duration::from_secs(125)), "2 min 5 s");
    }

    #[test]
    fn what_is_to_come_is_counted_down() {
        let now = Timestamp {
            seconds: 1_000,
            nanos: 400_000_000,
        };
        let at = |seconds: i64, nanos: i32| until(&Timestamp { seconds, nanos }, &now);
        assert_eq!(at(1_008, 400_000_000), "in 8 s");
        assert_eq!(at(1_000, 900_000_000), "in 1 s");
        assert_eq!(at(1_200, 0), "in 3 min");
        assert_eq!(at(1_000 + 3 * 3600, 500_000_000), "in 3 h");
        assert_eq!(at(1_000, 0), "now");
        assert_eq!(at(0, 0), "now");
    }

    #[test]
    fn spans_read_as_they_are_written() {
        for text in ["30m", "1h 30m", "45s"] {
            assert_eq!(span(humantime::parse_duration(text).unwrap()), text);
        }
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(
            [0, 999, 1_204, 1_234_567].map(thousands),
            ["0", "999", "1,204", "1,234,567"]
        );
    }

    #[test]
    fn times_are_rfc_3339() {
        let time = Timestamp {
            seconds: 1_795_415_822,
            nanos: 0,
        };
        assert_eq!(timestamp(&time).unwrap(), "2026-11-23T06:37:02Z");
        assert_eq!(
            timestamp(&Timestamp {
                seconds: i64::MAX,
                nanos: 0
            }),
            None
        );
    }
}
