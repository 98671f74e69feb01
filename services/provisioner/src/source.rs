//! Who may import what from this host.
//!
//! Importing reads whatever the provisioner's user can read, and installing a worker runs it. So only
//! clients on the same machine may name any path; the others are held to the configured roots.

use std::io;
use std::path::{Path, PathBuf};

/// Where a client calls from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// This machine.
    Local,
    /// Another machine, or one that can't be told.
    Remote,
}

/// Why a path is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SourceError {
    /// It means another file from every folder.
    #[error("must be an absolute path; \"{}\" is not", path.display())]
    NotAbsolute { path: PathBuf },
    /// It is not for clients on other machines.
    #[error(
        "{} may not be imported from another machine: it is not below one of the folders in \
         `provisioner.import_roots`",
        path.display()
    )]
    NotAllowed { path: PathBuf },
}

/// The folders that clients on other machines may import from.
#[derive(Debug, Clone)]
pub(crate) struct ImportRoots(Vec<PathBuf>);

impl ImportRoots {
    pub(crate) fn new(roots: Vec<PathBuf>) -> Self {
        Self(roots)
    }

    /// The file that a client names, without symbolic links; as it was named if there is none, for the
    /// job to say so. Blocking.
    pub(crate) fn resolve(&self, path: &Path, peer: Peer) -> Result<PathBuf, SourceError> {
        if !path.is_absolute() {
            return Err(SourceError::NotAbsolute {
                path: path.to_owned(),
            });
        }
        let resolved = path.canonicalize();
        match (peer, resolved) {
            (Peer::Local, resolved) => Ok(resolved.unwrap_or_else(|_| path.to_owned())),
            (Peer::Remote, Ok(resolved)) if self.hold(&resolved) => Ok(resolved),
            // What isn't there may be said below a root only: outside, nobody shall learn what is there.
            (Peer::Remote, Err(error)) if error.kind() == io::ErrorKind::NotFound && self.hold_name(path) => {
                Ok(path.to_owned())
            }
            (Peer::Remote, _) => Err(SourceError::NotAllowed {
                path: path.to_owned(),
            }),
        }
    }

    fn hold(&self, resolved: &Path) -> bool {
        self.0
            .iter()
            .filter_map(|root| root.canonicalize().ok())
            .any(|root| resolved.starts_with(root))
    }

    fn hold_name(&self, path: &Path) -> bool {
        let climbs = path
            .components()
            .any(|part| part == std::path::Component::ParentDir);
        !climbs && self.0.iter().any(|root| path.starts_with(root))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_may_name_any_path() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("m.gguf");
        std::fs::write(&file, b"x").unwrap();
        let roots = ImportRoots::new(vec![]);
        assert_eq!(
            roots.resolve(&file, Peer::Local),
            Ok(file.canonicalize().unwrap())
        );
        let missing = folder.path().join("none.gguf");
        assert_eq!(roots.resolve(&missing, Peer::Local), Ok(missing.clone()));
        let relative = Path::new("m.gguf");
        assert_eq!(
            roots.resolve(relative, Peer::Local),
            Err(SourceError::NotAbsolute {
                path: relative.into()
            })
        );
        assert_eq!(
            roots.resolve(&file, Peer::Remote),
            Err(SourceError::NotAllowed { path: file })
        );
    }

    #[cfg(unix)]
    #[test]
    fn other_machines_are_held_to_the_roots() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("open");
        let secret = folder.path().join("secret.gguf");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("m.gguf"), b"x").unwrap();
        std::fs::write(&secret, b"x").unwrap();
        std::os::unix::fs::symlink(&secret, root.join("way-out.gguf")).unwrap();
        let roots = ImportRoots::new(vec![root.clone()]);
        assert!(roots.resolve(&root.join("m.gguf"), Peer::Remote).is_ok());
        assert!(
            roots.resolve(&root.join("none.gguf"), Peer::Remote).is_ok(),
            "the job says that it isn't there"
        );
        for outside in [
            secret,
            root.join("way-out.gguf"),
            root.join("../secret.gguf"),
            root.join("../none.gguf"),
            root.join("m.gguf/x"),
            folder.path().join("none.gguf"),
            folder.path().join("opened/m.gguf"),
        ] {
            assert_eq!(
                roots.resolve(&outside, Peer::Remote),
                Err(SourceError::NotAllowed {
                    path: outside.clone()
                })
            );
        }
    }
}
