//! Times and lengths of time.

use std::time::Duration;

use jiff::Timestamp;

/// A time; `None` for one that no clock shows.
#[must_use]
pub fn timestamp(time: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    let time = time?;
    Timestamp::new(time.seconds, time.nanos).ok()
}

/// A length of time; `None` for a negative one.
#[must_use]
pub fn duration(length: Option<prost_types::Duration>) -> Option<Duration> {
    Duration::try_from(length?).ok()
}
