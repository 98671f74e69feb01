//! Archives among the sources: unpacked without leaving their folder, and without filling the disk.
//!
//! Tar, plain or compressed with gzip or zstd: what releases are published as. Other archives are refused with
//! the advice to name them in `noextract` and to unpack them in `prepare()`, where a program of the system does it.

mod budget;
mod tree;
mod unpack;
mod zstd;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use budget::Budget;
use flate2::bufread::MultiGzDecoder;

pub(crate) use budget::{UnpackLimits, Used};

/// What an archive is packed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Tar,
    TarGzip,
    TarZstd,
}

/// What a source's name says about it. The name counts, not the content: so a file is never unpacked by surprise.
pub(crate) fn format_of(name: &str) -> Result<Option<Format>, String> {
    let name = name.to_ascii_lowercase();
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    if ends(&[".tar"]) {
        Ok(Some(Format::Tar))
    } else if ends(&[".tar.gz", ".tgz"]) {
        Ok(Some(Format::TarGzip))
    } else if ends(&[".tar.zst", ".tzst"]) {
        Ok(Some(Format::TarZstd))
    } else if ends(&[
        ".zip",
        ".7z",
        ".rar",
        ".tar.xz",
        ".txz",
        ".tar.bz2",
        ".tbz",
        ".tbz2",
        ".tar.lz",
        ".tar.lz4",
        ".tar.lzma",
    ]) {
        Err(
            "archives of this kind are not unpacked; name it in noextract and unpack it in prepare()"
                .to_owned(),
        )
    } else {
        Ok(None)
    }
}

/// Unpacks `archive` into `folder`, which nobody else writes to meanwhile; what is wrong, in words. `used` is what
/// the package's other archives have used of the limits. `is_cancelled` is asked now and then.
pub(crate) fn unpack(
    archive: &Path,
    format: Format,
    folder: &Path,
    limits: UnpackLimits,
    used: &mut Used,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<(), String> {
    let file = File::open(archive).map_err(|error| format!("it can't be read: {error}"))?;
    let budget = Budget::new(limits, *used, is_cancelled);
    let packed = BufReader::new(budget.packed(file));
    let result = match format {
        Format::Tar => unpack::unpack(packed, folder, &budget),
        Format::TarGzip => unpack::unpack(MultiGzDecoder::new(packed), folder, &budget),
        Format::TarZstd => {
            zstd::Frames::new(packed).and_then(|frames| unpack::unpack(frames, folder, &budget))
        }
    };
    *used = budget.used();
    result.map_err(|problem| budget.exceeded().unwrap_or(problem))
}

#[cfg(test)]
mod tests;
