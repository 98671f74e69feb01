//! How the operator wants worker packages to be built.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rbee_pkgbuild::{ConfinementPolicy, IndexLocation, Options};
use rbee_service_kit::config::duration;
use serde::{Deserialize, Serialize};

/// Section `[provisioner.packages]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PackagesConfig {
    /// Where worker packages are described: a folder, or the `https://` address of an index file. Without it, what
    /// this program brought along. What an index names is run on this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// Folder that is kept between builds, with cargo's downloads and compiled crates. Every build can write to it,
    /// and so change what the next one makes; without it each begins from nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<PathBuf>,
    /// Folders that come first where a build looks for programs.
    pub tool_folders: Vec<PathBuf>,
    /// Whether builds are confined by bubblewrap: `where-available`, `required` or `off`.
    pub confinement: ConfinementPolicy,
    /// Jobs that a build runs at the same time. Without it, one for each processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_jobs: Option<usize>,
    /// How long fetching all sources of a package may take.
    #[serde(with = "duration")]
    pub fetch_timeout: Duration,
    /// How long building a package may take.
    #[serde(with = "duration")]
    pub build_timeout: Duration,
    /// Variables that PKGBUILDs see, such as `RBEE_SOURCE`; names begin with `RBEE_`. An address among the values
    /// may be of any host.
    pub variables: BTreeMap<String, String>,
}

impl Default for PackagesConfig {
    fn default() -> Self {
        let usual = Options::new(PathBuf::new());
        Self {
            index: None,
            cache: None,
            tool_folders: Vec::new(),
            confinement: usual.confinement,
            parallel_jobs: None,
            fetch_timeout: usual.fetch_timeout,
            build_timeout: usual.build_timeout,
            variables: BTreeMap::new(),
        }
    }
}

impl PackagesConfig {
    /// The options of builds in `folder`; what is wrong with the index, in words.
    pub(super) fn options(&self, folder: PathBuf) -> Result<Options, String> {
        let usual = Options::new(folder);
        Ok(Options {
            index: self.index.as_deref().map_or(Ok(IndexLocation::Embedded), index)?,
            cache: self.cache.clone(),
            tool_folders: self.tool_folders.clone(),
            variables: self.variables.clone(),
            confinement: self.confinement,
            parallel_jobs: self.parallel_jobs.unwrap_or(usual.parallel_jobs),
            fetch_timeout: self.fetch_timeout,
            build_timeout: self.build_timeout,
            ..usual
        })
    }
}

fn index(text: &str) -> Result<IndexLocation, String> {
    if text.contains("://") {
        let url =
            url::Url::parse(text).map_err(|error| format!("the index {text:?} is no address: {error}"))?;
        return match url.scheme() {
            "http" | "https" => Ok(IndexLocation::Url(url)),
            scheme => Err(format!(
                "the index {text:?} is neither a folder nor https://, but {scheme}://"
            )),
        };
    }
    match PathBuf::from(text) {
        folder if folder.is_absolute() => Ok(IndexLocation::Folder(folder)),
        _ => Err(format!(
            "the index {text:?} must be an absolute path, or an address"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_a_folder_or_an_address() {
        let index_of = |text: &str| {
            let config = PackagesConfig {
                index: Some(text.to_owned()),
                ..PackagesConfig::default()
            };
            config.options("/builds".into()).map(|options| options.index)
        };
        assert_eq!(
            index_of("/srv/index"),
            Ok(IndexLocation::Folder("/srv/index".into()))
        );
        assert!(matches!(
            index_of("https://example.org/index.json"),
            Ok(IndexLocation::Url(_))
        ));
        for text in ["index", "ftp://example.org/x", "https://"] {
            assert!(index_of(text).is_err(), "{text}");
        }
        let usual = PackagesConfig::default().options("/builds".into()).unwrap();
        assert_eq!(usual.index, IndexLocation::Embedded);
    }
}
