//! The peer: a proxy as one writes it with what tonic generates.

use std::path::Path;
use std::time::Duration;

use rbee_proto::worker::v1::text_service_client::TextServiceClient;
use rbee_proto::worker::v1::text_service_server::{TextService, TextServiceServer};
use rbee_proto::worker::v1::{
    ChatRequest, ChatResponse, CompleteRequest, CompleteResponse, CountTokensRequest, CountTokensResponse,
    DetokenizeRequest, DetokenizeResponse, EmbedRequest, EmbedResponse, TokenizeRequest, TokenizeResponse,
};
use rbee_service_kit::client::{ClientChannel, unix_channel};
use rbee_service_kit::{Auth, Lifecycle, Listener, ServerBuilder};
use tonic::{Request, Response, Status, Streaming};

use super::worker::leave_with_starter;

struct Naive {
    worker: TextServiceClient<ClientChannel>,
}

#[tonic::async_trait]
impl TextService for Naive {
    type ChatStream = Streaming<ChatResponse>;
    type CompleteStream = Streaming<CompleteResponse>;

    async fn chat(&self, request: Request<ChatRequest>) -> Result<Response<Self::ChatStream>, Status> {
        self.worker.clone().chat(request).await
    }

    async fn complete(
        &self,
        request: Request<CompleteRequest>,
    ) -> Result<Response<Self::CompleteStream>, Status> {
        self.worker.clone().complete(request).await
    }

    async fn tokenize(
        &self,
        request: Request<TokenizeRequest>,
    ) -> Result<Response<TokenizeResponse>, Status> {
        self.worker.clone().tokenize(request).await
    }

    async fn detokenize(
        &self,
        request: Request<DetokenizeRequest>,
    ) -> Result<Response<DetokenizeResponse>, Status> {
        self.worker.clone().detokenize(request).await
    }

    async fn count_tokens(
        &self,
        request: Request<CountTokensRequest>,
    ) -> Result<Response<CountTokensResponse>, Status> {
        self.worker.clone().count_tokens(request).await
    }

    async fn embed(&self, request: Request<EmbedRequest>) -> Result<Response<EmbedResponse>, Status> {
        self.worker.clone().embed(request).await
    }
}

/// Serves until its standard input ends; its first line of output is its address.
pub(crate) async fn run(socket: &Path) -> anyhow::Result<()> {
    leave_with_starter();
    let lifecycle = Lifecycle::new();
    let listener = Listener::tcp("127.0.0.1:0".parse()?).await?;
    if let Some(address) = listener.local_addr() {
        println!("{address}");
    }
    let mut server = ServerBuilder::new(Auth::Open);
    server.add_service(TextServiceServer::new(Naive {
        worker: TextServiceClient::new(unix_channel(socket, None)?),
    }));
    server.serve(listener, &lifecycle, Duration::ZERO).await?;
    Ok(())
}
