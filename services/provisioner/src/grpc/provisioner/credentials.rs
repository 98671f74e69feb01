//! Tokens for the hubs: set, forgotten, listed; never shown.

use jiff::Timestamp;
use rbee_artifacts::Vendor;
use rbee_proto::provisioner::v1 as wire;
use rbee_service_kit::{Fault, narrate, narrate_warn};
use rbee_vendors::VendorError;
use rbee_wire::{timestamp_to_wire, vendor_from_wire, vendor_to_wire};

use super::ProvisionerRpc;
use crate::credentials::{Credential, is_token};
use crate::grpc::status;
use crate::hub::{Endpoint, TokenPlace};

impl ProvisionerRpc {
    /// Keeps or forgets a token.
    pub(super) async fn set_token(
        &self,
        request: wire::SetCredentialRequest,
    ) -> Result<wire::SetCredentialResponse, Fault> {
        let vendor = hub_vendor(request.vendor)?;
        let endpoint = match self.work.provisioning.hubs.of(vendor) {
            Some((endpoint, _)) => endpoint.clone(),
            None => return Err(not_a_hub()),
        };
        if request.token.is_empty() {
            let credentials = self.credentials.clone();
            blocking(move || credentials.forget(vendor)).await?;
            narrate!("the token for {} was forgotten", endpoint.origin);
            return Ok(wire::SetCredentialResponse {
                credential: shown(endpoint).await?,
                ..wire::SetCredentialResponse::default()
            });
        }
        if !is_token(&request.token) {
            return Err(Fault::invalid(
                "token",
                "is no token: those of the hubs are one word of letters, digits and signs",
            ));
        }
        let credential = Credential {
            origin: endpoint.origin.clone(),
            token: request.token.into(),
            set_at: Some(Timestamp::now()),
        };
        let account = self
            .work
            .provisioning
            .hubs
            .account(vendor, &credential.token)
            .await;
        let (checked, account) = match account {
            Ok(account) => (true, account.unwrap_or_default()),
            Err(error @ VendorError::TokenRejected { .. }) => {
                return Err(status::rejected_token(vendor, &error));
            }
            // It may be right; the next download tells.
            Err(error) => {
                narrate_warn!(
                    "the token for {} is kept, but could not be checked: {error}",
                    endpoint.origin
                );
                (false, String::new())
            }
        };
        let credentials = self.credentials.clone();
        blocking(move || credentials.set(vendor, credential)).await?;
        narrate!("a token for {} is kept", endpoint.origin);
        Ok(wire::SetCredentialResponse {
            credential: shown(endpoint).await?,
            checked,
            account,
        })
    }

    /// For which hubs there are tokens.
    pub(super) async fn tokens(&self) -> Result<Vec<wire::Credential>, Fault> {
        let mut credentials = Vec::new();
        for endpoint in self.work.provisioning.hubs.endpoints() {
            credentials.extend(shown(endpoint.clone()).await?);
        }
        Ok(credentials)
    }
}

/// The hub that a request names.
pub(super) fn hub_vendor(number: i32) -> Result<Vendor, Fault> {
    vendor_from_wire(number)
        .filter(|vendor| *vendor != Vendor::Local)
        .ok_or_else(not_a_hub)
}

fn not_a_hub() -> Fault {
    Fault::invalid("vendor", "must be Hugging Face or CivitAI")
}

/// That there is a token, without it. Looking for one reads a file.
async fn shown(endpoint: Endpoint) -> Result<Option<wire::Credential>, Fault> {
    let vendor = vendor_to_wire(endpoint.vendor);
    let found = tokio::task::spawn_blocking(move || endpoint.credential())
        .await
        .map_err(|_| Fault::shutting_down())?;
    Ok(found.map(|(credential, place)| wire::Credential {
        vendor: vendor.into(),
        origin: credential.origin,
        source: match place {
            TokenPlace::Kept => wire::CredentialSource::Stored.into(),
            TokenPlace::Environment => wire::CredentialSource::Environment.into(),
        },
        set_at: credential.set_at.map(timestamp_to_wire),
    }))
}

async fn blocking(work: impl FnOnce() -> std::io::Result<()> + Send + 'static) -> Result<(), Fault> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Fault::shutting_down())?
        .map_err(|error| status::not_kept(&error))
}
