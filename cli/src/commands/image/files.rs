//! Where pictures go.

use std::path::{Path, PathBuf};

use rbee_proto::worker::v1::generate_image_response::Event;

use crate::args::{ImageArgs, ImageFormatArg};
use crate::exit::Exit;
use crate::failure::{Doing, Failure};

/// The files of a command.
#[derive(Debug)]
pub(super) struct Files {
    output: PathBuf,
    several: bool,
    format: ImageFormatArg,
    preview: Option<PathBuf>,
}

impl Files {
    /// What the command line says.
    pub(super) fn of(arguments: &ImageArgs) -> Result<Self, Failure> {
        let output = arguments.output.clone().unwrap_or_default();
        if output.file_name().is_none() {
            return Err(Failure::new(
                Exit::Usage,
                format!("{} is no file", output.display()),
            ));
        }
        let format = match arguments.format {
            Some(format) => format,
            None => by_extension(&output)?,
        };
        let preview = arguments
            .preview
            .clone()
            .map(|preview| preview.unwrap_or_else(|| with_suffix(&output, "preview").with_extension("png")));
        Ok(Self {
            several: arguments.count.is_some_and(|count| count > 1),
            output,
            format,
            preview,
        })
    }

    /// How pictures are written.
    pub(super) fn format(&self) -> ImageFormatArg {
        self.format
    }

    /// Writes what an event brings, and tells where.
    pub(super) fn write(&self, event: &Event) -> Result<Option<PathBuf>, Failure> {
        let (path, data) = match event {
            Event::Image(image) => (self.of_picture(image.image), &image.data),
            Event::Preview(preview) => match &self.preview {
                Some(path) => (path.clone(), &preview.png),
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        write_whole(&path, data)?;
        Ok(Some(path))
    }

    fn of_picture(&self, index: u32) -> PathBuf {
        if self.several {
            with_suffix(&self.output, &(index + 1).to_string())
        } else {
            self.output.clone()
        }
    }
}

/// Written beside and renamed, so that who looks at it sees a whole picture.
fn write_whole(path: &Path, data: &[u8]) -> Result<(), Failure> {
    let unfinished = with_suffix(path, "part");
    std::fs::write(&unfinished, data)
        .and_then(|()| std::fs::rename(&unfinished, path))
        .doing(|| format!("can't write {}", path.display()))
}

/// `bee.png` with `2` is `bee-2.png`.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut name = format!("{stem}-{suffix}");
    if let Some(extension) = path.extension() {
        name.push('.');
        name.push_str(&extension.to_string_lossy());
    }
    path.with_file_name(name)
}

fn by_extension(path: &Path) -> Result<ImageFormatArg, Failure> {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    match extension.to_ascii_lowercase().as_str() {
        "png" | "" => Ok(ImageFormatArg::Png),
        "jpg" | "jpeg" => Ok(ImageFormatArg::Jpeg),
        "webp" => Ok(ImageFormatArg::Webp),
        _ => Err(
            Failure::new(Exit::Usage, format!("no pictures are written as .{extension}"))
                .hint("name it .png, .jpg or .webp, or give --format"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_pictures_have_numbers() {
        assert_eq!(with_suffix("a/bee.png".as_ref(), "2"), Path::new("a/bee-2.png"));
        assert_eq!(with_suffix("bee".as_ref(), "2"), Path::new("bee-2"));
    }

    #[test]
    fn the_extension_tells_the_format() {
        assert_eq!(by_extension("a.JPG".as_ref()).unwrap(), ImageFormatArg::Jpeg);
        assert_eq!(by_extension("a".as_ref()).unwrap(), ImageFormatArg::Png);
        assert_eq!(by_extension("a.gif".as_ref()).unwrap_err().exit, Exit::Usage);
    }
}
