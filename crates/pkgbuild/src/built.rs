//! What comes of a build.

use std::path::{Path, PathBuf};

use rbee_artifacts::WorkerType;

use crate::build::BuildFolder;
use crate::package::{PackageName, Version};
use crate::run::Confinement;

/// A program that was built. It lies there until this is dropped or discarded.
#[derive(Debug)]
pub struct Built {
    /// The package.
    pub name: PackageName,
    /// The version that was built.
    pub version: Version,
    /// Which worker it is to be. Whether it is, only running it tells.
    pub worker_type: WorkerType,
    /// Whether the build was confined.
    pub confinement: Confinement,
    pub(crate) program: PathBuf,
    pub(crate) folder: BuildFolder,
}

impl Built {
    /// The program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Where the program comes from, as the catalog notes it: `pkgbuild:NAME VERSION`.
    #[must_use]
    pub fn source(&self) -> String {
        format!("pkgbuild:{} {}", self.name, self.version)
    }

    /// Removes the build's folder, and waits for that.
    pub async fn discard(self) {
        self.folder.remove().await;
    }
}
