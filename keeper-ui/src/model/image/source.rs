//! A picture to begin from, and which part of it is made anew.

use super::mask::Mask;
use super::picture::Picture;
use super::size::Size;

/// Most bytes of a picture to begin from.
pub const MAX_SOURCE_BYTES: usize = 32 << 20;
/// Longest edge in pixels of a picture to begin from.
pub const MAX_SOURCE_EDGE: u32 = 8192;
/// How much of a picture is made anew unless something else is set.
pub const USUAL_STRENGTH: f32 = 0.75;

/// A picture to begin from.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The picture.
    pub picture: Picture,
    /// Its name on the screen: its file's, as a rule.
    pub name: String,
    /// Its size as it is seen.
    pub size: Size,
    /// How much of it is made anew, above 0 to 1.
    pub strength: f32,
    /// Which part of it.
    pub mask: Mask,
}

impl Source {
    /// A picture that was brought in, if a worker can begin from it.
    ///
    /// # Errors
    /// A sentence that says why not.
    pub fn new(picture: Picture, name: String) -> Result<Self, String> {
        let bytes = picture.bytes().ok_or("The picture is not at hand.")?;
        if bytes.len() > MAX_SOURCE_BYTES {
            return Err("The picture is larger than 32 MiB. Save it smaller, for example as JPEG.".into());
        }
        let size =
            rbee_pictures::size(bytes).map_err(|error| format!("The picture can't be used: {error}."))?;
        if size.width.max(size.height) > MAX_SOURCE_EDGE {
            return Err(format!(
                "The picture is {} × {} pixels; at most {MAX_SOURCE_EDGE} an edge are taken.",
                size.width, size.height
            ));
        }
        Ok(Self {
            picture,
            name,
            size: Size {
                width: size.width,
                height: size.height,
            },
            strength: USUAL_STRENGTH,
            mask: Mask::default(),
        })
    }
}
