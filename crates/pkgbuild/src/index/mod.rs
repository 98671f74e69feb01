//! The package index: which packages there are.
//!
//! Every package is a folder called as the package, which is the worker's program with `-git` (built from the source)
//! or `-bin` (out of a release): `llm-worker-rbee-cpu-git/PKGBUILD`. Files that its `source` names without an
//! address lie beside it.
//!
//! An index on a web server is a JSON file, and the packages' folders lie beside it:
//!
//! ```json
//! {
//!   "version": 1,
//!   "packages": [
//!     {
//!       "name": "llm-worker-rbee-cpu-git",
//!       "files": [
//!         { "path": "PKGBUILD", "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" }
//!       ]
//!     }
//!   ]
//! }
//! ```
//!
//! The index itself is trusted: what it names is run on this host, confined where that is possible. So its
//! address is the operator's choice, and should be `https`.

mod document;
mod embedded;
mod folder;
mod remote;

use std::path::PathBuf;

use document::Document;
use rbee_artifacts::WorkerType;
use url::Url;

use crate::PackageError;
use crate::fetch::FetchFile;
use crate::options::IndexLocation;
use crate::package::PackageName;

/// A file of a package is a script or a patch.
const MAX_FILE_BYTES: u64 = 1 << 20;
const MAX_FILES: usize = 32;
const MAX_PACKAGES: usize = 256;
const PKGBUILD: &str = "PKGBUILD";

/// A package of the index, before bash has looked at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: PackageName,
    pub(crate) worker_type: WorkerType,
}

/// A package's files by name: the PKGBUILD and those beside it.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// Which worker a package gives: its name says it.
pub(crate) fn worker_type_of(name: &PackageName) -> Option<WorkerType> {
    let name = name.as_str();
    let program = name
        .strip_suffix("-git")
        .or_else(|| name.strip_suffix("-bin"))
        .unwrap_or(name);
    WorkerType::from_binary_name(program)
}

/// An index that was read.
pub(crate) struct Index {
    place: Place,
    listed: Vec<Listed>,
}

enum Place {
    Embedded,
    Folder(PathBuf),
    Remote(Url, Document),
}

impl Index {
    /// Reads which packages there are.
    pub(crate) async fn open(location: &IndexLocation, files: &dyn FetchFile) -> Result<Self, PackageError> {
        let (place, names) = match location {
            IndexLocation::Embedded => (Place::Embedded, embedded::names()),
            IndexLocation::Folder(folder) => (Place::Folder(folder.clone()), folder::names(folder).await?),
            IndexLocation::Url(url) => {
                let document = remote::document(url, files).await?;
                let names = document.packages.iter().map(|package| package.name.clone());
                let names = names.collect();
                (Place::Remote(url.clone(), document), names)
            }
        };
        let listed = listed(&names);
        Ok(Self { place, listed })
    }

    /// The packages for workers, by name.
    pub(crate) fn listed(&self) -> &[Listed] {
        &self.listed
    }

    /// The package of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Listed> {
        self.listed.iter().find(|listed| listed.name.as_str() == name)
    }

    /// The package that is taken for a worker type if none is named.
    pub(crate) fn preferred(&self, worker_type: WorkerType) -> Option<&Listed> {
        preferred(&self.listed, worker_type)
    }

    /// The files of a package.
    pub(crate) async fn read(
        &self,
        name: &PackageName,
        files: &dyn FetchFile,
    ) -> Result<Files, PackageError> {
        let found = match &self.place {
            Place::Embedded => embedded::read(name),
            Place::Folder(folder) => folder::read(folder, name).await?,
            Place::Remote(url, document) => remote::read(url, document, name, files).await?,
        };
        found.ok_or_else(|| PackageError::NotFound {
            name: name.to_string(),
        })
    }
}

/// Those that are for workers, by name. What else is in the index is left out.
fn listed(names: &[String]) -> Vec<Listed> {
    let mut listed: Vec<Listed> = names
        .iter()
        .filter_map(|name| name.parse::<PackageName>().ok())
        .filter_map(|name| {
            let worker_type = worker_type_of(&name)?;
            Some(Listed { name, worker_type })
        })
        .collect();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    listed.dedup();
    listed
}

/// The one built from the source. No release is published yet that a `-bin` package could fetch; once there is, it
/// should come first where it suits.
fn preferred(listed: &[Listed], worker_type: WorkerType) -> Option<&Listed> {
    let of_type = || listed.iter().filter(|listed| listed.worker_type == worker_type);
    of_type()
        .find(|listed| listed.name.as_str().ends_with("-git"))
        .or_else(|| of_type().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_which_worker_it_is() {
        let worker_type = |name: &str| worker_type_of(&name.parse().unwrap());
        assert_eq!(worker_type("llm-worker-rbee-cpu-git"), Some(WorkerType::CpuLlm));
        assert_eq!(worker_type("sd-worker-rbee-cuda-bin"), Some(WorkerType::CudaSd));
        assert_eq!(worker_type("sd-worker-rbee-metal"), Some(WorkerType::MetalSd));
        assert_eq!(worker_type("firefox"), None);
    }

    #[test]
    fn the_one_from_the_source_comes_first() {
        let names = [
            "sd-worker-rbee-cpu-bin",
            "llm-worker-rbee-cpu-git",
            "firefox",
            "llm-worker-rbee-cpu-bin",
            "../x",
        ];
        let both = listed(&names.map(str::to_owned));
        assert_eq!(both.len(), 3);
        assert_eq!(preferred(&both, WorkerType::CpuLlm), Some(&both[1]));
        assert_eq!(preferred(&both, WorkerType::CpuSd), Some(&both[2]));
        assert_eq!(preferred(&both, WorkerType::CudaLlm), None);
    }
}
