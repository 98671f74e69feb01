//! The CAs that servers' certificates must be of: where each server's file is.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::folder::Folder;

/// Name of the file.
const FILE: &str = "authorities.json";

/// The variable that names the CA where none was given for a server, as for the command line.
const VARIABLE: &str = "RBEE_CA";

/// The file with the CA of a server: the one that was given for it, or else the one that the environment names.
#[must_use]
pub fn of(folder: Option<&Folder>, address: &str) -> Option<PathBuf> {
    let kept: Option<BTreeMap<String, PathBuf>> = folder.and_then(|folder| folder.read(FILE));
    kept.and_then(|mut kept| kept.remove(address))
        .or_else(|| std::env::var_os(VARIABLE).map(PathBuf::from))
}

/// Keeps where the CA of a server is.
///
/// # Errors
/// If the file can't be written.
pub fn keep(folder: &Folder, address: &str, ca: &Path) -> io::Result<()> {
    let mut kept: BTreeMap<String, PathBuf> = folder.read(FILE).unwrap_or_default();
    if kept.insert(address.to_owned(), ca.to_path_buf()).as_deref() == Some(ca) {
        return Ok(());
    }
    folder.write(FILE, &kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_is_kept_for_its_server_alone() {
        let folder = tempfile::tempdir().unwrap();
        let own = Folder::at(folder.path().join("keeper"));
        let given = Path::new("/etc/rbee/ca.pem");
        keep(&own, "https://a", given).unwrap();
        assert_eq!(of(Some(&own), "https://a").as_deref(), Some(given));
        assert_ne!(of(Some(&own), "https://b").as_deref(), Some(given));
        keep(&own, "https://a", Path::new("/other.pem")).unwrap();
        assert_eq!(of(Some(&own), "https://a").unwrap(), Path::new("/other.pem"));
    }
}
