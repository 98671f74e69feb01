//! What `rbee.worker.v1.WorkerService` tells of the model.

use rbee_proto::worker::v1 as proto;
use rbee_proto::worker::v1::get_info_response::ModelInfo;
use rbee_worker_kit::Served;

use super::convert;
use crate::engine::Engine;
use crate::generator::Generator;

impl Served for Generator {
    type Engine = Engine;

    fn engine(&self) -> &Engine {
        Generator::engine(self)
    }

    fn load(&self) -> proto::WorkerLoad {
        let stats = self.engine().stats();
        let config = self.engine().config();
        proto::WorkerLoad {
            running_requests: convert::wire(stats.running),
            waiting_requests: convert::wire(stats.waiting),
            slot_count: convert::wire(config.slots),
            queue_length: convert::wire(config.queue),
            generated_tokens: stats.generated_tokens,
            prefilled_tokens: stats.prefill_tokens,
            ..proto::WorkerLoad::default()
        }
    }

    fn facts(&self) -> ModelInfo {
        let info = self.engine().info();
        ModelInfo::Llm(proto::LlmInfo {
            architecture: info.architecture.clone(),
            vocabulary_size: self.tokenizer().vocab_size(),
            context_length: convert::wire(info.context_length),
            model_context_length: convert::wire(info.trained_context_length),
            has_chat_template: self.has_chat_template(),
            embeds: info.pooling.is_some(),
        })
    }
}
