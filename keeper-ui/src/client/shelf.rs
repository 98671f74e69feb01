//! Where the window's pictures are found by their ids: the webview asks for `/pictures/7.png` and gets the bytes, which
//! are never written into the page. Nothing is kept alive here but the last few previews, which the webview may still ask
//! for when the next one is there.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rbee_pictures::Container;

use crate::model::image::{Picture, PictureId};

/// Pictures that stay although nothing shows them any more.
const LINGERING: usize = 8;
/// So many new pictures between two tidyings.
const TIDY_EVERY: u64 = 64;

/// Where a picture is found.
#[derive(Debug, Clone)]
enum Place {
    Memory(Weak<[u8]>),
    File(Arc<Path>),
}

#[derive(Debug, Default)]
struct Pictures {
    places: HashMap<PictureId, Place>,
    lingering: VecDeque<Arc<[u8]>>,
    last: u64,
}

/// The window's pictures. Clones are the same shelf.
#[derive(Debug, Clone, Default)]
pub struct Shelf(Arc<Mutex<Pictures>>);

impl PartialEq for Shelf {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What the webview gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// What is in this file.
    File(PathBuf),
}

impl Shelf {
    fn pictures(&self) -> std::sync::MutexGuard<'_, Pictures> {
        // Every change is whole: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A picture of these bytes; `None` if they are none that is known. It is found as long as the picture is kept.
    #[must_use]
    pub fn put(&self, bytes: Vec<u8>) -> Option<Picture> {
        let mut pictures = self.pictures();
        let picture = Picture::of_bytes(pictures.next(), bytes)?;
        if let Some(bytes) = picture.bytes() {
            let place = Place::Memory(Arc::downgrade(bytes));
            pictures.places.insert(picture.id(), place);
            pictures.lingering.push_back(bytes.clone());
            if pictures.lingering.len() > LINGERING {
                pictures.lingering.pop_front();
            }
        }
        Some(picture)
    }

    /// A picture in a file.
    #[must_use]
    pub fn put_file(&self, path: PathBuf, kind: Container) -> Picture {
        let mut pictures = self.pictures();
        let picture = Picture::of_file(pictures.next(), path.clone(), kind);
        pictures.places.insert(picture.id(), Place::File(path.into()));
        picture
    }

    /// A picture lies in a file from now on.
    pub fn moved(&self, id: PictureId, path: &Path) {
        self.pictures().places.insert(id, Place::File(path.into()));
    }

    /// What is at an address that [`Picture::address`] made.
    #[must_use]
    pub fn find(&self, address: &str) -> Option<Found> {
        let id = Picture::id_in_address(address)?;
        match self.pictures().places.get(&id)? {
            Place::Memory(bytes) => bytes.upgrade().map(Found::Bytes),
            Place::File(path) => Some(Found::File(path.to_path_buf())),
        }
    }
}

impl Pictures {
    fn next(&mut self) -> PictureId {
        self.last += 1;
        if self.last.is_multiple_of(TIDY_EVERY) {
            self.places
                .retain(|_, place| !matches!(place, Place::Memory(bytes) if bytes.strong_count() == 0));
        }
        PictureId(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let size = rbee_pictures::Size { width: 1, height: 1 };
        rbee_pictures::black_and_white(size, &[0]).unwrap()
    }

    #[test]
    fn a_picture_is_found_as_long_as_it_is_kept_and_a_little_longer() {
        let shelf = Shelf::default();
        let first = shelf.put(file()).unwrap();
        let address = first.address();
        assert_eq!(shelf.find(&address), Some(Found::Bytes(file().into())));
        drop(first);
        assert!(shelf.find(&address).is_some());
        for _ in 0..LINGERING {
            drop(shelf.put(file()));
        }
        assert_eq!(shelf.find(&address), None);
        assert_eq!(shelf.find("/pictures/999.png"), None);
        assert_eq!(shelf.put(b"GIF89a".to_vec()), None);
    }

    #[test]
    fn ten_thousand_previews_leave_nothing_behind() {
        let shelf = Shelf::default();
        for _ in 0..10_000 {
            drop(shelf.put(file()));
        }
        assert!(shelf.pictures().places.len() <= TIDY_EVERY as usize + LINGERING);
    }

    #[test]
    fn a_picture_that_was_written_is_found_in_its_file() {
        let shelf = Shelf::default();
        let picture = shelf.put(file()).unwrap();
        shelf.moved(picture.id(), Path::new("a/bee.png"));
        assert_eq!(
            shelf.find(&picture.address()),
            Some(Found::File("a/bee.png".into()))
        );
    }
}
