//! Texts of strangers, made fit to be shown and kept.

/// Longest text of one fact, in bytes.
pub(crate) const MAX_FACT_BYTES: usize = 1024;

/// Without control characters, trimmed, at most so many bytes.
pub(crate) fn bounded(text: &str, most_bytes: usize) -> String {
    let mut kept = String::new();
    for letter in text.trim().chars() {
        let letter = if letter.is_control() { ' ' } else { letter };
        if kept.len() + letter.len_utf8() > most_bytes {
            kept.truncate(kept.trim_end().len());
            break;
        }
        kept.push(letter);
    }
    kept
}

/// A stranger's text within a message.
pub(crate) fn excerpt(text: &str) -> String {
    let short = bounded(text, 120);
    if short.len() < text.trim().len() {
        format!("{short}…")
    } else {
        short
    }
}

/// A size for people.
pub(crate) fn human(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_readable() {
        assert_eq!(human(4_920_000_000), "4.6 GiB");
        assert_eq!(human(1536), "1.5 KiB");
        assert_eq!(human(7), "7 B");
    }

    proptest! {
        #[test]
        fn what_is_kept_is_short_and_clean(text in ".{0,40}", most in 0_usize..30) {
            let kept = bounded(&text, most);
            prop_assert!(kept.len() <= most);
            prop_assert!(!kept.contains(char::is_control));
        }
    }
}
