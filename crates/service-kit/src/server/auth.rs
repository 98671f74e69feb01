//! Who is let in.

use std::io::Read as _;
use std::path::PathBuf;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};
use tonic::Code;

use crate::config::ServerConfig;
use crate::{Fault, reason};

/// Whom a server answers.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Everybody who can reach it.
    Open,
    /// Who shows this bearer token.
    Token(SecretString),
}

/// Why a server must not be opened as configured.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The address can be reached from other machines.
    #[error(
        "{listen} can be reached from other machines, and what they say would be {exposure}; \
         listen on 127.0.0.1, or set `server.allow_insecure` (--allow-insecure) on a network that you trust"
    )]
    Insecure {
        /// The address.
        listen: std::net::SocketAddr,
        /// What is missing, as the end of a sentence.
        exposure: &'static str,
    },
    /// The token file can't be read.
    #[error("cannot read the token file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The token file holds no usable token.
    #[error("the token file {} must hold one line of 16 to 512 visible ASCII characters", path.display())]
    Token {
        /// The file.
        path: PathBuf,
    },
}

/// Longest and shortest token; shorter ones can be guessed.
const TOKEN_LENGTH: std::ops::RangeInclusive<usize> = 16..=512;

impl Auth {
    /// The authentication that a configuration asks for.
    ///
    /// # Errors
    /// If the token file can't be used, or the address is not loopback and the configuration does
    /// not allow that. TLS is not built yet, so beyond loopback even a token travels in the clear.
    pub fn from_config(config: &ServerConfig) -> Result<Self, AuthError> {
        let auth = match &config.token_file {
            Some(path) => Self::Token(read_token(path)?),
            None => Self::Open,
        };
        if !config.listen.ip().is_loopback() && !config.allow_insecure {
            let exposure = match auth {
                Self::Open => "unencrypted and from anybody",
                Self::Token(_) => "unencrypted, the token too",
            };
            return Err(AuthError::Insecure {
                listen: config.listen,
                exposure,
            });
        }
        Ok(auth)
    }

    /// The token that clients must show.
    #[must_use]
    pub fn token(&self) -> Option<&SecretString> {
        match self {
            Self::Open => None,
            Self::Token(token) => Some(token),
        }
    }

    /// Lets a call in or says why not.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Fault> {
        let Self::Token(expected) = self else {
            return Ok(());
        };
        let shown = headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes);
        let message = match shown.map(strip_bearer) {
            Some(Some(token)) if same(token, expected.expose_secret().as_bytes()) => return Ok(()),
            Some(Some(_)) => "the token is not valid here",
            Some(None) => "the authorization header must be `Bearer <token>`",
            None => "this server wants a token: authorization: Bearer <token>",
        };
        Err(Fault::new(
            Code::Unauthenticated,
            reason::UNAUTHENTICATED,
            message,
        ))
    }
}

/// Reads the token that a file holds in its only line.
///
/// # Errors
/// If the file can't be read or does not hold one line of 16 to 512 visible ASCII characters.
pub fn read_token(path: &std::path::Path) -> Result<SecretString, AuthError> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| {
            file.take(*TOKEN_LENGTH.end() as u64 + 3)
                .read_to_string(&mut text)
        })
        .map_err(|source| AuthError::Read {
            path: path.to_path_buf(),
            source,
        })?;
    let token = text.trim_end_matches(['\r', '\n']);
    if !TOKEN_LENGTH.contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(AuthError::Token {
            path: path.to_path_buf(),
        });
    }
    Ok(SecretString::from(token))
}

fn strip_bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

/// Compares in a time that depends on the lengths alone.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .zip(right)
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn only_the_right_token_is_let_in() {
        let auth = Auth::Token(SecretString::from("0123456789abcdef"));
        assert!(auth.check(&headers("Bearer 0123456789abcdef")).is_ok());
        assert!(auth.check(&headers("bearer 0123456789abcdef")).is_ok());
        for wrong in [
            "Bearer 0123456789abcdeg",
            "Bearer 0123456789abcde",
            "Bearer ",
            "Basic 0123456789abcdef",
            "x",
        ] {
            assert_eq!(
                auth.check(&headers(wrong)).unwrap_err().reason(),
                reason::UNAUTHENTICATED
            );
        }
        assert!(auth.check(&HeaderMap::new()).is_err());
        assert!(Auth::Open.check(&HeaderMap::new()).is_ok());
    }

    #[test]
    fn beyond_loopback_is_refused_unless_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let token_file = folder.path().join("token");
        std::fs::write(&token_file, "0123456789abcdef\n").unwrap();
        let loopback = ServerConfig::default();
        assert!(matches!(Auth::from_config(&loopback), Ok(Auth::Open)));

        let open = ServerConfig {
            listen: "0.0.0.0:7220".parse().unwrap(),
            ..ServerConfig::default()
        };
        assert!(matches!(
            Auth::from_config(&open),
            Err(AuthError::Insecure { .. })
        ));
        let with_token = ServerConfig {
            token_file: Some(token_file),
            ..open
        };
        assert!(matches!(
            Auth::from_config(&with_token),
            Err(AuthError::Insecure { .. })
        ));
        let allowed = ServerConfig {
            allow_insecure: true,
            ..with_token
        };
        assert!(matches!(Auth::from_config(&allowed), Ok(Auth::Token(_))));
    }

    #[test]
    fn a_token_file_must_hold_a_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for (content, good) in [
            ("0123456789abcdef\r\n", true),
            ("", false),
            ("short", false),
            ("0123456789abcdef\nmore", false),
            ("with blank 0123456789", false),
        ] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(read_token(&path).is_ok(), good, "{content:?}");
        }
    }
}
