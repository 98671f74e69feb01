//! `rbee model`.

use std::io::{self, BufRead as _, IsTerminal as _};

use rbee_proto::catalog::v1::{DeleteModelRequest, GetModelRequest};
use rbee_proto::provisioner::v1::{ImportMode, ImportModelRequest};
use tokio_stream::StreamExt as _;

use super::{Session, job};
use crate::args::{ImportArgs, ModelCommand};
use crate::connect::Cluster;
use crate::exit::Exit;
use crate::failure::{Doing, Failure};
use crate::output::note;
use crate::render::{cards, human, lists, plain_text, views};

/// What stands where no model is.
pub(super) const NONE: &str = "none: `rbee model import FILE --name NAME` adds one";

/// Does what was asked.
pub(super) async fn run(command: ModelCommand, session: &Session) -> Result<(), Failure> {
    match command {
        ModelCommand::Import(arguments) => import(&arguments, session).await,
        ModelCommand::Ls => list(session).await,
        ModelCommand::Show { id } => show(id, session).await,
        ModelCommand::Rm { ids, yes } => remove(ids, yes, session).await,
    }
}

async fn import(arguments: &ImportArgs, session: &Session) -> Result<(), Failure> {
    let path = std::path::absolute(&arguments.file)
        .doing(|| format!("can't make {} absolute", arguments.file.display()))?;
    let Some(source_path) = path.to_str() else {
        return Err(
            Failure::new(Exit::Usage, format!("the path {} is not UTF-8", path.display()))
                .hint("give the file a name in UTF-8, or make a link to it"),
        );
    };
    let request = ImportModelRequest {
        source_path: source_path.to_owned(),
        name: arguments.name.clone(),
        mode: match (arguments.copy, arguments.hard_link) {
            (true, _) => ImportMode::Copy,
            (_, true) => ImportMode::HardLink,
            _ => ImportMode::Unspecified,
        } as i32,
    };
    let doing = || format!("can't import {}", path.display());
    let cluster = Cluster::connect(&session.options).await?;
    let stream = cluster
        .provisioner()
        .import_model(request)
        .await
        .doing(doing)?
        .into_inner();
    let jobs = stream.filter_map(|message| message.map(|message| message.job).transpose());
    job::follow(jobs, session, doing).await
}

async fn list(session: &Session) -> Result<(), Failure> {
    let models = Cluster::connect(&session.options).await?.all_models().await?;
    let documents: Vec<_> = models.iter().map(views::Model::from).collect();
    session
        .output
        .list(&documents, || lists::models(&models, &human::now()), NONE)?;
    Ok(())
}

async fn show(id: String, session: &Session) -> Result<(), Failure> {
    let cluster = Cluster::connect(&session.options).await?;
    let doing = format!("can't show the model {id}");
    let answer = cluster
        .models()
        .get_model(GetModelRequest { id })
        .await
        .doing(|| doing)?;
    let model = answer.into_inner().model.unwrap_or_default();
    let output = session.output;
    if output.json {
        output.document(&views::Model::from(&model))?;
    } else {
        output.text(&cards::model(&model, &human::now()).render(output.paint))?;
    }
    Ok(())
}

async fn remove(ids: Vec<String>, yes: bool, session: &Session) -> Result<(), Failure> {
    let cluster = Cluster::connect(&session.options).await?;
    if !yes {
        let workers = cluster.all_workers().await?;
        confirm(&ids, |id| {
            workers.iter().filter(|worker| worker.model_id == id).count()
        })?;
    }
    let mut missing = None;
    for id in ids {
        let doing = format!("can't remove the model {id}");
        let answer = cluster
            .models()
            .delete_model(DeleteModelRequest { id: id.clone() })
            .await
            .doing(|| doing)?;
        let deleted = answer.into_inner().deleted;
        if session.output.json {
            session
                .output
                .json_line(&serde_json::json!({ "id": id, "deleted": deleted }))?;
        } else if deleted {
            session
                .output
                .line(&format!("removed {}", plain_text::one_line(&id)))?;
        }
        if !deleted {
            missing.get_or_insert(id);
        }
    }
    match missing {
        None => Ok(()),
        Some(id) => {
            Err(Failure::new(Exit::NotFound, format!("no model has the id {id}")).reason("MODEL_NOT_FOUND"))
        }
    }
}

/// Asks before something is removed.
fn confirm(ids: &[String], workers_of: impl Fn(&str) -> usize) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(
            Failure::new(Exit::Usage, "nobody can be asked whether to remove models")
                .hint("say --yes where no terminal is"),
        );
    }
    for id in ids {
        let workers = match workers_of(id) {
            0 => String::new(),
            1 => " (a worker serves it, and goes on doing so)".to_owned(),
            several => format!(" ({several} workers serve it, and go on doing so)"),
        };
        note(&format!("{}{workers}", plain_text::one_line(id)));
    }
    note("Remove from the catalog? [y/N]");
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .doing(|| "can't read your answer".into())?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::new(Exit::Failed, "nothing was removed"))
    }
}
