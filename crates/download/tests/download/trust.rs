//! Who gets a token, and which addresses are asked.

use std::time::Duration;

use rbee_download::http::{AddressClass, Ask, HttpError, Origin, Token};
use rbee_testkit::hub::huggingface::{HuggingFaceConfig, HuggingFaceHub, Repo, Token as IssuedToken};
use rbee_testkit::hub::{Fault, FaultRule, FileBody, Host};
use url::Url;

use crate::support::client_of;

async fn hub() -> (HuggingFaceHub, Ask) {
    let repo = Repo::new("o/r")
        .lfs("f.gguf", FileBody::pattern(1000, 1))
        .private();
    let config = HuggingFaceConfig::of([repo]).token(IssuedToken::new("hf_secret", &["o/r"]));
    let hub = HuggingFaceHub::start(config).await;
    let url: Url = format!("{}/o/r/resolve/main/f.gguf", hub.endpoint())
        .parse()
        .unwrap();
    let token = Token::new(Origin::of(&url).unwrap(), "hf_secret".into());
    (hub, Ask::new(url).with_token(Some(token)))
}

fn short() -> Duration {
    Duration::from_millis(800)
}

#[tokio::test]
async fn a_token_goes_to_its_hub_and_nowhere_else() {
    let (hub, ask) = hub().await;
    let client = client_of(&[&hub.endpoint()], short());
    hub.hosts()
        .faults()
        .add(FaultRule::cdn().first(1).with(Fault::RedirectToForeignHost));
    hub.hosts()
        .faults()
        .add(FaultRule::api().nth(2).with(Fault::RedirectToForeignHost));
    client.prefix(&ask, 10).await.unwrap();
    client.prefix(&ask, 10).await.unwrap();
    client.prefix(&ask, 10).await.unwrap();
    for request in hub.hosts().requests() {
        assert_eq!(request.authorization, request.host == Host::Api, "{request:?}");
        assert!(request.user_agent.unwrap().starts_with("rbee/"));
    }
    assert_eq!(hub.hosts().requests_to(Host::Foreign).len(), 2);
    // A token of another origin is not sent at all.
    let other = Token::new(
        Origin::of(&"https://hub.co".parse().unwrap()).unwrap(),
        "hf_secret".into(),
    );
    let error = client
        .prefix(&ask.clone().with_token(Some(other)), 10)
        .await
        .unwrap_err();
    let refusal = error.refusal().unwrap();
    assert_eq!((refusal.status.as_u16(), refusal.token_sent), (401, false));
    let unknown = Token::new(Origin::of(ask.url()).unwrap(), "hf_wrong".into());
    let error = client
        .prefix(&ask.clone().with_token(Some(unknown)), 10)
        .await
        .unwrap_err();
    assert!(error.refusal().unwrap().token_sent);
    assert!(!format!("{error} {error:?}").contains("hf_wrong"));
    let broken = Token::new(Origin::of(ask.url()).unwrap(), "hf_line\nbreak".into());
    let error = client
        .prefix(&ask.with_token(Some(broken)), 10)
        .await
        .unwrap_err();
    assert!(matches!(error, HttpError::BadToken { .. }) && !format!("{error:?}").contains("hf_line"));
}

#[tokio::test]
async fn private_addresses_are_for_what_was_configured() {
    let (hub, ask) = hub().await;
    let stranger = client_of(&["https://hub.example"], short());
    for url in [
        ask.url().clone(),
        ask.url()
            .as_str()
            .replace("127.0.0.1", "localhost")
            .parse()
            .unwrap(),
        ask.url()
            .as_str()
            .replace("127.0.0.1", "[::ffff:127.0.0.1]")
            .parse()
            .unwrap(),
        ask.url().as_str().replace("127.0.0.1", "0x7f.1").parse().unwrap(),
    ] {
        let error = stranger.prefix(&Ask::new(url), 10).await.unwrap_err();
        let HttpError::AddressRefused { class, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(class, AddressClass::Loopback);
    }
    assert!(hub.hosts().requests().is_empty(), "nobody was asked");
    // A configured endpoint on loopback leads to others on loopback, and to no other private network.
    let client = client_of(&[&hub.endpoint()], short());
    client.prefix(&ask, 10).await.unwrap();
    for (location, expected) in [
        ("http://169.254.169.254/latest/meta-data", AddressClass::LinkLocal),
        ("http://10.0.0.1/", AddressClass::Private),
        ("http://[fd00::1]/", AddressClass::Private),
        ("http://100.64.1.1/", AddressClass::SharedNat),
        ("http://0.0.0.0/", AddressClass::Special),
        ("http://[::ffff:192.168.0.1]/", AddressClass::Private),
    ] {
        hub.hosts().faults().clear();
        hub.hosts().faults().add(FaultRule::cdn().with(Fault::RedirectTo {
            location: location.to_owned(),
        }));
        let error = client.prefix(&ask, 10).await.unwrap_err();
        let HttpError::AddressRefused { class, .. } = error else {
            panic!("{location}: {error}")
        };
        assert_eq!(class, expected, "{location}");
    }
    for location in ["file:///etc/passwd", "gopher://x/", "http://u:p@127.0.0.1/"] {
        hub.hosts().faults().clear();
        hub.hosts().faults().add(FaultRule::api().with(Fault::RedirectTo {
            location: location.to_owned(),
        }));
        let error = client.prefix(&ask, 10).await.unwrap_err();
        assert!(
            matches!(error, HttpError::BadRedirect { .. }),
            "{location}: {error}"
        );
    }
}

#[tokio::test]
async fn errors_tell_no_signature() {
    let (hub, ask) = hub().await;
    let client = client_of(&[&hub.endpoint()], short());
    for fault in [
        Fault::Reset,
        Fault::ExpiredSignature,
        Fault::HtmlPage,
        Fault::Gzip,
        Fault::StallAfter { bytes: 0 },
    ] {
        hub.hosts().faults().clear();
        hub.hosts().faults().add(FaultRule::cdn().with(fault.clone()));
        let error = client.prefix(&ask, 10).await;
        let Err(error) = error else { continue };
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(
                !text.contains("Signature=") && !text.contains("hf_secret"),
                "{fault:?}: {text}"
            );
        }
    }
    hub.hosts().go_down(Host::Cdn).await;
    let error = client.prefix(&ask, 10).await.unwrap_err();
    assert!(matches!(error, HttpError::Connect { .. }), "{error}");
    assert!(!format!("{error:?}").contains("Signature="));
}
