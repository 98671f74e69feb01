//! Requests for pictures, what comes of them, and what a worker says of itself.

use rbee_proto::worker::v1 as proto;
use rbee_proto::worker::v1::generate_image_response::Event;

use super::time::duration;
use crate::client::failure::Failure;
use crate::client::shelf::Shelf;
use crate::model::image::run::{Made, Started, Timings};
use crate::model::image::{
    Convention, Facts, Family, RunEvent, Sampler, SamplerFacts, Schedule, Settings, Size,
};

/// The request for what is set. Rasterises the mask, which takes a moment for a large one.
#[must_use]
pub fn request(settings: &Settings) -> proto::GenerateImageRequest {
    let negative_prompt = settings.negative_prompt.trim();
    proto::GenerateImageRequest {
        prompt: settings.prompt.trim().to_owned(),
        negative_prompt: (!negative_prompt.is_empty()).then(|| negative_prompt.to_owned()),
        width: settings.size.map(|size| size.width),
        height: settings.size.map(|size| size.height),
        steps: settings.steps,
        guidance_scale: settings.guidance,
        seed: settings.seed.asked(),
        count: Some(settings.count),
        sampler: settings
            .sampler
            .map_or(proto::Sampler::Unspecified, to_sampler)
            .into(),
        schedule: settings
            .schedule
            .map_or(proto::Schedule::Unspecified, to_schedule)
            .into(),
        convention: settings
            .convention
            .map_or(proto::Convention::Unspecified, to_convention)
            .into(),
        clip_skip: settings.clip_skip,
        initial_image: initial_image(settings),
        loras: settings
            .used_loras()
            .map(|lora| proto::LoraUse {
                model_id: lora.model_id.to_string(),
                weight: Some(lora.weight),
                text_encoder_weight: None,
            })
            .collect(),
        embeddings: settings
            .embeddings
            .iter()
            .map(|embedding| proto::EmbeddingUse {
                model_id: embedding.model_id.to_string(),
                word: embedding.word.clone(),
            })
            .collect(),
        vae_model_id: settings.vae.as_ref().map(ToString::to_string).unwrap_or_default(),
        high_resolution: settings.high_resolution.map(|pass| proto::HighResolutionPass {
            scale: pass.scale,
            strength: Some(pass.strength),
            steps: pass.steps,
        }),
        previews: Some(proto::Previews {
            every_steps: 1,
            ..proto::Previews::default()
        }),
        format: proto::ImageFormat::Png.into(),
        ..proto::GenerateImageRequest::default()
    }
}

fn initial_image(settings: &Settings) -> Option<proto::InitialImage> {
    let source = settings.source.as_ref()?;
    Some(proto::InitialImage {
        image: source.picture.bytes()?.to_vec(),
        strength: Some(source.strength),
        mask: source.mask.png(source.size).unwrap_or_default(),
    })
}

/// What happened; `None` for what this program does not know.
#[must_use]
pub fn event(told: proto::GenerateImageResponse, shelf: &Shelf) -> Option<RunEvent<Failure>> {
    Some(match told.event? {
        Event::Queued(queued) => RunEvent::Queued {
            ahead: queued.position,
        },
        Event::Started(started) => RunEvent::Started(Started {
            seed: started.seed,
            size: Size {
                width: started.width,
                height: started.height,
            },
            sampler: sampler(started.sampler),
            schedule: schedule(started.schedule),
            steps: started.steps,
            guidance: started.guidance_scale,
        }),
        Event::Step(step) => RunEvent::Step {
            image: step.image,
            step: step.step,
            total: step.total_steps,
            took: duration(step.duration),
        },
        // A preview that is no picture is passed over: the next one is the better one.
        Event::Preview(preview) => RunEvent::Preview {
            image: preview.image,
            picture: shelf.put(preview.png)?,
        },
        Event::Image(image) => match shelf.put(image.data) {
            Some(picture) => RunEvent::Picture(Made {
                index: image.image,
                seed: image.seed,
                size: Size {
                    width: image.width,
                    height: image.height,
                },
                parameters: image.parameters,
                picture,
            }),
            None => RunEvent::Failed(Failure::new("The worker sent a picture that can't be read.")),
        },
        Event::Finished(finished) => {
            let timings = finished.timings.unwrap_or_default();
            RunEvent::Finished(Timings {
                queue: duration(timings.queue),
                text: duration(timings.text),
                denoise: duration(timings.denoise),
                decode: duration(timings.decode),
            })
        }
    })
}

/// What a worker says of itself; `None` if it serves no image model.
#[must_use]
pub fn facts(info: proto::GetInfoResponse, samplers: proto::ListSamplersResponse) -> Option<Facts> {
    use proto::get_info_response::ModelInfo;
    let Some(ModelInfo::Sd(sd)) = info.model_info else {
        return None;
    };
    let sampler_facts = |told: proto::SamplerInfo| {
        Some(SamplerFacts {
            sampler: sampler(told.sampler)?,
            stochastic: told.stochastic,
            evaluations_per_step: told.evaluations_per_step,
            schedules: told.schedules.into_iter().filter_map(schedule).collect(),
        })
    };
    Some(Facts {
        family: Family::of_version(&sd.version),
        native_edge: sd.native_edge,
        inpainting: sd.inpainting,
        default_sampler: sampler(samplers.default_sampler),
        default_schedule: schedule(samplers.default_schedule),
        samplers: samplers.samplers.into_iter().filter_map(sampler_facts).collect(),
        add_ons: sd.add_on_model_ids.into_iter().map(Into::into).collect(),
    })
}

