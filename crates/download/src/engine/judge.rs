//! Whether an answer gives what was asked for: pure, as everything depends on it.

use std::ops::Range;

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG};
use http::{HeaderMap, StatusCode};

use super::error::AnswerProblem;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// The bytes wanted.
    pub(super) range: Range<u64>,
    /// Whether the request had a `Range`.
    pub(super) ranged: bool,
}

/// What is known of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Its length by its description.
    pub(super) expected: Option<u64>,
    /// Its length by earlier answers.
    pub(super) total: Option<u64>,
    /// The server's own name for its state: a strong `ETag`, good for `If-Range` and nothing else.
    pub(super) validator: Option<String>,
}

/// What an answer is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// These bytes, of a file of this length.
    Part {
        range: Range<u64>,
        total: u64,
        validator: Option<String>,
    },
    /// The file from its beginning; without a length, until it ends.
    Whole {
        total: Option<u64>,
        validator: Option<String>,
    },
    /// It is a part of another file than the bytes so far: they are void.
    Changed,
}

/// Judges an answer of 2xx.
pub(super) fn judge(
    asked: &Asked,
    status: StatusCode,
    headers: &HeaderMap,
    known: &Known,
) -> Result<Verdict, AnswerProblem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let length: Option<u64> = text(CONTENT_LENGTH).and_then(|value| value.trim().parse().ok());
    let validator = text(ETAG).and_then(strong).map(str::to_owned);
    let wrong_size = |declared_bytes| match known.expected {
        Some(expected_bytes) if expected_bytes != declared_bytes => Err(AnswerProblem::WrongSize {
            expected_bytes,
            declared_bytes,
        }),
        _ => Ok(()),
    };
    if status != StatusCode::PARTIAL_CONTENT {
        if status != StatusCode::OK {
            let status = status.as_u16();
            return Err(AnswerProblem::Status { status });
        }
        length.map_or(Ok(()), wrong_size)?;
        return Ok(Verdict::Whole {
            total: length.or(known.expected),
            validator,
        });
    }
    let header = text(CONTENT_RANGE);
    let wrong_range = || AnswerProblem::WrongRange {
        asked: asked.range.start,
        got: header.map(|value| value.chars().take(100).collect()),
    };
    let (range, total) = header.and_then(content_range).ok_or_else(wrong_range)?;
    let total = total.or(known.expected).or(known.total).ok_or_else(wrong_range)?;
    wrong_size(total)?;
    let differs =
        |known: Option<&str>, now: Option<&str>| matches!((known, now), (Some(a), Some(b)) if a != b);
    if known.total.is_some_and(|known| known != total)
        || differs(known.validator.as_deref(), validator.as_deref())
    {
        return Ok(Verdict::Changed);
    }
    let fits = asked.ranged
        && range.start == asked.range.start
        && range.end <= asked.range.end
        && range.end <= total;
    if !fits {
        return Err(wrong_range());
    }
    let part_bytes = range.end - range.start;
    match length {
        Some(declared_bytes) if declared_bytes != part_bytes => Err(AnswerProblem::WrongLength {
            part_bytes,
            declared_bytes,
        }),
        _ => Ok(Verdict::Part {
            range,
            total,
            validator,
        }),
    }
}

/// An entity tag that is the same only if every byte is (RFC 9110, 8.8.3).
fn strong(etag: &str) -> Option<&str> {
    let etag = etag.trim();
    let within = etag.strip_prefix('"')?.strip_suffix('"')?;
    let fine = etag.len() <= 300
        && within
            .bytes()
            .all(|byte| byte > b' ' && byte != b'"' && byte < 127);
    fine.then_some(etag)
}

/// `bytes a-b/n` or `bytes a-b/*` (RFC 9110, 14.4).
fn content_range(value: &str) -> Option<(Range<u64>, Option<u64>)> {
    let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.trim().split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let range = first..last.checked_add(1)?;
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    (!range.is_empty()).then_some((range, total))
}

