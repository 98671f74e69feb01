//! The steps of a build, and what is told about them.

use std::fmt;

/// A function of a PKGBUILD, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Readies the sources. The only one with the network, so that compilers' packages can be fetched
    /// (`cargo fetch --locked`).
    Prepare,
    /// Prints the version.
    Pkgver,
    /// Compiles.
    Build,
    /// Tests.
    Check,
    /// Puts the files into `$pkgdir`.
    Package,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [
        Self::Prepare,
        Self::Pkgver,
        Self::Build,
        Self::Check,
        Self::Package,
    ];

    /// The function's name.
    #[must_use]
    pub fn function(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Pkgver => "pkgver",
            Self::Build => "build",
            Self::Check => "check",
            Self::Package => "package",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}()", self.function())
    }
}

/// Something that happens while a package is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildEvent {
    /// A source is being fetched.
    Fetching {
        /// Its name.
        name: String,
        /// Bytes that are here.
        done_bytes: u64,
        /// Bytes in all, if the server said.
        total_bytes: Option<u64>,
    },
    /// A function of the PKGBUILD begins.
    Entered(Step),
    /// A line that was printed; at most about 2,000 bytes, without control characters.
    Line(String),
    /// Something that whoever installs the package should know.
    Notice(String),
}