fn sampler(told: i32) -> Option<Sampler> {
    Sampler::ALL
        .iter()
        .copied()
        .find(|&sampler| i32::from(to_sampler(sampler)) == told)
}

fn schedule(told: i32) -> Option<Schedule> {
    Schedule::ALL
        .iter()
        .copied()
        .find(|&schedule| i32::from(to_schedule(schedule)) == told)
}

fn to_sampler(sampler: Sampler) -> proto::Sampler {
    match sampler {
        Sampler::Ddim => proto::Sampler::Ddim,
        Sampler::Ddpm => proto::Sampler::Ddpm,
        Sampler::Euler => proto::Sampler::Euler,
        Sampler::EulerA => proto::Sampler::EulerA,
        Sampler::Heun => proto::Sampler::Heun,
        Sampler::Dpmpp2m => proto::Sampler::Dpmpp2m,
        Sampler::Dpmpp2mSde => proto::Sampler::Dpmpp2mSde,
        Sampler::DpmppSde => proto::Sampler::DpmppSde,
        Sampler::Unipc => proto::Sampler::Unipc,
        Sampler::Lcm => proto::Sampler::Lcm,
    }
}

fn to_schedule(schedule: Schedule) -> proto::Schedule {
    match schedule {
        Schedule::Normal => proto::Schedule::Normal,
        Schedule::Karras => proto::Schedule::Karras,
        Schedule::Exponential => proto::Schedule::Exponential,
        Schedule::SgmUniform => proto::Schedule::SgmUniform,
        Schedule::Simple => proto::Schedule::Simple,
    }
}

fn to_convention(convention: Convention) -> proto::Convention {
    match convention {
        Convention::A1111 => proto::Convention::A1111,
        Convention::ComfyUi => proto::Convention::Comfyui,
        Convention::Diffusers => proto::Convention::Diffusers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::image::{HighResolution, Point, Source};

    #[test]
    fn every_sampler_and_schedule_of_the_contract_is_known() {
        for number in 1..=10 {
            assert!(
                proto::Sampler::try_from(number).is_ok() && sampler(number).is_some(),
                "{number}"
            );
        }
        for number in 1..=5 {
            assert!(
                proto::Schedule::try_from(number).is_ok() && schedule(number).is_some(),
                "{number}"
            );
        }
        assert_eq!((sampler(0), schedule(0), sampler(99)), (None, None, None));
    }

    #[test]
    fn what_is_left_open_stays_open() {
        let request = request(&Settings {
            prompt: " a bee ".into(),
            ..Settings::default()
        });
        assert_eq!((request.prompt.as_str(), request.count), ("a bee", Some(1)));
        assert_eq!(
            (request.negative_prompt, request.width, request.steps),
            (None, None, None)
        );
        assert_eq!(
            (request.seed, request.sampler, request.initial_image),
            (None, 0, None)
        );
    }

    #[test]
    fn what_few_requests_have_is_asked_for() {
        let mut settings = Settings {
            vae: Some("local:vae".into()),
            high_resolution: Some(HighResolution {
                scale: 1.5,
                strength: 0.4,
                steps: Some(9),
            }),
            ..Settings::default()
        };
        settings.add_embedding("civitai:7".into());
        settings.embeddings[0].word = "easy".into();
        for &convention in Convention::ALL {
            settings.convention = Some(convention);
            let request = request(&settings);
            assert_eq!(
                request.convention().as_str_name(),
                format!("CONVENTION_{}", convention.id().to_uppercase())
            );
            assert_eq!(request.vae_model_id, "local:vae");
            assert_eq!(request.embeddings[0].model_id, "civitai:7");
            assert_eq!(request.embeddings[0].word, "easy");
            let pass = request.high_resolution.unwrap();
            assert_eq!((pass.scale, pass.strength, pass.steps), (1.5, Some(0.4), Some(9)));
        }
    }

    #[test]
    fn a_picture_to_begin_from_goes_with_its_mask() {
        let size = rbee_pictures::Size { width: 16, height: 8 };
        let file = rbee_pictures::black_and_white(size, &[0; 128]).unwrap();
        let picture = Shelf::default().put(file.clone()).unwrap();
        let mut source = Source::new(picture, "bee.png".into()).unwrap();
        let mut settings = Settings {
            source: Some(source.clone()),
            ..Settings::default()
        };
        let sent = request(&settings).initial_image.unwrap();
        assert_eq!(
            (sent.image, sent.strength, sent.mask.len()),
            (file, Some(0.75), 0)
        );
        source.mask.begin(Point { x: 0.5, y: 0.5 }, 0.2, false);
        settings.source = Some(source);
        let mask = request(&settings).initial_image.unwrap().mask;
        assert_eq!(rbee_pictures::size(&mask), Ok(size));
    }

    #[test]
    fn a_picture_that_is_none_is_a_failure_and_a_preview_that_is_none_is_not() {
        let told = |event| proto::GenerateImageResponse { event: Some(event) };
        let shelf = Shelf::default();
        let image = event(told(Event::Image(proto::GeneratedImage::default())), &shelf);
        assert!(matches!(image, Some(RunEvent::Failed(_))));
        let preview = event(told(Event::Preview(proto::ImagePreview::default())), &shelf);
        assert_eq!(preview, None);
        assert_eq!(event(proto::GenerateImageResponse { event: None }, &shelf), None);
    }

    #[test]
    fn a_text_worker_has_no_facts_of_pictures() {
        assert_eq!(
            facts(
                proto::GetInfoResponse::default(),
                proto::ListSamplersResponse::default()
            ),
            None
        );
    }
}