/// The length that a 416 tells: `bytes */n`.
pub(super) fn unsatisfied_total(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    value
        .trim()
        .strip_prefix("bytes")?
        .trim()
        .strip_prefix("*/")?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let parse = |(name, value): &(&'static str, &str)| {
            (http::HeaderName::from_static(name), value.parse().unwrap())
        };
        pairs.iter().map(parse).collect()
    }

    fn asked(range: Range<u64>) -> Asked {
        Asked { range, ranged: true }
    }

    fn known(expected: Option<u64>, total: Option<u64>, validator: Option<&str>) -> Known {
        Known {
            expected,
            total,
            validator: validator.map(str::to_owned),
        }
    }

    fn partial(
        asked: &Asked,
        pairs: &[(&'static str, &str)],
        known: &Known,
    ) -> Result<Verdict, AnswerProblem> {
        judge(asked, StatusCode::PARTIAL_CONTENT, &headers(pairs), known)
    }

    #[test]
    fn the_part_that_was_asked_for() {
        let part = |range, validator: Option<&str>| {
            Ok(Verdict::Part {
                range,
                total: 100,
                validator: validator.map(str::to_owned),
            })
        };
        let known = known(Some(100), None, None);
        let given = [
            ("content-range", "bytes 10-19/100"),
            ("content-length", "10"),
            ("etag", "\"x\""),
        ];
        assert_eq!(
            partial(&asked(10..20), &given, &known),
            part(10..20, Some("\"x\""))
        );
        let shorter = [("content-range", "bytes 10-14/*"), ("etag", "W/\"x\"")];
        assert_eq!(partial(&asked(10..20), &shorter, &known), part(10..15, None));
    }

    #[test]
    fn parts_that_were_not() {
        let known = known(Some(100), None, None);
        for wrong in [
            "bytes 13-22/100",
            "bytes 10-20/100",
            "bytes 20-10/100",
            "bytes 10-18446744073709551615/100",
            "bytes */100",
            "10-19/100",
            "bytes 10-19",
        ] {
            let verdict = partial(&asked(10..20), &[("content-range", wrong)], &known);
            assert!(
                matches!(verdict, Err(AnswerProblem::WrongRange { .. })),
                "{wrong}"
            );
        }
        assert!(partial(&asked(10..20), &[], &known).is_err());
        let unasked = Asked {
            range: 10..20,
            ranged: false,
        };
        let good = [("content-range", "bytes 10-19/100")];
        assert!(partial(&unasked, &good, &known).is_err(), "206 to a plain GET");
        let long = [("content-range", "bytes 10-19/100"), ("content-length", "11")];
        let verdict = partial(&asked(10..20), &long, &known);
        assert!(matches!(verdict, Err(AnswerProblem::WrongLength { .. })));
        let other = [("content-range", "bytes 10-19/101")];
        let verdict = partial(&asked(10..20), &other, &known);
        assert!(matches!(verdict, Err(AnswerProblem::WrongSize { .. })));
    }

    #[test]
    fn another_file_voids_what_is_there() {
        let given = [("content-range", "bytes 10-19/100"), ("etag", "\"b\"")];
        let ask = asked(10..20);
        for before in [known(None, Some(99), None), known(None, Some(100), Some("\"a\""))] {
            assert_eq!(partial(&ask, &given, &before), Ok(Verdict::Changed));
        }
        let same = partial(&ask, &given, &known(None, Some(100), Some("\"b\"")));
        assert!(matches!(same, Ok(Verdict::Part { .. })));
    }

    #[test]
    fn the_whole_file() {
        let whole = |length: &str, known: &Known| {
            judge(
                &asked(10..20),
                StatusCode::OK,
                &headers(&[("content-length", length)]),
                known,
            )
        };
        let total = |total| {
            Ok(Verdict::Whole {
                total,
                validator: None,
            })
        };
        assert_eq!(whole("100", &known(Some(100), None, None)), total(Some(100)));
        assert_eq!(whole("100", &known(None, Some(7), None)), total(Some(100)));
        assert!(whole("9223372036854775807", &known(Some(100), None, None)).is_err());
        let unsaid = judge(
            &asked(0..9),
            StatusCode::OK,
            &headers(&[]),
            &known(Some(100), None, None),
        );
        assert_eq!(unsaid, total(Some(100)));
        let nothing = judge(
            &asked(0..9),
            StatusCode::NO_CONTENT,
            &headers(&[]),
            &Known::default(),
        );
        assert_eq!(nothing, Err(AnswerProblem::Status { status: 204 }));
        let unknown = judge(&asked(0..9), StatusCode::OK, &headers(&[]), &Known::default());
        assert_eq!(unknown, total(None));
    }

    #[test]
    fn headers_of_a_416() {
        let total = |value| unsatisfied_total(&headers(&[("content-range", value)]));
        assert_eq!(total("bytes */70"), Some(70));
        assert_eq!(total("bytes 1-2/70"), None);
        assert_eq!(total("bytes */x"), None);
    }

    proptest! {
        /// Whatever the headers, accepted bytes begin where they were asked for and end within the file.
        #[test]
        fn nothing_is_written_where_it_does_not_belong(
            (start, end) in (0..50_u64, 51..100_u64),
            (first, last, total) in (0..100_u64, 0..100_u64, prop::option::of(0..120_u64)),
            length in prop::option::of(0..120_u64),
            (expected, before) in (prop::option::of(80..120_u64), prop::option::of(80..120_u64)),
        ) {
            let total = total.map_or("*".to_owned(), |total| total.to_string());
            let mut map = headers(&[("content-range", &format!("bytes {first}-{last}/{total}"))]);
            if let Some(length) = length {
                map.insert(CONTENT_LENGTH, length.into());
            }
            let known = known(expected, before, None);
            if let Ok(Verdict::Part { range, total, .. }) = judge(&asked(start..end), StatusCode::PARTIAL_CONTENT, &map, &known) {
                prop_assert_eq!(range.start, start);
                prop_assert!(range.end <= end && range.end <= total && !range.is_empty());
                prop_assert!(expected.is_none_or(|expected| expected == total));
                prop_assert!(before.is_none_or(|before| before == total));
                prop_assert!(length.is_none_or(|length| length == range.end - range.start));
            }
        }
    }
}
