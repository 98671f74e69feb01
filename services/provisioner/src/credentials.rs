//! Tokens for the hubs, kept so that only this user can read them: `<work_dir>/credentials/<vendor>`, mode 0600 in a
//! folder of mode 0700. Written and used, never shown.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::RwLock;
use rbee_artifacts::Vendor;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

/// The longest token that is taken, in bytes. Hugging Face's have 37, CivitAI's 32.
const MAX_TOKEN_BYTES: usize = 1024;
/// The vendors that have tokens.
const VENDORS: [Vendor; 2] = [Vendor::HuggingFace, Vendor::CivitAi];

/// A token and where it goes.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    /// The only address it is sent to: scheme, host and port.
    pub(crate) origin: String,
    pub(crate) token: SecretString,
    /// When it was kept; absent for one that comes from the environment.
    pub(crate) set_at: Option<Timestamp>,
}

/// A credential as it lies on disk.
#[derive(Serialize, Deserialize)]
struct Document {
    origin: String,
    token: String,
    set_at: Timestamp,
}

/// The tokens. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    folder: PathBuf,
    kept: Arc<RwLock<Vec<(Vendor, Credential)>>>,
}

/// Whether a text can be a token: printable ASCII without spaces, so that it can stand in a header and nowhere else.
pub(crate) fn is_token(text: &str) -> bool {
    (1..=MAX_TOKEN_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl Credentials {
    /// Opens the folder, which is made for this user alone if it is not there. Blocking.
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        make_private(&folder)?;
        let mut kept = Vec::new();
        for vendor in VENDORS {
            match read(&folder.join(vendor.to_string())) {
                Ok(Some(credential)) => kept.push((vendor, credential)),
                Ok(None) => {}
                // It can be given again; without it the service is of use still.
                Err(error) => {
                    tracing::warn!(%vendor, %error, "the token that was kept for a hub cannot be read");
                }
            }
        }
        Ok(Self {
            folder,
            kept: Arc::new(RwLock::new(kept)),
        })
    }

    /// The token that is kept for a hub at `origin`; one for another address is not given away.
    pub(crate) fn kept(&self, vendor: Vendor, origin: &str) -> Option<Credential> {
        let kept = self.kept.read();
        let found = kept
            .iter()
            .find(|(of, credential)| *of == vendor && credential.origin == origin);
        found.map(|(_, credential)| credential.clone())
    }

    /// Keeps a token in place of the one before. Blocking.
    pub(crate) fn set(&self, vendor: Vendor, credential: Credential) -> io::Result<()> {
        let mut kept = self.kept.write();
        let document = Document {
            origin: credential.origin.clone(),
            token: credential.token.expose_secret().to_owned(),
            set_at: credential.set_at.unwrap_or_else(Timestamp::now),
        };
        let text = serde_json::to_vec(&document).map_err(io::Error::other)?;
        // Made with mode 0600, and renamed over what was there.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&text)?;
        file.as_file().sync_all()?;
        file.persist(self.folder.join(vendor.to_string()))
            .map_err(|error| error.error)?;
        kept.retain(|(of, _)| *of != vendor);
        kept.push((vendor, credential));
        Ok(())
    }

    /// Forgets a token. Blocking.
    pub(crate) fn forget(&self, vendor: Vendor) -> io::Result<()> {
        let mut kept = self.kept.write();
        match fs::remove_file(self.folder.join(vendor.to_string())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        kept.retain(|(of, _)| *of != vendor);
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<Option<Credential>> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    // What serde says of a damaged document could quote it.
    let document: Document =
        serde_json::from_slice(&text).map_err(|_| io::Error::other("the file is damaged"))?;
    if !is_token(&document.token) {
        return Err(io::Error::other("the file holds no token"));
    }
    Ok(Some(Credential {
        origin: document.origin,
        token: document.token.into(),
        set_at: Some(document.set_at),
    }))
}

#[cfg(unix)]
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(token: &str) -> Credential {
        Credential {
            origin: "https://hub.example:443".into(),
            token: token.into(),
            set_at: Some(Timestamp::UNIX_EPOCH),
        }
    }

    #[test]
    fn a_token_is_kept_for_one_address_and_for_this_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        let credentials = Credentials::open(path.clone()).unwrap();
        credentials
            .set(Vendor::HuggingFace, credential("hf_first"))
            .unwrap();
        credentials
            .set(Vendor::HuggingFace, credential("hf_second"))
            .unwrap();
        for credentials in [&credentials, &Credentials::open(path.clone()).unwrap()] {
            let kept = credentials
                .kept(Vendor::HuggingFace, "https://hub.example:443")
                .unwrap();
            assert_eq!(kept.token.expose_secret(), "hf_second");
            assert!(!format!("{credentials:?} {kept:?}").contains("hf_second"));
            assert!(
                credentials
                    .kept(Vendor::HuggingFace, "http://hub.example:80")
                    .is_none()
            );
            assert!(
                credentials
                    .kept(Vendor::CivitAi, "https://hub.example:443")
                    .is_none()
            );
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&path), 0o700);
            assert_eq!(mode(&path.join("huggingface")), 0o600);
        }
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1, "nothing else lies about");
        credentials.forget(Vendor::HuggingFace).unwrap();
        credentials.forget(Vendor::HuggingFace).unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        assert!(
            credentials
                .kept(Vendor::HuggingFace, "https://hub.example:443")
                .is_none()
        );
    }

    #[test]
    fn a_damaged_token_is_none_and_is_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("civitai"), "{\"token\": \"secret").unwrap();
        assert!(
            !read(&folder.path().join("civitai"))
                .unwrap_err()
                .to_string()
                .contains("secret")
        );
        let credentials = Credentials::open(folder.path().to_owned()).unwrap();
        assert!(credentials.kept(Vendor::CivitAi, "").is_none());
        for text in ["", "a b", "a\nb", "é", &"x".repeat(2000)] {
            assert!(!is_token(text), "{text:?}");
        }
        assert!(is_token("hf_abc-123"));
    }
}
