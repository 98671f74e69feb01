//! Times and sizes in words that several parts of the window use.

use jiff::Timestamp;

/// How long ago something was: `just now`, `5 min ago`, `3 h ago`, and the day for what is longer ago than a week.
#[must_use]
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second() - at.as_second();
    match seconds {
        ..60 => "just now".to_owned(),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        86_400..172_800 => "yesterday".to_owned(),
        172_800..604_800 => format!("{} days ago", seconds / 86_400),
        _ => at.strftime("%Y-%m-%d").to_string(),
    }
}

/// A number of bytes: `512 MB` in powers of 1024, as memory is counted, with three digits at most.
#[must_use]
pub fn gibibytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 || value >= 100.0 {
        format!("{value:.0} {}", units[unit])
    } else {
        format!("{value:.1} {}", units[unit])
    }
}

/// A model's name without where it is from: `Qwen3-4B-Q4_K_M` of `Qwen/Qwen3-4B-GGUF:Qwen3-4B-Q4_K_M.gguf`.
#[must_use]
pub fn short_model(id: &str) -> String {
    let file = id.rsplit(['/', ':']).next().unwrap_or(id);
    let name = file
        .strip_suffix(".gguf")
        .or_else(|| file.strip_suffix(".safetensors"));
    name.unwrap_or(file).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_called_by_its_file() {
        assert_eq!(
            short_model("Qwen/Qwen3-4B-GGUF:Qwen3-4B-Q4_K_M.gguf"),
            "Qwen3-4B-Q4_K_M"
        );
        assert_eq!(short_model("local:tiny"), "tiny");
        assert_eq!(short_model("org/repo"), "repo");
    }

    #[test]
    fn times_are_short() {
        let now = Timestamp::from_second(10_000_000).unwrap();
        let words = |seconds: i64| ago(Timestamp::from_second(10_000_000_i64 - seconds).unwrap(), now);
        assert_eq!(words(-5), "just now");
        assert_eq!(words(59), "just now");
        assert_eq!(words(150), "2 min ago");
        assert_eq!(words(7200), "2 h ago");
        assert_eq!(words(90_000), "yesterday");
        assert_eq!(words(3 * 86_400), "3 days ago");
        assert_eq!(words(30 * 86_400), "1970-03-27");
    }

    #[test]
    fn sizes_have_three_digits() {
        let words = [0, 999, 1536, 999 << 20, 1000 << 20, 64 << 30].map(gibibytes);
        assert_eq!(
            words,
            ["0 B", "999 B", "1.5 KiB", "999 MiB", "1.0 GiB", "64.0 GiB"]
        );
    }
}
