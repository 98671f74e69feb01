//! Between pictures and the numbers that the VAE takes and gives.

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Luma, Rgb};

use super::model::LATENT_PIXELS;
use super::settings::{Mask, Picture, Size};

/// From this level on a mask's pixel is repainted.
const REPAINTED: u8 = 128;

/// Red, green and blue from 0 to 255 become three planes from -1 to 1.
pub(super) fn planes(picture: &Picture) -> Vec<f32> {
    let channel = |channel: usize| picture.rgb.iter().skip(channel).step_by(3);
    (0..3)
        .flat_map(channel)
        .map(|&level| f32::from(level) / 255.0 * 2.0 - 1.0)
        .collect()
}

/// Three planes from -1 to 1 become a picture; what is beyond is cut off.
pub(super) fn picture(planes: &[f32], size: Size) -> Picture {
    let pixels = size.width * size.height;
    let level = |index: usize, channel: usize| {
        let colour = planes.get(channel * pixels + index).copied().unwrap_or(0.0);
        ((colour / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8
    };
    Picture {
        width: size.width,
        height: size.height,
        rgb: (0..pixels)
            .flat_map(|index| [level(index, 0), level(index, 1), level(index, 2)])
            .collect(),
    }
}

/// The mask at each latent, 1 where it is repainted: its every eighth pixel.
pub(super) fn latent_mask(mask: &Mask) -> Vec<f32> {
    let rows = mask.levels.chunks(mask.width).step_by(LATENT_PIXELS);
    rows.flat_map(|row| row.iter().step_by(LATENT_PIXELS))
        .map(|&level| if level >= REPAINTED { 1.0 } else { 0.0 })
        .collect()
}

/// Planes with mid grey where the mask is to be repainted.
pub(super) fn blanked(planes: &[f32], mask: &Mask) -> Vec<f32> {
    let levels = mask.levels.iter().cycle();
    planes
        .iter()
        .zip(levels)
        .map(|(&colour, &level)| if level >= REPAINTED { 0.0 } else { colour })
        .collect()
}

/// A picture of another size, by Lanczos' filter.
pub(super) fn resized(picture: &Picture, size: Size) -> Option<Picture> {
    let (width, height) = (picture.width as u32, picture.height as u32);
    let buffer: ImageBuffer<Rgb<u8>, _> = ImageBuffer::from_raw(width, height, picture.rgb.clone())?;
    let large = imageops::resize(
        &buffer,
        size.width as u32,
        size.height as u32,
        FilterType::Lanczos3,
    );
    Some(Picture {
        width: size.width,
        height: size.height,
        rgb: large.into_raw(),
    })
}

/// A mask of another size.
pub(super) fn resized_mask(mask: &Mask, size: Size) -> Option<Mask> {
    let (width, height) = (mask.width as u32, mask.height as u32);
    let buffer: ImageBuffer<Luma<u8>, _> = ImageBuffer::from_raw(width, height, mask.levels.clone())?;
    let large = imageops::resize(
        &buffer,
        size.width as u32,
        size.height as u32,
        FilterType::Nearest,
    );
    Some(Mask {
        width: size.width,
        height: size.height,
        levels: large.into_raw(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { width: 16, height: 8 };

    fn gradient() -> Picture {
        Picture {
            width: 16,
            height: 8,
            rgb: (0..16 * 8 * 3).map(|index| (index % 256) as u8).collect(),
        }
    }

    #[test]
    fn a_picture_survives_the_way_to_planes_and_back() {
        assert_eq!(picture(&planes(&gradient()), SIZE), gradient());
        let beyond = picture(&[3.0; 16 * 8 * 3], SIZE);
        assert!(beyond.rgb.iter().all(|&level| level == 255));
    }

    #[test]
    fn masks_are_taken_at_every_eighth_pixel() {
        let mut mask = Mask {
            width: 16,
            height: 8,
            levels: vec![127; 16 * 8],
        };
        mask.levels[8] = 128;
        assert_eq!(latent_mask(&mask), [0.0, 1.0]);
        let planes = blanked(&planes(&gradient()), &mask);
        let blank: Vec<usize> = (0..planes.len()).filter(|&index| planes[index] == 0.0).collect();
        assert_eq!(blank, [8, 8 + 128, 8 + 256]);
    }

    #[test]
    fn sizes_change() {
        let size = Size {
            width: 24,
            height: 16,
        };
        assert_eq!(resized(&gradient(), size).unwrap().rgb.len(), 24 * 16 * 3);
        let mask = Mask {
            width: 2,
            height: 1,
            levels: vec![0, 255],
        };
        let large = resized_mask(&mask, Size { width: 4, height: 2 }).unwrap();
        assert_eq!(large.levels, [0, 0, 255, 255, 0, 0, 255, 255]);
    }
}
