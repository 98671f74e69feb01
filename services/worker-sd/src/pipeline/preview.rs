//! Small pictures of what is to become one.

use super::model::{Family, ImageModel, LATENT_CHANNELS};
use super::pixels::{picture, resized};
use super::settings::{Picture, Size};

/// Largest edge in pixels of what the model itself makes a preview of: more takes longer to write than to look at, and
/// would not go in one message.
const LARGEST_EDGE: usize = 512;

/// Latents to colours for Stable Diffusion 1 and 2: red, green and blue of each channel. Fitted by users
/// ("Decoding latents to RGB without upscaling", Hugging Face's forum).
const LATENT_COLOURS: [[f32; 3]; 4] = [
    [0.298, 0.207, 0.208],
    [0.187, 0.286, 0.173],
    [-0.158, 0.189, 0.264],
    [-0.184, -0.271, -0.473],
];
/// The same for SDXL ("Explaining the SDXL latent space", Hugging Face's blog), and what is added.
const LATENT_COLOURS_XL: [[f32; 3]; 4] = [
    [0.471, 0.471, 0.471],
    [-0.471, -0.039, 0.078],
    [0.196, 0.118, -0.039],
    [-0.549, -0.392, -0.275],
];
const LATENT_COLOURS_XL_OFFSET: [f32; 3] = [0.176, 0.098, 0.020];

/// A small picture of latents: the model's own, if it has something for that, else one pixel for each latent.
pub(super) fn preview(model: &mut dyn ImageModel, latents: &[f32], size: Size) -> Picture {
    let (height, width) = size.latent();
    match model.preview(latents, height, width) {
        Ok(Some(planes)) => return shrunk(picture(&planes, size)),
        Ok(None) => {}
        // The picture itself may do without.
        Err(error) => tracing::warn!(%error, "a preview could not be computed"),
    }
    projected(latents, size, model.traits().family)
}

fn shrunk(picture: Picture) -> Picture {
    let Picture { width, height, .. } = picture;
    let edge = width.max(height);
    if edge <= LARGEST_EDGE {
        return picture;
    }
    let scaled = |pixels: usize| (pixels * LARGEST_EDGE / edge).max(1);
    let size = Size {
        width: scaled(width),
        height: scaled(height),
    };
    resized(&picture, size).unwrap_or(picture)
}

/// One pixel for each latent.
fn projected(latents: &[f32], size: Size, family: Family) -> Picture {
    let (height, width) = size.latent();
    let (colours, offset) = match family {
        Family::Sd15 | Family::Sd21 => (LATENT_COLOURS, [0.0; 3]),
        Family::Sdxl => (LATENT_COLOURS_XL, LATENT_COLOURS_XL_OFFSET),
    };
    let pixels = width * height;
    let planes: Vec<f32> = (0..3)
        .flat_map(|colour| (0..pixels).map(move |pixel| (colour, pixel)))
        .map(|(colour, pixel)| {
            let channels = (0..LATENT_CHANNELS).map(|channel| {
                let latent = latents.get(channel * pixels + pixel).copied().unwrap_or(0.0);
                colours[channel][colour] * latent
            });
            channels.sum::<f32>() + offset[colour]
        })
        .collect();
    picture(&planes, Size { width, height })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { width: 16, height: 8 };

    #[test]
    fn without_a_models_own_previews_have_a_pixel_for_each_latent() {
        for family in [Family::Sd15, Family::Sd21, Family::Sdxl] {
            let preview = projected(&[0.0; 8], SIZE, family);
            assert_eq!((preview.width, preview.height, preview.rgb.len()), (2, 1, 6));
        }
        assert_eq!(projected(&[0.0; 8], SIZE, Family::Sd15).rgb, [128; 6]);
    }

    #[test]
    fn a_large_one_is_made_smaller() {
        let of = |width: usize, height: usize| {
            let rgb = vec![7; width * height * 3];
            let small = shrunk(Picture { width, height, rgb });
            (small.width, small.height, small.rgb[0])
        };
        assert_eq!(of(512, 64), (512, 64, 7));
        assert_eq!(of(1024, 768), (512, 384, 7));
        assert_eq!(of(4096, 8), (512, 1, 7));
    }
}
