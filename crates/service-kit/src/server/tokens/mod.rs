//! The file of named tokens: what `rbee token` writes and every service reads.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::scopes::Scope;
use crate::fault::Chain;
use crate::tls::Stamp;

/// Between two looks at the file: what revoking a token takes to be heard.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Bytes of randomness in a token.
const TOKEN_BYTES: usize = 32;

/// Why a file of tokens can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// It can't be read.
    #[error("cannot read the tokens in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It is not what `rbee token` writes.
    #[error("{} is not a file of tokens", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        #[source]
        source: toml::de::Error,
    },
    /// It can't be written.
    #[error("cannot write the tokens to {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Two tokens would have one name.
    #[error("there is a token `{name}` already; revoke it, or choose another name")]
    Exists {
        /// The name.
        name: String,
    },
    /// No token that is not revoked has the name.
    #[error("there is no token `{name}`, or it is revoked")]
    Unknown {
        /// The name.
        name: String,
    },
    /// A name that can't be used.
    #[error("`{name}` is no name for a token: 1 to 64 letters, digits, dots, hyphens and underscores")]
    Name {
        /// The name.
        name: String,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness(#[source] getrandom::Error),
}

/// A token as the file keeps it: never itself, only its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// What it is called in lists.
    pub name: String,
    /// What it may be used for.
    #[serde(with = "as_text")]
    pub scope: Scope,
    /// The SHA-256 of the token. A token has 256 random bits, so that there is nothing to guess from its digest.
    #[serde(with = "hexadecimal")]
    pub sha256: [u8; 32],
    /// When it was made.
    #[serde(with = "time")]
    pub created: SystemTime,
    /// From when on it is no longer taken.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_time")]
    pub expires: Option<SystemTime>,
    /// When it was revoked. It stays in the file, so that who shows it hears why it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_time")]
    pub revoked: Option<SystemTime>,
}

/// What is in a file of tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// All that were made, revoked ones too.
    #[serde(default, rename = "token")]
    pub named: Vec<Named>,
}

impl Tokens {
    /// Reads a file.
    ///
    /// # Errors
    /// If it can't be read, or holds something else.
    pub fn read(path: &Path) -> Result<Self, TokensError> {
        let text = std::fs::read_to_string(path).map_err(|source| TokensError::Read {
            path: path.to_path_buf(),
            source,
        })?;
        toml::from_str(&text).map_err(|source| TokensError::Syntax {
            path: path.to_path_buf(),
            source,
        })
    }

    /// Replaces the file as a whole, readable by its owner alone.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write(&self, path: &Path) -> Result<(), TokensError> {
        let text = toml::to_string(self).expect("tokens are made of tables and strings");
        write_private(path, text.as_bytes()).map_err(|source| TokensError::Write {
            path: path.to_path_buf(),
            source,
        })
    }

    /// Makes a token. It is shown this once: only its digest is kept.
    ///
    /// # Errors
    /// If the name can't be used, or is in use.
    pub fn create(
        &mut self,
        name: &str,
        scope: Scope,
        created: SystemTime,
        lifetime: Option<Duration>,
    ) -> Result<SecretString, TokensError> {
        let is_name = (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        if !is_name {
            return Err(TokensError::Name { name: name.into() });
        }
        if self
            .named
            .iter()
            .any(|token| token.name == name && token.revoked.is_none())
        {
            return Err(TokensError::Exists { name: name.into() });
        }
        let secret = random_token()?;
        self.named.push(Named {
            name: name.to_owned(),
            scope,
            sha256: digest(secret.expose_secret().as_bytes()),
            created,
            expires: lifetime.and_then(|lifetime| created.checked_add(lifetime)),
            revoked: None,
        });
        Ok(secret)
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// If there is none of the name that is not revoked.
    pub fn revoke(&mut self, name: &str, now: SystemTime) -> Result<(), TokensError> {
        let token = self
            .named
            .iter_mut()
            .find(|token| token.name == name && token.revoked.is_none())
            .ok_or_else(|| TokensError::Unknown { name: name.into() })?;
        token.revoked = Some(now);
        Ok(())
    }

    /// The token that was shown. All are compared, each in constant time, so that how long it takes tells nothing.
    fn find(&self, shown: &[u8]) -> Option<&Named> {
        let shown = digest(shown);
        self.named.iter().fold(None, |found, token| {
            if same(&token.sha256, &shown) {
                Some(token)
            } else {
                found
            }
        })
    }
}

/// What a token that was shown is good for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is nobody's.
    Unknown,
    /// Its time is over.
    Expired(String),
    /// It was revoked.
    Revoked(String),
    /// It is good.
    Good(String, Scope),
}

