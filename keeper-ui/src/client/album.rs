//! The folder of pictures that were made, with the settings of each model's pane. A picture's file tells by itself how it
//! was made, so the folder is the gallery: there is no list beside it that could be wrong.
//!
//! ```text
//! <folder>/<model>/20261123-200102-118.png    pictures; names sort by time
//! <folder>/<model>/settings.json              what was set last
//! ```

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use jiff::Timestamp;
use rbee_pictures::Container;

use super::shelf::Shelf;
use crate::model::ids::ModelId;
use crate::model::image::gallery::MAX_ITEMS;
use crate::model::image::{GalleryItem, Picture, Settings, Size};

const SETTINGS: &str = "settings.json";
/// Enough of a file to hold its settings, which stand at its beginning.
const HEAD_BYTES: u64 = 128 << 10;

/// The folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Album(PathBuf);

impl Album {
    /// The album in a folder, which need not be there yet.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The user's own: `$XDG_DATA_HOME/rbee/pictures` or `~/.local/share/rbee/pictures`; `None` where the system names
    /// no home.
    #[must_use]
    pub fn of_user(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<Self> {
        let absolute = |name| {
            variable(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let base = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
        Some(Self(base.join("rbee").join("pictures")))
    }

    /// The folder of a model's pictures: its id without what names of files can't hold.
    #[must_use]
    pub fn folder(&self, model: &ModelId) -> PathBuf {
        let fits = |character: char| character.is_alphanumeric() || "-_.".contains(character);
        let name = model
            .as_str()
            .chars()
            .map(|character| if fits(character) { character } else { '_' });
        let name: String = name.take(120).collect();
        self.0.join(name.trim_start_matches('.'))
    }

    /// The settings that were kept for a model; the usual ones where there are none that can be read.
    #[must_use]
    pub fn settings(&self, model: &ModelId) -> Settings {
        let text = std::fs::read_to_string(self.folder(model).join(SETTINGS)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Keeps settings for a model.
    ///
    /// # Errors
    /// If they can't be written.
    pub fn keep_settings(&self, model: &ModelId, settings: &Settings) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(settings)?;
        write_whole(&self.folder(model).join(SETTINGS), &text)
    }

    /// Writes a picture that was made at `now`. Answers where.
    ///
    /// # Errors
    /// If it can't be written, or its bytes are not held.
    pub fn keep(&self, model: &ModelId, picture: &Picture, now: Timestamp) -> io::Result<PathBuf> {
        let bytes = picture
            .bytes()
            .ok_or_else(|| io::Error::other("it is not held"))?;
        let folder = self.folder(model);
        let time = now.strftime("%Y%m%d-%H%M%S-%3f").to_string().replace('.', "");
        let extension = picture.extension();
        // Two pictures of one moment: the second gets a number.
        let name = |number: u32| match number {
            0 => format!("{time}.{extension}"),
            number => format!("{time}-{number}.{extension}"),
        };
        let free = (0..1000)
            .map(|number| folder.join(name(number)))
            .find(|path| !path.exists());
        let path = free.ok_or_else(|| io::Error::other("there is no free name"))?;
        write_whole(&path, bytes)?;
        Ok(path)
    }

    /// The pictures of a model, newest first; what can't be read is passed over.
    #[must_use]
    pub fn pictures(&self, model: &ModelId, shelf: &Shelf) -> Vec<GalleryItem> {
        let entries = std::fs::read_dir(self.folder(model)).into_iter().flatten();
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort_unstable_by(|one, other| other.file_name().cmp(&one.file_name()));
        let items = paths
            .into_iter()
            .filter_map(|path| read(path, shelf).ok().flatten());
        items.take(MAX_ITEMS).collect()
    }
}

/// A picture's facts out of the beginning of its file; `None` for what is no picture.
fn read(path: PathBuf, shelf: &Shelf) -> io::Result<Option<GalleryItem>> {
    let mut head = Vec::new();
    fs::File::open(&path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
    let (Some(kind), Ok(size)) = (Container::of(&head), rbee_pictures::size(&head)) else {
        return Ok(None);
    };
    // Cut off behind the settings, the rest of the file is missing here.
    let parameters = rbee_pictures::read(&head).ok().flatten().unwrap_or_default();
    let seed = rbee_pictures::Parameters::parse(&parameters)
        .get("Seed")
        .and_then(|seed| seed.parse().ok());
    Ok(Some(GalleryItem {
        picture: shelf.put_file(path, kind),
        size: Size {
            width: size.width,
            height: size.height,
        },
        seed,
        parameters,
        settings: None,
    }))
}

/// Writes a file so that it is there whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path
        .parent()
        .ok_or_else(|| io::Error::other("it has no folder"))?;
    fs::create_dir_all(folder)?;
    let part = path.with_extension("part");
    fs::write(&part, bytes)?;
    fs::rename(&part, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(shelf: &Shelf, words: &str) -> Picture {
        let size = rbee_pictures::Size { width: 8, height: 4 };
        let file = rbee_pictures::black_and_white(size, &[0; 32]).unwrap();
        shelf.put(rbee_pictures::embed(&file, words).unwrap()).unwrap()
    }

    #[test]
    fn pictures_come_back_newest_first_with_what_they_say() {
        let folder = tempfile::tempdir().unwrap();
        let (album, shelf) = (Album::at(folder.path().into()), Shelf::default());
        let model = ModelId::from("org/repo:v1.safetensors");
        let words = |seed: u64| format!("a bee\nSteps: 20, Sampler: Euler, Seed: {seed}, Size: 8x4");
        let at = |second| Timestamp::from_second(second).unwrap();
        for (seed, second) in [(1, 100), (2, 200), (3, 200)] {
            album
                .keep(&model, &picture(&shelf, &words(seed)), at(second))
                .unwrap();
        }
        std::fs::write(album.folder(&model).join("99999999.png"), b"no picture").unwrap();
        let items = album.pictures(&model, &shelf);
        let mut seeds: Vec<_> = items.iter().filter_map(|item| item.seed).collect();
        assert_eq!(seeds.pop(), Some(1), "the oldest is last");
        assert_eq!(items.len(), 3);
        assert_eq!(items[0].size, Size { width: 8, height: 4 });
        assert!(items[0].parameters.starts_with("a bee"));
        assert!(shelf.find(&items[0].picture.address()).is_some());
        assert!(album.pictures(&"other".into(), &shelf).is_empty());
    }

    #[test]
    fn pictures_lie_where_the_system_keeps_data() {
        let with = |known: &'static [(&str, &str)]| {
            let named = move |name: &str| {
                known
                    .iter()
                    .find(|(one, _)| *one == name)
                    .map(|(_, path)| path.into())
            };
            Album::of_user(named).map(|album| album.0)
        };
        assert_eq!(
            with(&[("HOME", "/home/u")]),
            Some("/home/u/.local/share/rbee/pictures".into())
        );
        assert_eq!(
            with(&[("XDG_DATA_HOME", "/d"), ("HOME", "/h")]),
            Some("/d/rbee/pictures".into())
        );
        assert_eq!(with(&[("HOME", "here")]), None);
    }

    #[test]
    fn settings_come_back_and_broken_ones_are_the_usual_ones() {
        let folder = tempfile::tempdir().unwrap();
        let album = Album::at(folder.path().join("new"));
        let model = ModelId::from("../up:x");
        assert_eq!(album.settings(&model), Settings::default());
        let settings = Settings {
            prompt: "a bee".into(),
            ..Settings::default()
        };
        album.keep_settings(&model, &settings).unwrap();
        assert_eq!(album.settings(&model), settings);
        assert!(album.folder(&model).starts_with(folder.path().join("new")));
        std::fs::write(album.folder(&model).join(SETTINGS), "{").unwrap();
        assert_eq!(album.settings(&model), Settings::default());
    }
}
