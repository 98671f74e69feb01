//! One address for a whole cluster: calls for the provisioner that reach the catalog are passed on to it.
//!
//! Where both are one process (`rbee up`) nothing has to be passed on. Where they are two, clients still need the
//! catalog's address alone. A call passes with the caller's own token and metadata, after the catalog has let the caller
//! in; its answer goes back as it comes. It is marked as coming from elsewhere, because the provisioner sees the catalog
//! as its peer, and what is allowed to somebody on the provisioner's own host is not allowed to everybody who can
//! reach the catalog.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::header::{HOST, HeaderValue};
use http::{Request, Response};
use rbee_proto::provisioner::v1::provisioner_service_server as provisioner;
use rbee_service_kit::client::{ClientChannel, FORWARDED, TargetError};
use rbee_service_kit::{Fault, Intercept, Intercepted, ServerBuilder, Target, reason};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service as _;

/// When to try again where the provisioner is away.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Passes calls on to the provisioner.
#[derive(Debug, Clone)]
pub struct Front {
    provisioner: ClientChannel,
}

impl Front {
    /// The way to the provisioner at an address, which need not answer yet.
    ///
    /// # Errors
    /// If the address can't be used.
    pub fn to(provisioner: &Target) -> Result<Self, TargetError> {
        Ok(Self {
            provisioner: provisioner.connect_lazy()?,
        })
    }

    /// Makes a server pass calls on; its reflection lists the provisioner's service then.
    pub fn mount(self, server: &mut ServerBuilder) {
        server
            .forwards(provisioner::SERVICE_NAME)
            .intercept(Arc::new(self));
    }
}

impl Intercept for Front {
    fn intercept(&self, mut request: Request<Body>) -> Intercepted {
        if !is_for_the_provisioner(request.uri().path()) {
            return Intercepted::Pass(request);
        }
        let headers = request.headers_mut();
        // Of the catalog's own name; the connection to the provisioner has its own.
        headers.remove(HOST);
        headers.insert(FORWARDED, HeaderValue::from_static("catalog"));
        Intercepted::Answer(pass_on(self.provisioner.clone(), request).boxed())
    }
}

async fn pass_on(mut provisioner: ClientChannel, request: Request<Body>) -> Response<Body> {
    let call = async {
        std::future::poll_fn(|context| provisioner.poll_ready(context)).await?;
        provisioner.call(request).await
    };
    call.await.unwrap_or_else(|status| away(status).into_http())
}

/// What the provisioner itself says comes as an answer; an error is one of the way to it.
fn away(status: Status) -> Status {
    if status.code() != Code::Unavailable {
        return status;
    }
    tracing::debug!(%status, "the provisioner cannot be reached");
    Fault::new(
        Code::Unavailable,
        reason::PROVISIONER_UNAVAILABLE,
        "the catalog cannot reach the provisioner",
    )
    .retry_after(TRY_AGAIN_AFTER)
    .into()
}

fn is_for_the_provisioner(path: &str) -> bool {
    path.strip_prefix('/')
        .and_then(|path| path.split_once('/'))
        .is_some_and(|(service, _)| service == provisioner::SERVICE_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_provisioners_own_service_is_passed_on() {
        assert!(is_for_the_provisioner(
            "/rbee.provisioner.v1.ProvisionerService/ListJobs"
        ));
        for other in [
            "/rbee.catalog.v1.ModelService/ListModels",
            "/rbee.provisioner.v1.ProvisionerServiceX/ListJobs",
            "/rbee.provisioner.v1.ProvisionerService",
            "/grpc.health.v1.Health/Check",
        ] {
            assert!(!is_for_the_provisioner(other), "{other}");
        }
    }
}
