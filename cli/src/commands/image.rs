//! `rbee image`: pictures as they are made, and what a picture says of how it was made.

mod files;
mod progress;
mod request;

use rbee_proto::worker::v1::GenerateImageResponse;
use rbee_proto::worker::v1::generate_image_response::Event;
use rbee_proto::worker::v1::image_service_client::ImageServiceClient;
use tonic::Streaming;

use self::files::Files;
use self::progress::Progress;
use super::interrupt::{Outcome, or_ctrl_c};
use super::{Session, attach, target};
use crate::args::ImageArgs;
use crate::connect::Cluster;
use crate::exit::Exit;
use crate::failure::{Doing, Failure};
use crate::output::{Output, note};
use crate::render::plain_text::PlainText;
use crate::render::views::images;

/// Largest answer that is taken: a picture of the largest size as PNG, and room for what is around it.
const MAX_ANSWER_BYTES: usize = 128 << 20;

/// Prints what a picture says of how it was made.
pub(super) fn read(arguments: &ImageArgs, output: Output) -> Result<(), Failure> {
    let path = arguments.read.as_deref().unwrap_or("".as_ref());
    let shown = path.display();
    let file = std::fs::read(path).doing(|| format!("can't read {shown}"))?;
    let text = rbee_pictures::read(&file)
        .map_err(|error| Failure::of_error(Exit::Refused, format!("can't read {shown}"), &error))?
        .ok_or_else(|| {
            Failure::new(Exit::NotFound, format!("{shown} says nothing of how it was made"))
                .because("it has no text `parameters` and no EXIF field UserComment")
        })?;
    if output.json {
        output.document(&rbee_pictures::Parameters::parse(&text))?;
    } else {
        output.line(&PlainText::default().push(&text))?;
    }
    Ok(())
}

/// Makes pictures.
pub(super) async fn run(arguments: &ImageArgs, session: &Session) -> Result<(), Failure> {
    // What is wrong with the files is told before anybody is asked.
    let files = Files::of(arguments)?;
    let request = request::request(arguments, files.format())?;
    let cluster = Cluster::connect(&session.options).await?;
    let worker = target::find(&cluster, arguments.target.as_deref().unwrap_or_default()).await?;
    let add_ons = request::add_ons(&request);
    if !add_ons.is_empty() {
        attach::attach(&cluster, &worker, add_ons).await?;
    }
    let mut client = ImageServiceClient::new(cluster.worker_channel(&worker).await?)
        .max_decoding_message_size(MAX_ANSWER_BYTES);
    let mut progress = Progress::new(session.output);
    let outcome = or_ctrl_c(async {
        let doing = || format!("no picture from worker {}", worker.id);
        let mut events = client.generate_image(request).await.doing(doing)?.into_inner();
        follow(&mut events, &files, &mut progress, session.output, doing).await
    })
    .await;
    progress.end();
    match outcome {
        Outcome::Done(result) => result,
        Outcome::Interrupted => Err(Failure::new(Exit::Interrupted, "interrupted")),
    }
}

/// Shows and writes what comes, until all pictures are there.
async fn follow(
    events: &mut Streaming<GenerateImageResponse>,
    files: &Files,
    progress: &mut Progress,
    output: Output,
    doing: impl Fn() -> String,
) -> Result<(), Failure> {
    while let Some(message) = events.message().await.doing(&doing)? {
        let Some(event) = message.event else {
            // One that a newer worker knows and this program doesn't.
            continue;
        };
        progress.show(&event);
        let written = files.write(&event)?;
        if output.json {
            if let Some(line) = images::Event::new(&event, written.as_deref()) {
                output.json_line(&line)?;
            }
        } else if let (Event::Image(image), Some(path)) = (&event, &written) {
            progress.aside(|| {
                note(&format!("{}x{}, seed {}", image.width, image.height, image.seed));
            });
            output.line(&path.display().to_string())?;
        }
        if let Event::Finished(finished) = &event {
            progress.end();
            if !output.json {
                note(&output.remark_paint.faint(&images::timings_line(finished)));
            }
            return Ok(());
        }
    }
    Err(Failure::new(Exit::Failed, doing()).because("the stream ended without its last message"))
}
