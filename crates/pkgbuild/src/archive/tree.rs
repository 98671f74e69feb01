//! Files, folders and links below one folder, and nowhere else.
//!
//! Two rules keep everything inside, whatever an archive holds. Nothing is made at a path that leads through a
//! link. And symbolic links are made last, with targets that first go up, at most to the top, and then down: since a
//! link itself lies at a path without links, such a target is inside, and so is any that leads through it.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

const MAX_PART_BYTES: usize = 255;
const MAX_DEPTH: usize = 64;

/// The names on the way from the top to an entry; none is empty, `.` or `..`. Empty for the top itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inside(Vec<String>);

impl Inside {
    /// The path of an entry; what is wrong with it, in words.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = text_of(bytes)?;
        if text.starts_with('/') {
            return Err(format!("the path {text:?} is absolute"));
        }
        let mut parts = Vec::new();
        for part in text.split('/').filter(|part| !matches!(*part, "" | ".")) {
            parts.push(part_of(text, part)?);
        }
        if parts.len() > MAX_DEPTH {
            return Err(format!("the path {text:?} is deeper than {MAX_DEPTH} folders"));
        }
        Ok(Self(parts))
    }

    pub(super) fn is_top(&self) -> bool {
        self.0.is_empty()
    }

    fn parent(&self) -> &[String] {
        self.0.split_last().map_or(&[], |(_, parent)| parent)
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| format!("the path {:?} is not UTF-8", String::from_utf8_lossy(bytes)))?;
    if text.contains(char::is_control) || text.contains('\\') {
        return Err(format!(
            "the path {text:?} has a control character or a backslash"
        ));
    }
    Ok(text)
}

fn part_of(text: &str, part: &str) -> Result<String, String> {
    if part == ".." {
        return Err(format!("the path {text:?} leads out of its folder, or could"));
    }
    if part.len() > MAX_PART_BYTES {
        return Err(format!(
            "the path {text:?} has a part longer than {MAX_PART_BYTES} bytes"
        ));
    }
    Ok(part.to_owned())
}

/// Whether a symbolic link with this target, lying `depth` folders below the top, leads to what is inside; what is
/// wrong, in words.
fn check_target(target: &str, depth: usize) -> Result<(), String> {
    let mut up = 0;
    let mut has_gone_down = false;
    if target.is_empty() || target.starts_with('/') {
        return Err(format!("a link leads to {target:?}, not to what is beside it"));
    }
    for part in target.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part != ".." {
            has_gone_down = true;
        } else if has_gone_down || up == depth {
            return Err(format!("a link leads out of its folder, or could: {target:?}"));
        } else {
            up += 1;
        }
    }
    Ok(())
}

/// A folder that an archive is unpacked into.
pub(super) struct Tree {
    root: PathBuf,
    /// Folders that are known to be folders.
    folders: HashSet<PathBuf>,
    links: Vec<(Inside, String)>,
}

impl Tree {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            folders: HashSet::new(),
            links: Vec::new(),
        }
    }

    /// Makes a folder and those above it, as far as they aren't there.
    pub(super) fn folder(&mut self, path: &Inside) -> Result<(), String> {
        self.make(&path.0).map(drop)
    }

    fn make(&mut self, parts: &[String]) -> Result<PathBuf, String> {
        let mut path = self.root.clone();
        for part in parts {
            path.push(part);
            if self.folders.contains(&path) {
                continue;
            }
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_folder(&path) => {}
                Err(error) => return Err(self.cannot(&path, &error)),
            }
            self.folders.insert(path.clone());
        }
        Ok(path)
    }

    /// Makes a file, which must not be there.
    pub(super) fn file(&mut self, path: &Inside) -> Result<File, String> {
        let path = self.place(path)?;
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|error| self.cannot(&path, &error))
    }

    fn place(&mut self, path: &Inside) -> Result<PathBuf, String> {
        let name = path.0.last().ok_or("a file or link has no name")?;
        Ok(self.make(path.parent())?.join(name))
    }

    /// Makes another name for a file that is there already.
    pub(super) fn hard_link(&mut self, path: &Inside, target: &Inside) -> Result<(), String> {
        let existing = self.root.join(target.0.join("/"));
        let mut folder = self.root.clone();
        for part in target.parent() {
            folder.push(part);
            if !is_folder(&folder) {
                return Err(format!(
                    "a link leads to {:?}, which is not there",
                    target.0.join("/")
                ));
            }
        }
        if !fs::symlink_metadata(&existing).is_ok_and(|metadata| metadata.is_file()) {
            return Err(format!(
                "a link leads to {:?}, which is no file of the archive",
                target.0.join("/")
            ));
        }
        let path = self.place(path)?;
        fs::hard_link(&existing, &path).map_err(|error| self.cannot(&path, &error))
    }

    /// Notes a symbolic link, to be made when all else is.
    pub(super) fn symbolic_link(&mut self, path: Inside, target: &[u8]) -> Result<(), String> {
        let target = text_of(target)?;
        check_target(target, path.parent().len())?;
        self.links.push((path, target.to_owned()));
        Ok(())
    }

    /// Makes the symbolic links.
    pub(super) fn finish(mut self) -> Result<(), String> {
        for (path, target) in std::mem::take(&mut self.links) {
            // A folder's place that a link took meanwhile is not a folder any more.
            self.folders.clear();
            let path = self.place(&path)?;
            symbolic_link(&target, &path).map_err(|error| self.cannot(&path, &error))?;
        }
        Ok(())
    }

    fn cannot(&self, path: &Path, error: &io::Error) -> String {
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        match error.kind() {
            io::ErrorKind::AlreadyExists => {
                format!(
                    "{:?} is there twice, or in the place of another source",
                    path.display().to_string()
                )
            }
            _ => format!("{:?} can't be made: {error}", path.display().to_string()),
        }
    }
}

