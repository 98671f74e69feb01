//! JPEG: EXIF stands in the segment APP1, right behind the start.

use crate::{PictureError, Size, exif};

pub(crate) const START: &[u8] = b"\xff\xd8\xff";
const START_OF_IMAGE: &[u8] = b"\xff\xd8";
const APP1: u8 = 0xe1;
const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;
const EXIF: &[u8] = b"Exif\0\0";
/// What a segment has room for beside its length.
const SEGMENT_BYTES: usize = 0xffff - 2;

/// A segment with a length.
struct Segment<'a> {
    marker: u8,
    data: &'a [u8],
}

/// Takes the next segment off `rest`; `None` where the picture itself begins or ends.
fn next<'a>(rest: &mut &'a [u8]) -> Result<Option<Segment<'a>>, PictureError> {
    const CUT: PictureError = PictureError::Broken("it ends within a segment");
    loop {
        let [0xff, marker, after @ ..] = *rest else {
            return Err(CUT);
        };
        match *marker {
            // Filling, and segments without a length.
            0xff => *rest = &rest[1..],
            0x01 | 0xd0..=0xd7 => *rest = after,
            START_OF_SCAN | END_OF_IMAGE => return Ok(None),
            marker => {
                let (length, _) = after.split_first_chunk::<2>().ok_or(CUT)?;
                let length = usize::from(u16::from_be_bytes(*length));
                let data = after.get(2..length).ok_or(CUT)?;
                *rest = &after[length..];
                return Ok(Some(Segment { marker, data }));
            }
        }
    }
}

/// What a camera or program noted, if the segment is that.
fn noted<'a>(segment: &Segment<'a>) -> Option<&'a [u8]> {
    let data = segment.data;
    data.strip_prefix(EXIF).filter(|_| segment.marker == APP1)
}

pub(crate) fn read(file: &[u8]) -> Result<Option<String>, PictureError> {
    let mut rest = &file[START_OF_IMAGE.len()..];
    while let Some(segment) = next(&mut rest)? {
        if let Some(text) = noted(&segment).and_then(exif::read) {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

/// The size in the frame's header, and what a camera noted before it.
pub(crate) fn size(file: &[u8]) -> Result<(Size, Option<&[u8]>), PictureError> {
    let mut rest = &file[START_OF_IMAGE.len()..];
    let mut tiff = None;
    while let Some(segment) = next(&mut rest)? {
        tiff = tiff.or_else(|| noted(&segment));
        // Starts of frames (ITU-T T.81, table B.1); between them are three that are something else.
        let is_frame = matches!(segment.marker, 0xc0..=0xcf) && !matches!(segment.marker, 0xc4 | 0xc8 | 0xcc);
        if let (true, &[_, h1, h0, w1, w0, ..]) = (is_frame, segment.data) {
            let size = Size {
                width: u16::from_be_bytes([w1, w0]).into(),
                height: u16::from_be_bytes([h1, h0]).into(),
            };
            return Ok((size, tiff));
        }
    }
    Err(PictureError::Broken("it has no frame"))
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
