//! A picture that is drawn by arithmetic, and the way there from noise: hills in an evening sun.

use image::{Rgb, RgbImage};

/// Pictures from noise to the last one.
const COUNT: u32 = 28;

/// The way from noise to the picture, as PNGs of `edge` × `edge` pixels.
pub(super) fn out_of_noise(edge: u32) -> Vec<Vec<u8>> {
    let picture = RgbImage::from_fn(edge, edge, |x, y| {
        let place = |at: u32| (at as f32 + 0.5) / edge as f32;
        Rgb(landscape(place(x), place(y)).map(|part| (part.clamp(0.0, 1.0) * 255.0) as u8))
    });
    (0..COUNT)
        .map(|index| {
            let clear = index as f32 / (COUNT - 1) as f32;
            let shown = if index + 1 == COUNT {
                picture.clone()
            } else {
                noisy(&picture, clear, index)
            };
            png(&shown)
        })
        .collect()
}

/// A preview as image workers send it: made of patches of 8 × 8 pixels, with noise that grows less.
fn noisy(picture: &RgbImage, clear: f32, seed: u32) -> RgbImage {
    let keep = clear * clear * (3.0 - 2.0 * clear);
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let (patch_x, patch_y) = (x / 8, y / 8);
        let middle = picture.get_pixel(patch_x * 8 + 4, patch_y * 8 + 4);
        let mut channel = 0;
        Rgb(middle.0.map(|part| {
            channel += 1;
            let noise = scatter(patch_x, patch_y, seed * 4 + channel);
            (f32::from(part) * keep + 255.0 * noise * (1.0 - keep)) as u8
        }))
    })
}

fn png(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .expect("memory can be written");
    bytes.into_inner()
}

/// A number from 0 to 1 that looks like chance and is the same each time.
fn scatter(x: u32, y: u32, seed: u32) -> f32 {
    let mut bits = x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca6b) ^ seed.wrapping_mul(0xc2b2_ae35);
    bits ^= bits >> 15;
    bits = bits.wrapping_mul(0x2c1b_3c6d);
    bits ^= bits >> 12;
    bits = bits.wrapping_mul(0x297a_2d39);
    bits ^= bits >> 15;
    bits as f32 / u32::MAX as f32
}

fn mix(one: [f32; 3], other: [f32; 3], share: f32) -> [f32; 3] {
    std::array::from_fn(|part| one[part] + (other[part] - one[part]) * share.clamp(0.0, 1.0))
}

/// The colour at a place from 0 to 1: sky with a low sun, then five rows of hills, each darker, and a lake.
fn landscape(x: f32, y: f32) -> [f32; 3] {
    const SUN: (f32, f32) = (0.64, 0.40);
    let distance = ((x - SUN.0).powi(2) + (y - SUN.1).powi(2)).sqrt();
    let high = mix([0.13, 0.16, 0.36], [0.83, 0.40, 0.45], (y / 0.45).powf(1.1));
    let sky = mix(high, [1.0, 0.72, 0.42], (y - 0.22) / 0.28);
    let cloud = ((x * 9.0 + (y * 26.0).sin() * 0.7).sin() + (x * 23.0 - y * 60.0).sin() * 0.5) * 0.5;
    let sky = mix(
        sky,
        [1.0, 0.82, 0.70],
        (cloud - 0.35).max(0.0) * (0.5 - y).max(0.0) * 1.6,
    );
    let mut colour = mix(sky, [1.0, 0.93, 0.78], (-distance * 9.0).exp());
    if distance < 0.062 {
        colour = mix([1.0, 0.97, 0.88], [1.0, 0.86, 0.56], distance / 0.062);
    }
    for row in 0_u8..5 {
        let depth = f32::from(row) / 4.0;
        let wave = (x * (3.1 + depth * 4.0) + f32::from(row) * 1.7).sin() * 0.045
            + (x * (11.0 + depth * 7.0) + f32::from(row) * 4.1).sin() * 0.014
            + (x * 41.0 + f32::from(row)).sin() * 0.004 * (1.0 + depth);
        let ridge = 0.47 + depth * 0.36 + wave;
        if y > ridge {
            let near = mix([0.62, 0.38, 0.50], [0.05, 0.08, 0.15], depth);
            let glow = (1.0 - (x - SUN.0).abs() * 1.5).max(0.0) * (1.0 - depth);
            let lit = mix(near, [1.0, 0.62, 0.42], glow * 0.45);
            colour = mix(lit, near, (y - ridge) * 7.0);
        }
    }
    colour
}
