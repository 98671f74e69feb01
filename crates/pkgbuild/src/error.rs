//! Why a package can't be listed or built.

use std::io;
use std::path::PathBuf;

use rbee_artifacts::WorkerType;

use crate::package::{Algorithm, Dependency, PackageName};
use crate::step::Step;

/// Why a package was not built. Nothing of it is left then.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The index has no package of this name.
    #[error("there is no package {name}; `rbee worker packages` lists what there is")]
    NotFound {
        /// The name that was asked for.
        name: String,
    },
    /// Neither a worker type nor a package was named.
    #[error("name a worker type or a package")]
    NothingNamed,
    /// The index has no package for the worker type.
    #[error(
        "the package index has no package for the worker {worker_type}; `rbee worker packages` lists what there is"
    )]
    NoneFor {
        /// The worker type.
        worker_type: WorkerType,
    },
    /// The package is another worker's.
    #[error("the package {name} gives the worker {gives}, not {worker_type}")]
    OtherWorker {
        /// The package.
        name: PackageName,
        /// What it gives.
        gives: WorkerType,
        /// What was asked for.
        worker_type: WorkerType,
    },
    /// The index is not one.
    #[error("the package index {index} can't be used: {problem}")]
    IndexInvalid {
        /// Where it is.
        index: String,
        /// What is wrong.
        problem: String,
    },
    /// The index can't be had.
    #[error("the package index {index} can't be read: {problem}")]
    IndexUnavailable {
        /// Where it is.
        index: String,
        /// What happened.
        problem: String,
    },
    /// The PKGBUILD is faulty, or asks for what is not allowed.
    #[error("the PKGBUILD of {name} can't be used: {problem}")]
    Invalid {
        /// The package.
        name: PackageName,
        /// What is wrong.
        problem: String,
    },
    /// The package is for other platforms.
    #[error("{name} is for {platforms}; this host is {host}")]
    ArchUnsupported {
        /// The package.
        name: PackageName,
        /// What it is for.
        platforms: String,
        /// What this is.
        host: String,
    },
    /// Something that the package needs is missing.
    #[error("{name} needs what this host does not have: {}", listed(missing))]
    DependencyMissing {
        /// The package.
        name: PackageName,
        /// What is missing.
        missing: Vec<Dependency>,
    },
    /// bash is missing.
    #[error(
        "PKGBUILDs are scripts of bash, which is not in {path}; install it (Debian, Arch and macOS: bash)"
    )]
    NoBash {
        /// The folders that were looked through.
        path: String,
    },
    /// Builds must be confined, and can't be.
    #[error("builds must be confined (provisioner.packages.confinement), but {why}")]
    NotConfined {
        /// Why not.
        why: String,
    },
    /// A source can't be had.
    #[error("the source {source_name} of {name} can't be fetched: {problem}")]
    SourceUnavailable {
        /// The package.
        name: PackageName,
        /// The source.
        source_name: String,
        /// What happened.
        problem: String,
    },
    /// A source is not what it must be.
    #[error(
        "the source {source_name} of {name} is not the file that the PKGBUILD is for: its {algorithm} is {found}, not {expected}"
    )]
    ChecksumMismatch {
        /// The package.
        name: PackageName,
        /// The source.
        source_name: String,
        /// Which checksum differs.
        algorithm: Algorithm,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// An archive can't be unpacked.
    #[error("the source {source_name} of {name} can't be unpacked: {problem}")]
    Archive {
        /// The package.
        name: PackageName,
        /// The source.
        source_name: String,
        /// What is wrong.
        problem: String,
    },
    /// A function of the PKGBUILD failed.
    #[error("{step} of {name} {problem}{}", last_lines(tail))]
    BuildFailed {
        /// The package.
        name: PackageName,
        /// Which function.
        step: Step,
        /// What happened.
        problem: String,
        /// The last lines that it printed.
        tail: Vec<String>,
    },
    /// The package does not have the worker's program.
    #[error("{name} was built, but {problem}")]
    NoProgram {
        /// The package.
        name: PackageName,
        /// What is there instead.
        problem: String,
    },
    /// The build took what room there was.
    #[error("less than {least_free_bytes} bytes are left on the disk of {}, where packages are built; free some", folder.display())]
    DiskFull {
        /// Where packages are built.
        folder: PathBuf,
        /// What must stay free.
        least_free_bytes: u64,
    },
    /// A file or a program of this host can't be used.
    #[error("{what} {}", path.display())]
    Io {
        /// What could not be done.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It was cancelled.
    #[error("it was cancelled")]
    Cancelled,
}

impl PackageError {
    pub(crate) fn io<P: Into<PathBuf>>(
        what: &'static str,
        path: P,
    ) -> impl FnOnce(io::Error) -> Self + use<P> {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

fn listed(missing: &[Dependency]) -> String {
    let each: Vec<String> = missing
        .iter()
        .map(|dependency| format!("{} ({})", dependency.name, dependency.hint))
        .collect();
    each.join("; ")
}

fn last_lines(tail: &[String]) -> String {
    match tail {
        [] => "; it printed nothing".to_owned(),
        tail => format!("; its last lines:\n{}", tail.join("\n")),
    }
}
