//! The deadline that a client sets for its call.

use std::time::Duration;

use http::HeaderMap;

/// How long a call may take, from the header `grpc-timeout`: up to eight digits and a unit, `H`, `M`, `S`, `m`, `u`
/// or `n` (gRPC over HTTP/2, "Requests"). `None` where the client sets no deadline, or none that can be read.
pub(super) fn of(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 60 * 60)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<Duration> {
        of(&HeaderMap::from_iter([(
            "grpc-timeout".parse().unwrap(),
            value.parse().unwrap(),
        )]))
    }

    #[test]
    fn every_unit_is_read() {
        assert_eq!(read("99999999H"), Some(Duration::from_secs(359_999_996_400)));
        assert_eq!(read("2M"), Some(Duration::from_secs(120)));
        assert_eq!(read("3S"), Some(Duration::from_secs(3)));
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("4u"), Some(Duration::from_micros(4)));
        assert_eq!(read("0n"), Some(Duration::ZERO));
    }

    #[test]
    fn what_is_no_deadline_is_none() {
        assert_eq!(of(&HeaderMap::new()), None);
        for value in [
            "",
            "S",
            "1",
            "1s",
            "+1S",
            "-1S",
            "1.5S",
            "123456789S",
            "1 S",
            "1 µ",
        ] {
            let header = http::HeaderValue::from_bytes(value.as_bytes()).unwrap();
            let headers = HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), header)]);
            assert_eq!(of(&headers), None, "{value:?}");
        }
    }
}
