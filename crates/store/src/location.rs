//! Where a store lies, as a user writes it.

use std::path::PathBuf;

use url::Url;

use crate::error::StoreError;

/// Where a store lies.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// A folder of this host.
    Folder(PathBuf),
    /// A bucket of an S3-compatible store.
    Bucket {
        /// Its name.
        bucket: String,
        /// What all keys begin with; may be empty.
        prefix: String,
    },
}

/// A `file://` URL, an `s3://` URL, or a path.
pub(crate) fn parse(location: &str) -> Result<Location, StoreError> {
    let wrong = |problem: String| StoreError::Location {
        location: location.to_owned(),
        problem,
    };
    if location.is_empty() {
        return Err(wrong("it is empty".to_owned()));
    }
    if !location.contains("://") {
        return std::path::absolute(location)
            .map(Location::Folder)
            .map_err(|error| wrong(error.to_string()));
    }
    let url = Url::parse(location).map_err(|error| wrong(error.to_string()))?;
    match url.scheme() {
        "file" => url
            .to_file_path()
            .map(Location::Folder)
            .map_err(|()| wrong("write file:///absolute/path".to_owned())),
        "s3" => bucket(&url),
        scheme => Err(wrong(format!(
            "stores on {scheme}:// are not supported; file:// and s3:// are"
        ))),
    }
}

fn bucket(url: &Url) -> Result<Location, StoreError> {
    // What is too much in it may be a secret, so it is not repeated.
    let wrong = |problem: &str| StoreError::Location {
        location: format!("s3://{}", url.host_str().unwrap_or_default()),
        problem: problem.to_owned(),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "keys do not belong into it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("write s3://bucket/prefix, with nothing after it"));
    }
    if url.port().is_some() {
        return Err(wrong(
            "it names a bucket, not a server: write s3://bucket/prefix and set AWS_ENDPOINT_URL to the server",
        ));
    }
    let bucket = url.host_str().unwrap_or_default();
    if !is_bucket(bucket) {
        return Err(wrong(
            "a bucket's name has 3 to 63 small letters, digits, dots and dashes",
        ));
    }
    let prefix = url.path().trim_matches('/');
    let is_plain = |part: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !part.is_empty() && part.bytes().all(allowed) && !part.trim_matches('.').is_empty()
    };
    if !prefix.is_empty() && !prefix.split('/').all(is_plain) {
        return Err(wrong(
            "its prefix may have letters, digits, dots, dashes and underscores, in parts between slashes",
        ));
    }
    Ok(Location::Bucket {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
    })
}

/// By the Amazon S3 User Guide, "Bucket naming rules".
fn is_bucket(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes
            .iter()
            .all(|&byte| is_plain(byte) || matches!(byte, b'-' | b'.'))
        && [bytes.first(), bytes.last()]
            .into_iter()
            .flatten()
            .all(|&byte| is_plain(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(path: &str) -> Location {
        Location::Folder(path.into())
    }

    fn bucket(bucket: &str, prefix: &str) -> Location {
        Location::Bucket {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        }
    }

    #[test]
    fn urls_and_paths_are_taken() {
        assert_eq!(parse("file:///var/lib/rbee").unwrap(), folder("/var/lib/rbee"));
        assert_eq!(parse("file:///a%20b").unwrap(), folder("/a b"));
        assert_eq!(parse("/var/lib/rbee").unwrap(), folder("/var/lib/rbee"));
        let Location::Folder(relative) = parse("store").unwrap() else {
            panic!("a path is a folder");
        };
        assert!(relative.is_absolute());
        assert_eq!(parse("s3://models").unwrap(), bucket("models", ""));
        assert_eq!(parse("s3://models/").unwrap(), bucket("models", ""));
        assert_eq!(
            parse("s3://my.models-1/rbee/Main_2/").unwrap(),
            bucket("my.models-1", "rbee/Main_2")
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for location in [
            "",
            "ftp://host/x",
            "file://host/x",
            "://",
            "s3://",
            "s3:///prefix",
            "s3://ab",
            "s3://Models/x",
            "s3://-ab/x",
            "s3://models:9000/x",
            "s3://models/a%20b",
            "s3://models/a//b",
            "s3://models/a?x=1",
            "s3://models/a#x",
        ] {
            let error = parse(location).unwrap_err();
            assert!(matches!(error, StoreError::Location { .. }), "{location}");
        }
    }

    #[test]
    fn a_secret_in_the_url_is_refused_and_not_repeated() {
        for location in ["s3://AKIAKEY:hunter2@models/x", "s3://models/x?secret=hunter2"] {
            let error = parse(location).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
