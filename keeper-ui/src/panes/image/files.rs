//! Files of pictures: chosen in the system's dialogs, read and written.

use std::io;

use crate::model::image::Picture;

/// A file's name and its bytes.
pub(super) type Named = (String, Vec<u8>);

/// A picture that the person chose; `None` if they chose none.
#[cfg(feature = "desktop")]
pub(super) async fn pick() -> Option<Named> {
    let dialog = rfd::AsyncFileDialog::new()
        .set_title("Begin from a picture")
        .add_filter("Pictures", &["png", "jpg", "jpeg", "webp"]);
    let file = dialog.pick_file().await?;
    Some((file.file_name(), file.read().await))
}

/// Without a window there are no dialogs.
#[cfg(not(feature = "desktop"))]
pub(super) async fn pick() -> Option<Named> {
    None
}

/// Writes a picture where the person says. Answers whether it was written.
///
/// # Errors
/// If it can't be read or written.
#[cfg(feature = "desktop")]
pub(super) async fn save(picture: &Picture, name: &str) -> io::Result<bool> {
    let bytes = bytes(picture).await?;
    let dialog = rfd::AsyncFileDialog::new()
        .set_title("Save the picture")
        .set_file_name(name);
    let Some(file) = dialog.save_file().await else {
        return Ok(false);
    };
    file.write(&bytes).await?;
    Ok(true)
}

/// Without a window there are no dialogs.
#[cfg(not(feature = "desktop"))]
pub(super) async fn save(picture: &Picture, _name: &str) -> io::Result<bool> {
    bytes(picture).await.map(|_| false)
}

/// A picture's bytes, wherever they are.
///
/// # Errors
/// If its file can't be read.
pub(super) async fn bytes(picture: &Picture) -> io::Result<Vec<u8>> {
    match (picture.bytes(), picture.path()) {
        (Some(bytes), _) => Ok(bytes.to_vec()),
        (None, Some(path)) => fs_err::tokio::read(path).await,
        (None, None) => Err(io::Error::other("it is not at hand")),
    }
}
