//! Where things are: the repository, the user's cache, cargo's target folder.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};

/// The folders every command works with.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The root of the repository.
    pub(crate) root: PathBuf,
    /// rbee's folder in the user's cache: fetched models, tools, build output.
    pub(crate) cache: PathBuf,
    /// The target folder of the cargo commands that xtask starts.
    pub(crate) target: PathBuf,
    /// Where the real models lie, and whether the user chose that folder.
    pub(crate) models: ModelsFolder,
}

/// The folder of the real models.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ModelsFolder {
    pub(crate) path: PathBuf,
    /// True for `$RBEE_MODELS_DIR`: then the files are the user's, and none is replaced.
    pub(crate) is_users_own: bool,
}

impl Workspace {
    /// Finds the folders from the environment.
    pub(crate) fn find() -> Result<Self> {
        // Cargo sets the variable for `cargo run`; it also names the right clone when several share a target folder.
        let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest)
            .ancestors()
            .find(|folder| folder.join("Cargo.lock").is_file())
            .with_context(|| {
                format!(
                    "no workspace above {}: run this as `cargo xtask`",
                    manifest.display()
                )
            })?
            .to_path_buf();
        let cache = cache_folder(env::var_os)?;
        let target = target_folder(env::var_os).map_or_else(|| cache.join("target"), |set| root.join(set));
        let models = models_folder(env::var_os, &cache);
        Ok(Self {
            root,
            cache,
            target,
            models,
        })
    }

    /// A cargo command in the repository's root, with the workspace's target folder and pinned dependencies.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let mut command = self.tool(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.arg(subcommand);
        command
    }

    /// A command in the repository's root whose cargo, if it starts one, uses the workspace's target folder.
    pub(crate) fn tool(&self, program: impl Into<OsString>) -> Command {
        let mut command = Command::new(program.into());
        command
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target);
        // What `cargo run` told xtask about xtask itself; some build scripts watch these
        // names and would be run again at every change between `cargo` and `cargo xtask`.
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(is_about_xtask) {
                command.env_remove(name);
            }
        }
        command
    }
}

fn is_about_xtask(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

/// `$XDG_CACHE_HOME/rbee`, else `~/.cache/rbee`. Relative values count as unset, as the XDG specification says.
fn cache_folder(variable: impl Fn(&'static str) -> Option<OsString>) -> Result<PathBuf> {
    let absolute = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("rbee"))
        .ok_or_else(|| anyhow!("neither HOME nor XDG_CACHE_HOME is set: there is no place for rbee's cache"))
}

fn target_folder(variable: impl Fn(&'static str) -> Option<OsString>) -> Option<PathBuf> {
    ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"]
        .into_iter()
        .filter_map(variable)
        .find(|value| !value.is_empty())
        .map(PathBuf::from)
}

fn models_folder(variable: impl Fn(&'static str) -> Option<OsString>, cache: &Path) -> ModelsFolder {
    match variable("RBEE_MODELS_DIR").filter(|value| !value.is_empty()) {
        Some(path) => ModelsFolder {
            path: path.into(),
            is_users_own: true,
        },
        None => ModelsFolder {
            path: cache.join("models"),
            is_users_own: false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(
        pairs: &'static [(&'static str, &'static str)],
    ) -> impl Fn(&'static str) -> Option<OsString> + Copy {
        move |name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.into())
        }
    }

    #[test]
    fn the_cache_follows_xdg() {
        let home = cache_folder(variables(&[("HOME", "/h")])).unwrap();
        assert_eq!(home, Path::new("/h/.cache/rbee"));
        let xdg = cache_folder(variables(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")])).unwrap();
        assert_eq!(xdg, Path::new("/c/rbee"));
        let relative = cache_folder(variables(&[("HOME", "/h"), ("XDG_CACHE_HOME", "c")])).unwrap();
        assert_eq!(relative, Path::new("/h/.cache/rbee"));
        assert!(cache_folder(variables(&[])).is_err());
    }

    #[test]
    fn the_users_models_come_first() {
        let cache = Path::new("/h/.cache/rbee");
        let own = models_folder(variables(&[("RBEE_MODELS_DIR", "/m")]), cache);
        assert_eq!(
            own,
            ModelsFolder {
                path: "/m".into(),
                is_users_own: true
            }
        );
        let default = models_folder(variables(&[("RBEE_MODELS_DIR", "")]), cache);
        assert_eq!(
            default,
            ModelsFolder {
                path: cache.join("models"),
                is_users_own: false
            }
        );
    }

    #[test]
    fn cargos_own_variables_name_the_target_folder() {
        assert_eq!(target_folder(variables(&[])), None);
        let both = variables(&[("CARGO_BUILD_TARGET_DIR", "b"), ("CARGO_TARGET_DIR", "a")]);
        assert_eq!(target_folder(both), Some("a".into()));
    }
}
