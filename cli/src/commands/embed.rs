//! `rbee embed`.

use std::io::{self, IsTerminal as _, Read as _};

use rbee_proto::worker::v1::text_service_client::TextServiceClient;
use rbee_proto::worker::v1::{EmbedRequest, EmbedResponse};
use serde::Serialize;

use super::{Session, target};
use crate::args::EmbedArgs;
use crate::connect::Cluster;
use crate::exit::Exit;
use crate::failure::{Doing as _, Failure};
use crate::render::words;

/// Texts of one request: their vectors fit into an answer, however wide the model is.
const MAX_INPUTS: usize = 64;

/// Vectors as `--json` prints them.
#[derive(Debug, Serialize)]
struct Vectors<'a> {
    model: &'a str,
    worker_id: &'a str,
    pooling: Option<String>,
    prompt_tokens: u32,
    embeddings: Vec<Vec<f32>>,
}

/// Turns texts into vectors: a line of numbers for each.
pub(super) async fn run(arguments: &EmbedArgs, session: &Session) -> Result<(), Failure> {
    let texts = texts(&arguments.texts)?;
    let cluster = Cluster::connect(&session.options).await?;
    let worker = target::find(&cluster, &arguments.target).await?;
    let mut client = TextServiceClient::new(cluster.worker_channel(&worker).await?);
    let mut vectors = Vectors {
        model: &worker.model_id,
        worker_id: &worker.id,
        pooling: None,
        prompt_tokens: 0,
        embeddings: Vec::with_capacity(texts.len()),
    };
    for inputs in texts.chunks(MAX_INPUTS) {
        let request = EmbedRequest {
            inputs: inputs.to_vec(),
            raw: arguments.raw,
        };
        let answer: EmbedResponse = client
            .embed(request)
            .await
            .doing(|| format!("no vectors from worker {}", worker.id))?
            .into_inner();
        vectors.pooling = Some(words::pooling(answer.pooling));
        vectors.prompt_tokens += answer.prompt_tokens;
        let values = answer.embeddings.into_iter().map(|embedding| embedding.values);
        if session.output.json {
            vectors.embeddings.extend(values);
        } else {
            for values in values {
                let numbers: Vec<String> = values.iter().map(f32::to_string).collect();
                session.output.line(&numbers.join(" "))?;
            }
        }
    }
    if session.output.json {
        session.output.json_line(&vectors)?;
    }
    Ok(())
}

fn texts(given: &[String]) -> Result<Vec<String>, Failure> {
    if !given.is_empty() {
        return Ok(given.to_vec());
    }
    if io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Usage, "there is no text")
            .hint("give texts, or pipe them in, one on each line"));
    }
    let mut text = String::new();
    io::stdin()
        .lock()
        .read_to_string(&mut text)
        .doing(|| "can't read standard input".into())?;
    let lines: Vec<String> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(str::to_owned)
        .collect();
    if lines.is_empty() {
        return Err(Failure::new(Exit::Usage, "there is no text"));
    }
    Ok(lines)
}
