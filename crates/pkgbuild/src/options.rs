//! How packages are built here: what the operator decides.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::PackageError;
use crate::package::address_in;
use crate::run::ConfinementPolicy;

/// Where packages are described.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum IndexLocation {
    /// Within this program: `deploy/pkgbuilds/` as it was when it was built.
    #[default]
    Embedded,
    /// A folder with one folder for each package.
    Folder(PathBuf),
    /// The address of an index file; [`crate::index`] says what is in it.
    Url(Url),
}

/// How packages are built here.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where packages are described.
    pub index: IndexLocation,
    /// Where builds happen: an absolute path. Each has a folder of its own in it, which goes when it ends.
    pub folder: PathBuf,
    /// Kept between builds, if it is set: cargo's downloads and compiled crates. Every build can write to it,
    /// and so change what the next one makes.
    pub cache: Option<PathBuf>,
    /// Folders that come first in a build's `PATH`.
    pub tool_folders: Vec<PathBuf>,
    /// Variables that PKGBUILDs see; names begin with `RBEE_`. An address among the values may be of any host,
    /// `file://` and plain `http://` included.
    pub variables: BTreeMap<String, String>,
    /// Whether builds are confined.
    pub confinement: ConfinementPolicy,
    /// How many jobs a build runs at the same time.
    pub parallel_jobs: usize,
    /// How long fetching all sources may take.
    pub fetch_timeout: Duration,
    /// How long the functions of a PKGBUILD may take together.
    pub build_timeout: Duration,
    /// Bounds.
    pub limits: Limits,
}

/// Bounds of what a build may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Size of a source that is fetched.
    pub source_bytes: u64,
    /// What the archives of a package unpack to, together.
    pub unpacked_bytes: u64,
    /// Files, folders and links in the archives of a package, together.
    pub unpacked_entries: u64,
    /// Size of a file that a build writes.
    pub file_bytes: u64,
    /// Processes and threads of a confined build. Where it is not confined, all those of the user count.
    /// The system does not hold root to it.
    pub processes: u64,
    /// Open files of each process.
    pub open_files: u64,
    /// What stays free on the disk of the builds; a build that takes more is ended.
    pub least_free_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            source_bytes: 4 << 30,
            unpacked_bytes: 16 << 30,
            unpacked_entries: 500_000,
            file_bytes: 16 << 30,
            processes: 8192,
            open_files: 8192,
            least_free_bytes: 1 << 30,
        }
    }
}

impl Options {
    /// The embedded packages, built below `folder` with everything else as usual.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self {
            index: IndexLocation::Embedded,
            folder,
            cache: None,
            tool_folders: Vec::new(),
            variables: BTreeMap::new(),
            confinement: ConfinementPolicy::WhereAvailable,
            parallel_jobs: std::thread::available_parallelism().map_or(2, usize::from),
            fetch_timeout: Duration::from_secs(60 * 60),
            build_timeout: Duration::from_secs(3 * 60 * 60),
            limits: Limits::default(),
        }
    }

    /// The addresses that the operator wrote: of the index, and among the variables. Only these, and what lies below
    /// them, may be on a private network, plain `http`, or a repository of this host.
    #[must_use]
    pub fn named_addresses(&self) -> Vec<Url> {
        let index = match &self.index {
            IndexLocation::Url(url) => Some(url.clone()),
            IndexLocation::Embedded | IndexLocation::Folder(_) => None,
        };
        let values = self.variables.values().filter_map(|value| address_in(value));
        index.into_iter().chain(values).collect()
    }

    pub(crate) fn disk_full(&self) -> PackageError {
        PackageError::DiskFull {
            folder: self.folder.clone(),
            least_free_bytes: self.limits.least_free_bytes,
        }
    }

    /// What can't be used of these, in words.
    pub(crate) fn problem(&self) -> Option<String> {
        let folders = [&self.folder]
            .into_iter()
            .chain(&self.cache)
            .chain(&self.tool_folders);
        if let Some(folder) = folders.into_iter().find(|folder| !folder.is_absolute()) {
            return Some(format!(
                "folders must be absolute paths; {:?} is not",
                folder.display().to_string()
            ));
        }
        let is_name = |name: &str| {
            name.strip_prefix("RBEE_").is_some_and(|rest| {
                (1..=64).contains(&rest.len())
                    && rest
                        .bytes()
                        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
            }) && name != crate::run::MARK_VARIABLE
        };
        self.variables.iter().find_map(|(name, value)| {
            if !is_name(name) {
                Some(format!(
                    "a variable must be called RBEE_ and capital letters, not {name:?}"
                ))
            } else if value.len() > 4096 || value.contains(char::is_control) {
                Some(format!(
                    "the value of {name} is too long, or has control characters"
                ))
            } else {
                None
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_named() {
        let options = Options::new("/builds".into());
        assert_eq!(options.problem(), None);
        let with = |name: &str, value: &str| Options {
            variables: BTreeMap::from([(name.to_owned(), value.to_owned())]),
            ..options.clone()
        };
        assert_eq!(with("RBEE_SOURCE", "git+file:///src").problem(), None);
        for (name, value) in [
            ("PATH", "/x"),
            ("RBEE_", "x"),
            ("RBEE_BUILD_FOLDER", "/x"),
            ("RBEE_A", "a\nb"),
        ] {
            assert!(with(name, value).problem().is_some(), "{name}");
        }
        assert!(Options::new("builds".into()).problem().is_some());
    }
}
