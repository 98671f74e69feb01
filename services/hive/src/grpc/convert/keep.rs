//! How long workers are kept, and how long they may take to leave.

use std::time::Duration;

use rbee_service_kit::Fault;

/// The longest that requests may go on while a worker leaves.
const LONGEST_DRAIN: Duration = Duration::from_secs(3600);

/// The shortest idle time-to-live.
const SHORTEST_TTL: Duration = Duration::from_secs(1);

/// The longest idle time-to-live.
const LONGEST_TTL: Duration = Duration::from_secs(366 * 24 * 3600);

/// Reads how long requests that run may go on; `None` for as configured.
pub(crate) fn drain_grace_from_wire(grace: Option<prost_types::Duration>) -> Result<Option<Duration>, Fault> {
    let read = grace.map(Duration::try_from).transpose();
    read.ok()
        .filter(|grace| grace.is_none_or(|grace| grace <= LONGEST_DRAIN))
        .ok_or_else(|| Fault::invalid("drain_grace", "must be between 0 and 1 h"))
}

/// Reads an idle time-to-live: `None` for none said, `Some(None)` for never.
pub(crate) fn idle_ttl_from_wire(
    ttl: Option<prost_types::Duration>,
) -> Result<Option<Option<Duration>>, Fault> {
    let invalid = || Fault::invalid("idle_ttl", "must be 0 for never, or between 1 s and 366 days");
    let Some(ttl) = ttl else {
        return Ok(None);
    };
    let ttl = Duration::try_from(ttl).map_err(|_| invalid())?;
    if ttl.is_zero() {
        return Ok(Some(None));
    }
    if (SHORTEST_TTL..=LONGEST_TTL).contains(&ttl) {
        Ok(Some(Some(ttl)))
    } else {
        Err(invalid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(seconds: i64, nanos: i32) -> Option<prost_types::Duration> {
        Some(prost_types::Duration { seconds, nanos })
    }

    #[test]
    fn a_grace_is_bounded() {
        assert_eq!(drain_grace_from_wire(None).unwrap(), None);
        assert_eq!(drain_grace_from_wire(wire(0, 0)).unwrap(), Some(Duration::ZERO));
        assert_eq!(drain_grace_from_wire(wire(3600, 0)).unwrap(), Some(LONGEST_DRAIN));
        for bad in [wire(3600, 1), wire(-1, 0), wire(0, -5), wire(i64::MAX, 0)] {
            assert!(drain_grace_from_wire(bad).is_err());
        }
    }

    #[test]
    fn a_time_to_live_is_bounded_and_may_be_none() {
        assert_eq!(idle_ttl_from_wire(None).unwrap(), None);
        assert_eq!(idle_ttl_from_wire(wire(0, 0)).unwrap(), Some(None));
        assert_eq!(
            idle_ttl_from_wire(wire(90, 0)).unwrap(),
            Some(Some(Duration::from_secs(90)))
        );
        for bad in [wire(0, 999_999_999), wire(-3, 0), wire(400 * 24 * 3600, 0)] {
            assert!(idle_ttl_from_wire(bad).is_err());
        }
    }
}
