//! Archives whose bytes depend on what is in them alone.

use std::io::Write as _;

use anyhow::Result;
use flate2::{Compression, GzBuilder};

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where, with slashes and without one in front.
    pub(super) path: String,
    /// Permissions.
    pub(super) mode: u32,
    /// Content.
    pub(super) content: Vec<u8>,
}

impl Entry {
    /// A file that everybody may read.
    pub(super) fn file(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            mode: 0o644,
            content: content.into(),
        }
    }

    /// A file that everybody may run.
    pub(super) fn program(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self {
            mode: 0o755,
            ..Self::file(path, content)
        }
    }
}

/// The entries as `.tar.gz`, sorted, all of root and of one time, with the folders that they lie in.
pub(super) fn tar_gz(entries: &[Entry], time: u64) -> Result<Vec<u8>> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by(|one, other| one.path.cmp(&other.path));
    // No time and no name in gzip's own header.
    let compressed = GzBuilder::new().write(Vec::new(), Compression::fast());
    let mut archive = tar::Builder::new(compressed);
    for folder in folders(&sorted) {
        let mut header = header(0o755, time, 0);
        header.set_entry_type(tar::EntryType::Directory);
        archive.append_data(&mut header, format!("{folder}/"), &[][..])?;
    }
    for entry in sorted {
        let mut header = header(entry.mode, time, entry.content.len() as u64);
        header.set_entry_type(tar::EntryType::Regular);
        archive.append_data(&mut header, &entry.path, &entry.content[..])?;
    }
    Ok(archive.into_inner()?.finish()?)
}

fn header(mode: u32, time: u64, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_mtime(time);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    for set in [tar::Header::set_username, tar::Header::set_groupname] {
        set(&mut header, "root").expect("a GNU header has room for a short name");
    }
    header
}

/// Every folder that holds one of the files, the outer ones first.
fn folders(entries: &[&Entry]) -> std::collections::BTreeSet<String> {
    let mut folders = std::collections::BTreeSet::new();
    for entry in entries {
        for (at, _) in entry.path.match_indices('/') {
            let folder = &entry.path[..at];
            if !folder.is_empty() {
                folders.insert(folder.to_owned());
            }
        }
    }
    folders
}

/// An `ar` archive, as a Debian package is one: a magic line, then a header of 60 characters before each file.
pub(super) fn ar(members: &[(&str, &[u8])], time: u64) -> Result<Vec<u8>> {
    let mut archive = b"!<arch>\n".to_vec();
    for (name, content) in members {
        writeln!(
            archive,
            "{name:<16}{time:<12}{:<6}{:<6}{:<8}{:<10}`",
            0,
            0,
            "100644",
            content.len()
        )?;
        archive.extend_from_slice(content);
        if content.len() % 2 == 1 {
            archive.push(b'\n');
        }
    }
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_order_of_the_entries_changes_nothing() {
        let (a, b) = (Entry::file("x/a", "1"), Entry::program("x/y/b", "2"));
        let packed = tar_gz(&[a.clone(), b.clone()], 1_000_000_000).unwrap();
        assert_eq!(packed, tar_gz(&[b, a], 1_000_000_000).unwrap());
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&packed[..]));
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let header = entry.header();
            assert_eq!(
                (header.uid().unwrap(), header.mtime().unwrap()),
                (0, 1_000_000_000)
            );
            let path = entry.path().unwrap().display().to_string();
            seen.push((path, header.mode().unwrap(), content));
        }
        let expected = [
            ("x/", 0o755, ""),
            ("x/y/", 0o755, ""),
            ("x/a", 0o644, "1"),
            ("x/y/b", 0o755, "2"),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|(path, mode, content)| ((*path).to_owned(), *mode, (*content).to_owned()))
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn an_ar_archive_begins_each_file_at_an_even_place() {
        let packed = ar(&[("debian-binary", b"2.0"), ("b", b"xy")], 7).unwrap();
        let text = String::from_utf8(packed).unwrap();
        assert_eq!(
            text,
            "!<arch>\n\
             debian-binary   7           0     0     100644  3         `\n2.0\n\
             b               7           0     0     100644  2         `\nxy"
        );
    }
}
