//! The measurements and what is said of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use rbee_service_kit::client::ClientChannel;
use serde::Serialize;
use tokio::task::JoinSet;

use super::client;
use super::cores::{Cores, processor_time};
use super::rig::{Process, Rig};

/// Between messages where latency is measured; tokio's timers go by milliseconds.
const PACE: Duration = Duration::from_millis(2);

/// Of a flood, before it is measured.
const WARM_UP: Duration = Duration::from_millis(300);

#[derive(Parser)]
pub(crate) struct Arguments {
    /// The program `rbee-hive`.
    #[arg(long, required_unless_present_any = ["naive", "pump"])]
    hive: Option<PathBuf>,
    /// Where catalog and hive live; the caller removes it.
    #[arg(long, required_unless_present_any = ["naive", "pump"])]
    folder: Option<PathBuf>,
    /// How often each way takes its turn; medians over rounds count.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Messages of a round of latencies.
    #[arg(long, default_value_t = 1000)]
    messages: u64,
    /// Seconds of a flood.
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
    /// Streams of the floods.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16])]
    streams: Vec<usize>,
    /// Be the naive proxy to the worker on this socket.
    #[arg(long, value_name = "SOCKET")]
    pub(crate) naive: Option<PathBuf>,
    /// Be the pump to the worker on this socket.
    #[arg(long, value_name = "SOCKET")]
    pub(crate) pump: Option<PathBuf>,
}

#[derive(Serialize)]
pub(crate) struct Report {
    rounds: usize,
    messages_a_round: u64,
    hive: Added,
    naive: Added,
    pump: Added,
    direct: Latency,
    floods: Vec<Flood>,
}

/// What a proxy adds; each figure is the median over rounds of a difference within the round.
#[derive(Serialize)]
struct Added {
    p50_us: f64,
    p99_us: f64,
    /// Its processor time for a message that comes alone.
    processor_us_per_message: f64,
}

#[derive(Serialize, Clone, Copy)]
struct Latency {
    p50_us: f64,
    p99_us: f64,
}

/// As many messages as go.
#[derive(Serialize)]
struct Flood {
    streams: usize,
    direct_per_second: f64,
    hive_per_second: f64,
    /// By its processor time.
    hive_per_core_second: f64,
    naive_per_second: f64,
    naive_per_core_second: f64,
    pump_per_second: f64,
    pump_per_core_second: f64,
}

/// A way to the worker, and the process that makes it.
struct Way<'a> {
    channel: &'a ClientChannel,
    process: Option<&'a Process>,
}

