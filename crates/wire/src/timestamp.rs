//! Times.

use jiff::Timestamp;

use crate::InvalidField;

/// Writes a time. Its fraction of a second counts forward also before 1970, as the contract wants it.
#[must_use]
pub fn timestamp_to_wire(timestamp: Timestamp) -> prost_types::Timestamp {
    const NANOSECONDS: i128 = 1_000_000_000;
    let nanoseconds = timestamp.as_nanosecond();
    // Both fit: jiff's range is that of the years -9999 to 9999.
    prost_types::Timestamp {
        seconds: nanoseconds.div_euclid(NANOSECONDS) as i64,
        nanos: nanoseconds.rem_euclid(NANOSECONDS) as i32,
    }
}

/// Reads a time.
///
/// # Errors
/// If no calendar has it; `field` is its path.
pub fn timestamp_from_wire(
    field: &str,
    timestamp: &prost_types::Timestamp,
) -> Result<Timestamp, InvalidField> {
    Timestamp::new(timestamp.seconds, timestamp.nanos)
        .map_err(|_| InvalidField::new(field, "is not a time between the years -9999 and 9999"))
}

/// Reads a time that must be said.
pub(crate) fn required_timestamp(
    field: &str,
    timestamp: Option<prost_types::Timestamp>,
) -> Result<Timestamp, InvalidField> {
    timestamp_from_wire(field, &timestamp.ok_or_else(|| InvalidField::missing(field))?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::any_timestamp;

    #[test]
    fn times_cross_the_wire() {
        for text in [
            "2026-11-23T06:30:00.123456789Z",
            "2026-11-23T06:30:00.5Z",
            "1969-12-31T23:59:59.5Z",
            "1969-12-31T23:59:59.25Z",
            "1970-01-01T00:00:00Z",
        ] {
            let timestamp: Timestamp = text.parse().unwrap();
            let wire = timestamp_to_wire(timestamp);
            assert!((0..1_000_000_000).contains(&wire.nanos));
            assert_eq!(timestamp_from_wire("at", &wire), Ok(timestamp));
        }
        for timestamp in [Timestamp::MIN, Timestamp::MAX] {
            assert_eq!(
                timestamp_from_wire("at", &timestamp_to_wire(timestamp)),
                Ok(timestamp)
            );
        }
        let absurd = prost_types::Timestamp {
            seconds: i64::MAX,
            nanos: 0,
        };
        assert_eq!(timestamp_from_wire("at", &absurd).unwrap_err().field, "at");
    }

    proptest! {
        #[test]
        fn any_time_crosses_the_wire(timestamp in any_timestamp()) {
            let wire = timestamp_to_wire(timestamp);
            prop_assert!((0..1_000_000_000).contains(&wire.nanos));
            prop_assert_eq!(timestamp_from_wire("at", &wire), Ok(timestamp));
        }

        #[test]
        fn any_numbers_are_a_time_or_an_error(seconds: i64, nanos: i32) {
            let read = timestamp_from_wire("at", &prost_types::Timestamp { seconds, nanos });
            if let Ok(timestamp) = read {
                prop_assert_eq!(timestamp_from_wire("at", &timestamp_to_wire(timestamp)), Ok(timestamp));
            }
        }
    }
}
