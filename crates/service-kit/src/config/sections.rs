//! The sections that every program's configuration has.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Section `[server]`: where a program listens and whom it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Address to listen on. Port 0 takes any free port.
    pub listen: SocketAddr,
    /// File that holds the bearer token which clients must show. Without one, any client on this
    /// machine is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Listen beyond loopback without TLS or without a token. Whoever reaches the port can then
    /// read tokens, prompts and answers, or use the cluster.
    pub allow_insecure: bool,
    /// How long running calls and workers may take to end at shutdown.
    #[serde(with = "super::duration")]
    pub shutdown_grace: Duration,
}

/// The port that `rbee up` listens on.
pub const DEFAULT_PORT: u16 = 7220;

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)),
            token_file: None,
            allow_insecure: false,
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Section `[telemetry]`: logs and traces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// What is logged, as directives of `tracing`'s `EnvFilter`: `info`, `info,rbee_hive=debug`.
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Address of an OpenTelemetry collector that speaks OTLP over gRPC, such as
    /// `http://127.0.0.1:4317`. Without one, that of OpenTelemetry's own variables counts; without that either, no trace
    /// is exported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
}

impl TelemetryConfig {
    /// Where traces go: what is configured, else what `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` says, unless `OTEL_SDK_DISABLED` is `true` (OpenTelemetry specification,
    /// "Environment Variable Specification").
    #[must_use]
    pub fn endpoint(&self) -> Option<String> {
        self.endpoint_with(|name| std::env::var(name).ok())
    }

    fn endpoint_with(&self, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
        if self.otlp_endpoint.is_some() {
            return self.otlp_endpoint.clone();
        }
        if variable("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return None;
        }
        [
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
        ]
        .into_iter()
        .find_map(|name| variable(name).filter(|text| !text.is_empty()))
    }
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            log: "info".into(),
            log_format: LogFormat::Text,
            otlp_endpoint: None,
        }
    }
}

/// Section `[metrics]`: numbers for Prometheus.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// Address that answers `GET /metrics`. Port 0 takes any free port. Without one, nothing is measured for
    /// Prometheus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// Listen beyond loopback. Whoever reaches the port can read which models and devices there are and how much they
    /// are used, but no prompt, answer or token.
    pub allow_insecure: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_configured_goes_before_opentelemetrys_own_variables() {
        let endpoint = |configured: Option<&str>, set: &[(&str, &str)]| {
            let config = TelemetryConfig {
                otlp_endpoint: configured.map(str::to_owned),
                ..TelemetryConfig::default()
            };
            config.endpoint_with(|name| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4317");
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4317");
        assert_eq!(endpoint(None, &[]), None);
        assert_eq!(endpoint(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), None);
        assert_eq!(endpoint(None, &[all]).as_deref(), Some("http://all:4317"));
        assert_eq!(
            endpoint(None, &[all, traces]).as_deref(),
            Some("http://traces:4317")
        );
        assert_eq!(endpoint(None, &[all, ("OTEL_SDK_DISABLED", "true")]), None);
        assert_eq!(
            endpoint(Some("http://ours:1"), &[all]).as_deref(),
            Some("http://ours:1")
        );
    }
}
