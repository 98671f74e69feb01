//! What a file is, by its first bytes: the cheapest question, asked before any other.

use crate::names::named_enum;

/// How many of a file's first bytes [`sniff`] wants to see; it makes do with fewer.
pub const SNIFF_BYTES: usize = 512;

named_enum! {
    /// What a file is, by its first bytes.
    pub enum FileKind ("kind of file") {
        /// A GGUF file, little-endian.
        Gguf = "gguf",
        /// A file that begins like a safetensors file.
        Safetensors = "safetensors",
        /// A pickle of Python: `.ckpt`, `.pt`, `.bin`, `.pkl`.
        Pickle = "pickle",
        /// A zip archive; PyTorch saves pickles in such.
        Zip = "zip",
        /// The pointer of a large-file store (Git LFS) in place of the file.
        LfsPointer = "lfs-pointer",
        /// A page of HTML or XML: an answer of a server, not a model.
        Html = "html",
        /// A JSON text: an answer of a server, or a description, not a model.
        Json = "json",
        /// An archive other than zip.
        Archive = "archive",
        /// A model in an older format of llama.cpp (GGML, GGJT).
        OldGgml = "old-ggml",
        /// A checkpoint of Keras or an HDF5 file.
        Hdf5 = "hdf5",
        /// A file without a byte.
        Empty = "empty",
        /// Nothing that is known.
        Unknown = "unknown",
    }
}

/// Recognises a file by its first bytes (up to [`SNIFF_BYTES`] of them).
#[must_use]
pub fn sniff(first_bytes: &[u8]) -> FileKind {
    if first_bytes.is_empty() {
        return FileKind::Empty;
    }
    let magics: [(&[u8], FileKind); 19] = [
        (b"GGUF", FileKind::Gguf),
        // PyTorch's own zip files begin like any other.
        (b"PK\x03\x04", FileKind::Zip),
        (b"PK\x05\x06", FileKind::Zip),
        // Protocols 2 to 5 of pickle; the files of old PyTorch begin with one, too.
        (b"\x80\x02", FileKind::Pickle),
        (b"\x80\x03", FileKind::Pickle),
        (b"\x80\x04", FileKind::Pickle),
        (b"\x80\x05", FileKind::Pickle),
        (b"version https://git-lfs.github.com/spec/", FileKind::LfsPointer),
        (b"version https://hawser.github.com/spec/", FileKind::LfsPointer),
        (b"\x1f\x8b", FileKind::Archive),
        (b"7z\xbc\xaf\x27\x1c", FileKind::Archive),
        (b"Rar!\x1a\x07", FileKind::Archive),
        (b"\xfd7zXZ\0", FileKind::Archive),
        (b"\x28\xb5\x2f\xfd", FileKind::Archive),
        // Written as little-endian numbers: ggml, ggmf, ggjt.
        (b"lmgg", FileKind::OldGgml),
        (b"fmgg", FileKind::OldGgml),
        (b"tjgg", FileKind::OldGgml),
        (b"\x89HDF\r\n\x1a\n", FileKind::Hdf5),
        (b"BZh", FileKind::Archive),
    ];
    // Before the magics of two bytes: the length of a header may look like one of them.
    if is_safetensors(first_bytes) {
        return FileKind::Safetensors;
    }
    magics
        .iter()
        .find(|(magic, _)| first_bytes.starts_with(magic))
        .map_or_else(|| sniff_text(first_bytes), |&(_, kind)| kind)
}

/// A length that fits a header, then the brace of an object. With fewer bytes than that, no.
fn is_safetensors(first_bytes: &[u8]) -> bool {
    match first_bytes.first_chunk::<9>() {
        // Anything of at most 4 GiB, so that the reader can say what is wrong with a length too large.
        Some(&[_, _, _, _, 0, 0, 0, 0, b'{']) => true,
        // A header that is not JSON at all is for the reader to explain, as long as its length could be
        // one: text has no zero bytes there.
        Some(&[_, _, _, 0, 0, 0, 0, 0, _]) => true,
        _ => false,
    }
}

