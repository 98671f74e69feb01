//! WebP: EXIF stands in a chunk of its own, which only the extended form of the file may have.

use crate::{PictureError, Size, exif};

const RIFF_BYTES: usize = 12;
/// The flags of the extended form: EXIF follows; the picture has transparency.
const HAS_EXIF: u8 = 0x08;
const HAS_ALPHA: u8 = 0x10;

pub(crate) fn is_webp(file: &[u8]) -> bool {
    file.starts_with(b"RIFF") && file.get(8..RIFF_BYTES) == Some(b"WEBP")
}

struct Chunk<'a> {
    kind: [u8; 4],
    data: &'a [u8],
}

/// Takes the next chunk off `rest`; `None` at the end.
fn next<'a>(rest: &mut &'a [u8]) -> Result<Option<Chunk<'a>>, PictureError> {
    const CUT: PictureError = PictureError::Broken("it ends within a chunk");
    if rest.is_empty() {
        return Ok(None);
    }
    let (head, after) = rest.split_first_chunk::<8>().ok_or(CUT)?;
    let [kind @ .., a, b, c, d] = *head;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    let data = after.get(..length).ok_or(CUT)?;
    // A byte fills up an odd length; the last one is missing in files of careless programs.
    *rest = after.get(length + length % 2..).unwrap_or_default();
    Ok(Some(Chunk { kind, data }))
}

pub(crate) fn read(file: &[u8]) -> Result<Option<String>, PictureError> {
    let mut rest = &file[RIFF_BYTES..];
    while let Some(chunk) = next(&mut rest)? {
        if chunk.kind == *b"EXIF" {
            let tiff = chunk.data.strip_prefix(b"Exif\0\0").unwrap_or(chunk.data);
            if let Some(text) = exif::read(tiff) {
                return Ok(Some(text));
            }
        }
    }
    Ok(None)
}

/// The size in the picture's own head or that of the extended form, and what a camera noted.
pub(crate) fn size(file: &[u8]) -> Result<(Size, Option<&[u8]>), PictureError> {
    let mut rest = &file[RIFF_BYTES..];
    let first = next(&mut rest)?.ok_or(PictureError::Broken("it has no picture"))?;
    let size = match (&first.kind, first.data) {
        (b"VP8X", &[_, _, _, _, w0, w1, w2, h0, h1, h2, ..]) => Size {
            width: u32::from_le_bytes([w0, w1, w2, 0]) + 1,
            height: u32::from_le_bytes([h0, h1, h2, 0]) + 1,
        },
        (b"VP8L", data) => lossless_size(data)?,
        // Three bytes of the frame, three that mark it, then 14 bits each; the others ask for scaling.
        (b"VP8 ", &[_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..]) => Size {
            width: (u16::from_le_bytes([w0, w1]) & 0x3fff).into(),
            height: (u16::from_le_bytes([h0, h1]) & 0x3fff).into(),
        },
        _ => return Err(PictureError::Broken("its picture has no head")),
    };
    while let Ok(Some(chunk)) = next(&mut rest) {
        if chunk.kind == *b"EXIF" {
            return Ok((
                size,
                Some(chunk.data.strip_prefix(b"Exif\0\0").unwrap_or(chunk.data)),
            ));
        }
    }
    Ok((size, None))
}

/// The size in a lossless picture's own head: 14 bits each of width and height, both less one.
fn lossless_size(data: &[u8]) -> Result<Size, PictureError> {
    let &[0x2f, a, b, c, d, ..] = data else {
        return Err(PictureError::Broken("its lossless picture has no head"));
    };
    let bits = u32::from_le_bytes([a, b, c, d]);
    Ok(Size {
        width: (bits & 0x3fff) + 1,
        height: (bits >> 14 & 0x3fff) + 1,
    })
}

pub(crate) fn embed(file: &[u8], text: &str) -> Result<Vec<u8>, PictureError> {
    let mut chunks = Vec::new();
    let mut rest = &file[RIFF_BYTES..];
    while let Some(chunk) = next(&mut rest)? {
        chunks.push(chunk);
    }
    let first = chunks.first().ok_or(PictureError::Broken("it has no picture"))?;
    let extended = match &first.kind {
        b"VP8X" if !first.data.is_empty() => {
            let mut head = first.data.to_vec();
            head[0] |= HAS_EXIF;
            chunks.remove(0);
            head
        }
        b"VP8L" => lossless_head(first.data)?,
        _ => {
            return Err(PictureError::Broken(
                "it is neither lossless nor in the extended form",
            ));
        }
    };
    let tiff = exif::write(text, u32::MAX as usize / 2)?;
    let mut body = Vec::with_capacity(file.len() + tiff.len() + 64);
    body.extend_from_slice(b"WEBP");
    push(&mut body, b"VP8X", &extended)?;
    for chunk in chunks {
        push(&mut body, &chunk.kind, chunk.data)?;
    }
    push(&mut body, b"EXIF", &tiff)?;
    let length = u32::try_from(body.len()).map_err(|_| PictureError::TooLong)?;
    Ok([&b"RIFF"[..], &length.to_le_bytes(), &body].concat())
}

/// The head of the extended form for a lossless picture, whose own head tells its size and transparency.
fn lossless_head(data: &[u8]) -> Result<Vec<u8>, PictureError> {
    let &[0x2f, a, b, c, d, ..] = data else {
        return Err(PictureError::Broken("its lossless picture has no head"));
    };
    // 14 bits each of width and height, both less one, then whether there is transparency.
    let bits = u32::from_le_bytes([a, b, c, d]);
    let (width, height) = (bits & 0x3fff, bits >> 14 & 0x3fff);
    let alpha = if bits >> 28 & 1 == 1 { HAS_ALPHA } else { 0 };
    let [w0, w1, w2, _] = width.to_le_bytes();
    let [h0, h1, h2, _] = height.to_le_bytes();
    Ok(vec![HAS_EXIF | alpha, 0, 0, 0, w0, w1, w2, h0, h1, h2])
}

fn push(body: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) -> Result<(), PictureError> {
    let length = u32::try_from(data.len()).map_err(|_| PictureError::TooLong)?;
    body.extend_from_slice(kind);
    body.extend(length.to_le_bytes());
    body.extend_from_slice(data);
    if data.len() % 2 == 1 {
        body.push(0);
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn smallest() -> Vec<u8> {
        b"RIFF\x12\0\0\0WEBPVP8L\x05\0\0\0\x2f\x03\x40\x00\x10\0".to_vec()
    }

    #[test]
    fn the_extended_form_knows_the_size() {
        let file = embed(&smallest(), "a bee").unwrap();
        assert_eq!(file[12..16], *b"VP8X");
        // 4 wide, 2 high, with transparency.
        assert_eq!(file[20..30], [HAS_EXIF | HAS_ALPHA, 0, 0, 0, 3, 0, 0, 1, 0, 0]);
        let length = u32::from_le_bytes(file[4..8].try_into().unwrap());
        assert_eq!(length as usize, file.len() - 8);
    }
}
