//! Where a store lies, as a user writes it.

use std::path::PathBuf;

use url::Url;

use crate::error::StoreError;

/// The folder of a store: a `file://` URL, or a path.
pub(crate) fn parse(location: &str) -> Result<PathBuf, StoreError> {
    let wrong = |problem: String| StoreError::Location {
        location: location.to_owned(),
        problem,
    };
    if location.is_empty() {
        return Err(wrong("it is empty".to_owned()));
    }
    if !location.contains("://") {
        return std::path::absolute(location).map_err(|error| wrong(error.to_string()));
    }
    let url = Url::parse(location).map_err(|error| wrong(error.to_string()))?;
    if url.scheme() != "file" {
        return Err(wrong(format!(
            "stores on {}:// are not supported; file:// is",
            url.scheme()
        )));
    }
    url.to_file_path()
        .map_err(|()| wrong("write file:///absolute/path".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_paths_are_taken() {
        assert_eq!(
            parse("file:///var/lib/rbee").unwrap(),
            PathBuf::from("/var/lib/rbee")
        );
        assert_eq!(parse("file:///a%20b").unwrap(), PathBuf::from("/a b"));
        assert_eq!(parse("/var/lib/rbee").unwrap(), PathBuf::from("/var/lib/rbee"));
        assert!(parse("store").unwrap().is_absolute());
    }

    #[test]
    fn anything_else_is_refused() {
        for location in ["", "ftp://host/x", "file://host/x", "://"] {
            let error = parse(location).unwrap_err();
            assert!(matches!(error, StoreError::Location { .. }), "{location}");
        }
    }
}
