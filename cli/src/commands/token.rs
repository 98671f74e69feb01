//! `rbee token`: who may come in.

use std::time::SystemTime;

use jiff::Timestamp;
use rbee_service_kit::server::tokens::{Named, Tokens, TokensError};
use secrecy::ExposeSecret as _;
use serde::Serialize;

use super::cluster::{self, day, open};
use crate::args::TokenCommand;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, note};
use crate::render::paint::Tone;
use crate::render::table::{Cell, Table};

/// Does what was asked. No server is needed.
pub(super) fn run(command: TokenCommand, output: Output) -> Result<(), Failure> {
    let now = SystemTime::now();
    match command {
        TokenCommand::Create {
            name,
            scope,
            expires,
            folder,
        } => {
            let token = open(&folder)?
                .change_tokens(|tokens| tokens.create(&name, scope.into(), now, expires))
                .map_err(|error| cluster::failed(&error))?;
            if output.json {
                output.document(&serde_json::json!({ "name": name, "token": token.expose_secret() }))?;
            } else {
                output.line(token.expose_secret())?;
                note(
                    "it is shown this once; hosts with a copy of tokens.toml know it when they get the new one",
                );
            }
            Ok(())
        }
        TokenCommand::List { folder } => {
            let path = open(&folder)?.tokens_file();
            let tokens = Tokens::read(&path).map_err(|error| failed(&error))?;
            let views: Vec<_> = tokens.named.iter().map(|token| view(token, now)).collect();
            output.list(
                &views,
                || table(&views),
                "none: `rbee token create NAME` makes one",
            )?;
            Ok(())
        }
        TokenCommand::Revoke { name, folder } => {
            open(&folder)?
                .change_tokens(|tokens| tokens.revoke(&name, now))
                .map_err(|error| cluster::failed(&error))?;
            if output.json {
                output.document(&serde_json::json!({ "revoked": name }))?;
            } else {
                output.line(&format!("revoked {name}"))?;
            }
            Ok(())
        }
    }
}

/// What went wrong with the tokens.
pub(super) fn failed(error: &TokensError) -> Failure {
    let exit = match error {
        TokensError::Exists { .. } => Exit::Refused,
        TokensError::Unknown { .. } => Exit::NotFound,
        TokensError::Name { .. } => Exit::Usage,
        TokensError::Read { .. }
        | TokensError::Syntax { .. }
        | TokensError::Write { .. }
        | TokensError::Randomness(_) => Exit::Failed,
    };
    let message = error.to_string();
    match std::error::Error::source(error) {
        Some(cause) => Failure::of_error(exit, message, cause),
        None => Failure::new(exit, message),
    }
}

#[derive(Serialize)]
struct TokenView {
    name: String,
    scope: &'static str,
    state: &'static str,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<String>,
    #[serde(skip)]
    days: [String; 2],
}

fn view(token: &Named, now: SystemTime) -> TokenView {
    let stamp = |time| Timestamp::try_from(time).unwrap_or(Timestamp::MAX);
    let state = if token.revoked.is_some() {
        "revoked"
    } else if token.expires.is_some_and(|end| end <= now) {
        "expired"
    } else {
        "good"
    };
    let end = token.revoked.or(token.expires);
    TokenView {
        name: token.name.clone(),
        scope: token.scope.as_str(),
        state,
        created: stamp(token.created).to_string(),
        expires: token.expires.map(|time| stamp(time).to_string()),
        revoked: token.revoked.map(|time| stamp(time).to_string()),
        days: [
            day(stamp(token.created)),
            end.map_or_else(|| "-".into(), |time| day(stamp(time))),
        ],
    }
}

fn table(views: &[TokenView]) -> Table {
    let mut table = Table::new(["NAME", "SCOPE", "STATE", "CREATED", "ENDS"]);
    for view in views {
        let tone = if view.state == "good" {
            Tone::Plain
        } else {
            Tone::Faint
        };
        let [created, ends] = &view.days;
        let cells = [view.name.as_str(), view.scope, view.state, created, ends];
        table.row(cells.map(|text| Cell::new(text, tone)));
    }
    table
}
