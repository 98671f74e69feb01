//! A made-up cluster: the contract's real services with a text worker and an image worker that answer at a given pace.
//!
//! Whoever measures the window must not measure a model beside it, and whoever takes its picture wants words that can be
//! read. Everything else is as with a real cluster: the same contract over the same HTTP/2. What the window does not ask of
//! a cluster that only streams is refused as not implemented.

mod hive;
mod image;
mod pictures;
mod services;
mod text;

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use futures_util::Stream;
use rbee_proto::catalog::v1::model_service_server::ModelServiceServer;
use rbee_proto::catalog::v1::registry_service_server::RegistryServiceServer;
use rbee_proto::events::v1::event_service_server::EventServiceServer;
use rbee_proto::hive::v1::hive_service_server::HiveServiceServer;
use rbee_proto::worker::v1::image_service_server::ImageServiceServer;
use rbee_proto::worker::v1::text_service_server::TextServiceServer;
use rbee_proto::worker::v1::worker_service_server::WorkerServiceServer;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Status;

/// The text worker's model.
pub const TEXT_MODEL: &str = "Qwen/Qwen3-8B-GGUF:Qwen3-8B-Q4_K_M.gguf";
/// The image model.
pub const IMAGE_MODEL: &str = "civitai:128713";
/// Their workers.
pub const TEXT_WORKER: &str = "0199a000-0000-7000-8000-000000000001";
pub const IMAGE_WORKER: &str = "0199a000-0000-7000-8000-000000000002";

/// A stream as the services answer it.
type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// How fast it answers.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Tokens of each answer.
    pub tokens: u32,
    /// Time between two of them.
    pub token: Duration,
    /// Time between two steps, each with its preview.
    pub step: Duration,
}

/// The running cluster; it ends with this.
#[derive(Debug)]
pub struct MadeUp {
    address: SocketAddr,
    _runtime: Runtime,
}

impl MadeUp {
    /// Starts it on a free port.
    pub fn start(pace: Pace) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("threads can be started");
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let cluster = services::Cluster {
            address: format!("http://{address}"),
            pace,
        };
        let painter = image::Painter::new(pace);
        runtime.spawn(
            tonic::transport::Server::builder()
                .add_service(RegistryServiceServer::new(cluster.clone()))
                .add_service(ModelServiceServer::new(cluster.clone()))
                .add_service(HiveServiceServer::new(cluster.clone()))
                .add_service(WorkerServiceServer::new(cluster.clone()))
                .add_service(EventServiceServer::new(cluster))
                .add_service(TextServiceServer::new(text::Speaker { pace }))
                .add_service(ImageServiceServer::new(painter))
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        Self {
            address,
            _runtime: runtime,
        }
    }

    /// Where it is reached.
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// What a streaming-only cluster refuses.
fn absent<T>() -> Result<T, Status> {
    Err(Status::unimplemented("a made-up cluster only streams"))
}

/// A clock's ticks, the first at once; one that is late is not made up for.
fn ticks(every: Duration) -> impl Stream<Item = ()> + Send {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    futures_util::stream::unfold(ticks, |mut ticks| async move {
        ticks.tick().await;
        Some(((), ticks))
    })
}
