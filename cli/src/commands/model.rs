//! `rbee model`.

use std::path::Path;

use rbee_artifacts::ModelId;
use rbee_proto::catalog::v1::{DeleteModelRequest, GetModelRequest};
use rbee_proto::provisioner::v1::{
    CollectGarbageRequest, CollectGarbageResponse, ImportModelRequest, ProvisionModelRequest,
    ResolveModelRequest, VerifyModelsRequest,
};

use super::follow::{Manner, follow};
use super::{Session, confirm, search};
use crate::args::{GcArgs, ImportArgs, ListArgs, ModelCommand, PullArgs};
use crate::connect::Cluster;
use crate::exit::Exit;
use crate::failure::{Doing, Failure};
use crate::output::note;
use crate::render::{cards, human, lists, plain_text, resolution, views};

/// What stands where no model is.
pub(super) const NONE: &str =
    "none: `rbee model pull REF` downloads one, `rbee model import FILE` takes one of this machine";

/// Does what was asked.
pub(super) async fn run(command: ModelCommand, session: &Session) -> Result<(), Failure> {
    match command {
        ModelCommand::Pull(arguments) => pull(&arguments, session).await,
        ModelCommand::Resolve { id } => resolve(id, session).await,
        ModelCommand::Search(arguments) => search::run(&arguments, session).await,
        ModelCommand::Import(arguments) => import(&arguments, session).await,
        ModelCommand::Ls(arguments) => list(&arguments, session).await,
        ModelCommand::Show { id } => show(id, session).await,
        ModelCommand::Rm { ids, yes } => remove(ids, yes, session).await,
        ModelCommand::Verify { ids, detach } => verify(ids, detach, session).await,
        ModelCommand::Gc(arguments) => collect_garbage(&arguments, session).await,
    }
}

async fn pull(arguments: &PullArgs, session: &Session) -> Result<(), Failure> {
    let doing = || format!("can't pull {}", arguments.id);
    let cluster = Cluster::connect(&session.options).await?;
    let request = ProvisionModelRequest {
        model_id: arguments.id.clone(),
    };
    let answer = cluster.provisioner().provision_model(request).await;
    let messages = answer.doing(doing)?.into_inner();
    follow(messages, detached_if(arguments.detach), session, doing).await
}

async fn resolve(model_id: String, session: &Session) -> Result<(), Failure> {
    let cluster = Cluster::connect(&session.options).await?;
    let doing = format!("can't resolve {model_id}");
    let request = ResolveModelRequest { model_id };
    let answer = cluster.provisioner().resolve_model(request).await;
    let found = answer
        .doing(|| doing)?
        .into_inner()
        .resolution
        .unwrap_or_default();
    let output = session.output;
    if output.json {
        output.document(&views::Resolution::from(&found))?;
    } else {
        output.text(&resolution::text(&found, output.paint))?;
    }
    Ok(())
}

async fn import(arguments: &ImportArgs, session: &Session) -> Result<(), Failure> {
    let path = std::path::absolute(&arguments.path)
        .doing(|| format!("can't make {} absolute", arguments.path.display()))?;
    let Some(source_path) = path.to_str() else {
        return Err(
            Failure::new(Exit::Usage, format!("the path {} is not UTF-8", path.display()))
                .hint("give the file a name in UTF-8, or make a link to it"),
        );
    };
    let request = ImportModelRequest {
        source_path: source_path.to_owned(),
        name: arguments.name.clone().unwrap_or_else(|| name_for(&path)),
        mode: arguments.mode() as i32,
    };
    let doing = || format!("can't import {}", path.display());
    let cluster = Cluster::connect(&session.options).await?;
    let answer = cluster.provisioner().import_model(request).await;
    let messages = answer.doing(doing)?.into_inner();
    follow(messages, detached_if(arguments.detach), session, doing).await
}

fn detached_if(detach: bool) -> Manner {
    Manner {
        detach,
        ..Manner::default()
    }
}

/// The name of a model that was given none: that of its file without the extension, or of its folder.
fn name_for(path: &Path) -> String {
    let file_name = path.file_name().unwrap_or_default().to_string_lossy();
    let weights = path
        .extension()
        .is_some_and(|extension| extension == "gguf" || extension == "safetensors");
    // `local_for_file` takes what stands behind the last dot off, which of `Qwen2.5-0.5B` is the size.
    let id = if weights {
        ModelId::local_for_file(&file_name)
    } else {
        ModelId::local_for_file(&format!("{file_name}."))
    };
    let id = id.as_str();
    id.strip_prefix("local:").unwrap_or(id).to_owned()
}

