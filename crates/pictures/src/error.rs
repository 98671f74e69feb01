//! Why a file can't be read or written.

/// Why a picture's text can't be read or put in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// Neither PNG nor JPEG nor WebP.
    #[error("it is not a PNG, JPEG or WebP picture")]
    UnknownKind,
    /// A length points behind the file's end, or a part is missing.
    #[error("the picture's file is broken: {0}")]
    Broken(&'static str),
    /// The kind of file has no room for it.
    #[error("the settings are too long for this kind of file")]
    TooLong,
}
