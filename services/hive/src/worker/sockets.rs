//! Where workers' sockets lie.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rbee_artifacts::{HiveId, WorkerId};

use crate::domain::worker_id;

/// Longest path of a socket in bytes: `sun_path` has room for 104 on macOS and 108 on Linux, with
/// a zero at the end.
const PATH_BYTES: usize = 103;

/// Longest name of a socket's file in bytes: a worker's id and `.sock`.
const NAME_BYTES: usize = worker_id::MAX_BYTES + 5;

/// Why there is no place for sockets.
#[derive(Debug, thiserror::Error)]
pub enum SocketsError {
    /// The folder can't be created or looked at.
    #[error("cannot use the folder for workers' sockets {}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Somebody else made the folder, or others can reach into it.
    #[error(
        "the folder for workers' sockets {} is not this user's alone; remove it, or set XDG_RUNTIME_DIR",
        folder.display()
    )]
    NotPrivate {
        /// The folder.
        folder: PathBuf,
    },
}

/// The folder in which this hive's workers have their sockets: below the data folder, or, where
/// that makes paths too long for a socket, in the runtime folder of this user. Mode 0700 either way.
#[derive(Debug, Clone)]
pub(crate) struct Sockets {
    folder: PathBuf,
}

impl Sockets {
    /// Chooses and creates the folder, and removes what an earlier hive left there.
    ///
    /// # Errors
    /// If there is no folder that is this user's alone.
    pub(crate) fn prepare(hive_folder: &Path, hive_id: &HiveId) -> Result<Self, SocketsError> {
        let folder = choose(
            hive_folder,
            hive_id,
            std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
        );
        create_private(&folder)?;
        let failed = |source| SocketsError::Folder {
            folder: folder.clone(),
            source,
        };
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            std::fs::remove_file(entry.map_err(failed)?.path()).map_err(failed)?;
        }
        Ok(Self { folder })
    }

    /// The socket of a worker.
    #[must_use]
    pub(crate) fn of(&self, id: &WorkerId) -> PathBuf {
        self.folder.join(format!("{id}.sock"))
    }
}

fn choose(hive_folder: &Path, hive_id: &HiveId, runtime: Option<PathBuf>) -> PathBuf {
    let fits = |folder: &Path| folder.as_os_str().as_bytes().len() + 1 + NAME_BYTES <= PATH_BYTES;
    let below_data = hive_folder.join("sockets");
    if fits(&below_data) {
        return below_data;
    }
    // Of an id that sorts by time, the end is what differs.
    let id = hive_id.as_str();
    let short_id = &id[id.len().saturating_sub(12)..];
    if let Some(runtime) = runtime {
        let folder = runtime.join(format!("rbee-{short_id}"));
        if folder.is_absolute() && fits(&folder) {
            return folder;
        }
    }
    PathBuf::from(format!("/tmp/rbee-{}-{short_id}", nix::unistd::geteuid()))
}

/// Creates a folder for this user alone, or checks that it is one: in a shared folder like `/tmp`
/// somebody else could have made it first.
fn create_private(folder: &Path) -> Result<(), SocketsError> {
    let failed = |source| SocketsError::Folder {
        folder: folder.to_path_buf(),
        source,
    };
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(failed(source)),
    }
    // Not following a link: whoever made it chose where it leads.
    let metadata = std::fs::symlink_metadata(folder).map_err(failed)?;
    let private = metadata.is_dir()
        && metadata.uid() == nix::unistd::geteuid().as_raw()
        && metadata.mode() & 0o077 == 0;
    if private {
        Ok(())
    } else {
        Err(SocketsError::NotPrivate {
            folder: folder.to_path_buf(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use rbee_artifacts::ModelId;

    use super::*;

    fn hive_id() -> HiveId {
        "0123456789abcdef".parse().unwrap()
    }

    #[test]
    fn a_short_data_folder_holds_the_sockets_itself() {
        let folder = choose(Path::new("/home/me/.local/share/rbee/hive"), &hive_id(), None);
        assert_eq!(folder, Path::new("/home/me/.local/share/rbee/hive/sockets"));
    }

    #[test]
    fn a_long_one_gives_way_to_the_runtime_folder_and_then_to_tmp() {
        let long = PathBuf::from(format!("/home/{}/hive", "x".repeat(80)));
        let runtime = PathBuf::from("/run/user/1000");
        assert_eq!(
            choose(&long, &hive_id(), Some(runtime.clone())),
            Path::new("/run/user/1000/rbee-456789abcdef")
        );
        for unusable in [None, Some(long.clone()), Some("relative".into())] {
            let folder = choose(&long, &hive_id(), unusable);
            assert!(folder.starts_with("/tmp"), "{}", folder.display());
        }
    }

    #[test]
    fn every_socket_fits() {
        let sockets = Sockets {
            folder: choose(Path::new(&"/x".repeat(200)), &hive_id(), None),
        };
        let id = worker_id::generate(&ModelId::local_for_file(&"m".repeat(90)), u64::MAX);
        assert!(sockets.of(&id).as_os_str().len() <= PATH_BYTES);
    }

    #[test]
    fn only_a_private_folder_will_do() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("sockets");
        create_private(&folder).unwrap();
        assert_eq!(
            std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
            0o700
        );
        create_private(&folder).unwrap();

        let link = base.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(matches!(
            create_private(&link),
            Err(SocketsError::NotPrivate { .. })
        ));

        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(
            create_private(&folder),
            Err(SocketsError::NotPrivate { .. })
        ));
    }

    #[test]
    fn what_an_earlier_hive_left_is_removed() {
        let data = tempfile::tempdir().unwrap();
        let sockets = Sockets::prepare(data.path(), &hive_id()).unwrap();
        let stale = sockets.of(&"x-1".parse().unwrap());
        std::fs::write(&stale, "").unwrap();
        Sockets::prepare(data.path(), &hive_id()).unwrap();
        assert!(!stale.exists());
    }
}
