//! Numbers for Prometheus: a page in its text format, on a port of its own, if one is configured.
//!
//! A [`Metric`] is a constant that says what a number is. Who has numbers is a [`Collect`]: it writes them to a
//! [`Page`] whenever somebody asks for it, so that nothing is measured for nobody. [`MetricsServer`] answers
//! `GET /metrics` with what all collectors wrote.

mod histogram;
mod page;
mod process;
mod server;

pub use histogram::Histogram;
pub use page::{Kind, Metric, Page};
pub use process::{METRICS, Process};
pub use server::{MetricsError, MetricsServer};

/// Somebody who has numbers.
#[tonic::async_trait]
pub trait Collect: Send + Sync + 'static {
    /// Writes them as they are now. What can't be measured is left out.
    async fn collect(&self, page: &mut Page);
}