async fn list(arguments: &ListArgs, session: &Session) -> Result<(), Failure> {
    let filter = arguments.filter();
    let if_empty = if filter.is_some() {
        "none that match; `rbee model ls` lists all"
    } else {
        NONE
    };
    let models = Cluster::connect(&session.options)
        .await?
        .models_that(filter)
        .await?;
    let documents: Vec<_> = models.iter().map(views::Model::from).collect();
    session
        .output
        .list(&documents, || lists::models(&models, &human::now()), if_empty)?;
    Ok(())
}

async fn verify(model_ids: Vec<String>, detach: bool, session: &Session) -> Result<(), Failure> {
    let doing = || "can't verify the models".to_owned();
    let cluster = Cluster::connect(&session.options).await?;
    let request = VerifyModelsRequest { model_ids };
    let answer = cluster.provisioner().verify_models(request).await;
    let messages = answer.doing(doing)?.into_inner();
    follow(messages, detached_if(detach), session, doing).await
}

async fn collect_garbage(arguments: &GcArgs, session: &Session) -> Result<(), Failure> {
    let minimum_age = arguments
        .older_than
        .map(prost_types::Duration::try_from)
        .transpose()
        .map_err(|error| Failure::of_error(Exit::Usage, "--older-than is too long", &error))?;
    let request = CollectGarbageRequest {
        dry_run: arguments.dry_run,
        minimum_age,
    };
    let cluster = Cluster::connect(&session.options).await?;
    let answer = cluster.provisioner().collect_garbage(request).await;
    let collected = answer.doing(|| "can't free the disk".into())?.into_inner();
    let output = session.output;
    if output.json {
        output.document(&views::Collected::new(collected, arguments.dry_run))?;
    } else {
        output.line(&freed(&collected, arguments.dry_run))?;
    }
    Ok(())
}

/// `removed 3 blobs (1.2 GiB) and 1 unfinished download (300.0 MiB)`
fn freed(collected: &CollectGarbageResponse, dry_run: bool) -> String {
    if collected.blob_count == 0 && collected.part_count == 0 {
        return "nothing to remove".to_owned();
    }
    let verb = if dry_run { "would remove" } else { "removed" };
    let of = |count, thing, bytes| format!("{} ({})", human::number(count, thing), human::size(bytes));
    let parts: Vec<String> = [
        (collected.blob_count, "blob", collected.blob_bytes),
        (collected.part_count, "unfinished download", collected.part_bytes),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, thing, bytes)| of(count, thing, bytes))
    .collect();
    format!("{verb} {}", parts.join(" and "))
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
        let lines: Vec<String> = ids
            .iter()
            .map(|id| {
                let count = workers.iter().filter(|worker| worker.model_id == *id).count();
                format!("{id}{}", workers_words(count))
            })
            .collect();
        confirm::removal(&lines)?;
    }
    let mut missing = None;
    let mut removed = false;
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
        removed |= deleted;
        if !deleted {
            missing.get_or_insert(id);
        }
    }
    if removed && !session.output.json {
        note("their files stay on the disk until `rbee model gc`");
    }
    match missing {
        None => Ok(()),
        Some(id) => {
            Err(Failure::new(Exit::NotFound, format!("no model has the id {id}")).reason("MODEL_NOT_FOUND"))
        }
    }
}

fn workers_words(workers: usize) -> String {
    match workers {
        0 => String::new(),
        1 => " (a worker serves it, and goes on doing so)".to_owned(),
        several => format!(" ({several} workers serve it, and go on doing so)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_name() {
        let name = |path: &str| name_for(Path::new(path));
        assert_eq!(name("/models/qwen2.5-q4_k_m.gguf"), "qwen2.5-q4_k_m");
        assert_eq!(name("/models/Qwen2.5-0.5B"), "Qwen2.5-0.5B");
        assert_eq!(name("/models/my model (1).safetensors"), "my-model-1");
        assert_eq!(name("/"), "model");
    }

    #[test]
    fn what_was_freed_reads_like_this() {
        let mut collected = CollectGarbageResponse::default();
        assert_eq!(freed(&collected, false), "nothing to remove");
        collected.blob_count = 2;
        collected.blob_bytes = 3 << 20;
        assert_eq!(freed(&collected, false), "removed 2 blobs (3.0 MiB)");
        collected.part_count = 1;
        collected.part_bytes = 1 << 20;
        assert_eq!(
            freed(&collected, true),
            "would remove 2 blobs (3.0 MiB) and 1 unfinished download (1.0 MiB)"
        );
    }
}
