//! The image worker: a landscape that comes out of noise, step by step.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use rbee_proto::worker::v1::generate_image_response::Event;
use rbee_proto::worker::v1::image_service_server::ImageService;
use rbee_proto::worker::v1::{
    GenerateImageRequest, GenerateImageResponse, GeneratedImage, ImageFinished, ImageFormat, ImagePreview,
    ImageStarted, ImageStep, ListSamplersRequest, ListSamplersResponse, Sampler, SamplerInfo, Schedule,
};
use tonic::{Request, Response, Status};

use super::{Pace, Streamed, pictures, ticks};

/// Steps of a picture where the request does not say.
const STEPS: u32 = 20;
/// Edge of the pictures and previews.
const EDGE: u32 = 512;

#[derive(Debug)]
pub(super) struct Painter {
    pace: Pace,
    /// From noise to the picture.
    previews: Arc<Vec<Vec<u8>>>,
}

impl Painter {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            previews: Arc::new(pictures::out_of_noise(EDGE)),
        }
    }
}

fn told(event: Event) -> Result<GenerateImageResponse, Status> {
    Ok(GenerateImageResponse { event: Some(event) })
}

#[tonic::async_trait]
impl ImageService for Painter {
    type GenerateImageStream = Streamed<GenerateImageResponse>;

    async fn generate_image(
        &self,
        request: Request<GenerateImageRequest>,
    ) -> Result<Response<Self::GenerateImageStream>, Status> {
        let request = request.into_inner();
        let steps = request.steps.unwrap_or(STEPS);
        let seed = request.seed.unwrap_or(2_912_413_312);
        let started = ImageStarted {
            seed,
            width: EDGE,
            height: EDGE,
            sampler: Sampler::Dpmpp2m.into(),
            schedule: Schedule::Karras.into(),
            steps,
            guidance_scale: 7.0,
            lora_model_ids: Vec::new(),
        };
        let step_time = self.pace.step;
        let duration = prost_types::Duration::try_from(step_time).ok();
        let previews = Arc::clone(&self.previews);
        // The first tick comes at once, and a step takes its time.
        let each = ticks(step_time)
            .skip(1)
            .take(steps as usize)
            .zip(stream::iter(1..=steps))
            .flat_map(move |(_, step)| {
                let share = (step as usize - 1) * (previews.len() - 1) / (steps.max(2) as usize - 1);
                stream::iter([
                    told(Event::Step(ImageStep {
                        image: 0,
                        step,
                        total_steps: steps,
                        sigma: 0.0,
                        duration,
                    })),
                    told(Event::Preview(ImagePreview {
                        image: 0,
                        step,
                        png: previews[share].clone(),
                    })),
                ])
            });
        let parameters = format!(
            "{}\nSteps: {steps}, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: {seed}, Size: {EDGE}x{EDGE}",
            request.prompt
        );
        let picture = GeneratedImage {
            image: 0,
            seed,
            format: ImageFormat::Png.into(),
            data: self.previews.last().cloned().unwrap_or_default(),
            parameters,
            width: EDGE,
            height: EDGE,
        };
        let last = stream::iter([
            told(Event::Image(picture)),
            told(Event::Finished(ImageFinished::default())),
        ]);
        let first = stream::iter([told(Event::Started(started))]);
        Ok(Response::new(Box::pin(first.chain(each).chain(last))))
    }

    async fn list_samplers(
        &self,
        _: Request<ListSamplersRequest>,
    ) -> Result<Response<ListSamplersResponse>, Status> {
        let schedules = vec![Schedule::Normal.into(), Schedule::Karras.into()];
        let sampler = |sampler: Sampler, name: &str| SamplerInfo {
            sampler: sampler.into(),
            name: name.to_owned(),
            stochastic: false,
            evaluations_per_step: 1,
            schedules: schedules.clone(),
        };
        Ok(Response::new(ListSamplersResponse {
            samplers: vec![
                sampler(Sampler::Dpmpp2m, "DPM++ 2M"),
                sampler(Sampler::Euler, "Euler"),
            ],
            default_sampler: Sampler::Dpmpp2m.into(),
            default_schedule: Schedule::Karras.into(),
        }))
    }
}
