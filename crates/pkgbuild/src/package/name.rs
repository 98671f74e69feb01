//! The names and versions of packages.

use std::fmt;
use std::str::FromStr;

/// Longer than any name that Arch has.
const MAX_BYTES: usize = 128;

/// The name of a package: letters, digits and `@._+-`, not beginning with `-` or `.`; so it is the name of
/// a folder, too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackageName(String);

/// Text that is no name of a package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is not a package name: it has lower-case letters, digits and @._+-, and begins with none of .-+"
)]
pub struct PackageNameError {
    /// The text that was given, cut short.
    pub given: String,
}

impl PackageName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PackageName {
    type Err = PackageNameError;

    fn from_str(text: &str) -> Result<Self, PackageNameError> {
        let is_taken =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"@._+-".contains(&byte);
        if (1..=MAX_BYTES).contains(&text.len())
            && text.bytes().all(is_taken)
            && !text.starts_with(['.', '-', '+'])
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(PackageNameError {
                given: text.chars().take(100).collect(),
            })
        }
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A package's version: `epoch:pkgver-pkgrel`, the epoch only where it is not 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    epoch: u32,
    pkgver: String,
    pkgrel: String,
}

impl Version {
    /// A version by its parts as a PKGBUILD writes them; what is wrong, in words, if it is none.
    ///
    /// # Errors
    /// If a part is not what PKGBUILD(5) allows.
    pub fn new(epoch: Option<&str>, pkgver: &str, pkgrel: &str) -> Result<Self, String> {
        let epoch = match epoch {
            None | Some("") => 0,
            Some(text) => text
                .parse()
                .ok()
                .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
                .ok_or_else(|| format!("epoch must be a whole number, not {:?}", excerpt(text)))?,
        };
        let is_release = |text: &str| {
            (1..=16).contains(&text.len())
                && text.split('.').count() <= 2
                && text
                    .split('.')
                    .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
        };
        if !is_release(pkgrel) {
            return Err(format!(
                "pkgrel must be a number such as 1 or 1.1, not {:?}",
                excerpt(pkgrel)
            ));
        }
        Ok(Self {
            epoch,
            pkgver: check_pkgver(pkgver)?.to_owned(),
            pkgrel: pkgrel.to_owned(),
        })
    }

    /// The version of the program itself.
    #[must_use]
    pub fn pkgver(&self) -> &str {
        &self.pkgver
    }

    /// This version with what `pkgver()` printed in place of `pkgver`.
    ///
    /// # Errors
    /// If that is no version, in words.
    pub fn updated(&self, pkgver: &str) -> Result<Self, String> {
        Ok(Self {
            pkgver: check_pkgver(pkgver)?.to_owned(),
            ..self.clone()
        })
    }
}

/// PKGBUILD(5): no colons, slashes, hyphens or white space.
fn check_pkgver(text: &str) -> Result<&str, String> {
    let is_taken = |byte: u8| byte.is_ascii_graphic() && !b":/-".contains(&byte);
    if (1..=MAX_BYTES).contains(&text.len()) && text.bytes().all(is_taken) {
        Ok(text)
    } else {
        Err(format!(
            "pkgver must be 1 to {MAX_BYTES} characters without colons, slashes, hyphens and white space, not {:?}",
            excerpt(text)
        ))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch > 0 {
            write!(f, "{}:", self.epoch)?;
        }
        write!(f, "{}-{}", self.pkgver, self.pkgrel)
    }
}

/// As much of a text as a message can bear.
pub(crate) fn excerpt(text: &str) -> String {
    const MOST: usize = 100;
    let mut chars = text.chars();
    let mut kept: String = chars.by_ref().take(MOST).collect();
    if chars.next().is_some() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_as_arch_has_them() {
        for name in ["llm-worker-rbee-cpu-git", "gtk+", "7zip", "libfoo.so", "a@b_c"] {
            assert_eq!(name.parse::<PackageName>().unwrap().as_str(), name);
        }
        for name in ["", "-a", ".a", "A", "a/b", "a b", "..", "ä", &"a".repeat(129)] {
            assert!(name.parse::<PackageName>().is_err(), "{name}");
        }
    }

    #[test]
    fn versions_as_arch_writes_them() {
        let version = Version::new(None, "0.1.0.r12.gabcdef", "1").unwrap();
        assert_eq!(version.to_string(), "0.1.0.r12.gabcdef-1");
        assert_eq!(version.updated("0.2.0").unwrap().to_string(), "0.2.0-1");
        assert_eq!(
            Version::new(Some("2"), "1_a+b", "3.1").unwrap().to_string(),
            "2:1_a+b-3.1"
        );
        for (epoch, pkgver, pkgrel) in [
            (Some("x"), "1", "1"),
            (Some("+1"), "1", "1"),
            (None, "", "1"),
            (None, "1-2", "1"),
            (None, "1:2", "1"),
            (None, "1/2", "1"),
            (None, "1 2", "1"),
            (None, "1", ""),
            (None, "1", "1.2.3"),
            (None, "1", "a"),
        ] {
            assert!(
                Version::new(epoch, pkgver, pkgrel).is_err(),
                "{epoch:?} {pkgver} {pkgrel}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_name_that_is_taken_stays_in_its_folder(name in "[a-z./@ -]{0,8}") {
            if let Ok(name) = name.parse::<PackageName>() {
                let path = std::path::Path::new(name.as_str());
                let parts: Vec<_> = path.components().collect();
                prop_assert_eq!(parts.len(), 1);
                prop_assert!(matches!(parts[0], std::path::Component::Normal(_)));
            }
        }
    }
}
