//! JPEG: EXIF stands in the segment APP1, right behind the start.

use crate::{PictureError, exif};

pub(crate) const START: &[u8] = b"\xff\xd8\xff";
const START_OF_IMAGE: &[u8] = b"\xff\xd8";
const APP1: u8 = 0xe1;
const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;
const EXIF: &[u8] = b"Exif\0\0";
/// What a segment has room for beside its length.
const SEGMENT_BYTES: usize = 0xffff - 2;

pub(crate) fn read(file: &[u8]) -> Result<Option<String>, PictureError> {
    const CUT: PictureError = PictureError::Broken("it ends within a segment");
    let mut rest = &file[START_OF_IMAGE.len()..];
    loop {
        let [0xff, marker, after @ ..] = rest else {
            return Err(CUT);
        };
        match *marker {
            // Filling, and segments without a length.
            0xff => rest = &rest[1..],
            0x01 | 0xd0..=0xd7 => rest = after,
            START_OF_SCAN | END_OF_IMAGE => return Ok(None),
            marker => {
                let (length, _) = after.split_first_chunk::<2>().ok_or(CUT)?;
                let length = usize::from(u16::from_be_bytes(*length));
                let data = after.get(2..length).ok_or(CUT)?;
                rest = &after[length..];
                let tiff = data.strip_prefix(EXIF).filter(|_| marker == APP1);
                if let Some(text) = tiff.and_then(exif::read) {
                    return Ok(Some(text));
                }
            }
        }
    }
}

pub(crate) fn embed(file: &[u8], text: &str) -> Result<Vec<u8>, PictureError> {
    let tiff = exif::write(text, SEGMENT_BYTES - EXIF.len())?;
    let length = u16::try_from(2 + EXIF.len() + tiff.len()).map_err(|_| PictureError::TooLong)?;
    let (start, rest) = file.split_at(START_OF_IMAGE.len());
    Ok([start, &[0xff, APP1], &length.to_be_bytes(), EXIF, &tiff, rest].concat())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn smallest() -> Vec<u8> {
        b"\xff\xd8\xff\xe0\0\x04hi\xff\xff\xd0\xff\xda\0\x02..\xff\xd9".to_vec()
    }

    #[test]
    fn the_longest_prompts_have_room() {
        let text = format!("{}\u{e9}", "x".repeat(40_000));
        assert_eq!(read(&embed(&smallest(), &text).unwrap()).unwrap().unwrap(), text);
        assert_eq!(
            embed(&smallest(), &"x".repeat(70_000)),
            Err(PictureError::TooLong)
        );
    }
}
