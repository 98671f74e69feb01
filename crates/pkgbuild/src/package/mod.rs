//! What a PKGBUILD says, checked: plain data without files, processes or network.
//!
//! The fields are those of PKGBUILD(5). One is our own, with the underscore that the manual asks for:
//! `_os`, the operating systems that the package is for (`linux`, `macos`), since Arch has only one.

mod checksum;
mod dependency;
mod name;
mod source;
mod variables;

use rbee_artifacts::Platform;

pub use checksum::{Algorithm, Checksums, Mismatch};
pub use dependency::{Dependency, DependencyState};
pub use name::{PackageName, PackageNameError, Version};
pub use source::{GitReference, Origin, Source};

pub(crate) use source::{address_in, check_allowed};
pub(crate) use variables::{ASKED, FUNCTIONS, PER_ARCHITECTURE, Variables};

use source::Entry;

const MAX_SOURCES: usize = 64;
const MAX_DESCRIPTION_CHARACTERS: usize = 300;
/// Checksums that makepkg knows and that don't do here.
const TOO_WEAK: [&str; 5] = ["cksums", "md5sums", "sha1sums", "sha224sums", "sha384sums"];

/// A package as its PKGBUILD describes it, for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: PackageName,
    /// Its version; `pkgver()` may bring a newer one.
    pub version: Version,
    /// What it is, in one line.
    pub description: String,
    /// Its home page.
    pub url: String,
    /// Its licences.
    pub licenses: Vec<String>,
    /// Processors that it is for, in Arch's words; `any` for all.
    pub architectures: Vec<String>,
    /// Operating systems that it is for, in Rust's words; none for all.
    pub systems: Vec<String>,
    /// What it needs to run.
    pub depends: Vec<String>,
    /// What it needs to be built.
    pub make_depends: Vec<String>,
    /// What it needs to be tested.
    pub check_depends: Vec<String>,
    /// What makes it better.
    pub optional_depends: Vec<String>,
    /// What else it stands for.
    pub provides: Vec<String>,
    /// What it can't be installed beside, on Arch; here versions and packages live side by side.
    pub conflicts: Vec<String>,
    /// Its sources.
    pub sources: Vec<Source>,
    /// Names of the sources that are not to be unpacked.
    pub no_extract: Vec<String>,
    /// Which of its functions there are, besides `package()`.
    pub functions: Functions,
}

/// Which functions a PKGBUILD has. `package()` is always there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Functions {
    /// `prepare()`.
    pub prepare: bool,
    /// `pkgver()`.
    pub pkgver: bool,
    /// `build()`.
    pub build: bool,
    /// `check()`.
    pub check: bool,
}

impl Package {
    /// Checks what bash found; what is wrong, in words.
    pub(crate) fn new(variables: &Variables, architecture: &str) -> Result<Self, String> {
        let required = |name: &str| {
            variables
                .one(name)?
                .ok_or_else(|| format!("it does not set {name}"))
        };
        let optional = |name: &str| variables.one(name).map(Option::unwrap_or_default);
        let for_architecture = |name: &str| variables.with_architecture(name, architecture);
        if variables.all("pkgname").len() > 1 {
            return Err("it makes several packages; worker packages have one pkgname".to_owned());
        }
        if !variables.all("validpgpkeys").is_empty() {
            return Err(
                "it asks for PGP signatures to be checked, which is not supported; checksums are".to_owned(),
            );
        }
        let architectures = variables.all("arch").to_vec();
        if architectures.is_empty() {
            return Err("it does not set arch".to_owned());
        }
        if !variables.has_function("package") {
            return Err("it has no package()".to_owned());
        }
        let no_extract = variables.all("noextract").to_vec();
        let sources = sources(variables, architecture)?;
        Ok(Self {
            name: required("pkgname")?
                .parse()
                .map_err(|error: PackageNameError| error.to_string())?,
            version: Version::new(variables.one("epoch")?, required("pkgver")?, required("pkgrel")?)?,
            description: optional("pkgdesc")?
                .chars()
                .filter(|letter| !letter.is_control())
                .take(MAX_DESCRIPTION_CHARACTERS)
                .collect(),
            url: optional("url")?.to_owned(),
            licenses: variables.all("license").to_vec(),
            architectures,
            systems: variables.all("_os").to_vec(),
            depends: for_architecture("depends"),
            make_depends: for_architecture("makedepends"),
            check_depends: for_architecture("checkdepends"),
            optional_depends: for_architecture("optdepends"),
            provides: for_architecture("provides"),
            conflicts: for_architecture("conflicts"),
            sources,
            no_extract,
            functions: Functions {
                prepare: variables.has_function("prepare"),
                pkgver: variables.has_function("pkgver"),
                build: variables.has_function("build"),
                check: variables.has_function("check"),
            },
        })
    }

