//! Who is let in, and to what.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};
use tonic::Code;

use super::scopes::{self, Access, Scope};
use super::tokens::{self, Standing, TokenList, TokensError};
use crate::config::{AuthConfig, ServerConfig, TlsConfig};
use crate::tls::{ServerTls, TlsError};
use crate::{Fault, reason};

/// Whom a server answers.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Everybody who can reach it.
    Open,
    /// Who shows this bearer token, for health, too: a worker, which nobody but its hive has to do with.
    Token(SecretString),
    /// Who shows a token of a list, the one token, or a certificate of the cluster.
    Listed(Arc<Listed>),
}

/// Those whom a server of a cluster knows.
#[derive(Debug)]
pub struct Listed {
    /// The one token, which is good for everything.
    token: Option<SecretString>,
    /// Made anew by each process, for its own calls to itself.
    own: SecretString,
    tokens: Option<TokenList>,
}

/// Why a server must not be opened as configured.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The address can be reached from other machines.
    #[error(
        "{listen} can be reached from other machines, and what they say would be {exposure}; \
         set up TLS and tokens (`rbee cluster init`, docs/security.md), listen on 127.0.0.1, or set \
         `server.allow_insecure` (--allow-insecure) on a network that you trust"
    )]
    Insecure {
        /// The address.
        listen: SocketAddr,
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
    /// The file of named tokens can't be used.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// TLS can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Longest and shortest token; shorter ones can be guessed.
const TOKEN_LENGTH: std::ops::RangeInclusive<usize> = 16..=512;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// The name of its token, where tokens have names.
    pub(super) name: Option<String>,
}

impl Auth {
    /// The authentication and the TLS that a configuration asks for.
    ///
    /// # Errors
    /// If a file can't be used, or the address is not loopback while TLS or tokens are missing and the
    /// configuration does not allow that.
    pub fn from_config(
        server: &ServerConfig,
        tls: &TlsConfig,
        auth: &AuthConfig,
    ) -> Result<(Self, Option<ServerTls>), AuthError> {
        let tls = ServerTls::from_config(tls)?;
        let token = server.token_file.as_deref().map(read_token).transpose()?;
        let knows_services = tls.as_ref().is_some_and(ServerTls::knows_services);
        let auth = match (&auth.tokens_file, token) {
            (None, None) if !knows_services => Self::Open,
            (tokens_file, token) => Self::Listed(Arc::new(Listed {
                token,
                own: tokens::random_token()?,
                tokens: tokens_file.as_deref().map(TokenList::open).transpose()?,
            })),
        };
        if !server.listen.ip().is_loopback() && !server.allow_insecure {
            let exposure = match (&auth, &tls) {
                (Self::Open, None) => Some("unencrypted and from anybody"),
                (Self::Open, Some(_)) => Some("from anybody"),
                (_, None) => Some("unencrypted, the token too"),
                (_, Some(_)) => None,
            };
            if let Some(exposure) = exposure {
                return Err(AuthError::Insecure {
                    listen: server.listen,
                    exposure,
                });
            }
        }
        Ok((auth, tls))
    }

    /// A token that this server takes for everything, for the process's own calls to it; `None` where none is asked
    /// for.
    #[must_use]
    pub fn token(&self) -> Option<&SecretString> {
        match self {
            Self::Open => None,
            Self::Token(token) => Some(token),
            Self::Listed(listed) => Some(&listed.own),
        }
    }

    /// Lets a call in or says why not. `is_service` is whether the connection was made with a certificate of the
    /// cluster.
    pub(super) fn check(&self, path: &str, headers: &HeaderMap, is_service: bool) -> Result<Caller, Fault> {
        let caller = |name| Ok(Caller { name });
        if matches!(self, Self::Open) {
            return caller(None);
        }
        let Some(access) = scopes::access(path) else {
            return Err(Fault::new(
                Code::Unimplemented,
                reason::METHOD_UNKNOWN,
                "this server knows no such call, and so nobody may make it",
            ));
        };
        let needed = match access {
            Access::Open if !matches!(self, Self::Token(_)) => return caller(None),
            Access::Open => Scope::Read,
            Access::With(scope) => scope,
        };
        // A certificate says who connected, a token for whom the call is: what is shown is what counts.
        let (name, scope) = match shown(headers) {
            Ok(token) => self.scope_of(token)?,
            Err(_) if is_service => (None, Scope::Operate),
            Err(message) => return Err(refused(reason::UNAUTHENTICATED, message)),
        };
        if scope < needed {
            let mut fault = Fault::new(
                Code::PermissionDenied,
                reason::SCOPE_INSUFFICIENT,
                format!("this call takes a token with the scope `{needed}`, and this one has `{scope}`"),
            )
            .with("needed", needed)
            .with("scope", scope);
            if let Some(name) = &name {
                fault = fault.with("token", name);
            }
            return Err(fault);
        }
        caller(name)
    }

    fn scope_of(&self, shown: &[u8]) -> Result<(Option<String>, Scope), Fault> {
        let is = |token: &SecretString| {
            tokens::same(
                &tokens::digest(token.expose_secret().as_bytes()),
                &tokens::digest(shown),
            )
        };
        let listed = match self {
            Self::Open => return Ok((None, Scope::Operate)),
            Self::Token(token) if is(token) => return Ok((None, Scope::Operate)),
            Self::Token(_) => return Err(refused(reason::TOKEN_UNKNOWN, UNKNOWN)),
            Self::Listed(listed) => listed,
        };
        if is(&listed.own) || listed.token.as_ref().is_some_and(is) {
            return Ok((None, Scope::Operate));
        }
        let standing = listed.tokens.as_ref().map_or(Standing::Unknown, |tokens| {
            tokens.standing(shown, SystemTime::now())
        });
        match standing {
            Standing::Good(name, scope) => Ok((Some(name), scope)),
            Standing::Unknown => Err(refused(reason::TOKEN_UNKNOWN, UNKNOWN)),
            Standing::Expired(name) => {
                Err(refused(reason::TOKEN_EXPIRED, "the token has expired").with("token", name))
            }
            Standing::Revoked(name) => {
                Err(refused(reason::TOKEN_REVOKED, "the token was revoked").with("token", name))
            }
        }
    }
}

const UNKNOWN: &str = "the token is not valid here";

fn refused(reason: &'static str, message: &'static str) -> Fault {
    Fault::new(Code::Unauthenticated, reason, message)
}

/// The token that a call carries.
fn shown(headers: &HeaderMap) -> Result<&[u8], &'static str> {
    let value = headers
        .get(AUTHORIZATION)
        .ok_or("this server wants a token: authorization: Bearer <token>")?;
    strip_bearer(value.as_bytes()).ok_or("the authorization header must be `Bearer <token>`")
}

/// Reads the token that a file holds in its only line.
///
/// # Errors
/// If the file can't be read or does not hold one line of 16 to 512 visible ASCII characters.
pub fn read_token(path: &Path) -> Result<SecretString, AuthError> {
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

#[cfg(test)]
mod tests;
