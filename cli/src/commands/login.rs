//! `rbee login`.

use rbee_proto::provisioner::v1::{
    Credential, CredentialSource, ListCredentialsRequest, SetCredentialRequest, SetCredentialResponse,
};
use rbee_proto::types::v1::Vendor;
use secrecy::ExposeSecret as _;

use super::{Session, secret};
use crate::args::{HubArg, LoginArgs, LoginCommand};
use crate::connect::Cluster;
use crate::failure::{Doing, Failure};
use crate::output::note;
use crate::render::{hubs, human, plain_text, views};

/// Does what was asked.
pub(super) async fn run(command: LoginCommand, session: &Session) -> Result<(), Failure> {
    match command {
        LoginCommand::Hf(arguments) => login(HubArg::Hf, &arguments, session).await,
        LoginCommand::Civitai(arguments) => login(HubArg::Civitai, &arguments, session).await,
        LoginCommand::Ls => list(session).await,
    }
}

async fn login(hub: HubArg, arguments: &LoginArgs, session: &Session) -> Result<(), Failure> {
    // Nobody types a token for a server that is not there.
    let cluster = Cluster::connect(&session.options).await?;
    if !arguments.forget && !is_loopback(cluster.address()) {
        note(&format!(
            "the token goes to {} unencrypted: use a network that you trust",
            plain_text::one_line(cluster.address())
        ));
    }
    let token = if arguments.forget {
        None
    } else {
        Some(secret::read(arguments, hub).await?)
    };
    let request = SetCredentialRequest {
        vendor: Vendor::from(hub) as i32,
        token: token
            .as_ref()
            .map(|token| token.expose_secret().to_owned())
            .unwrap_or_default(),
    };
    let verb = if arguments.forget { "forget" } else { "keep" };
    let answer = cluster.provisioner().set_credential(request).await;
    let answer = answer
        .doing(|| format!("can't {verb} the token for {}", hub.title()))?
        .into_inner();
    let output = session.output;
    if output.json {
        output.document(&views::Login::from(&answer))?;
    } else if arguments.forget {
        output.line(&plain_text::one_line(&forgotten(hub, answer.credential.as_ref())))?;
    } else {
        output.line(&plain_text::one_line(&kept(hub, &answer)))?;
    }
    Ok(())
}

/// `Hugging Face takes the token: it belongs to mildred. It is sent to https://huggingface.co only.`
fn kept(hub: HubArg, answer: &SetCredentialResponse) -> String {
    let mut said = match (answer.checked, answer.account.is_empty()) {
        (true, true) => format!("{} takes the token.", hub.title()),
        (true, false) => format!(
            "{} takes the token: it belongs to {}.",
            hub.title(),
            answer.account
        ),
        (false, _) => format!(
            "the token is kept, but {} could not be asked whether it takes it.",
            hub.title()
        ),
    };
    if let Some(credential) = &answer.credential {
        said += &format!(" It is sent to {} only.", credential.origin);
    }
    said
}

fn forgotten(hub: HubArg, left: Option<&Credential>) -> String {
    let said = format!("no token is kept for {}", hub.title());
    match left {
        Some(left) if left.source == CredentialSource::Environment as i32 => {
            format!("{said} any more; one of the server's environment or configuration is used still")
        }
        _ => format!("{said} any more"),
    }
}

async fn list(session: &Session) -> Result<(), Failure> {
    let cluster = Cluster::connect(&session.options).await?;
    let answer = cluster
        .provisioner()
        .list_credentials(ListCredentialsRequest {})
        .await;
    let credentials = answer
        .doing(|| "can't list the tokens".into())?
        .into_inner()
        .credentials;
    let documents: Vec<_> = credentials.iter().map(views::Credential::from).collect();
    session.output.list(
        &documents,
        || hubs::credentials(&credentials, &human::now()),
        "none: `rbee login hf` or `rbee login civitai` keeps one; most models need none",
    )?;
    Ok(())
}

/// Whether an address leads to this machine. One that can't be read does not.
fn is_loopback(address: &str) -> bool {
    let host = address
        .parse::<tonic::codegen::http::Uri>()
        .ok()
        .and_then(|uri| uri.host().map(|host| host.trim_matches(['[', ']']).to_owned()));
    host.is_some_and(|host| {
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_says_whose_it_is_and_where_it_goes() {
        let mut answer = SetCredentialResponse {
            credential: Some(Credential {
                origin: "https://huggingface.co".into(),
                ..Credential::default()
            }),
            checked: true,
            account: "mildred".into(),
        };
        assert_eq!(
            kept(HubArg::Hf, &answer),
            "Hugging Face takes the token: it belongs to mildred. It is sent to https://huggingface.co only."
        );
        answer.checked = false;
        assert!(kept(HubArg::Hf, &answer).contains("could not be asked"));
    }

    #[test]
    fn a_token_of_the_environment_is_not_forgotten() {
        assert_eq!(
            forgotten(HubArg::Civitai, None),
            "no token is kept for CivitAI any more"
        );
        let left = Credential {
            source: CredentialSource::Environment as i32,
            ..Credential::default()
        };
        assert!(forgotten(HubArg::Civitai, Some(&left)).contains("environment"));
    }

    #[test]
    fn this_machine_is_known_by_its_address() {
        for address in ["http://127.0.0.1:7220", "http://localhost:1", "http://[::1]:7220"] {
            assert!(is_loopback(address), "{address}");
        }
        for address in ["http://192.168.1.5:7220", "http://localhost.example", "nonsense"] {
            assert!(!is_loopback(address), "{address}");
        }
    }
}
