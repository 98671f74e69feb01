//! Where a redirect may lead.

use url::Url;

use super::ask::Ask;
use super::error::HttpError;
use super::origin::{Origin, shown};

/// Redirects followed for one request.
pub(super) const MOST_HOPS: usize = 10;

/// Which redirects are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// All within the rules.
    All,
    /// Those whose `Location` names no host: Hugging Face's renamed repositories and small files.
    Relative,
}

/// Whether a `Location` names neither scheme nor host.
pub(super) fn is_relative(location: &str) -> bool {
    // `//host/path` and, for what parsers of URLs take it as, `\\host` name a host.
    let start = location.trim_start();
    !start.starts_with(['/', '\\']) && Url::parse(start).is_err()
        || start.starts_with('/') && !start.get(1..).is_some_and(|rest| rest.starts_with(['/', '\\']))
}

/// The request that a redirect asks for: without the token unless the origin is the same, never from `https`
/// to `http` with a token or away from what the operator configured, and never to another scheme.
pub(super) fn next(ask: &Ask, location: &str) -> Result<Ask, HttpError> {
    let invalid = || HttpError::BadRedirect {
        from: shown(&ask.url),
    };
    let mut url = ask.url.join(location).map_err(|_| invalid())?;
    let origin = Origin::of(&url).ok_or_else(invalid)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid());
    }
    if ask.url.scheme() == "https" && url.scheme() == "http" && (ask.token.is_some() || !ask.trusted) {
        return Err(HttpError::Downgrade {
            from: shown(&ask.url),
            to: shown(&url),
        });
    }
    url.set_fragment(None);
    let token = ask.token_here().filter(|token| token.origin == origin).cloned();
    let redirected = ask.redirected || Origin::of(&ask.url).as_ref() != Some(&origin);
    Ok(Ask {
        url,
        token,
        redirected,
        ..ask.clone()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::Token;

    fn ask(url: &str, token_for: Option<&str>, trusted: bool) -> Ask {
        let token = token_for.map(|url| {
            let origin = Origin::of(&url.parse().unwrap()).unwrap();
            Token::new(origin, "secret".into())
        });
        Ask {
            trusted,
            ..Ask::new(url.parse().unwrap()).with_token(token)
        }
    }

    #[test]
    fn relative_means_no_host() {
        for location in [
            "/a",
            "a/b",
            "?x",
            "../a",
            "",
            "/a//b",
            "a:b/c".trim_start_matches("a:"),
        ] {
            assert!(is_relative(location), "{location}");
        }
        for location in [
            "//evil/a",
            "https://a",
            "http:a",
            "data:,x",
            "/\\evil",
            "\\\\evil",
            " //evil",
            "\\a",
        ] {
            assert!(!is_relative(location), "{location}");
        }
    }

    #[test]
    fn a_token_stays_at_home() {
        let home = "https://hub.co/a";
        let kept = next(&ask(home, Some(home), false), "/b?c").unwrap();
        assert_eq!(kept.url.as_str(), "https://hub.co/b?c");
        assert!(kept.token_here().is_some());
        for elsewhere in [
            "https://cdn.hub.co/b",
            "https://hub.co:8443/b",
            "//evil.co/b",
            "https://hub.co.evil.co/",
        ] {
            let away = next(&ask(home, Some(home), false), elsewhere).unwrap();
            assert!(away.token.is_none(), "{elsewhere}");
            let back = next(&away, home).unwrap();
            assert!(back.token.is_none(), "who leads back gets no token either");
        }
        assert!(ask(home, Some("https://other.co"), true).token_here().is_none());
        assert!(ask(home, Some("http://hub.co"), true).token_here().is_none());
    }

    #[test]
    fn schemes_and_downgrades() {
        let home = "https://hub.co/a";
        let refused = |ask: &Ask, to: &str| next(ask, to).is_err();
        assert!(refused(&ask(home, None, false), "http://hub.co/a"));
        assert!(refused(&ask(home, Some(home), true), "http://hub.co/a"));
        assert!(!refused(&ask(home, None, true), "http://hub.co/a"));
        assert!(!refused(&ask("http://hub.co", None, false), "https://hub.co/a"));
        for to in [
            "file:///etc/passwd",
            "ftp://hub.co/a",
            "https://u:p@hub.co/a",
            "https://u@hub.co/",
            "https://",
        ] {
            assert!(refused(&ask(home, None, true), to), "{to}");
        }
    }

    proptest! {
        /// Over any chain of redirects, a token is only ever shown to its own origin.
        #[test]
        fn no_chain_carries_a_token_away(
            start in 0..6_usize,
            hops in prop::collection::vec(0..9_usize, 0..8),
            trusted: bool,
        ) {
            let places = [
                "https://hub.co/x", "https://hub.co:444/", "http://hub.co/", "https://cdn.co/?s",
                "http://127.0.0.1:9/", "https://evil.co/", "/same", "//evil.co/", "?q",
            ];
            let mut at = ask(places[start], Some("https://hub.co"), trusted);
            let mut left = false;
            for hop in hops {
                let Ok(next) = next(&at, places[hop]) else { break };
                at = next;
                left |= Origin::of(&at.url) != Origin::of(&places[0].parse().unwrap());
                prop_assert!(!(left && at.token_here().is_some()));
            }
        }
    }
}
