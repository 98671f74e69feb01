//! From pixels to a file.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder as _, ImageError, RgbImage};
use rbee_pictures::embed;

use crate::domain::Format;

/// Why a picture can't be written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The encoder refused the pixels.
    #[error("the picture cannot be written")]
    Encode(#[from] ImageError),
    /// Its settings can't be put in.
    #[error("the picture's settings cannot be put into its file")]
    Parameters(#[from] rbee_pictures::PictureError),
}

/// A picture's file, with the text of its settings unless that is left out.
///
/// # Errors
/// If it can't be written so.
pub fn encode(picture: &RgbImage, format: Format, parameters: Option<&str>) -> Result<Vec<u8>, EncodeError> {
    let (width, height) = picture.dimensions();
    let color = ExtendedColorType::Rgb8;
    let mut file = Vec::new();
    match format {
        Format::Png => PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Adaptive)
            .write_image(picture, width, height, color)?,
        Format::Jpeg { quality } => {
            let quality = u8::try_from(quality).unwrap_or(100).clamp(1, 100);
            JpegEncoder::new_with_quality(&mut file, quality).write_image(picture, width, height, color)?;
        }
        Format::Webp => WebPEncoder::new_lossless(&mut file).write_image(picture, width, height, color)?,
    }
    Ok(match parameters {
        Some(text) => embed(&file, text)?,
        None => file,
    })
}

/// A preview's file: PNG, and nothing but pixels.
///
/// # Errors
/// If it can't be written.
pub fn encode_preview(picture: &RgbImage) -> Result<Vec<u8>, EncodeError> {
    encode(picture, Format::Png, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::decode_picture;

    #[test]
    fn every_kind_holds_the_picture_and_its_settings() {
        let picture = RgbImage::from_fn(64, 72, |x, y| image::Rgb([x as u8, y as u8, 128]));
        for format in [Format::Png, Format::Jpeg { quality: 95 }, Format::Webp] {
            for text in ["a bee\nSteps: 4, Seed: 1, Size: 64x72", "\u{1f41d}\nSteps: 4"] {
                let file = encode(&picture, format, Some(text)).unwrap();
                assert_eq!(rbee_pictures::read(&file).unwrap().as_deref(), Some(text));
                let seen = decode_picture(&file).unwrap();
                assert_eq!(seen.dimensions(), (64, 72), "{format:?}");
                if !matches!(format, Format::Jpeg { .. }) {
                    assert_eq!(seen, picture);
                }
            }
            let plain = encode(&picture, format, None).unwrap();
            assert_eq!(rbee_pictures::read(&plain).unwrap(), None);
        }
    }
}
