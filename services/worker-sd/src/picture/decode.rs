//! From a file's bytes to pixels. The size is read and bounded before memory is taken for pixels; a camera's note on
//! which edge is up is followed; transparency is laid on white, as the web interfaces do. Colour profiles are not
//! applied: the numbers in the file are taken for sRGB.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

/// Longest edge in pixels.
pub const MAX_EDGE: u32 = 8192;
/// Most bytes that decoding may take: a picture of the longest edges in 16 bits with transparency.
const MAX_DECODER_BYTES: u64 = MAX_EDGE as u64 * MAX_EDGE as u64 * 8;

/// Width and height in pixels, as the picture is seen.
pub type Size = (u32, u32);

/// Why a picture can't be used. None quotes what the file holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// Neither PNG nor JPEG nor WebP.
    #[error("must be a PNG, JPEG or WebP picture")]
    Kind,
    /// Larger than is taken.
    #[error("must have at most {MAX_EDGE} pixels an edge")]
    TooLarge,
    /// It can't be decoded.
    #[error("must be a whole picture: {0}")]
    Broken(String),
}

/// The size of a picture; only the beginning of the file is read.
///
/// # Errors
/// If it is no picture, broken before its size is told, or too large.
pub fn size(file: &[u8]) -> Result<Size, PictureError> {
    let mut decoder = decoder(file)?;
    let (width, height) = decoder.dimensions();
    Ok(match orientation(&mut decoder) {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => (height, width),
        _ => (width, height),
    })
}

/// A picture in colours.
///
/// # Errors
/// If it is no picture, broken or too large.
pub fn decode_picture(file: &[u8]) -> Result<RgbImage, PictureError> {
    let picture = decode(file)?;
    if !picture.color().has_alpha() {
        return Ok(picture.into_rgb8());
    }
    let seen = picture.into_rgba8();
    let (width, height) = seen.dimensions();
    Ok(RgbImage::from_fn(width, height, |x, y| {
        let [red, green, blue, alpha] = seen.get_pixel(x, y).0;
        let over_white = |level: u8| {
            let (level, alpha) = (u32::from(level), u32::from(alpha));
            // Both are at most 255, so the mean is too.
            ((level * alpha + 255 * (255 - alpha) + 127) / 255) as u8
        };
        image::Rgb([over_white(red), over_white(green), over_white(blue)])
    }))
}

/// A mask: how white it is, or if it has transparency, how opaque.
///
/// # Errors
/// If it is no picture, broken or too large.
pub fn decode_mask(file: &[u8]) -> Result<GrayImage, PictureError> {
    let picture = decode(file)?;
    if picture.color().has_alpha() {
        let seen = picture.to_rgba8();
        if seen.pixels().any(|pixel| pixel.0[3] < u8::MAX) {
            let (width, height) = seen.dimensions();
            return Ok(GrayImage::from_fn(width, height, |x, y| {
                image::Luma([seen.get_pixel(x, y).0[3]])
            }));
        }
    }
    Ok(picture.into_luma8())
}

fn decode(file: &[u8]) -> Result<DynamicImage, PictureError> {
    let mut decoder = decoder(file)?;
    let orientation = orientation(&mut decoder);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| refused(&error))?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// A decoder that knows the size, which is within bounds.
fn decoder(file: &[u8]) -> Result<impl ImageDecoder + '_, PictureError> {
    let format = image::guess_format(file).map_err(|_| PictureError::Kind)?;
    if !matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP) {
        return Err(PictureError::Kind);
    }
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(MAX_EDGE);
    limits.max_image_height = Some(MAX_EDGE);
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(file), format);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| refused(&error))?;
    let (width, height) = decoder.dimensions();
    if width.max(height) > MAX_EDGE {
        return Err(PictureError::TooLarge);
    }
    if width.min(height) == 0 {
        return Err(PictureError::Broken("it has no pixels".to_owned()));
    }
    Ok(decoder)
}

/// Which edge is up; a note that can't be read is none.
fn orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    decoder.orientation().unwrap_or(Orientation::NoTransforms)
}

