//! How large a picture is, as it is seen: read from the file's head, a camera's note on which edge is up followed.

use crate::{Container, PictureError, exif, jpeg, png, webp};

/// Width and height in pixels, as the picture is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// The size of a picture. Only its head is read: nothing says that the rest is whole.
///
/// # Errors
/// If the file is of no known kind, or broken before its size is told.
pub fn size(file: &[u8]) -> Result<Size, PictureError> {
    let (found, tiff) = match Container::of(file).ok_or(PictureError::UnknownKind)? {
        Container::Png => png::size(file)?,
        Container::Jpeg => jpeg::size(file)?,
        Container::Webp => webp::size(file)?,
    };
    if found.width == 0 || found.height == 0 {
        return Err(PictureError::Broken("it has no pixels"));
    }
    // Of the eight ways to hold a camera, these four put a picture's side up.
    let turned = matches!(tiff.and_then(exif::orientation), Some(5..=8));
    Ok(if turned {
        Size {
            width: found.height,
            height: found.width,
        }
    } else {
        found
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A TIFF file that says only which edge is up.
    fn turned(orientation: u8) -> Vec<u8> {
        let mut tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
        tiff.extend([0, orientation, 0, 0, 0, 0, 0, 0]);
        tiff
    }

    fn jpeg(orientation: Option<u8>) -> Vec<u8> {
        let mut file = b"\xff\xd8".to_vec();
        if let Some(orientation) = orientation {
            let tiff = turned(orientation);
            file.extend(b"\xff\xe1");
            file.extend((2 + 6 + tiff.len() as u16).to_be_bytes());
            file.extend(b"Exif\0\0");
            file.extend(tiff);
        }
        file.extend(b"\xff\xc2\0\x0b\x08\x01\x02\x03\x04\x01\x11\0\xff\xda\0\x02..\xff\xd9");
        file
    }

    #[test]
    fn each_kind_tells_its_size() {
        let size_of = |file: &[u8]| size(file).map(|size| (size.width, size.height));
        assert_eq!(size_of(&png::tests::smallest()), Ok((1, 1)));
        assert_eq!(size_of(&jpeg(None)), Ok((0x304, 0x102)));
        assert_eq!(size_of(&webp::tests::smallest()), Ok((4, 2)));
        let extended = webp::embed(&webp::tests::smallest(), "a bee").unwrap();
        assert_eq!(size_of(&extended), Ok((4, 2)));
        let lossy = b"RIFF\x16\0\0\0WEBPVP8 \x0a\0\0\0\x10\x02\0\x9d\x01\x2a\x40\x01\xf0\0";
        assert_eq!(size_of(lossy), Ok((320, 240)));
    }

    #[test]
    fn which_edge_is_up_is_followed() {
        for (orientation, wide) in [(1, true), (3, true), (6, false), (8, false)] {
            let size = size(&jpeg(Some(orientation))).unwrap();
            assert_eq!(size.width > size.height, wide, "{orientation}");
        }
    }

    #[test]
    fn a_picture_without_pixels_is_broken() {
        let mut file = png::tests::smallest();
        file[16..20].fill(0);
        assert!(matches!(size(&file), Err(PictureError::Broken(_))));
        assert_eq!(size(b"GIF89a"), Err(PictureError::UnknownKind));
    }

    proptest! {
        #[test]
        fn damaged_heads_are_answered(at in 0usize..120, byte: u8, length in 0usize..200) {
            let webp = webp::embed(&webp::tests::smallest(), "a bee").unwrap();
            for mut file in [png::tests::smallest(), jpeg(Some(6)), webp] {
                let at = at % file.len();
                file[at] = byte;
                file.truncate(length);
                let _ = size(&file);
            }
        }
    }
}
