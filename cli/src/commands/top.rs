//! `rbee top`.

mod feeds;
mod screen;

use std::time::Duration;

use super::Session;
use super::interrupt::{Outcome, or_ctrl_c};
use crate::args::TopArgs;
use crate::connect::Cluster;
use crate::failure::Failure;
use crate::output::Output;
use crate::render::human;
use crate::render::top::{Model, Sort, Update, View, once};
use crate::render::views::Telemetry;
use feeds::Feeds;

/// Measurements that make one look: rates are over the time between two.
const ROUNDS: u64 = 2;
/// How long beyond that a hive may take. One that is stuck must not hold up the others.
const PATIENCE: Duration = Duration::from_secs(5);
/// As wide as a table is where output is no terminal.
const WIDE: usize = 200;

/// Shows what devices and workers do: live at a terminal, else once.
pub(super) async fn run(arguments: &TopArgs, session: &Session) -> Result<(), Failure> {
    let cluster = Cluster::connect(&session.options).await?;
    let feeds = Feeds::start(cluster.clone(), arguments.interval);
    let sort = Sort::by(arguments.sort);
    let output = session.output;
    let outcome = or_ctrl_c(async {
        if output.json {
            lines(feeds, arguments, output).await
        } else if arguments.once || !screen::is_possible(output) {
            table(feeds, arguments.interval, sort, cluster.address(), output).await
        } else {
            screen::show(feeds, sort, cluster.address()).await
        }
    });
    match outcome.await {
        Outcome::Done(result) => result,
        // Watching ends by Ctrl-C.
        Outcome::Interrupted => Ok(()),
    }
}

/// Until when one look waits for hives that do not answer.
fn deadline(interval: Duration) -> tokio::time::Instant {
    tokio::time::Instant::now() + interval + PATIENCE
}

/// One look, as a table.
async fn table(
    mut feeds: Feeds,
    interval: Duration,
    sort: Sort,
    server: &str,
    output: Output,
) -> Result<(), Failure> {
    let mut model = Model::default();
    let deadline = deadline(interval);
    while !model.heard(ROUNDS) {
        // What has not come by then is shown as not there.
        let Ok(update) = tokio::time::timeout_at(deadline, feeds.next(&model)).await else {
            break;
        };
        model.apply(update);
    }
    let view = View {
        model: &model,
        server,
        now: human::now(),
        paused: false,
        sort,
        scrolled: 0,
    };
    let width = match crossterm::terminal::size() {
        Ok((columns, _)) if output.is_terminal => usize::from(columns),
        _ => WIDE,
    };
    Ok(output.text(&once(&view, width, output.paint))?)
}

/// A line for each measurement of each hive; with `--once` until each has made a whole one.
async fn lines(mut feeds: Feeds, arguments: &TopArgs, output: Output) -> Result<(), Failure> {
    let mut model = Model::default();
    let deadline = deadline(arguments.interval);
    while !(arguments.once && model.heard(ROUNDS)) {
        let next = feeds.next(&model);
        let update = if arguments.once {
            match tokio::time::timeout_at(deadline, next).await {
                Ok(update) => update,
                Err(_) => break,
            }
        } else {
            next.await
        };
        // The first of a hive has no rates: what one look is made of is the second.
        let is_part = matches!(update, Update::Telemetry { .. }) && model.rounds(&update) + 1 != ROUNDS;
        if !(arguments.once && is_part) {
            line(&update, &model, output)?;
        }
        model.apply(update);
    }
    Ok(())
}

fn line(update: &Update, model: &Model, output: Output) -> Result<(), Failure> {
    let line = match update {
        Update::Telemetry { hive_id, measured } => {
            Telemetry::measured(hive_id, model.hive_name(hive_id), measured, |id| model.worker(id))
        }
        Update::HiveLost { hive_id, why } => Telemetry::HiveLost {
            hive_id,
            hive_name: model.hive_name(hive_id),
            message: why,
        },
        Update::ClusterLost { why } => Telemetry::CatalogLost { message: why },
        Update::Cluster { .. } | Update::Change(_) => return Ok(()),
    };
    Ok(output.json_line(&line)?)
}
