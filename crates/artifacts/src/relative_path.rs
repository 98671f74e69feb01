//! Names of files within an artifact, as vendors and users give them: never trusted.

use std::fmt;
use std::str::FromStr;

use crate::names::{excerpt, serde_as_text};

/// Longer paths than any file system in use takes for a part (255) or a repository needs in all.
const MAX_BYTES: usize = 512;
const MAX_PART_BYTES: usize = 255;

/// A path that stays below whatever folder it is joined to, on every operating system: parts separated
/// by `/`, none of them `.` or `..`, no drive, no root, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelativePath(String);

/// Text that is no safe relative path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{}\" is not a file name that can be used: {problem}", excerpt(.given))]
pub struct RelativePathError {
    /// The text that was given.
    pub given: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl RelativePath {
    /// The path as text, with `/` between the parts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

fn problem(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.len() > MAX_BYTES {
        return Some("it is longer than 512 bytes");
    }
    if text.contains(|letter: char| letter.is_control()) {
        return Some("it has a control character");
    }
    // ":" is a drive or a stream on Windows, and separates the parts of a model id.
    if text.contains(['\\', ':']) {
        return Some("it has a \"\\\" or a \":\"");
    }
    text.split('/').find_map(|part| match part {
        "" => Some("it has an empty part, or begins or ends with \"/\""),
        "." | ".." => Some("it has a part \".\" or \"..\""),
        part if part.len() > MAX_PART_BYTES => Some("a part of it is longer than 255 bytes"),
        _ => None,
    })
}

impl FromStr for RelativePath {
    type Err = RelativePathError;

    fn from_str(text: &str) -> Result<Self, RelativePathError> {
        match problem(text) {
            None => Ok(Self(text.to_owned())),
            Some(problem) => Err(RelativePathError {
                given: text.to_owned(),
                problem,
            }),
        }
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<std::path::Path> for RelativePath {
    fn as_ref(&self) -> &std::path::Path {
        self.0.as_ref()
    }
}

serde_as_text!(RelativePath);

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_published_files_are_taken() {
        for text in [
            "model.gguf",
            "BF16/model-00001-of-00003.gguf",
            "a b+c#d%2F?.gguf",
            "..a",
            "模型.gguf",
        ] {
            assert_eq!(text.parse::<RelativePath>().unwrap().as_str(), text);
        }
        assert_eq!(
            "unet/model.safetensors"
                .parse::<RelativePath>()
                .unwrap()
                .file_name(),
            "model.safetensors"
        );
    }

    #[test]
    fn ways_out_are_refused() {
        for text in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a//b",
            "a/",
            "C:\\x",
            "c:x",
            "a\\..\\x",
            "a\0",
            ".",
        ] {
            assert!(text.parse::<RelativePath>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_stays_inside(text in "[./\\\\:a\u{7f}é ]{1,12}") {
            if let Ok(path) = text.parse::<RelativePath>() {
                let path: &Path = path.as_ref();
                prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
            }
        }
    }
}
