//! A hub's address, and the token that goes there and nowhere else.

use rbee_artifacts::Vendor;
use rbee_download::http::Origin;
use rbee_vendors::{TokenSource, hugging_face_token};
use secrecy::SecretString;
use url::Url;

use crate::credentials::{Credential, Credentials, is_token};

/// A setting is no address of a hub.
#[derive(Debug, thiserror::Error)]
#[error("\"{text}\" is not the address of a hub: write one that begins with https:// or http://")]
pub struct EndpointError {
    /// What it says.
    text: String,
}

/// Where a token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenPlace {
    /// It was given to the provisioner, which keeps it.
    Kept,
    /// The environment, or a file that it names.
    Environment,
}

/// A hub at its address. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) vendor: Vendor,
    pub(crate) url: Url,
    /// Scheme, host and port.
    pub(crate) origin: String,
    credentials: Credentials,
}

impl Endpoint {
    pub(crate) fn new(vendor: Vendor, text: &str, credentials: &Credentials) -> Result<Self, EndpointError> {
        let error = || EndpointError {
            text: text.to_owned(),
        };
        let url = Url::parse(text).map_err(|_| error())?;
        let origin = Origin::of(&url).ok_or_else(error)?.to_string();
        Ok(Self {
            vendor,
            url,
            origin,
            credentials: credentials.clone(),
        })
    }

    /// The token as it is now, and where it comes from. What is kept goes before the environment.
    pub(crate) fn credential(&self) -> Option<(Credential, TokenPlace)> {
        if let Some(kept) = self.credentials.kept(self.vendor, &self.origin) {
            return Some((kept, TokenPlace::Kept));
        }
        let variable = |name: &str| std::env::var(name).ok();
        let token = match self.vendor {
            Vendor::HuggingFace => hugging_face_token(variable)?.secret,
            Vendor::CivitAi => {
                let text = variable("CIVITAI_TOKEN")?;
                let text = text.trim();
                is_token(text).then(|| SecretString::from(text))?
            }
            Vendor::Local => return None,
        };
        let credential = Credential {
            origin: self.origin.clone(),
            token,
            set_at: None,
        };
        Some((credential, TokenPlace::Environment))
    }
}

impl TokenSource for Endpoint {
    fn token(&self) -> Option<SecretString> {
        self.credential().map(|(credential, _)| credential.token)
    }
}