/// A file of tokens that is read anew when it changes. Cheap to clone; clones share what they have read.
#[derive(Debug, Clone)]
pub struct TokenList {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: Arc<Tokens>,
    seen: Stamp,
    looked: Instant,
}

impl TokenList {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// If it can't be read, or holds something else.
    pub fn open(path: &Path) -> Result<Self, TokensError> {
        let seen = Stamp::of(path);
        let tokens = Arc::new(Tokens::read(path)?);
        Ok(Self {
            shared: Arc::new(Shared {
                path: path.to_path_buf(),
                state: Mutex::new(State {
                    tokens,
                    seen,
                    looked: Instant::now(),
                }),
            }),
        })
    }

    pub(super) fn standing(&self, shown: &[u8], now: SystemTime) -> Standing {
        let tokens = self.look();
        match tokens.find(shown) {
            None => Standing::Unknown,
            Some(token) if token.revoked.is_some() => Standing::Revoked(token.name.clone()),
            Some(token) if token.expires.is_some_and(|end| end <= now) => {
                Standing::Expired(token.name.clone())
            }
            Some(token) => Standing::Good(token.name.clone(), token.scope),
        }
    }

    fn look(&self) -> Arc<Tokens> {
        let mut state = self.shared.state.lock();
        if state.looked.elapsed() >= LOOK_EVERY {
            state.looked = Instant::now();
            let now = Stamp::of(&self.shared.path);
            if now != state.seen {
                state.seen = now;
                match Tokens::read(&self.shared.path) {
                    Ok(tokens) => state.tokens = Arc::new(tokens),
                    Err(error) => tracing::warn!(
                        error = %Chain(&error),
                        "the changed tokens cannot be used; those from before stay"
                    ),
                }
            }
        }
        state.tokens.clone()
    }
}

/// A token of 256 random bits.
///
/// # Errors
/// If the system gives no randomness.
pub fn random_token() -> Result<SecretString, TokensError> {
    let mut secret = [0_u8; TOKEN_BYTES];
    getrandom::fill(&mut secret).map_err(TokensError::Randomness)?;
    Ok(SecretString::from(hex::encode(secret)))
}

/// Replaces a file as a whole by one that only its owner can read.
///
/// # Errors
/// Those of the file system.
pub fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = path.with_file_name(name);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&fresh).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    });
    if written.is_err() {
        // What is left of it is of use to nobody.
        let _ = std::fs::remove_file(&fresh);
    }
    written
}

pub(super) fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Compares in a time that does not depend on what differs.
pub(super) fn same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    let difference = left
        .iter()
        .zip(right)
        .fold(0, |difference, (a, b)| difference | (a ^ b));
    std::hint::black_box(difference) == 0
}

mod as_text {
    use super::{Deserialize, Deserializer, Scope, Serializer};

    pub(super) fn serialize<S: Serializer>(scope: &Scope, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(scope.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scope, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

mod hexadecimal {
    use super::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(digest: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(digest))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let mut digest = [0; 32];
        let text = String::deserialize(deserializer)?;
        hex::decode_to_slice(text, &mut digest).map_err(serde::de::Error::custom)?;
        Ok(digest)
    }
}

mod time {
    use super::{Deserialize, Deserializer, Serializer, SystemTime};

    pub(super) fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_rfc3339_seconds(*time))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text).map_err(serde::de::Error::custom)
    }
}

mod optional_time {
    use super::{Deserializer, Serializer, SystemTime, time};

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(
        time: &Option<SystemTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => time::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        time::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests;
