//! Where a link may lead.

/// The longest address that is followed.
const LONGEST: usize = 2048;

/// The address if it may be followed: to the web or to mail, spelled without tricks; otherwise `None`.
#[must_use]
pub fn safe_address(address: &str) -> Option<String> {
    let plain =
        |character: char| !character.is_control() && !character.is_whitespace() && !is_invisible(character);
    if address.len() > LONGEST || !address.chars().all(plain) {
        return None;
    }
    let (scheme, rest) = address.split_once(':')?;
    let allowed = match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => rest.strip_prefix("//").is_some_and(|rest| !rest.is_empty()),
        "mailto" => !rest.is_empty(),
        _ => false,
    };
    allowed.then(|| address.to_owned())
}

/// Characters that change how an address looks and not where it leads: marks of direction and those without width.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_web_and_mail() {
        for good in [
            "https://example.org/a?b#c",
            "HTTP://example.org",
            "mailto:me@example.org",
        ] {
            assert_eq!(safe_address(good).as_deref(), Some(good));
        }
        for bad in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            " https://example.org",
            "java\nscript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "dioxus://index.html",
            "vbscript:x",
            "//example.org",
            "/local",
            "#anchor",
            "https:",
            "https://",
            "https:example.org",
            "mailto:",
            "https://exa\u{202e}mple.org",
            "",
        ] {
            assert_eq!(safe_address(bad), None, "{bad:?}");
        }
        assert_eq!(safe_address(&format!("https://{}", "x".repeat(3000))), None);
    }
}
