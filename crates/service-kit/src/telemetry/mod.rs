//! Logs, traces and narration of a process.
//!
//! One subscriber serves all three: log lines go to stderr, spans go to an OpenTelemetry collector
//! if one is configured, and events made by [`narrate!`](crate::narrate) go to whoever watches
//! `rbee.events.v1.EventService`.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{LogFormat, TelemetryConfig};

mod lines;
pub mod narration;
pub mod propagation;

pub use narration::Narrator;

/// Why telemetry can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log directives can't be read.
    #[error("`{directives}` are not log directives such as `info,rbee_hive=debug`")]
    Directives {
        /// What was given.
        directives: String,
        /// What is wrong.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The collector's address can't be used.
    #[error("cannot export traces to {endpoint}")]
    Exporter {
        /// The address.
        endpoint: String,
        /// What is wrong.
        #[source]
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// Telemetry was set up before in this process.
    #[error("telemetry is set up already")]
    Already(#[source] tracing_subscriber::util::TryInitError),
}

/// The telemetry of a process, to be flushed at its end.
#[derive(Debug)]
#[must_use = "flush it at the end of the process"]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

/// Sets telemetry up for this process. `service` names it in logs, traces and narration.
///
/// Must be called within a tokio runtime if traces are exported.
///
/// # Errors
/// If the configuration can't be used, or telemetry is set up already.
pub fn init(service: &'static str, config: &TelemetryConfig) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::try_new(&config.log).map_err(|source| TelemetryError::Directives {
        directives: config.log.clone(),
        source,
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match config.log_format {
        LogFormat::Text => {
            use std::io::IsTerminal as _;
            lines
                .with_ansi(std::io::stderr().is_terminal())
                .event_format(lines::Lines)
                .with_filter(filter)
                .boxed()
        }
        LogFormat::Json => lines.json().with_filter(filter).boxed(),
    };

    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let provider = match config.endpoint() {
        Some(endpoint) => Some(tracer_provider(service, &endpoint)?),
        None => None,
    };
    let traces = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("rbee"))
            .with_location(false)
            .with_threads(false)
            // The exporter's own gRPC calls must not be traced: each would make the next.
            .with_filter(EnvFilter::new(
                "info,h2=off,hyper=off,hyper_util=off,tonic=off,tower=off,opentelemetry=off",
            ))
            .boxed()
    });

    tracing_subscriber::registry()
        .with(layers([
            Some(narration::layer(service).boxed()),
            Some(lines),
            traces,
        ]))
        .try_init()
        .map_err(TelemetryError::Already)?;
    Ok(Telemetry { provider })
}

/// The layers that there are, as one. A layer that is `None` within the stack would count as one without a filter that
/// wants to see everything, and each trace point of h2 would ask all filters anew: three quarters of what a message
/// through the hive's proxy cost.
fn layers<S>(all: [Option<BoxedLayer<S>>; 3]) -> Vec<BoxedLayer<S>> {
    all.into_iter().flatten().collect()
}

type BoxedLayer<S> = Box<dyn tracing_subscriber::Layer<S> + Send + Sync>;

fn tracer_provider(service: &'static str, endpoint: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .map_err(|source| TelemetryError::Exporter {
            endpoint: endpoint.to_owned(),
            source,
        })?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name(service).build())
        .build())
}

impl Telemetry {
    /// Exports what has not been exported yet. Blocks for a few seconds at most, so it is called
    /// at the very end, or through `spawn_blocking`.
    pub fn flush(self) {
        if let Some(provider) = self.provider
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "some spans could not be exported");
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;
    use tracing::metadata::LevelFilter;

    use super::*;

    #[test]
    fn what_nobody_wants_to_see_costs_one_comparison() {
        let lines = tracing_subscriber::fmt::layer().with_filter(EnvFilter::new("info"));
        let stack = tracing_subscriber::registry().with(layers([
            Some(narration::layer("rbee-test").boxed()),
            Some(lines.boxed()),
            None,
        ]));
        tracing::subscriber::with_default(stack, || {
            // Above it a trace point is one comparison.
            assert_eq!(LevelFilter::current(), LevelFilter::INFO);
            assert!(tracing::enabled!(Level::INFO) && !tracing::enabled!(Level::DEBUG));
        });
    }
}