fn refused(error: &ImageError) -> PictureError {
    match error {
        ImageError::Limits(_) => PictureError::TooLarge,
        ImageError::Unsupported(_) => PictureError::Kind,
        // The decoders' own words speak of chunks and markers, not of what is in them.
        other => PictureError::Broken(other.to_string().chars().take(120).collect()),
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgba, RgbaImage};
    use proptest::prelude::*;

    use super::*;

    fn file(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        picture.write_to(&mut file, format).unwrap();
        file.into_inner()
    }

    fn striped() -> DynamicImage {
        RgbImage::from_fn(8, 4, |x, y| image::Rgb([x as u8 * 30, y as u8 * 60, 7])).into()
    }

    /// The head of a PNG, without a body.
    fn head(width: u32, height: u32) -> Vec<u8> {
        let mut whole = file(&striped(), ImageFormat::Png);
        whole[16..20].copy_from_slice(&width.to_be_bytes());
        whole[20..24].copy_from_slice(&height.to_be_bytes());
        // The checksum of the changed header, as the decoder wants it.
        let crc = rbee_crc(&whole[12..29]);
        whole[29..33].copy_from_slice(&crc.to_be_bytes());
        whole
    }

    fn rbee_crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                if crc & 1 == 1 {
                    0xedb8_8320 ^ (crc >> 1)
                } else {
                    crc >> 1
                }
            })
        })
    }

    #[test]
    fn all_three_kinds_are_read() {
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            let file = file(&striped(), format);
            assert_eq!(size(&file), Ok((8, 4)));
            assert_eq!(decode_picture(&file).unwrap(), striped().into_rgb8());
        }
        let file = file(&striped(), ImageFormat::Jpeg);
        assert_eq!(decode_picture(&file).unwrap().dimensions(), (8, 4));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for wrong in [
            &b""[..],
            b"GIF89a",
            b"\x80\x02}q\x00",
            b"hello there, this is text",
        ] {
            assert_eq!(size(wrong), Err(PictureError::Kind));
        }
        let whole = file(&striped(), ImageFormat::Png);
        assert!(matches!(
            decode_picture(&whole[..whole.len() / 2]),
            Err(PictureError::Broken(_))
        ));
    }

    #[test]
    fn a_size_is_bounded_before_anything_is_taken_for_it() {
        for (width, height) in [(8193, 1), (1, 8193), (u32::MAX >> 1, u32::MAX >> 1)] {
            assert_eq!(size(&head(width, height)), Err(PictureError::TooLarge));
            assert_eq!(decode_picture(&head(width, height)), Err(PictureError::TooLarge));
        }
    }

    #[test]
    fn transparency_is_laid_on_white_and_is_a_mask() {
        let mut picture = RgbaImage::from_pixel(2, 1, Rgba([255, 0, 0, 255]));
        picture.put_pixel(1, 0, Rgba([255, 0, 0, 0]));
        let file = file(&picture.into(), ImageFormat::Png);
        let seen = decode_picture(&file).unwrap();
        assert_eq!(seen.get_pixel(0, 0).0, [255, 0, 0]);
        assert_eq!(seen.get_pixel(1, 0).0, [255, 255, 255]);
        assert_eq!(decode_mask(&file).unwrap().into_raw(), [255, 0]);
    }

    #[test]
    fn an_opaque_mask_goes_by_how_white_it_is() {
        let mut picture = RgbaImage::from_pixel(2, 1, Rgba([255, 255, 255, 255]));
        picture.put_pixel(1, 0, Rgba([0, 0, 0, 255]));
        let file = file(&picture.into(), ImageFormat::Png);
        assert_eq!(decode_mask(&file).unwrap().into_raw(), [255, 0]);
    }

    #[test]
    fn a_picture_that_lies_on_its_side_is_set_upright() {
        let plain = file(&striped(), ImageFormat::Jpeg);
        // APP1 with one entry: orientation 6, a quarter to the right.
        let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let file = [&plain[..2], exif, &plain[2..]].concat();
        assert_eq!(size(&file), Ok((4, 8)));
        assert_eq!(decode_picture(&file).unwrap().dimensions(), (4, 8));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damaged_files_are_answered(at in 0usize..400, byte: u8, length in 0usize..600, kind in 0usize..3) {
            let format = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP][kind];
            let mut whole = file(&striped(), format);
            let at = at % whole.len();
            whole[at] = byte;
            whole.truncate(length);
            let _ = size(&whole);
            let _ = decode_picture(&whole);
            let _ = decode_mask(&whole);
        }
    }
}
