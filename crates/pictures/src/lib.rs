//! What a picture's file says of how it was made.
//!
//! Web interfaces and galleries write a picture's settings into its file: PNG has them as the text chunk
//! `parameters`, JPEG and WebP as the EXIF field `UserComment`. Here they are put in and taken out without
//! decoding a pixel ([`embed`], [`read`]), and the text itself is written and parsed ([`Parameters`]). A file's head tells
//! its [`size`]; and what a person painted over a picture becomes a mask ([`black_and_white`]).
//!
//! Files come from anywhere: every length is checked against what is there, and what is unpacked is bounded.

mod crc;
mod error;
mod exif;
mod jpeg;
mod mask;
mod parameters;
mod png;
mod size;
mod webp;

pub use error::PictureError;
pub use mask::black_and_white;
pub use parameters::Parameters;
pub use size::{Size, size};

/// Most bytes of text that are taken from a file.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// The kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// Portable Network Graphics.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP.
    Webp,
}

impl Container {
    /// The kind of a file by its first bytes.
    #[must_use]
    pub fn of(file: &[u8]) -> Option<Self> {
        if file.starts_with(png::SIGNATURE) {
            Some(Self::Png)
        } else if file.starts_with(jpeg::START) {
            Some(Self::Jpeg)
        } else if webp::is_webp(file) {
            Some(Self::Webp)
        } else {
            None
        }
    }
}

/// The file with `text` put in where its kind has it. One that holds such a text already is not expected.
///
/// # Errors
/// If the file is of no known kind, is broken, or has no room for so long a text.
pub fn embed(file: &[u8], text: &str) -> Result<Vec<u8>, PictureError> {
    match Container::of(file).ok_or(PictureError::UnknownKind)? {
        Container::Png => png::embed(file, text),
        Container::Jpeg => jpeg::embed(file, text),
        Container::Webp => webp::embed(file, text),
    }
}

/// The text in a file; `None` if it holds none.
///
/// # Errors
/// If the file is of no known kind or is broken before the text is found.
pub fn read(file: &[u8]) -> Result<Option<String>, PictureError> {
    match Container::of(file).ok_or(PictureError::UnknownKind)? {
        Container::Png => png::read(file),
        Container::Jpeg => jpeg::read(file),
        Container::Webp => webp::read(file),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The smallest files of each kind: one grey pixel, as far as their structure goes.
    fn files() -> [Vec<u8>; 3] {
        [
            png::tests::smallest(),
            jpeg::tests::smallest(),
            webp::tests::smallest(),
        ]
    }

    #[test]
    fn what_is_put_in_comes_out() {
        for file in files() {
            assert_eq!(read(&file).unwrap(), None);
            for text in ["a bee\nSteps: 20", "b\u{e9}e", "\u{1f41d} bee", ""] {
                let with = embed(&file, text).unwrap();
                assert_eq!(Container::of(&with), Container::of(&file));
                assert_eq!(read(&with).unwrap().as_deref(), Some(text));
            }
        }
    }

    #[test]
    fn what_is_no_picture_is_told() {
        for file in [&b""[..], b"GIF89a", b"RIFF1234WAVE", b"\x89PN"] {
            assert!(matches!(read(file), Err(PictureError::UnknownKind)));
            assert!(embed(file, "x").is_err());
        }
    }

    #[test]
    fn a_cut_file_is_refused_or_has_no_text_but_never_another_one() {
        for file in files() {
            let whole = embed(&file, "the text").unwrap();
            for length in 0..whole.len() {
                if let Ok(Some(text)) = read(&whole[..length]) {
                    assert_eq!(text, "the text");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_survives(text in "\\PC{0,300}") {
            for file in files() {
                prop_assert_eq!(read(&embed(&file, &text).unwrap()).unwrap(), Some(text.clone()));
            }
        }

        #[test]
        fn damaged_files_are_answered(at in 0usize..200, byte: u8, length in 0usize..400) {
            for file in files() {
                let mut whole = embed(&file, "the text of the picture").unwrap();
                let at = at % whole.len();
                whole[at] = byte;
                whole.truncate(length);
                let _ = read(&whole);
                let _ = embed(&whole, "another");
            }
        }
    }
}