    /// Whether it can be built for this platform.
    #[must_use]
    pub fn suits(&self, platform: &Platform) -> bool {
        let arch = architecture(platform);
        self.architectures
            .iter()
            .any(|name| name == "any" || name == arch)
            && (self.systems.is_empty() || self.systems.iter().any(|name| name == platform.os()))
    }

    /// The platforms that it is for, in words.
    pub(crate) fn platforms(&self) -> String {
        let systems = if self.systems.is_empty() {
            "any system".to_owned()
        } else {
            self.systems.join(" or ")
        };
        format!("{systems} on {}", self.architectures.join(" or "))
    }
}

/// The platform's processor in Arch's words, which are Rust's for those that rbee is made for.
pub(crate) fn architecture(platform: &Platform) -> &str {
    match platform.arch() {
        "arm" => "armv7h",
        "x86" => "i686",
        other => other,
    }
}

fn sources(variables: &Variables, architecture: &str) -> Result<Vec<Source>, String> {
    let mut sources: Vec<Source> = Vec::new();
    for variable in ["source".to_owned(), format!("source_{architecture}")] {
        let suffix = variable.strip_prefix("source").unwrap_or_default();
        let entries = variables.all(&variable);
        if sources.len() + entries.len() > MAX_SOURCES {
            return Err(format!("it has more than {MAX_SOURCES} sources"));
        }
        let mut sums = Vec::new();
        for algorithm in Algorithm::ALL {
            let name = format!("{}{suffix}", algorithm.variable());
            let values = variables.all(&name);
            if !values.is_empty() && values.len() != entries.len() {
                return Err(format!(
                    "{name} has {} entries, but {variable} has {}: there must be one for each",
                    values.len(),
                    entries.len()
                ));
            }
            sums.push((algorithm, values));
        }
        for (index, text) in entries.iter().enumerate() {
            let sums: Vec<(Algorithm, &str)> = sums
                .iter()
                .filter_map(|(algorithm, values)| Some((*algorithm, values.get(index)?.as_str())))
                .collect();
            let source = source(text, &sums, variables)?;
            // File systems of macOS don't tell case apart.
            if sources
                .iter()
                .any(|other| other.name.eq_ignore_ascii_case(&source.name))
            {
                return Err(format!("two sources are called {}", source.name));
            }
            sources.push(source);
        }
    }
    Ok(sources)
}

fn source(text: &str, sums: &[(Algorithm, &str)], variables: &Variables) -> Result<Source, String> {
    let (name, entry) = source::parse(text)?;
    let mut checksums = Checksums::default();
    let given = sums.iter().filter(|(_, sum)| *sum != "SKIP");
    if let Entry::Git(url, reference) = entry {
        if given.count() > 0 {
            return Err(format!(
                "{name} is a repository, whose checksum must be SKIP; a commit names its content"
            ));
        }
        let origin = Origin::Git { url, reference };
        return Ok(Source { name, origin });
    }
    for (algorithm, sum) in given {
        checksums.add(*algorithm, sum)?;
    }
    if checksums.is_empty() {
        let weak = TOO_WEAK.iter().find(|weak| !variables.all(weak).is_empty());
        return Err(match (sums.is_empty(), weak) {
            (false, _) => format!("{name} has the checksum SKIP, which only a repository may have"),
            (true, Some(weak)) => {
                format!("{name} has only {weak}, which don't do: it needs sha256sums or b2sums")
            }
            (true, None) => format!("{name} has no checksum: it needs sha256sums or b2sums"),
        });
    }
    let origin = match entry {
        Entry::Web(url) => Origin::Web { url, checksums },
        Entry::Local | Entry::Git(..) => Origin::Local { checksums },
    };
    Ok(Source { name, origin })
}

#[cfg(test)]
mod tests;
