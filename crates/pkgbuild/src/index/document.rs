//! The index file of a web server.

use rbee_artifacts::{RelativePath, Sha256};
use serde::Deserialize;

use super::{MAX_FILES, MAX_PACKAGES, PKGBUILD};

const VERSION: u32 = 1;

/// The index file. Fields that a later version adds are left unread.
#[derive(Debug, Deserialize)]
pub(super) struct Document {
    version: u32,
    pub(super) packages: Vec<ListedPackage>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ListedPackage {
    pub(super) name: String,
    pub(super) files: Vec<ListedFile>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ListedFile {
    pub(super) path: RelativePath,
    pub(super) sha256: Sha256,
}

impl Document {
    /// Reads an index file; what is wrong with it, in words.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let document: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if document.version != VERSION {
            return Err(format!(
                "it is of version {}, and this program reads version {VERSION}",
                document.version
            ));
        }
        if document.packages.len() > MAX_PACKAGES {
            return Err(format!("it has more than {MAX_PACKAGES} packages"));
        }
        for package in &document.packages {
            let name = &package.name;
            if package.files.len() > MAX_FILES {
                return Err(format!("{name} has more than {MAX_FILES} files"));
            }
            if let Some(file) = package.files.iter().find(|file| file.path.as_str().contains('/')) {
                return Err(format!(
                    "{name} has the file {}, which is not beside its PKGBUILD",
                    file.path
                ));
            }
            if !package.files.iter().any(|file| file.path.as_str() == PKGBUILD) {
                return Err(format!("{name} has no PKGBUILD"));
            }
        }
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn index(version: u32, path: &str) -> String {
        format!(
            r#"{{"version": {version}, "packages": [{{"name": "a", "files": [
                {{"path": "PKGBUILD", "sha256": "{SUM}"}}, {{"path": "{path}", "sha256": "{SUM}"}}]}}], "more": 1}}"#
        )
    }

    #[test]
    fn an_index_is_read() {
        let document = Document::parse(index(1, "fix.patch").as_bytes()).unwrap();
        assert_eq!(document.packages[0].files[1].path.as_str(), "fix.patch");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, words) in [
            (index(2, "a"), "version 2"),
            (index(1, "../a"), "not a file name"),
            (index(1, "a/b"), "not beside its PKGBUILD"),
            (index(1, "a").replace("PKGBUILD", "PKGBUILDX"), "no PKGBUILD"),
            (index(1, "a").replace(SUM, "x"), "not a SHA-256"),
            ("<html>".to_owned(), "expected value"),
        ] {
            let problem = Document::parse(text.as_bytes()).unwrap_err();
            assert!(problem.contains(words), "{problem}");
        }
    }
}
