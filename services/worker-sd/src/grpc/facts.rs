//! What `rbee.worker.v1.WorkerService` tells of the model.

use rbee_artifacts::StableDiffusionVersion;
use rbee_proto::worker::v1 as proto;
use rbee_proto::worker::v1::get_info_response::ModelInfo;
use rbee_worker_kit::Served;

use super::convert::wire;
use crate::engine::Engine;
use crate::studio::Studio;

impl Served for Studio {
    type Engine = Engine;

    fn engine(&self) -> &Engine {
        Studio::engine(self)
    }

    fn load(&self) -> proto::WorkerLoad {
        let load = self.engine().load();
        let config = self.engine().config();
        proto::WorkerLoad {
            running_requests: wire(load.running),
            waiting_requests: wire(load.waiting),
            slot_count: wire(config.slots),
            queue_length: wire(config.queue),
            generated_images: load.images,
            denoised_steps: load.steps,
            ..proto::WorkerLoad::default()
        }
    }

    fn facts(&self) -> ModelInfo {
        let facts = self.engine().facts();
        ModelInfo::Sd(proto::SdInfo {
            version: version(facts.version).to_owned(),
            prediction: facts.prediction.to_string(),
            native_edge: facts.native_edge,
            inpainting: facts.inpainting,
            add_on_model_ids: self.add_ons().ids().iter().map(ToString::to_string).collect(),
        })
    }
}

/// The version as the contract spells it.
fn version(version: StableDiffusionVersion) -> &'static str {
    match version {
        StableDiffusionVersion::V1_5 => "v1-5",
        StableDiffusionVersion::V2_1 => "v2-1",
        StableDiffusionVersion::Xl => "xl",
        StableDiffusionVersion::XlTurbo => "xl-turbo",
        StableDiffusionVersion::XlRefiner => "xl-refiner",
    }
}
