//! Pictures that come with requests are made as large as what is generated.

use image::imageops::{FilterType, resize};
use image::{GrayImage, RgbImage};

use super::Size;

/// The picture in this size, by Lanczos's filter as the web interfaces do.
#[must_use]
pub fn scale_picture(picture: RgbImage, (width, height): Size) -> RgbImage {
    if picture.dimensions() == (width, height) {
        picture
    } else {
        resize(&picture, width, height, FilterType::Lanczos3)
    }
}

/// The mask in this size.
#[must_use]
pub fn scale_mask(mask: GrayImage, (width, height): Size) -> GrayImage {
    if mask.dimensions() == (width, height) {
        mask
    } else {
        resize(&mask, width, height, FilterType::Triangle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_as_it_is_and_all_else_is_fitted() {
        let picture = RgbImage::from_fn(8, 8, |x, _| image::Rgb([x as u8 * 36; 3]));
        assert_eq!(scale_picture(picture.clone(), (8, 8)), picture);
        let small = scale_picture(picture, (4, 16));
        assert_eq!(small.dimensions(), (4, 16));
        assert!(small.get_pixel(0, 0).0[0] < small.get_pixel(3, 0).0[0]);
        let mask = GrayImage::from_fn(2, 1, |x, _| image::Luma([x as u8 * 255]));
        assert_eq!(scale_mask(mask, (64, 64)).get_pixel(63, 63).0, [255]);
    }
}