/// A folder itself, not a link to one.
fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

#[cfg(unix)]
fn symbolic_link(target: &str, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn symbolic_link(_target: &str, _path: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_target_goes_up_and_then_down() {
        for (target, depth) in [
            ("a", 0),
            ("a/b", 0),
            ("../a", 1),
            ("./a", 0),
            ("..", 1),
            ("../../a/b", 2),
        ] {
            assert_eq!(check_target(target, depth), Ok(()), "{target}");
        }
        for (target, depth) in [
            ("", 0),
            ("/a", 3),
            ("..", 0),
            ("../../a", 1),
            ("a/../b", 3),
            ("a/..", 1),
        ] {
            assert!(check_target(target, depth).is_err(), "{target}");
        }
    }

    proptest! {
        #[test]
        fn a_path_that_is_taken_is_inside(text in "[./a\\\\]{0,12}") {
            if let Ok(Inside(parts)) = Inside::parse(text.as_bytes()) {
                prop_assert!(parts.iter().all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains('/')));
            }
        }
    }

    /// Whatever is asked of a tree, in whatever order, everything stays below its top.
    #[cfg(unix)]
    mod asked_for_anything {
        use super::*;

        #[derive(Debug, Clone)]
        enum Entry {
            Folder(String),
            File(String),
            SymbolicLink(String, String),
            HardLink(String, String),
        }

        fn entry() -> impl Strategy<Value = Entry> {
            let path = || "([ab]/){0,3}[ab]";
            let target = || "(\\.\\./|[ab]/){0,4}([ab]|\\.\\.)";
            prop_oneof![
                path().prop_map(Entry::Folder),
                path().prop_map(Entry::File),
                (path(), target()).prop_map(|(path, target)| Entry::SymbolicLink(path, target)),
                (path(), path()).prop_map(|(path, target)| Entry::HardLink(path, target)),
            ]
        }

        proptest! {
            #![proptest_config(ProptestConfig::with_cases(300))]
            #[test]
            fn everything_stays_inside(entries in prop::collection::vec(entry(), 1..12)) {
                let outside = tempfile::tempdir().unwrap();
                let outside = outside.path().canonicalize().unwrap();
                let root = outside.join("root");
                fs::create_dir(&root).unwrap();
                let mut tree = Tree::new(&root);
                for entry in entries {
                    let parse = |path: &str| Inside::parse(path.as_bytes()).unwrap();
                    // What is refused makes no difference.
                    let _ = match entry {
                        Entry::Folder(path) => tree.folder(&parse(&path)),
                        Entry::File(path) => tree.file(&parse(&path)).map(drop),
                        Entry::SymbolicLink(path, target) => tree.symbolic_link(parse(&path), target.as_bytes()),
                        Entry::HardLink(path, target) => tree.hard_link(&parse(&path), &parse(&target)),
                    };
                }
                let _ = tree.finish();
                prop_assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "something is beside the root");
                check_links(&root, &root)?;
            }
        }

        /// Every link, followed all the way, ends inside or nowhere.
        fn check_links(folder: &Path, root: &Path) -> Result<(), TestCaseError> {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if let Ok(real) = path.canonicalize() {
                    prop_assert!(real.starts_with(root), "{} is {}", path.display(), real.display());
                }
                if is_folder(&path) {
                    check_links(&path, root)?;
                }
            }
            Ok(())
        }
    }
}
