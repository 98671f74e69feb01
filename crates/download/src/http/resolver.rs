//! Names to addresses, with those out of reach left out: the connection goes to an address that was
//! checked, so a name that answers differently the second time gains nothing.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::{AddressClass, Reach};

/// Every address of a name is out of reach.
#[derive(Debug, thiserror::Error)]
#[error("{host} is at a {class} address")]
pub(super) struct OutOfReach {
    pub(super) host: String,
    pub(super) class: AddressClass,
}

/// The system's resolver behind a [`Reach`].
#[derive(Debug, Clone)]
pub(super) struct ReachResolver {
    pub(super) reach: Reach,
    /// Hosts of the proxies that the environment names: the operator's, wherever they are.
    pub(super) proxies: Arc<HashSet<String>>,
}

impl Resolve for ReachResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let this = self.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let reach = match this.proxies.contains(&host) {
                true => Reach::Configured,
                false => this.reach,
            };
            let (within, out): (Vec<_>, Vec<_>) = found
                .into_iter()
                .partition(|address| reach.allows(AddressClass::of(address.ip())));
            match (within.is_empty(), out.first()) {
                (true, Some(address)) => {
                    let class = AddressClass::of(address.ip());
                    Err(OutOfReach { host, class }.into())
                }
                _ => Ok(Box::new(within.into_iter()) as Addrs),
            }
        })
    }
}
