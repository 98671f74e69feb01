//! Builds worker programs from PKGBUILDs, as Arch's makepkg does (PKGBUILD(5), makepkg(8)), on any Linux and on macOS.
//!
//! A PKGBUILD is a script, so bash itself evaluates it; nothing here reads shell. A build goes through these steps:
//!
//! 1. The package's files come from the index: embedded, a folder, or a web server ([`index`]).
//! 2. bash evaluates the PKGBUILD in an empty environment, and what it says is checked ([`package`]).
//! 3. The platform and what the build needs are checked, before anything is fetched.
//! 4. The sources are fetched, checked against their checksums, and only then unpacked.
//! 5. `prepare()`, `pkgver()`, `build()`, `check()` and `package()` run, each in a bash of its own. Only `prepare()` has
//!    the network. Where bubblewrap works they see nothing of the host but its programs ([`Confinement`]).
//! 6. `$pkgdir/usr/bin/NAME` is the worker's program, if it is a regular, executable file.
//!
//! Where it differs from makepkg: there is no package file and no package manager, so dependencies are looked for by the
//! programs they bring, and none is installed; one package a PKGBUILD; SHA-256, SHA-512 or BLAKE2 checksums
//! are required, `SKIP` is for repositories only; no PGP signatures; tar archives only; binaries are not stripped, and
//! `options` is not read.
//!
//! # Invariants
//!
//! - Nothing of this program's environment is visible to a build.
//! - A build that ended, was cancelled or was dropped leaves no process and no folder. (Without bubblewrap a process that
//!   left its group *and* cleared its environment is not found.)
//! - Nothing is unpacked or run before its checksum was compared; repositories are named by the operator, or by a
//!   PKGBUILD over https.

mod archive;
mod build;
mod built;
mod error;
mod fetch;
mod host;
pub mod index;
mod options;
pub mod package;
mod packages;
mod run;
mod step;

pub use built::Built;
pub use error::PackageError;
pub use fetch::{FetchError, FetchFile, FetchRequest};
pub use options::{IndexLocation, Limits, Options};
pub use package::{Package, PackageName, Version};
pub use packages::{Described, ListedPackage, OptionsError, Packages};
pub use run::{Confinement, ConfinementPolicy};
pub use step::{BuildEvent, Step};
