//! Tar archives: ustar (POSIX.1-2017, pax) with the long names of GNU.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime};

use tar::{Archive, Entry, EntryType};

use super::budget::Budget;
use super::tree::{Inside, Tree};

/// Longer names than any file system takes.
const MAX_NAME_BYTES: u64 = 4096;
/// Extended headers hold names, times and owners.
const MAX_PAX_BYTES: u64 = 64 << 10;

/// What headers before an entry say about it.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

pub(super) fn unpack(stream: impl Read, folder: &Path, budget: &Budget<'_>) -> Result<(), String> {
    let mut archive = Archive::new(budget.unpacked(stream));
    let mut tree = Tree::new(folder);
    let mut extended = Extended::default();
    // Raw: the crate would read names of any length into memory.
    let entries = archive.entries().map_err(damaged)?.raw(true);
    let mut is_empty = true;
    for entry in entries {
        let mut entry = entry.map_err(damaged)?;
        is_empty = false;
        budget.count_entry()?;
        match entry.header().entry_type() {
            EntryType::GNULongName => extended.path = Some(name(&mut entry)?),
            EntryType::GNULongLink => extended.link = Some(name(&mut entry)?),
            EntryType::XHeader => read_pax(&mut entry, &mut extended)?,
            // Comments, such as the commit that GitHub's archives were made from.
            EntryType::XGlobalHeader => {}
            _ => place(&mut entry, std::mem::take(&mut extended), &mut tree)?,
        }
    }
    if is_empty {
        return Err("it has no entries, or is no tar archive".to_owned());
    }
    tree.finish()
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn damaged(error: io::Error) -> String {
    format!("it is damaged: {error}")
}

fn name(entry: &mut Entry<'_, impl Read>) -> Result<Vec<u8>, String> {
    let mut name = read_whole(entry, MAX_NAME_BYTES, "a name")?;
    // Ended by NUL.
    if let Some(end) = name.iter().position(|&byte| byte == 0) {
        name.truncate(end);
    }
    Ok(name)
}

fn read_whole(entry: &mut Entry<'_, impl Read>, most: u64, what: &str) -> Result<Vec<u8>, String> {
    if entry.size() > most {
        return Err(format!("{what} in it is longer than {most} bytes"));
    }
    let mut bytes = Vec::new();
    entry.take(most).read_to_end(&mut bytes).map_err(damaged)?;
    Ok(bytes)
}

fn read_pax(entry: &mut Entry<'_, impl Read>, extended: &mut Extended) -> Result<(), String> {
    let bytes = read_whole(entry, MAX_PAX_BYTES, "an extended header")?;
    for record in tar::PaxExtensions::new(&bytes) {
        let record = record.map_err(damaged)?;
        match record.key_bytes() {
            b"path" => extended.path = Some(record.value_bytes().to_vec()),
            b"linkpath" => extended.link = Some(record.value_bytes().to_vec()),
            // Only files of 8 GiB and more need it.
            b"size" => return Err("a file in it is too large".to_owned()),
            key if key.starts_with(b"GNU.sparse") => return Err(SPARSE.to_owned()),
            _ => {}
        }
    }
    Ok(())
}

const SPARSE: &str = "it has sparse files, which are not unpacked";

fn place(entry: &mut Entry<'_, impl Read>, extended: Extended, tree: &mut Tree) -> Result<(), String> {
    let written = match extended.path {
        Some(path) => path,
        None => entry.header().path_bytes().into_owned(),
    };
    let path = Inside::parse(&written)?;
    let link = extended
        .link
        .or_else(|| entry.header().link_name_bytes().map(std::borrow::Cow::into_owned))
        .unwrap_or_default();
    match entry.header().entry_type() {
        EntryType::Directory => tree.folder(&path),
        // How archives from before ustar write folders.
        EntryType::Regular if written.ends_with(b"/") => tree.folder(&path),
        EntryType::Regular | EntryType::Continuous if !path.is_top() => {
            let file = tree.file(&path)?;
            fill(file, entry)
        }
        EntryType::Symlink if !path.is_top() => tree.symbolic_link(path, &link),
        EntryType::Link if !path.is_top() => tree.hard_link(&path, &Inside::parse(&link)?),
        EntryType::GNUSparse => Err(SPARSE.to_owned()),
        EntryType::Char | EntryType::Block | EntryType::Fifo => Err(format!(
            "{:?} is a device or a pipe",
            String::from_utf8_lossy(&written)
        )),
        _ => Err(format!(
            "{:?} is of a kind that is not unpacked",
            String::from_utf8_lossy(&written)
        )),
    }
}

fn fill(mut file: File, entry: &mut Entry<'_, impl Read>) -> Result<(), String> {
    let size = entry.size();
    let copied = io::copy(entry, &mut file).map_err(damaged)?;
    if copied != size {
        return Err("it ends in the middle of a file".to_owned());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // No set-user-id and the like, nothing that others can write to, nothing that we ourselves can't remove.
        let mode = entry.header().mode().map_err(damaged)? & 0o755 | 0o600;
        file.set_permissions(std::fs::Permissions::from_mode(mode))
            .map_err(damaged)?;
    }
    // `make` goes by which file is newer. A time that can't be is left out.
    if let Ok(seconds) = entry.header().mtime()
        && let Some(time) = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    {
        let _ = file.set_modified(time);
    }
    Ok(())
}
