//! A picture in black and white, such as a mask: PNG with one bit a pixel.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::crc::crc;
use crate::png::SIGNATURE;
use crate::{PictureError, Size};

/// A PNG of one bit a pixel. `white` holds a byte for each pixel, row by row; 0 is black and all else white.
///
/// # Errors
/// If `white` is not of that size, or the size is none that a PNG can have.
pub fn black_and_white(size: Size, white: &[u8]) -> Result<Vec<u8>, PictureError> {
    let width = size.width as usize;
    if size.width == 0 || size.height == 0 || width.checked_mul(size.height as usize) != Some(white.len()) {
        return Err(PictureError::Broken("its pixels are not of its size"));
    }
    let mut body = ZlibEncoder::new(Vec::new(), Compression::fast());
    let mut line = Vec::with_capacity(1 + width.div_ceil(8));
    for row in white.chunks(width) {
        line.clear();
        // Each row begins with its filter: none.
        line.push(0);
        line.extend(row.chunks(8).map(packed));
        body.write_all(&line).expect("a vector takes everything");
    }
    let body = body.finish().expect("a vector takes everything");
    let mut header = Vec::with_capacity(13);
    header.extend(size.width.to_be_bytes());
    header.extend(size.height.to_be_bytes());
    // One bit a pixel, grey; the only compression and filters there are; not interlaced.
    header.extend([1, 0, 0, 0, 0]);
    let mut file = SIGNATURE.to_vec();
    for (kind, data) in [(b"IHDR", &header), (b"IDAT", &body), (b"IEND", &Vec::new())] {
        let length = u32::try_from(data.len()).map_err(|_| PictureError::TooLong)?;
        file.extend(length.to_be_bytes());
        file.extend_from_slice(kind);
        file.extend_from_slice(data);
        file.extend(crc(&[kind, data]).to_be_bytes());
    }
    Ok(file)
}

/// Up to eight pixels, the first one in the highest bit.
fn packed(pixels: &[u8]) -> u8 {
    let bits = pixels.iter().enumerate();
    bits.fold(0, |byte, (index, &pixel)| {
        byte | (u8::from(pixel != 0) << (7 - index))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::ZlibDecoder;
    use proptest::prelude::*;

    use super::*;

    /// The pixels of a file that [`black_and_white`] wrote, read by the specification.
    fn pixels(file: &[u8]) -> Vec<u8> {
        let size = crate::size(file).unwrap();
        let at = file.windows(4).position(|name| name == b"IDAT").unwrap();
        let mut rows = Vec::new();
        ZlibDecoder::new(&file[at + 4..]).read_to_end(&mut rows).unwrap();
        let stride = 1 + (size.width as usize).div_ceil(8);
        let of_row = |row: &[u8]| {
            let bit = |x: u32| row[1 + x as usize / 8] >> (7 - x % 8) & 1;
            (0..size.width).map(bit).collect::<Vec<_>>()
        };
        rows.chunks(stride).flat_map(of_row).collect()
    }

    #[test]
    fn what_is_not_of_the_size_is_refused() {
        let size = Size { width: 3, height: 2 };
        assert!(black_and_white(size, &[0; 5]).is_err());
        assert!(black_and_white(Size { width: 0, height: 2 }, &[]).is_err());
    }

    #[test]
    fn a_large_empty_mask_is_a_small_file() {
        let size = Size {
            width: 2048,
            height: 2048,
        };
        let file = black_and_white(size, &vec![0; 2048 * 2048]).unwrap();
        assert!(file.len() < 8 << 10, "{}", file.len());
    }

    proptest! {
        #[test]
        fn every_pixel_comes_back(width in 1u32..40, bits in proptest::collection::vec(0u8..2, 1..400)) {
            let height = bits.len() as u32 / width;
            prop_assume!(height > 0);
            let bits = &bits[..(width * height) as usize];
            let file = black_and_white(Size { width, height }, bits).unwrap();
            prop_assert_eq!(pixels(&file), bits);
        }
    }
}
