//! The pictures that were made: newest first, bounded, one in full view or two side by side.

use super::picture::{Picture, PictureId};
use super::settings::Settings;
use super::size::Size;

/// Most pictures that are listed. Older ones leave the list; their files stay.
pub const MAX_ITEMS: usize = 300;

/// A picture of the gallery.
#[derive(Debug, Clone, PartialEq)]
pub struct GalleryItem {
    /// The picture.
    pub picture: Picture,
    /// Its size.
    pub size: Size,
    /// Its seed, where known.
    pub seed: Option<u64>,
    /// Its settings as text; empty where the file says nothing.
    pub parameters: String,
    /// What was asked for, if it was made since the program began.
    pub settings: Option<Settings>,
}

/// What is shown large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// One picture.
    One(PictureId),
    /// Two, with a line between them that moves.
    Compare(PictureId, PictureId),
}

/// The pictures.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gallery {
    items: Vec<GalleryItem>,
    view: Option<View>,
}

impl Gallery {
    /// The pictures, newest first.
    #[must_use]
    pub fn items(&self) -> &[GalleryItem] {
        &self.items
    }

    /// What is shown large.
    #[must_use]
    pub fn view(&self) -> Option<View> {
        self.view
    }

    /// A picture by its id.
    #[must_use]
    pub fn item(&self, id: PictureId) -> Option<&GalleryItem> {
        self.items.iter().find(|item| item.picture.id() == id)
    }

    /// Puts a new picture first.
    pub fn add(&mut self, item: GalleryItem) {
        self.items.insert(0, item);
        self.trim();
    }

    /// Puts pictures of earlier days last, newest first.
    pub fn add_older(&mut self, items: impl IntoIterator<Item = GalleryItem>) {
        self.items.extend(items);
        self.trim();
    }

    /// A picture's bytes lie in a file now and need not be held.
    pub fn moved(&mut self, id: PictureId, path: std::path::PathBuf) {
        if let Some(item) = self.items.iter_mut().find(|item| item.picture.id() == id) {
            item.picture = item.picture.moved_to(path);
        }
    }

    /// Takes a picture out of the list. If it was shown, its neighbour is.
    pub fn remove(&mut self, id: PictureId) -> Option<GalleryItem> {
        let at = self.items.iter().position(|item| item.picture.id() == id)?;
        let removed = self.items.remove(at);
        let neighbour = self.items.get(at).or_else(|| self.items.last());
        let neighbour = neighbour.map(|item| item.picture.id());
        self.view = match self.view {
            Some(View::One(shown)) if shown == id => neighbour.map(View::One),
            Some(View::Compare(one, other)) if one == id => Some(View::One(other)),
            Some(View::Compare(one, other)) if other == id => Some(View::One(one)),
            view => view,
        };
        Some(removed)
    }

    /// Shows a picture large.
    pub fn open(&mut self, id: PictureId) {
        if self.item(id).is_some() {
            self.view = Some(View::One(id));
        }
    }

    /// Puts another picture beside the one that is shown. The same one again, or none shown, is a view of one.
    pub fn compare_with(&mut self, id: PictureId) {
        if self.item(id).is_none() {
            return;
        }
        self.view = match self.view {
            Some(View::One(shown) | View::Compare(shown, _)) if shown != id => Some(View::Compare(shown, id)),
            _ => Some(View::One(id)),
        };
    }

    /// Puts the older neighbour beside the one that is shown, or the newer one where there is no older.
    pub fn compare_with_neighbour(&mut self) {
        let Some(View::One(shown)) = self.view else {
            return;
        };
        let Some(at) = self.items.iter().position(|item| item.picture.id() == shown) else {
            return;
        };
        let newer = || self.items.get(at.checked_sub(1)?);
        if let Some(other) = self.items.get(at + 1).or_else(newer) {
            self.view = Some(View::Compare(shown, other.picture.id()));
        }
    }

