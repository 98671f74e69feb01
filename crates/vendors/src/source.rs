//! What every hub can be asked.

use std::future::Future;
use std::pin::Pin;

use rbee_artifacts::{ModelId, Vendor};
use rbee_download::http::Ask;
use secrecy::SecretString;
use url::Url;

use crate::error::VendorError;
use crate::machine::Machine;
use crate::resolution::Resolution;
use crate::search::{SearchPage, SearchQuery};

/// An answer under way. It can be dropped at any time.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T, VendorError>> + Send + 'a>>;

/// A hub of models.
pub trait VendorSource: Send + Sync {
    /// Which one.
    fn vendor(&self) -> Vendor;

    /// What an id means there: which files, how large, under which licence, and whether they can be had. The
    /// machine decides between the quantizations of a model. Downloads no model file, and changes nothing.
    ///
    /// # Errors
    /// [`VendorError`]. That the files can't be had by us is none: see [`Resolution::refusal`].
    fn resolve<'a>(&'a self, id: &'a ModelId, machine: &'a Machine) -> Answering<'a, Resolution>;

    /// One page of what there is.
    ///
    /// # Errors
    /// [`VendorError`]; [`VendorError::InvalidQuery`] for what this hub can't be asked.
    fn search<'a>(&'a self, query: &'a SearchQuery) -> Answering<'a, SearchPage>;

    /// The request for a file of a [`Resolution`] by its address, with the token as it is now. To be asked at
    /// every attempt: the hub redirects to a signed address, which expires.
    ///
    /// # Errors
    /// [`VendorError::InvalidAnswer`] if the address is not one of this hub, as configured.
    fn location(&self, url: &Url) -> Result<Ask, VendorError>;

    /// Asks the hub whose token this is: the name of the account, if it tells.
    ///
    /// # Errors
    /// [`VendorError::TokenRejected`] if it is nobody's.
    fn account<'a>(&'a self, token: &'a SecretString) -> Answering<'a, Option<String>>;
}
