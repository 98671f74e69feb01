//! PNG: chunks of text. Latin-1 goes as `tEXt` and all else as `iTXt`, as Python's imaging library does for the web
//! interfaces.

use std::io::Read as _;

use flate2::read::ZlibDecoder;

use crate::crc::crc;
use crate::{MAX_TEXT_BYTES, PictureError, Size};

pub(crate) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
const KEYWORD: &[u8] = b"parameters";
/// Signature and the header's chunk, after which texts may stand.
const HEADER_BYTES: usize = 8 + 8 + 13 + 4;

struct Chunk<'a> {
    kind: [u8; 4],
    data: &'a [u8],
}

/// Takes the next chunk off `rest`.
fn next<'a>(rest: &mut &'a [u8]) -> Result<Chunk<'a>, PictureError> {
    const CUT: PictureError = PictureError::Broken("it ends within a chunk");
    let (head, after) = rest.split_first_chunk::<8>().ok_or(CUT)?;
    let [a, b, c, d, kind @ ..] = *head;
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    let data = after.get(..length).ok_or(CUT)?;
    *rest = after.get(length + 4..).ok_or(CUT)?;
    Ok(Chunk { kind, data })
}

pub(crate) fn read(file: &[u8]) -> Result<Option<String>, PictureError> {
    let mut rest = &file[SIGNATURE.len()..];
    loop {
        let chunk = next(&mut rest)?;
        let text = match &chunk.kind {
            b"tEXt" => plain(chunk.data),
            b"zTXt" => compressed(chunk.data),
            b"iTXt" => international(chunk.data),
            b"IEND" => return Ok(None),
            _ => None,
        };
        if text.is_some() {
            return Ok(text);
        }
    }
}

/// The size in the header, and what a camera noted, if that comes before the picture.
pub(crate) fn size(file: &[u8]) -> Result<(Size, Option<&[u8]>), PictureError> {
    let mut rest = &file[SIGNATURE.len()..];
    let header = next(&mut rest)?;
    let &[a, b, c, d, e, f, g, h, ..] = header.data else {
        return Err(PictureError::Broken("its header is too short"));
    };
    if header.kind != *b"IHDR" {
        return Err(PictureError::Broken("it does not begin with its header"));
    }
    let size = Size {
        width: u32::from_be_bytes([a, b, c, d]),
        height: u32::from_be_bytes([e, f, g, h]),
    };
    while let Ok(chunk) = next(&mut rest) {
        match &chunk.kind {
            b"eXIf" => return Ok((size, Some(chunk.data))),
            b"IEND" => break,
            _ => {}
        }
    }
    Ok((size, None))
}

/// What stands behind the keyword and its zero.
fn behind_keyword(data: &[u8]) -> Option<&[u8]> {
    data.strip_prefix(KEYWORD)?.strip_prefix(b"\0")
}

fn plain(data: &[u8]) -> Option<String> {
    Some(latin1(behind_keyword(data)?))
}

fn compressed(data: &[u8]) -> Option<String> {
    let (0, packed) = behind_keyword(data)?.split_first()? else {
        return None;
    };
    Some(latin1(&unpack(packed)?))
}

fn international(data: &[u8]) -> Option<String> {
    let [flag, method, rest @ ..] = behind_keyword(data)? else {
        return None;
    };
    let mut parts = rest.splitn(3, |&byte| byte == 0);
    let text = parts.nth(2)?;
    match (flag, method) {
        (0, _) => Some(String::from_utf8_lossy(cut(text)).into_owned()),
        (1, 0) => Some(String::from_utf8_lossy(&unpack(text)?).into_owned()),
        _ => None,
    }
}

fn cut(text: &[u8]) -> &[u8] {
    &text[..text.len().min(MAX_TEXT_BYTES)]
}

fn latin1(bytes: &[u8]) -> String {
    cut(bytes).iter().copied().map(char::from).collect()
}

fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    ZlibDecoder::new(packed)
        .take(MAX_TEXT_BYTES as u64)
        .read_to_end(&mut text)
        .ok()?;
    Some(text)
}

pub(crate) fn embed(file: &[u8], text: &str) -> Result<Vec<u8>, PictureError> {
    let mut rest = &file[SIGNATURE.len()..];
    if next(&mut rest)?.kind != *b"IHDR" || file.len() - rest.len() != HEADER_BYTES {
        return Err(PictureError::Broken("it does not begin with its header"));
    }
    let latin: Option<Vec<u8>> = text
        .chars()
        .map(|character| u8::try_from(character).ok())
        .collect();
    let (kind, between, text) = match latin {
        Some(bytes) => (b"tEXt", &b"\0"[..], bytes),
        None => (b"iTXt", &b"\0\0\0\0\0"[..], text.as_bytes().to_vec()),
    };
    let length = KEYWORD.len() + between.len() + text.len();
    let length_field = u32::try_from(length)
        .ok()
        .filter(|&length| length < 1 << 31)
        .ok_or(PictureError::TooLong)?;
    let (head, body) = file.split_at(HEADER_BYTES);
    let mut whole = Vec::with_capacity(file.len() + length + 12);
    whole.extend_from_slice(head);
    whole.extend(length_field.to_be_bytes());
    for part in [&kind[..], KEYWORD, between, &text] {
        whole.extend_from_slice(part);
    }
    whole.extend(crc(&[kind, KEYWORD, between, &text]).to_be_bytes());
    whole.extend_from_slice(body);
    Ok(whole)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        [&length[..], kind, data, &crc(&[kind, data]).to_be_bytes()].concat()
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn with(chunks: &[Vec<u8>]) -> Vec<u8> {
        let header = chunk(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]);
        let data = chunk(b"IDAT", &packed(&[0, 0]));
        [SIGNATURE, &header, &chunks.concat(), &data, &chunk(b"IEND", b"")].concat()
    }

    pub(crate) fn smallest() -> Vec<u8> {
        with(&[])
    }

    #[test]
    fn each_way_to_write_text_is_read() {
        let small = packed("b\u{e9}e".as_bytes());
        let international = [&b"parameters\0\x01\0en\0title\0"[..], &small].concat();
        let latin = [&b"parameters\0\0"[..], &packed(b"b\xe9e")].concat();
        for chunk in [
            chunk(b"tEXt", b"parameters\0b\xe9e"),
            chunk(b"zTXt", &latin),
            chunk(b"iTXt", &international),
            chunk(b"iTXt", "parameters\0\0\0\0\0b\u{e9}e".as_bytes()),
        ] {
            let other = self::chunk(b"tEXt", b"parametersX\0no");
            assert_eq!(read(&with(&[other, chunk])).unwrap().unwrap(), "b\u{e9}e");
        }
    }

    #[test]
    fn what_unpacks_to_very_much_is_cut() {
        let data = [&b"parameters\0\0"[..], &packed(&vec![b'x'; 8 * MAX_TEXT_BYTES])].concat();
        let text = read(&with(&[chunk(b"zTXt", &data)])).unwrap().unwrap();
        assert_eq!(text.len(), MAX_TEXT_BYTES);
    }

    #[test]
    fn the_text_stands_where_other_programs_look() {
        let file = embed(&smallest(), "a bee").unwrap();
        assert_eq!(file[HEADER_BYTES + 4..HEADER_BYTES + 8], *b"tEXt");
        let file = embed(&smallest(), "\u{1f41d}").unwrap();
        assert_eq!(file[HEADER_BYTES + 4..HEADER_BYTES + 8], *b"iTXt");
    }
}
