//! A loaded model with everything around it that turns requests into pictures.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Instant;

use rbee_artifacts::ModelId;

use crate::add_ons::AddOns;
use crate::domain::{ImageRequest, Violations};
use crate::engine::{Engine, EngineError, PictureStream};
use crate::picture;

/// Answers requests. Cheap to clone.
#[derive(Clone)]
pub struct Studio {
    shared: Arc<Shared>,
}

struct Shared {
    worker_id: String,
    engine: Engine,
    add_ons: AddOns,
}

impl Studio {
    /// Puts the parts together.
    #[must_use]
    pub fn new(worker_id: String, engine: Engine, add_ons: AddOns) -> Self {
        Self {
            shared: Arc::new(Shared {
                worker_id,
                engine,
                add_ons,
            }),
        }
    }

    /// Id of the worker that it belongs to, for narration.
    #[must_use]
    pub fn worker_id(&self) -> &str {
        &self.shared.worker_id
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// What requests can use beside the model.
    #[must_use]
    pub fn add_ons(&self) -> &AddOns {
        &self.shared.add_ons
    }

    /// Accepts a request whose numbers were checked. Blocks for a moment: pictures' heads and the add-ons' folder
    /// are looked at, so that what can't work is refused before it waits.
    ///
    /// # Errors
    /// Everything that can be said before painting.
    pub fn generate(&self, request: ImageRequest) -> Result<PictureStream, EngineError> {
        check_pictures(&request)?;
        for model_id in used_add_ons(&request) {
            self.add_ons().find(model_id)?;
        }
        self.engine().generate(request, random())
    }
}

/// A seed for who names none: it need not be secret.
fn random() -> u64 {
    RandomState::new().hash_one(Instant::now())
}

fn used_add_ons(request: &ImageRequest) -> impl Iterator<Item = &ModelId> {
    let loras = request.loras.iter().map(|lora| &lora.model_id);
    let embeddings = request.embeddings.iter().map(|embedding| &embedding.model_id);
    loras
        .chain(embeddings)
        .chain(&request.vae)
        .chain(&request.preview_vae)
}

fn check_pictures(request: &ImageRequest) -> Result<(), Violations> {
    let Some(initial) = &request.initial else {
        return Ok(());
    };
    let size = picture::size(&initial.image)
        .map_err(|error| Violations::of("initial_image.image", error.to_string()))?;
    let Some(mask) = &initial.mask else {
        return Ok(());
    };
    let of_mask =
        picture::size(mask).map_err(|error| Violations::of("initial_image.mask", error.to_string()))?;
    if of_mask == size {
        Ok(())
    } else {
        let (width, height) = size;
        Err(Violations::of(
            "initial_image.mask",
            format!("must be of the same size as the picture, {width}x{height}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, ImageFormat};

    use super::*;
    use crate::domain::Initial;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut file = std::io::Cursor::new(Vec::new());
        DynamicImage::new_rgb8(width, height)
            .write_to(&mut file, ImageFormat::Png)
            .unwrap();
        file.into_inner()
    }

    fn field(image: Vec<u8>, mask: Option<Vec<u8>>) -> Option<String> {
        let request = ImageRequest {
            initial: Some(Initial {
                image,
                strength: 0.5,
                mask,
            }),
            ..ImageRequest::default()
        };
        let violations = check_pictures(&request).err()?;
        violations.iter().next().map(|violation| violation.field.clone())
    }

    #[test]
    fn a_mask_is_as_large_as_its_picture() {
        assert_eq!(field(png(8, 4), Some(png(8, 4))), None);
        assert_eq!(
            field(png(8, 4), Some(png(4, 8))).as_deref(),
            Some("initial_image.mask")
        );
        assert_eq!(
            field(png(8, 4), Some(b"no".to_vec())).as_deref(),
            Some("initial_image.mask")
        );
        assert_eq!(
            field(b"\x80\x02pickle".to_vec(), None).as_deref(),
            Some("initial_image.image")
        );
    }

    #[test]
    fn seeds_of_chance_differ() {
        assert_ne!(random(), random());
    }
}
