//! The servers' tokens, in a file of their own that this user alone can read.

use std::collections::BTreeMap;
use std::io;

use secrecy::{ExposeSecret as _, SecretString};

use super::folder::Folder;

/// Name of the file.
const FILE: &str = "tokens.json";

/// The token for a server, if one is kept.
#[must_use]
pub fn of(folder: &Folder, address: &str) -> Option<SecretString> {
    let mut tokens: BTreeMap<String, String> = folder.read(FILE)?;
    tokens.remove(address).map(SecretString::from)
}

/// Keeps the token for a server, or forgets it.
///
/// # Errors
/// If the file can't be written.
pub fn keep(folder: &Folder, address: &str, token: Option<&SecretString>) -> io::Result<()> {
    let mut tokens: BTreeMap<String, String> = folder.read(FILE).unwrap_or_default();
    let before = tokens.get(address).cloned();
    match token {
        Some(token) => tokens.insert(address.to_owned(), token.expose_secret().to_owned()),
        None => tokens.remove(address),
    };
    if tokens.get(address) == before.as_ref() {
        return Ok(());
    }
    folder.write(FILE, &tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_kept_for_its_server_alone_and_forgotten_when_told() {
        let folder = tempfile::tempdir().unwrap();
        let own = Folder::at(folder.path().join("keeper"));
        keep(&own, "http://a", None).unwrap();
        assert!(!own.path().exists(), "nothing to keep makes no file");
        keep(&own, "http://a", Some(&"secret-of-a".into())).unwrap();
        assert_eq!(of(&own, "http://a").unwrap().expose_secret(), "secret-of-a");
        assert!(of(&own, "http://b").is_none());
        keep(&own, "http://a", None).unwrap();
        assert!(of(&own, "http://a").is_none());
    }
}