fn sniff_text(first_bytes: &[u8]) -> FileKind {
    let text = first_bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(first_bytes)
        .trim_ascii_start();
    match text {
        [b'<', b'!' | b'?' | b'a'..=b'z' | b'A'..=b'Z', ..] => FileKind::Html,
        [b'{' | b'[', ..] => FileKind::Json,
        // Protocol 0 of pickle has no magic: a call of a global of some module.
        [b'c', ..] if text.starts_with(b"c__builtin__\n") || text.starts_with(b"ctorch") => FileKind::Pickle,
        _ => FileKind::Unknown,
    }
}

impl FileKind {
    /// Why a file of this kind is not taken as a model, beginning with "it is"; `None` for
    /// the kinds that may be one.
    #[must_use]
    pub const fn refusal(self) -> Option<&'static str> {
        Some(match self {
            Self::Gguf | Self::Safetensors => return None,
            Self::Pickle => {
                "it is a Python pickle, which can run any program when it is loaded; only safetensors and GGUF \
                 files are taken: look for a .safetensors version of the model"
            }
            Self::Zip => {
                "it is a zip archive, as PyTorch saves pickles, which can run any program when they are loaded; \
                 only safetensors and GGUF files are taken: look for a .safetensors version of the model"
            }
            Self::LfsPointer => {
                "it is the pointer of a large-file store (Git LFS) and not the file itself: fetch it with \
                 `git lfs pull`, or download it again"
            }
            Self::Html => "it is a web page and not a model: the download ended at an error or a login page",
            Self::Json => "it is a JSON text and not a model: the download ended at an answer of the server",
            Self::Archive => "it is an archive and not a model: unpack it first",
            Self::OldGgml => {
                "it is in a format of llama.cpp from before GGUF, which is not read: look for a .gguf version"
            }
            Self::Hdf5 => "it is an HDF5 file (Keras); only safetensors and GGUF files are taken",
            Self::Empty => "it is empty",
            Self::Unknown => "it is neither a safetensors nor a GGUF file",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn files_are_known_by_their_first_bytes() {
        for (bytes, kind) in [
            (&b"GGUF\x03\0\0\0"[..], FileKind::Gguf),
            (b"\x80\x02\0\0\0\0\0\0{\"a\"", FileKind::Safetensors),
            (b"\x10\0\0\0\0\0\0\0{}      ", FileKind::Safetensors),
            (b"\x80\x02}q\0X\x19\0\0\0model", FileKind::Pickle),
            (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", FileKind::Pickle),
            (b"PK\x03\x04\0\0\x08\x08\0\0archive/data.pkl", FileKind::Zip),
            (
                b"version https://git-lfs.github.com/spec/v1\noid",
                FileKind::LfsPointer,
            ),
            (b"  \r\n<!DOCTYPE html>", FileKind::Html),
            (b"\xef\xbb\xbf<html>", FileKind::Html),
            (b"<?xml version", FileKind::Html),
            (b"{\"error\":\"Unauthorized\"}", FileKind::Json),
            (b"ctorch._utils\n_rebuild", FileKind::Pickle),
            (b"tjgg\x03\0\0\0", FileKind::OldGgml),
            (b"", FileKind::Empty),
            (b"hello", FileKind::Unknown),
            (b"< 3", FileKind::Unknown),
        ] {
            assert_eq!(sniff(bytes), kind, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn all_but_two_kinds_are_refused_in_words() {
        let taken: Vec<_> = FileKind::ALL
            .iter()
            .filter(|kind| kind.refusal().is_none())
            .collect();
        assert_eq!(taken, [&FileKind::Gguf, &FileKind::Safetensors]);
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_kind(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = sniff(&bytes);
        }
    }
}
