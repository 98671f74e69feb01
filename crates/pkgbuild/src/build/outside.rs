//! What `package()` leaves beside `$pkgdir`.
//!
//! A confined build can write nowhere else, so that its own commands fail. Where builds are not confined, this
//! finds what is written beside the folders of the build, by a `$pkgdir/..` say. What is written elsewhere on the
//! host is held off only by the rights of this program's user, and can't be noticed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::folder::BuildFolder;

/// The files around `$srcdir` and `$pkgdir`, with what changes when they are written to.
pub(super) struct Beside(BTreeMap<PathBuf, (u64, Option<SystemTime>)>);

impl Beside {
    pub(super) fn look(folder: &BuildFolder) -> Self {
        let mut found = BTreeMap::new();
        let own = [
            folder.sources(),
            folder.package(),
            folder.home(),
            folder.temporary(),
        ];
        look_into(folder.root(), &own, &mut found);
        Self(found)
    }

    /// What is new, gone or written to since.
    pub(super) fn changed(&self, folder: &BuildFolder) -> Option<PathBuf> {
        let now = Self::look(folder);
        let differs = |(path, state): &(&PathBuf, &_), other: &Self| other.0.get(*path) != Some(*state);
        let path = now
            .0
            .iter()
            .find(|entry| differs(entry, self))
            .or_else(|| self.0.iter().find(|entry| differs(entry, &now)))
            .map(|(path, _)| path)?;
        Some(path.strip_prefix(folder.root()).unwrap_or(path).to_owned())
    }
}

fn look_into(folder: &Path, own: &[PathBuf], found: &mut BTreeMap<PathBuf, (u64, Option<SystemTime>)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if own.contains(&path) {
            continue;
        }
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if metadata.is_dir() {
            found.insert(path.clone(), (0, None));
            look_into(&path, own, found);
        } else {
            found.insert(path, (metadata.len(), metadata.modified().ok()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beside_is_noticed_and_what_is_inside_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let files = [("PKGBUILD".to_owned(), b"x".to_vec())];
        let folder = BuildFolder::new(parent.path(), &"tool".parse().unwrap(), &files).unwrap();
        let before = Beside::look(&folder);
        for inside in [
            folder.sources(),
            folder.package(),
            folder.home(),
            folder.temporary(),
        ] {
            fs::write(inside.join("file"), "x").unwrap();
        }
        assert_eq!(before.changed(&folder), None);
        let beside = folder.package().join("../usr");
        fs::create_dir(&beside).unwrap();
        assert_eq!(before.changed(&folder), Some("start/pkg/usr".into()));
        fs::remove_dir(&beside).unwrap();
        fs::write(folder.start().join("PKGBUILD"), "longer").unwrap();
        assert_eq!(before.changed(&folder), Some("start/PKGBUILD".into()));
        fs::remove_file(folder.start().join("PKGBUILD")).unwrap();
        assert_eq!(before.changed(&folder), Some("start/PKGBUILD".into()));
    }
}
