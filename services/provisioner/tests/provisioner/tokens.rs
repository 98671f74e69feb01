//! Tokens for the hubs.

use rbee_proto::provisioner::v1::{
    Credential, CredentialSource, ListCredentialsRequest, SetCredentialRequest, SetCredentialResponse,
};
use rbee_proto::types::v1::{ModelState, Vendor};
use rbee_testkit::hub::huggingface::{Gated, HuggingFaceConfig, HuggingFaceHub, Token};
use rbee_testkit::hub::{Fault, FaultRule, Host};

use crate::running::{Running, brought, reason};
use crate::scripted::{gguf, on, repo};

const SECRET: &str = "hf_TheSecretOfTheTest";
const ID: &str = "org/gated:m.gguf";

async fn hub() -> HuggingFaceHub {
    let gated = repo("org/gated", "m.gguf", gguf(50_000, 1)).gated(Gated::Auto);
    let config = HuggingFaceConfig::of([gated]).token(Token::new(SECRET, &["org/gated"]));
    HuggingFaceHub::start(config).await
}

async fn set(running: &Running, token: &str) -> Result<SetCredentialResponse, tonic::Status> {
    let request = SetCredentialRequest {
        vendor: Vendor::Huggingface.into(),
        token: token.to_owned(),
    };
    running
        .client()
        .set_credential(request)
        .await
        .map(tonic::Response::into_inner)
}

async fn list(running: &Running) -> Vec<Credential> {
    let listed = running
        .client()
        .list_credentials(ListCredentialsRequest {})
        .await
        .unwrap()
        .into_inner();
    // The developer's own, of the environment, are no concern of these tests.
    let kept = listed.credentials.into_iter();
    kept.filter(|credential| credential.source() == CredentialSource::Stored)
        .collect()
}

#[tokio::test]
async fn a_token_opens_what_it_opens_and_goes_to_its_hub_alone() {
    let hub = hub().await;
    let running = on(&hub).await;
    assert_eq!(running.provision_fails(ID).await.0, "MODEL_GATED");
    let kept = set(&running, SECRET).await.unwrap();
    assert!(kept.checked);
    assert_eq!(list(&running).await, [kept.credential.clone().unwrap()]);
    assert!(
        hub.endpoint()
            .starts_with(kept.credential.unwrap().origin.as_str())
    );
    assert!(!format!("{:?}", list(&running).await).contains(SECRET));

    // A redirect to a stranger does not take it along.
    hub.hosts().faults().add(
        FaultRule::api()
            .path("/resolve/")
            .first(1)
            .with(Fault::RedirectToForeignHost),
    );
    let foreign = gguf(50_000, 1);
    hub.hosts().serve_at_foreign_host(foreign);
    let model = brought(running.provision_to_end(ID).await.last().unwrap());
    assert_eq!(model.state(), ModelState::Available);
    let strangers = hub.hosts().requests_to(Host::Foreign);
    assert!(
        strangers.iter().all(|request| !request.authorization),
        "{strangers:?}"
    );
    let signed = hub.hosts().requests_to(Host::Cdn);
    assert!(signed.iter().all(|request| !request.authorization), "{signed:?}");
    assert!(
        hub.hosts()
            .requests_to(Host::Api)
            .iter()
            .any(|request| request.authorization)
    );

    // It is on disk for this user alone, in no job and in no log.
    for folder in ["jobs", "parts"] {
        for entry in std::fs::read_dir(running.folder.path().join("work").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read(&path).unwrap_or_default();
            assert!(
                !text
                    .windows(SECRET.len())
                    .any(|window| window == SECRET.as_bytes()),
                "{path:?}"
            );
        }
    }
    let forgotten = set(&running, "").await.unwrap();
    assert!(!forgotten.checked && list(&running).await.is_empty());
}

#[tokio::test]
async fn a_token_survives_a_restart_and_is_bound_to_its_address() {
    let first = hub().await;
    let running = on(&first).await;
    set(&running, SECRET).await.unwrap();
    let folder = running.stop().await;
    let endpoint = first.endpoint();
    let running = Running::start_in(folder, |_, config| config.huggingface.endpoint = endpoint).await;
    assert_eq!(list(&running).await.len(), 1);
    let folder = running.stop().await;
    // Another address does not get it.
    let other = hub().await;
    let endpoint = other.endpoint();
    let running = Running::start_in(folder, |_, config| config.huggingface.endpoint = endpoint).await;
    assert!(list(&running).await.is_empty());
    assert_eq!(running.provision_fails(ID).await.0, "MODEL_GATED");
    assert!(
        other
            .hosts()
            .requests()
            .iter()
            .all(|request| !request.authorization)
    );
}

#[tokio::test]
async fn what_the_hub_does_not_know_is_not_kept() {
    let hub = hub().await;
    let running = on(&hub).await;
    assert_eq!(reason(set(&running, "hf_Unknown").await), "VENDOR_TOKEN_REJECTED");
    for token in ["two words", "line\nbreak", "schlüssel"] {
        assert_eq!(
            reason(set(&running, token).await),
            "INVALID_ARGUMENT",
            "{token:?}"
        );
    }
    assert!(list(&running).await.is_empty());
    let request = SetCredentialRequest {
        vendor: Vendor::Local.into(),
        token: SECRET.into(),
    };
    assert_eq!(
        reason(running.client().set_credential(request).await),
        "INVALID_ARGUMENT"
    );

    // A hub that is away can't be asked: the token is kept, unchecked.
    hub.hosts().go_down(Host::Api).await;
    let kept = set(&running, SECRET).await.unwrap();
    assert!(!kept.checked && kept.account.is_empty());
    assert_eq!(list(&running).await.len(), 1);
}