    /// Shows the older (`+1`) or newer (`-1`) neighbour of the one that is shown; nothing happens at the ends.
    pub fn go(&mut self, by: isize) {
        let Some(View::One(shown)) = self.view else {
            return;
        };
        let at = self.items.iter().position(|item| item.picture.id() == shown);
        let next = at.and_then(|at| self.items.get(at.checked_add_signed(by)?));
        if let Some(next) = next {
            self.view = Some(View::One(next.picture.id()));
        }
    }

    /// Back to the list.
    pub fn close(&mut self) {
        self.view = None;
    }

    fn trim(&mut self) {
        while self.items.len() > MAX_ITEMS {
            let oldest = self.items[self.items.len() - 1].picture.id();
            self.remove(oldest);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::super::picture::tests::picture;
    use super::*;

    /// A picture without a history.
    pub(crate) fn item(id: u64) -> GalleryItem {
        GalleryItem {
            picture: picture(id),
            size: Size { width: 8, height: 8 },
            seed: None,
            parameters: String::new(),
            settings: None,
        }
    }

    fn ids(gallery: &Gallery) -> Vec<u64> {
        gallery.items().iter().map(|item| item.picture.id().0).collect()
    }

    #[test]
    fn the_newest_comes_first_and_the_oldest_leaves() {
        let mut gallery = Gallery::default();
        for id in 0..MAX_ITEMS as u64 + 2 {
            gallery.add(item(id));
        }
        assert_eq!(
            (gallery.items().len(), ids(&gallery)[0]),
            (MAX_ITEMS, MAX_ITEMS as u64 + 1)
        );
        gallery.add_older([item(9_000)]);
        assert!(gallery.item(PictureId(9_000)).is_none());
    }

    #[test]
    fn views_change_as_one_expects() {
        let mut gallery = Gallery::default();
        (0..3).for_each(|id| gallery.add(item(id)));
        gallery.open(PictureId(2));
        gallery.go(-1);
        assert_eq!(gallery.view(), Some(View::One(PictureId(2))));
        gallery.go(1);
        assert_eq!(gallery.view(), Some(View::One(PictureId(1))));
        gallery.compare_with_neighbour();
        assert_eq!(gallery.view(), Some(View::Compare(PictureId(1), PictureId(0))));
        gallery.compare_with(PictureId(2));
        assert_eq!(gallery.view(), Some(View::Compare(PictureId(1), PictureId(2))));
        gallery.remove(PictureId(1));
        assert_eq!(gallery.view(), Some(View::One(PictureId(2))));
        gallery.remove(PictureId(2));
        assert_eq!(gallery.view(), Some(View::One(PictureId(0))));
        gallery.remove(PictureId(0));
        assert_eq!(gallery.view(), None);
    }

    #[test]
    fn a_picture_that_was_written_is_no_longer_held() {
        let mut gallery = Gallery::default();
        gallery.add(item(1));
        gallery.moved(PictureId(1), "bee.png".into());
        assert!(gallery.items()[0].picture.bytes().is_none());
    }

    proptest! {
        #[test]
        fn what_is_shown_is_there(actions in proptest::collection::vec((0u8..6, 0u64..8), 0..60)) {
            let mut gallery = Gallery::default();
            for (action, id) in actions {
                let id = PictureId(id);
                match action {
                    0 if gallery.item(id).is_none() => gallery.add(item(id.0)),
                    1 => drop(gallery.remove(id)),
                    2 => gallery.open(id),
                    3 => gallery.compare_with(id),
                    4 => gallery.go(1),
                    _ => gallery.go(-1),
                }
                match gallery.view() {
                    Some(View::One(one)) => prop_assert!(gallery.item(one).is_some()),
                    Some(View::Compare(one, other)) => {
                        prop_assert!(one != other && gallery.item(one).is_some() && gallery.item(other).is_some());
                    }
                    None => {}
                }
            }
        }
    }
}
