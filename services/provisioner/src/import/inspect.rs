//! What a file is, from its first bytes. Blocking.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::Path;

use rbee_artifacts::gguf::{self, GgufError, GgufHeader, ModelFacts};

use super::{ImportError, file};

/// A GGUF file whose header makes sense.
#[derive(Debug)]
pub(super) struct InspectedModel {
    /// What its header says.
    pub(super) facts: ModelFacts,
    /// Its size in bytes.
    pub(super) size_bytes: u64,
}

/// Enough to tell all formats apart.
const HEAD_BYTES: u64 = 512;

/// Reads the header of the model at `path`, which the user calls `file_name`.
pub(super) fn model(path: &Path, file_name: &str) -> Result<InspectedModel, ImportError> {
    let (mut source, metadata) = file::open(path)?;
    let size_bytes = metadata.len();
    let head = head(&mut source).map_err(|error| ImportError::reading(path, error))?;
    if let Some(what) = foreign_format(&head, file_name) {
        return Err(ImportError::Format {
            file: file_name.to_owned(),
            what: what.to_owned(),
        });
    }
    let refuse = |source: GgufError| match source {
        GgufError::Read { source, .. } => ImportError::reading(path, source),
        GgufError::Unsupported { .. } => ImportError::Unsupported {
            file: file_name.to_owned(),
            source,
        },
        _ => ImportError::Corrupt {
            file: file_name.to_owned(),
            source,
        },
    };
    let header = GgufHeader::read(source, size_bytes).map_err(refuse)?;
    let facts = gguf::summary(&header).map_err(refuse)?;
    Ok(InspectedModel { facts, size_bytes })
}

fn head(source: &mut File) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    source.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    source.rewind()?;
    Ok(head)
}

const PICKLE: &str = "it is a pickle (a PyTorch file), which can run code when it is loaded; such files are \
                      never taken: look for the GGUF edition of the model";

/// What it is, if it is recognised as something else than GGUF, or as nothing at all.
fn foreign_format(head: &[u8], file_name: &str) -> Option<&'static str> {
    let text = head.trim_ascii_start().to_ascii_lowercase();
    let what = match head {
        [b'G', b'G', b'U', b'F', ..] => return None,
        // A zip archive: what PyTorch writes since 1.6. A protocol byte and its number: a bare pickle.
        [b'P', b'K', 3, 4, ..] | [0x80, 2..=5, ..] => PICKLE,
        [b'l' | b't' | b'f', b'm' | b'j', b'g', b'g', ..] => {
            "it is in a format that came before GGUF; convert it with llama.cpp's tools"
        }
        // The length of the header in 8 bytes, then JSON.
        [_, _, _, _, _, 0, 0, 0, b'{', ..] => {
            "it is a safetensors file; these come with a later version, import the GGUF edition of the model"
        }
        _ if text.starts_with(b"<!doctype") || text.starts_with(b"<html") => {
            "it is a web page: the download got an error page instead of the model"
        }
        _ if text.starts_with(b"version https://git-lfs") => {
            "it is a Git LFS pointer: fetch the model itself with `git lfs pull`"
        }
        // One that calls itself GGUF and is none is damaged; the parser says where.
        _ if file_name.to_ascii_lowercase().ends_with(".gguf") => return None,
        _ => "it is not a GGUF file",
    };
    Some(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_apart_by_their_first_bytes() {
        let safetensors = b"\x40\0\0\0\0\0\0\0{\"a\":";
        for (head, words) in [
            (&b"PK\x03\x04archive/data.pkl"[..], "pickle"),
            (b"\x80\x02}q\0", "pickle"),
            (b"\x80\x04\x95", "pickle"),
            (b"tjgg\x03\0\0\0", "before GGUF"),
            (safetensors, "safetensors"),
            (b"\n<!DOCTYPE html>", "web page"),
            (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
            (b"hello", "not a GGUF file"),
            (b"", "not a GGUF file"),
        ] {
            let what = foreign_format(head, "model.bin").unwrap();
            assert!(what.contains(words), "{what}");
        }
        assert_eq!(foreign_format(b"GGUF\x03", "model.bin"), None);
        assert_eq!(
            foreign_format(b"FUGG", "model.GGUF"),
            None,
            "the parser says what is wrong"
        );
        assert!(
            foreign_format(b"PK\x03\x04", "model.gguf").is_some(),
            "a name makes no GGUF"
        );
    }
}
