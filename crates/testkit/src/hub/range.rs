//! The `Range` header of RFC 9110: one range of bytes, as downloads use it.

/// What a range asks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Everything: no range, or one that is no range of bytes (RFC 9110 says to ignore it).
    Whole,
    /// `len` bytes from `start`.
    Part { start: u64, len: u64 },
    /// It begins behind the end: 416.
    Unsatisfiable,
}

/// Reads `bytes=a-b`, `bytes=a-` or `bytes=-n` against a file of `size` bytes.
pub(crate) fn asked(header: Option<&str>, size: u64) -> Asked {
    parse(header, size).unwrap_or(Asked::Whole)
}

fn parse(header: Option<&str>, size: u64) -> Option<Asked> {
    let (first, last) = header?.trim().strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        let len = last.parse::<u64>().ok()?.min(size);
        return Some(match len {
            0 => Asked::Unsatisfiable,
            _ => Asked::Part {
                start: size - len,
                len,
            },
        });
    }
    let start: u64 = first.parse().ok()?;
    let end = match last {
        "" => u64::MAX,
        last => last.parse().ok()?,
    };
    if end < start {
        return None;
    }
    Some(if start >= size {
        Asked::Unsatisfiable
    } else {
        Asked::Part {
            start,
            len: (end - start).saturating_add(1).min(size - start),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_ten_bytes() {
        let part = |start, len| Asked::Part { start, len };
        for (header, expected) in [
            ("bytes=0-", part(0, 10)),
            ("bytes=0-0", part(0, 1)),
            ("bytes=3-5", part(3, 3)),
            ("bytes=3-500", part(3, 7)),
            ("bytes=-4", part(6, 4)),
            ("bytes=-400", part(0, 10)),
            ("bytes=9-", part(9, 1)),
            ("bytes=10-", Asked::Unsatisfiable),
            ("bytes=-0", Asked::Unsatisfiable),
            ("bytes=0-18446744073709551615", part(0, 10)),
            ("bytes=5-3", Asked::Whole),
            ("bytes=x-3", Asked::Whole),
            ("bytes=0-1,4-5", Asked::Whole),
            ("lines=0-1", Asked::Whole),
        ] {
            assert_eq!(asked(Some(header), 10), expected, "{header}");
        }
        assert_eq!(asked(None, 10), Asked::Whole);
        assert_eq!(asked(Some("bytes=0-"), 0), Asked::Unsatisfiable);
    }
}
