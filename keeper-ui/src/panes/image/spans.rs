//! Lengths of time as people say them.

use std::time::Duration;

/// `0.84 s`, `12.3 s`, `2 min 05 s`, `1 h 04 min`: what was measured.
#[must_use]
pub(super) fn measured(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    if seconds < 9.995 {
        format!("{seconds:.2} s")
    } else if seconds < 59.95 {
        format!("{seconds:.1} s")
    } else {
        whole(span)
    }
}

/// `12 s left`, `2 min 05 s left`: what is worked out, so without digits that nobody knows.
#[must_use]
pub(super) fn left(span: Duration) -> String {
    let rounded = Duration::from_secs_f64(span.as_secs_f64().ceil());
    format!("{} left", whole(rounded))
}

fn whole(span: Duration) -> String {
    let seconds = span.as_secs_f64().round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_as_many_digits_as_it_is_worth() {
        let measured = |seconds: f64| measured(Duration::from_secs_f64(seconds));
        assert_eq!(measured(0.0), "0.00 s");
        assert_eq!(measured(0.842), "0.84 s");
        assert_eq!(measured(12.34), "12.3 s");
        assert_eq!(measured(59.99), "1 min 00 s");
        assert_eq!(measured(3_900.0), "1 h 05 min");
    }

    #[test]
    fn what_is_left_is_rounded_up() {
        assert_eq!(left(Duration::from_millis(11_200)), "12 s left");
        assert_eq!(left(Duration::ZERO), "0 s left");
        assert_eq!(left(Duration::from_secs(125)), "2 min 05 s left");
    }
}
