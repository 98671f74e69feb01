//! An OpenTelemetry collector that keeps the spans it gets, for tests to look at.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, Status};

/// A span as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectedSpan {
    /// `service.name` of the process that made it.
    pub service: String,
    /// Its name.
    pub name: String,
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
    /// 16 hexadecimal digits; empty for the root of a trace.
    pub parent_span_id: String,
}

/// A collector that listens on loopback until it is dropped.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    spans: Spans,
    _stop: DropGuard,
}

#[derive(Debug, Clone, Default)]
struct Spans(Arc<Mutex<Vec<CollectedSpan>>>);

impl Collector {
    /// Starts a collector on a free port.
    ///
    /// # Panics
    /// If no port can be had.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (spans, stop) = (Spans::default(), CancellationToken::new());
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(spans.clone()))
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop.clone().cancelled_owned());
        tokio::spawn(server);
        Self {
            address,
            spans,
            _stop: stop.drop_guard(),
        }
    }

    /// What goes into `telemetry.otlp_endpoint`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans so far.
    #[must_use]
    pub fn spans(&self) -> Vec<CollectedSpan> {
        self.spans
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until the spans satisfy `enough`, and gives them.
    ///
    /// # Panics
    /// If they don't within `deadline`; the message lists what came.
    pub async fn wait_for(
        &self,
        deadline: Duration,
        mut enough: impl FnMut(&[CollectedSpan]) -> bool,
    ) -> Vec<CollectedSpan> {
        let end = tokio::time::Instant::now() + deadline;
        loop {
            let spans = self.spans();
            if enough(&spans) {
                return spans;
            }
            assert!(
                tokio::time::Instant::now() < end,
                "these spans came within {deadline:?}: {spans:#?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tonic::async_trait]
impl TraceService for Spans {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in request.into_inner().resource_spans {
            collect(resource, &mut spans);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn collect(resource_spans: ResourceSpans, into: &mut Vec<CollectedSpan>) {
    let service = resource_spans
        .resource
        .into_iter()
        .flat_map(|resource| resource.attributes)
        .find(|attribute| attribute.key == "service.name")
        .and_then(|attribute| match attribute.value?.value? {
            Value::StringValue(name) => Some(name),
            _ => None,
        })
        .unwrap_or_default();
    for span in resource_spans
        .scope_spans
        .into_iter()
        .flat_map(|scope| scope.spans)
    {
        into.push(CollectedSpan {
            service: service.clone(),
            name: span.name,
            trace_id: hex(&span.trace_id),
            span_id: hex(&span.span_id),
            parent_span_id: hex(&span.parent_span_id),
        });
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
