//! HTTP as a downloader needs it: redirects by our own rules, tokens that stay at home, addresses that
//! were checked, nothing compressed, every body bounded, one policy of retries.

mod address;
mod ask;
mod body;
mod calls;
mod client;
mod config;
mod error;
mod origin;
mod redirect;
mod resolver;
mod retry;
mod tls;
mod wait;

pub use address::AddressClass;
pub use ask::Ask;
pub(crate) use body::content_type;
pub use calls::{Answer, Prefix, Probe};
pub use client::HttpClient;
pub(crate) use client::Opened;
pub use config::{HttpConfig, HttpSetupError};
pub use error::{HttpError, Refusal};
pub use origin::{Origin, Token, shown};
pub use retry::RetryPolicy;
pub use wait::asked_wait;
