//! Where an exported conversation goes: the person says it in the system's own dialog.

use std::io;

/// Asks for a place and writes a text there. Says whether the person chose one.
#[cfg(feature = "desktop")]
pub(super) async fn save(name: &str, text: String) -> io::Result<bool> {
    let dialog = rfd::AsyncFileDialog::new().set_file_name(name);
    let Some(place) = dialog.save_file().await else {
        return Ok(false);
    };
    place.write(text.as_bytes()).await?;
    Ok(true)
}

/// Without the window there is no dialog.
#[cfg(not(feature = "desktop"))]
pub(super) async fn save(_name: &str, _text: String) -> io::Result<bool> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "there is no window to ask for a place",
    ))
}

/// A file's name from a conversation's, without what names of files can't hold.
pub(super) fn file_name(name: &str, extension: &str) -> String {
    let fits = |character: char| {
        if character.is_alphanumeric() || "-_ ".contains(character) {
            character
        } else {
            '_'
        }
    };
    let name: String = name.chars().take(60).map(fits).collect();
    let name = name.trim().trim_matches('_');
    let name = if name.is_empty() { "conversation" } else { name };
    format!("{name}.{extension}")
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn a_name_is_never_a_path() {
        assert_eq!(file_name("../a/b: c?", "md"), "a_b_ c.md");
        assert_eq!(file_name("夕食", "json"), "夕食.json");
        assert_eq!(file_name("///", "md"), "conversation.md");
    }
}
