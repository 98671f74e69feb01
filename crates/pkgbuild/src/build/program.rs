//! The program that a build leaves in `$pkgdir`.

use std::fs;
use std::path::{Path, PathBuf};

/// Larger than any worker, with debug information and all.
const MAX_BYTES: u64 = 4 << 30;

/// Finds `usr/bin/NAME` below `package`; what is there instead, in words. No part of the path may be a link: it
/// could lead to any file of the host.
pub(crate) fn find(package: &Path, name: &str) -> Result<PathBuf, String> {
    let mut path = package.to_owned();
    for part in ["usr", "bin"] {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(format!("{} in $pkgdir is no folder", shown(package, &path))),
            Err(_) => return Err(format!("package() put no usr/bin/{name} into $pkgdir")),
        }
    }
    path.push(name);
    let metadata =
        fs::symlink_metadata(&path).map_err(|_| format!("package() put no usr/bin/{name} into $pkgdir"))?;
    if !metadata.is_file() {
        return Err(format!("usr/bin/{name} in $pkgdir is no regular file"));
    }
    if metadata.len() == 0 || metadata.len() > MAX_BYTES {
        return Err(format!("usr/bin/{name} in $pkgdir has {} bytes", metadata.len()));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if metadata.permissions().mode() & 0o111 == 0 {
            return Err(format!(
                "usr/bin/{name} in $pkgdir is not executable (install -Dm755 makes it so)"
            ));
        }
    }
    Ok(path)
}

fn shown(package: &Path, path: &Path) -> String {
    path.strip_prefix(package).unwrap_or(path).display().to_string()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn only_a_program_of_the_package_itself_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path();
        let problem = |words: &str| {
            let problem = find(package, "tool").unwrap_err();
            assert!(problem.contains(words), "{problem}");
        };
        problem("put no usr/bin/tool");
        symlink("/usr", package.join("usr")).unwrap();
        problem("usr in $pkgdir is no folder");
        fs::remove_file(package.join("usr")).unwrap();
        fs::create_dir_all(package.join("usr/bin")).unwrap();
        problem("put no usr/bin/tool");
        let path = package.join("usr/bin/tool");
        symlink("/bin/sh", &path).unwrap();
        problem("no regular file");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        problem("0 bytes");
        fs::write(&path, "#!/bin/sh").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        problem("not executable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find(package, "tool"), Ok(path));
    }
}
