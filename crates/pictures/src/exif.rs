//! The EXIF field `UserComment` (Exif 2.32, 4.6.5): eight bytes that name the character code, then the text.

use crate::{MAX_TEXT_BYTES, PictureError};

/// Points from the first directory to the camera's.
const EXIF_DIRECTORY: u16 = 0x8769;
const USER_COMMENT: u16 = 0x9286;
/// Which edge is up, 1 to 8 (TIFF 6.0, `Orientation`).
const ORIENTATION: u16 = 0x0112;
const LONG: u16 = 4;
const UNDEFINED: u16 = 7;
/// Where the comment's value begins in what [`write`] gives.
const VALUE_OFFSET: u32 = 44;

const UNICODE: &[u8] = b"UNICODE\0";
const ASCII: &[u8] = b"ASCII\0\0\0";
const UNKNOWN: &[u8] = &[0; 8];

/// The field as a TIFF file of at most `most` bytes, big-endian as the web interfaces write it. The text is in
/// UTF-16, or where there is no room for that, in ASCII or UTF-8.
pub(crate) fn write(text: &str, most: usize) -> Result<Vec<u8>, PictureError> {
    let wide = || {
        text.encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect::<Vec<u8>>()
    };
    let room = most.saturating_sub(VALUE_OFFSET as usize + UNICODE.len());
    let (code, text) = if 2 * text.encode_utf16().count() <= room {
        (UNICODE, wide())
    } else if text.len() > room {
        return Err(PictureError::TooLong);
    } else if text.is_ascii() {
        (ASCII, text.as_bytes().to_vec())
    } else {
        (UNKNOWN, text.as_bytes().to_vec())
    };
    let length = u32::try_from(code.len() + text.len()).map_err(|_| PictureError::TooLong)?;
    let mut tiff = b"MM\0*\0\0\0\x08".to_vec();
    for (tag, kind, count, value) in [
        (EXIF_DIRECTORY, LONG, 1, 26),
        (USER_COMMENT, UNDEFINED, length, VALUE_OFFSET),
    ] {
        tiff.extend(1_u16.to_be_bytes());
        tiff.extend(tag.to_be_bytes());
        tiff.extend(kind.to_be_bytes());
        tiff.extend(u32::to_be_bytes(count));
        tiff.extend(u32::to_be_bytes(value));
        tiff.extend([0; 4]);
    }
    tiff.extend_from_slice(code);
    tiff.extend(text);
    Ok(tiff)
}

/// The comment in a TIFF file, if it has one that can be understood.
pub(crate) fn read(tiff: &[u8]) -> Option<String> {
    let file = Tiff::open(tiff)?;
    let directory = file.entry(file.long(4)?, EXIF_DIRECTORY)?;
    let comment = file.entry(file.long(directory + 8)?, USER_COMMENT)?;
    let length = file.long(comment + 4)? as usize;
    let at = if length <= 4 {
        comment + 8
    } else {
        file.long(comment + 8)?
    } as usize;
    let value = tiff.get(at..at.checked_add(length)?)?;
    let (code, text) = value.split_at_checked(8)?;
    let text = &text[..text.len().min(MAX_TEXT_BYTES)];
    Some(match code {
        UNICODE => utf16(text),
        _ => String::from_utf8_lossy(text).trim_end_matches('\0').to_owned(),
    })
}

/// Which edge is up, 1 to 8, if a TIFF file says so.
pub(crate) fn orientation(tiff: &[u8]) -> Option<u16> {
    let file = Tiff::open(tiff)?;
    let entry = file.entry(file.long(4)?, ORIENTATION)?;
    file.short(entry + 8)
}

/// Big-endian unless a byte order mark or the many zeros of Latin text say otherwise.
fn utf16(bytes: &[u8]) -> String {
    let zeros = |odd: usize| {
        let places = bytes.iter().skip(odd).step_by(2);
        places.filter(|&&byte| byte == 0).count()
    };
    let (bytes, little) = match bytes {
        [0xfe, 0xff, rest @ ..] => (rest, false),
        [0xff, 0xfe, rest @ ..] => (rest, true),
        _ => (bytes, zeros(1) > zeros(0)),
    };
    let units = bytes.chunks_exact(2).map(|pair| match (pair, little) {
        (&[low, high], true) | (&[high, low], false) => u16::from_be_bytes([high, low]),
        _ => 0,
    });
    char::decode_utf16(units)
        .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

struct Tiff<'a> {
    bytes: &'a [u8],
    little: bool,
}

impl<'a> Tiff<'a> {
    fn open(bytes: &'a [u8]) -> Option<Self> {
        let little = match bytes.get(..4)? {
            b"MM\0*" => false,
            b"II*\0" => true,
            _ => return None,
        };
        Some(Self { bytes, little })
    }

    fn take<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        let mut value: [u8; N] = *self.bytes.get(at as usize..)?.first_chunk()?;
        if self.little {
            value.reverse();
        }
        Some(value)
    }

    fn short(&self, at: u32) -> Option<u16> {
        self.take(at).map(u16::from_be_bytes)
    }

    fn long(&self, at: u32) -> Option<u32> {
        self.take(at).map(u32::from_be_bytes)
    }

    /// Where the entry of this tag begins in the directory at `at`.
    fn entry(&self, at: u32, tag: u16) -> Option<u32> {
        let count = self.short(at)?;
        let entries = (0..u32::from(count)).map_while(|index| at.checked_add(2)?.checked_add(12 * index));
        entries
            .take_while(|&entry| self.short(entry).is_some())
            .find(|&entry| self.short(entry) == Some(tag))
            // Room for the whole entry, so that sums on it do not overflow.
            .filter(|&entry| entry < u32::MAX - 12)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_goes_in_fewer_bytes() {
        let room = 60_000;
        for text in ["x".repeat(50_000), format!("\u{e9}{}", "x".repeat(50_000))] {
            let tiff = write(&text, room).unwrap();
            assert!(tiff.len() <= room);
            assert_eq!(read(&tiff).unwrap(), text);
        }
        assert_eq!(write(&"x".repeat(70_000), room), Err(PictureError::TooLong));
    }

    #[test]
    fn the_other_byte_order_is_read_too() {
        let mut tiff = b"II*\0\x08\0\0\0".to_vec();
        tiff.extend(b"\x01\0\x69\x87\x04\0\x01\0\0\0\x1a\0\0\0\0\0\0\0");
        tiff.extend(b"\x01\0\x86\x92\x07\0\x0e\0\0\0\x2c\0\0\0\0\0\0\0");
        tiff.extend(b"UNICODE\0b\0e\0e\0");
        assert_eq!(read(&tiff).unwrap(), "bee");
    }
}