impl Way<'_> {
    fn processor_time(&self) -> anyhow::Result<Duration> {
        self.process
            .map_or(Ok(Duration::ZERO), |process| processor_time(process.id()))
    }

    /// One paced stream: its latencies, and processor time for a message.
    async fn latency(&self, messages: u64) -> anyhow::Result<(Latency, f64)> {
        let begun = self.processor_time()?;
        let pace = u64::try_from(PACE.as_micros())?;
        let mut all = client::ask(self.channel, messages, pace)
            .await?
            .latencies()
            .await?;
        let taken = self.processor_time()? - begun;
        all.sort_unstable();
        let at = |share: f64| -> anyhow::Result<f64> {
            let index = (all.len().saturating_sub(1) as f64 * share).round() as usize;
            Ok(*all.get(index).context("no message came")? as f64 / 1e3)
        };
        let latency = Latency {
            p50_us: at(0.5)?,
            p99_us: at(0.99)?,
        };
        Ok((latency, taken.as_secs_f64() * 1e6 / all.len() as f64))
    }

    /// Streams that go as fast as they go: messages per second, and per second of the process's core.
    async fn flood(&self, streams: usize, seconds: f64) -> anyhow::Result<(f64, f64)> {
        let counted = Arc::new(AtomicU64::new(0));
        let mut readers = JoinSet::new();
        for _ in 0..streams {
            let answer = client::ask(self.channel, u64::MAX, 0).await?;
            readers.spawn(answer.count(counted.clone()));
        }
        tokio::time::sleep(WARM_UP).await;
        let (messages, processor, begun) = (
            counted.load(Ordering::Relaxed),
            self.processor_time()?,
            Instant::now(),
        );
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        let elapsed = begun.elapsed().as_secs_f64();
        let taken = (self.processor_time()? - processor).as_secs_f64();
        let messages = (counted.load(Ordering::Relaxed) - messages) as f64;
        // A reader that has ended has failed.
        if let Some(ended) = readers.try_join_next() {
            ended??;
        }
        readers.shutdown().await;
        // What was under way when its streams were reset.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let per_core_second = if taken > 0.0 { messages / taken } else { f64::NAN };
        Ok((messages / elapsed, per_core_second))
    }
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<Report> {
    let hive = arguments.hive.as_deref().context("--hive")?;
    let folder = arguments.folder.as_deref().context("--folder")?;
    let cores = Cores::set_aside()?;
    let rig = Rig::start(hive, folder, &cores).await?;
    let direct = Way {
        channel: &rig.direct,
        process: None,
    };
    let hive = Way {
        channel: &rig.through_hive,
        process: Some(&rig.hive),
    };
    let naive = Way {
        channel: &rig.through_naive,
        process: Some(&rig.naive),
    };

    let pump = Way {
        channel: &rig.through_pump,
        process: Some(&rig.pump),
    };

    for way in [&direct, &hive, &naive, &pump] {
        way.latency(arguments.messages.min(100)).await?; // so that none is the first to touch anything
    }
    let mut rounds = Vec::new();
    for _ in 0..arguments.rounds {
        rounds.push([
            direct.latency(arguments.messages).await?,
            hive.latency(arguments.messages).await?,
            naive.latency(arguments.messages).await?,
            pump.latency(arguments.messages).await?,
        ]);
    }
    let mut floods = Vec::new();
    for streams in &arguments.streams {
        let mut turns = Vec::new();
        for _ in 0..arguments.rounds {
            let (direct, _) = direct.flood(*streams, arguments.seconds).await?;
            let hive = hive.flood(*streams, arguments.seconds).await?;
            let naive = naive.flood(*streams, arguments.seconds).await?;
            let pump = pump.flood(*streams, arguments.seconds).await?;
            turns.push([direct, hive.0, hive.1, naive.0, naive.1, pump.0, pump.1]);
        }
        let column = |index: usize| median(turns.iter().map(|turn| turn[index]));
        floods.push(Flood {
            streams: *streams,
            direct_per_second: column(0),
            hive_per_second: column(1),
            hive_per_core_second: column(2),
            naive_per_second: column(3),
            naive_per_core_second: column(4),
            pump_per_second: column(5),
            pump_per_core_second: column(6),
        });
    }
    Ok(Report {
        rounds: arguments.rounds,
        messages_a_round: arguments.messages,
        hive: added(&rounds, 1),
        naive: added(&rounds, 2),
        pump: added(&rounds, 3),
        direct: Latency {
            p50_us: median(rounds.iter().map(|round| round[0].0.p50_us)),
            p99_us: median(rounds.iter().map(|round| round[0].0.p99_us)),
        },
        floods,
    })
}

fn added(rounds: &[[(Latency, f64); 4]], way: usize) -> Added {
    let difference =
        |of: fn(&Latency) -> f64| median(rounds.iter().map(|round| of(&round[way].0) - of(&round[0].0)));
    Added {
        p50_us: difference(|latency| latency.p50_us),
        p99_us: difference(|latency| latency.p99_us),
        processor_us_per_message: median(rounds.iter().map(|round| round[way].1)),
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        _ if sorted.is_empty() => f64::NAN,
        0 => sorted[middle - 1].midpoint(sorted[middle]),
        _ => sorted[middle],
    }
}
