//! How long a server asks to be left alone.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// The wait that an answer asks for: `Retry-After` in seconds or as a date (RFC 9110, 10.2.3), else `t=` of
/// `RateLimit` (draft-ietf-httpapi-ratelimit-headers, as Hugging Face sends it), else `RateLimit-Reset`.
#[must_use]
pub fn asked_wait(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    text("retry-after")
        .and_then(|value| seconds(value).or_else(|| until(value, now)))
        .or_else(|| text("ratelimit").and_then(reset_parameter))
        .or_else(|| text("ratelimit-reset").and_then(seconds))
}

fn seconds(text: &str) -> Option<Duration> {
    // Bounded, so that no sum with it overflows.
    Some(Duration::from_secs(text.parse::<u32>().ok()?.into()))
}

fn until(date: &str, now: SystemTime) -> Option<Duration> {
    let then = httpdate::parse_http_date(date).ok()?;
    Some(then.duration_since(now).unwrap_or_default())
}

/// `"resolvers";r=0;t=55`, perhaps several with commas between: the longest wait of those without rest.
fn reset_parameter(value: &str) -> Option<Duration> {
    let policies = value.split(',').filter_map(|policy| {
        let parameter = |name: &str| {
            policy
                .split(';')
                .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let reset = seconds(parameter("t")?)?;
        Some((parameter("r").is_none_or(|rest| rest == "0"), reset))
    });
    let policies: Vec<(bool, Duration)> = policies.collect();
    let spent = policies.iter().filter(|(spent, _)| *spent);
    spent.map(|(_, reset)| *reset).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(headers: &[(&'static str, &str)]) -> Option<u64> {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    value.parse().expect("a value"),
                )
            })
            .collect();
        let now = httpdate::parse_http_date("Wed, 21 Oct 2026 07:28:00 GMT").unwrap();
        asked_wait(&headers, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn every_way_to_say_it() {
        assert_eq!(wait(&[]), None);
        assert_eq!(wait(&[("retry-after", "7")]), Some(7));
        assert_eq!(wait(&[("retry-after", "-7")]), None);
        assert_eq!(wait(&[("retry-after", "99999999999999999999")]), None);
        assert_eq!(
            wait(&[("retry-after", "Wed, 21 Oct 2026 07:29:05 GMT")]),
            Some(65)
        );
        assert_eq!(wait(&[("retry-after", "Wed, 21 Oct 2026 07:27:00 GMT")]), Some(0));
        assert_eq!(wait(&[("ratelimit", "\"resolvers\";r=0;t=55")]), Some(55));
        assert_eq!(
            wait(&[("ratelimit", "\"a\";r=9;t=300, \"b\"; r=0; t=12")]),
            Some(12)
        );
        assert_eq!(wait(&[("ratelimit", "\"a\";r=9;t=300")]), None);
        assert_eq!(wait(&[("ratelimit-reset", "4")]), Some(4));
        assert_eq!(
            wait(&[("retry-after", "soon"), ("ratelimit", "\"a\";r=0;t=5")]),
            Some(5)
        );
    }
}
