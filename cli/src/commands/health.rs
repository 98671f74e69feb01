//! `rbee health`.

use rbee_service_kit::probe::{self, NotReady};
use serde_json::json;

use super::Session;
use crate::args::HealthArgs;
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;

/// Asks the server whether it is ready.
pub(super) async fn run(arguments: &HealthArgs, session: &Session) -> Result<(), Failure> {
    let target = connect::target(&session.options)?;
    let service = arguments.service.as_deref().unwrap_or_default();
    probe::ready(&target, service, arguments.timeout)
        .await
        .map_err(|error| match error {
            NotReady::Target(error) => connect::failure(&error),
            NotReady::UnknownService { .. } => Failure::new(Exit::NotFound, error.to_string()),
            NotReady::NotServing { .. } => Failure::new(Exit::TryLater, error.to_string()),
            NotReady::Silent { .. } => Failure::new(Exit::Unreachable, error.to_string()),
            NotReady::Failed { address, status } => {
                Failure::of_status(format!("can't ask {address} for its health"), &status)
            }
        })?;
    if session.output.json {
        session
            .output
            .document(&json!({ "server": target.address, "ready": true }))?;
    } else {
        session.output.line(&format!("{} is ready", target.address))?;
    }
    Ok(())
}
