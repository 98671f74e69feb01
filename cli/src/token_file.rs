//! The file that holds the server's token.

use std::io::{self, Write as _};
use std::path::Path;

/// Bytes of randomness in a token that is made here.
const TOKEN_BYTES: usize = 32;

/// Makes a token if the file isn't there yet, readable by this user alone. Answers whether it did.
///
/// # Errors
/// If the file can't be written, or the system has no randomness.
pub(crate) fn create_if_missing(path: &Path) -> io::Result<bool> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut secret = [0_u8; TOKEN_BYTES];
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    writeln!(file, "{}", hex::encode(secret))?;
    file.sync_all()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use rbee_service_kit::server::read_token;

    use super::*;

    #[test]
    fn a_token_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(create_if_missing(&path).unwrap());
        let first = std::fs::read_to_string(&path).unwrap();
        assert!(!create_if_missing(&path).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
        read_token(&path).expect("the server can use it");
    }

    #[cfg(unix)]
    #[test]
    fn only_this_user_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        create_if_missing(&path).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
