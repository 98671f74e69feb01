//! A picture's bytes, or where they lie, with an id by which the window shows them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rbee_pictures::Container;

/// A picture's id, unique while the program runs. The window's address of the picture is made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PictureId(pub u64);

/// Where a picture's bytes are.
#[derive(Debug, Clone)]
enum Place {
    Memory(Arc<[u8]>),
    File(Arc<Path>),
}

/// A picture. Cheap to copy; two are the same if their ids are.
#[derive(Debug, Clone)]
pub struct Picture {
    id: PictureId,
    place: Place,
    kind: Container,
}

impl PartialEq for Picture {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Picture {}

impl Picture {
    /// A picture whose bytes are held; `None` if they are no picture that is known.
    #[must_use]
    pub fn of_bytes(id: PictureId, bytes: Vec<u8>) -> Option<Self> {
        Some(Self {
            id,
            kind: Container::of(&bytes)?,
            place: Place::Memory(bytes.into()),
        })
    }

    /// A picture in a file.
    #[must_use]
    pub fn of_file(id: PictureId, path: PathBuf, kind: Container) -> Self {
        Self {
            id,
            kind,
            place: Place::File(path.into()),
        }
    }

    /// The same picture, its bytes no longer held.
    #[must_use]
    pub fn moved_to(&self, path: PathBuf) -> Self {
        Self::of_file(self.id, path, self.kind)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> PictureId {
        self.id
    }

    /// The bytes, if they are held.
    #[must_use]
    pub fn bytes(&self) -> Option<&Arc<[u8]>> {
        match &self.place {
            Place::Memory(bytes) => Some(bytes),
            Place::File(_) => None,
        }
    }

    /// The file, if it lies in one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Memory(_) => None,
            Place::File(path) => Some(path),
        }
    }

    /// What the window is told it is.
    #[must_use]
    pub fn media_type(&self) -> &'static str {
        match self.kind {
            Container::Png => "image/png",
            Container::Jpeg => "image/jpeg",
            Container::Webp => "image/webp",
        }
    }

    /// How its file's name ends.
    #[must_use]
    pub fn extension(&self) -> &'static str {
        match self.kind {
            Container::Png => "png",
            Container::Jpeg => "jpg",
            Container::Webp => "webp",
        }
    }

    /// The address by which the window's own pages show it.
    #[must_use]
    pub fn address(&self) -> String {
        format!("/pictures/{}.{}", self.id.0, self.extension())
    }

    /// The id in an address that [`Picture::address`] made.
    #[must_use]
    pub fn id_in_address(address: &str) -> Option<PictureId> {
        let name = address.strip_prefix("/pictures/")?;
        let (id, _) = name.split_once('.')?;
        id.parse().ok().map(PictureId)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A picture of one pixel.
    pub(crate) fn picture(id: u64) -> Picture {
        let size = rbee_pictures::Size { width: 1, height: 1 };
        let file = rbee_pictures::black_and_white(size, &[0]).unwrap();
        Picture::of_bytes(PictureId(id), file).unwrap()
    }

    #[test]
    fn the_address_leads_back_to_the_id() {
        let picture = picture(7);
        assert_eq!(picture.address(), "/pictures/7.png");
        assert_eq!(Picture::id_in_address(&picture.address()), Some(PictureId(7)));
        for other in ["/pictures/", "/pictures/x.png", "/other/7.png", "/pictures/7"] {
            assert_eq!(Picture::id_in_address(other), None);
        }
    }

    #[test]
    fn what_is_no_picture_is_none() {
        assert!(Picture::of_bytes(PictureId(1), b"GIF89a".to_vec()).is_none());
    }

    #[test]
    fn a_picture_in_a_file_is_the_same_picture() {
        let held = picture(3);
        let moved = held.moved_to("a/b.png".into());
        assert_eq!(held, moved);
        assert!(moved.bytes().is_none() && moved.path().is_some());
    }
}
