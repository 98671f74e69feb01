//! Between the contract's messages and the worker's own types. Prost types go no further than here.

use rbee_artifacts::ModelId;
use rbee_proto::worker::v1 as proto;

use super::words;
use crate::domain::request::MAX_PICTURE_BYTES;
use crate::domain::{
    EmbeddingUse, Format, HighResolution, ImageRequest, Initial, LoraUse, Sampling, Violations,
};
use crate::engine::{Event, Started, Step, Timings};

/// Largest request that is read at all: picture and mask, and room for what is around them.
pub(super) const MAX_REQUEST_BYTES: usize = 2 * MAX_PICTURE_BYTES + (1 << 20);

const STRENGTH: f32 = 0.75;
const SECOND_PASS_STRENGTH: f32 = 0.5;
const JPEG_QUALITY: u32 = 90;

/// Reads a request for pictures.
pub(super) fn request(request: proto::GenerateImageRequest) -> Result<ImageRequest, Violations> {
    let mut violations = Violations::default();
    let sampling = sampling(&request, &mut violations);
    let syntax = known("prompt_syntax", request.prompt_syntax, &mut violations).and_then(words::syntax);
    let format = format(&request, &mut violations);
    let request = ImageRequest {
        prompt: request.prompt,
        negative_prompt: request.negative_prompt,
        syntax,
        clip_skip: request.clip_skip,
        width: request.width,
        height: request.height,
        sampling,
        seed: request.seed,
        count: request.count.unwrap_or(1),
        initial: request.initial_image.map(initial),
        high_resolution: request.high_resolution.as_ref().map(high_resolution),
        loras: loras(&request.loras, &mut violations),
        embeddings: embeddings(request.embeddings, &mut violations),
        vae: optional_id("vae_model_id", &request.vae_model_id, &mut violations),
        preview_every: request.previews.as_ref().map(|previews| previews.every_steps),
        preview_vae: request.previews.and_then(|previews| {
            optional_id("previews.vae_model_id", &previews.vae_model_id, &mut violations)
        }),
        format,
        with_parameters: !request.without_parameters,
    };
    request.check(&mut violations);
    violations.check(request)
}

fn sampling(request: &proto::GenerateImageRequest, violations: &mut Violations) -> Sampling {
    Sampling {
        steps: request.steps,
        guidance: request.guidance_scale,
        method: known("sampler", request.sampler, violations).and_then(words::method),
        schedule: known("schedule", request.schedule, violations).and_then(words::schedule),
        convention: words::convention(
            known("convention", request.convention, violations).unwrap_or_default(),
        ),
        noise: known("noise_source", request.noise_source, violations).and_then(words::noise),
    }
}

/// A value of an enumeration, if this worker knows it.
fn known<T: TryFrom<i32>>(field: &str, value: i32, violations: &mut Violations) -> Option<T> {
    let known = T::try_from(value).ok();
    violations.require(known.is_some(), field, "must be a value that this worker knows");
    known
}

fn format(request: &proto::GenerateImageRequest, violations: &mut Violations) -> Format {
    let quality = request.jpeg_quality.unwrap_or(JPEG_QUALITY);
    match known("format", request.format, violations).unwrap_or_default() {
        proto::ImageFormat::Unspecified | proto::ImageFormat::Png => Format::Png,
        proto::ImageFormat::Jpeg => Format::Jpeg { quality },
        proto::ImageFormat::Webp => Format::Webp,
    }
}

fn initial(initial: proto::InitialImage) -> Initial {
    Initial {
        image: initial.image,
        strength: initial.strength.unwrap_or(STRENGTH),
        mask: Some(initial.mask).filter(|mask| !mask.is_empty()),
    }
}

fn high_resolution(pass: &proto::HighResolutionPass) -> HighResolution {
    HighResolution {
        scale: pass.scale,
        strength: pass.strength.unwrap_or(SECOND_PASS_STRENGTH),
        steps: pass.steps,
    }
}

fn loras(loras: &[proto::LoraUse], violations: &mut Violations) -> Vec<LoraUse> {
    let of = |(index, lora): (usize, &proto::LoraUse)| {
        let weight = lora.weight.unwrap_or(1.0);
        Some(LoraUse {
            model_id: id(&format!("loras[{index}].model_id"), &lora.model_id, violations)?,
            weight,
            text_encoder_weight: lora.text_encoder_weight.unwrap_or(weight),
        })
    };
    loras.iter().enumerate().filter_map(of).collect()
}

fn embeddings(embeddings: Vec<proto::EmbeddingUse>, violations: &mut Violations) -> Vec<EmbeddingUse> {
    let of = |(index, embedding): (usize, proto::EmbeddingUse)| {
        Some(EmbeddingUse {
            model_id: id(
                &format!("embeddings[{index}].model_id"),
                &embedding.model_id,
                violations,
            )?,
            word: embedding.word,
        })
    };
    embeddings.into_iter().enumerate().filter_map(of).collect()
}

fn id(field: &str, text: &str, violations: &mut Violations) -> Option<ModelId> {
    let id = text.parse().ok();
    violations.require(
        id.is_some(),
        field,
        "must be a model's id, such as `civitai:123456` or `local:name`",
    );
    id
}

/// An id that may be left out.
fn optional_id(field: &str, text: &str, violations: &mut Violations) -> Option<ModelId> {
    if text.is_empty() {
        return None;
    }
    id(field, text, violations)
}

/// Writes what happened.
pub(super) fn event(event: Event) -> proto::GenerateImageResponse {
    use proto::generate_image_response::Event as Out;
    let event = match event {
        Event::Queued { ahead } => Out::Queued(proto::ImageQueued {
            position: wire(ahead),
        }),
        Event::Started(started) => Out::Started(self::started(started)),
        Event::Step(step) => Out::Step(self::step(step)),
        Event::Preview { image, step, png } => Out::Preview(proto::ImagePreview { image, step, png }),
        Event::Picture(picture) => Out::Image(proto::GeneratedImage {
            image: picture.image,
            seed: picture.seed,
            format: match picture.format {
                Format::Png => proto::ImageFormat::Png,
                Format::Jpeg { .. } => proto::ImageFormat::Jpeg,
                Format::Webp => proto::ImageFormat::Webp,
            }
            .into(),
            data: picture.data,
            parameters: picture.parameters,
            width: picture.width,
            height: picture.height,
        }),
        Event::Finished(timings) => Out::Finished(proto::ImageFinished {
            timings: Some(self::timings(timings)),
        }),
    };
    proto::GenerateImageResponse { event: Some(event) }
}

fn started(started: Started) -> proto::ImageStarted {
    proto::ImageStarted {
        seed: started.seed,
        width: started.width,
        height: started.height,
        sampler: words::sampler(started.method).into(),
        schedule: words::wire_schedule(started.schedule).into(),
        steps: started.steps,
        guidance_scale: started.guidance,
        lora_model_ids: started.loras,
    }
}

fn step(step: Step) -> proto::ImageStep {
    proto::ImageStep {
        image: step.image,
        step: step.step,
        total_steps: step.total,
        sigma: step.sigma,
        duration: duration(step.duration),
    }
}

fn timings(timings: Timings) -> proto::ImageTimings {
    proto::ImageTimings {
        queue: duration(timings.queue),
        text: duration(timings.text),
        denoise: duration(timings.denoise),
        decode: duration(timings.decode),
    }
}

/// A count for the wire.
pub(super) fn wire(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn duration(duration: std::time::Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::Method;
    use crate::schedule::{Convention, Schedule};

    fn fields(wrong: proto::GenerateImageRequest) -> Vec<String> {
        let violations = request(wrong).unwrap_err();
        violations
            .iter()
            .map(|violation| violation.field.clone())
            .collect()
    }

    #[test]
    fn an_empty_request_is_the_default_one() {
        let read = request(proto::GenerateImageRequest::default()).unwrap();
        assert_eq!(read, ImageRequest::default());
    }

    #[test]
    fn what_is_absent_takes_the_contracts_default() {
        let read = request(proto::GenerateImageRequest {
            sampler: proto::Sampler::EulerA.into(),
            schedule: proto::Schedule::Karras.into(),
            convention: proto::Convention::Comfyui.into(),
            initial_image: Some(proto::InitialImage {
                image: vec![1],
                ..proto::InitialImage::default()
            }),
            high_resolution: Some(proto::HighResolutionPass {
                scale: 2.0,
                ..proto::HighResolutionPass::default()
            }),
            loras: vec![proto::LoraUse {
                model_id: "civitai:7".into(),
                weight: Some(0.5),
                text_encoder_weight: None,
            }],
            format: proto::ImageFormat::Jpeg.into(),
            ..proto::GenerateImageRequest::default()
        })
        .unwrap();
        assert_eq!(read.sampling.method, Some(Method::EulerAncestral));
        assert_eq!(read.sampling.schedule, Some(Schedule::Karras));
        assert_eq!(read.sampling.convention, Convention::ComfyUi);
        let initial = read.initial.unwrap();
        assert!((initial.strength - 0.75).abs() < f32::EPSILON && initial.mask.is_none());
        assert!((read.high_resolution.unwrap().strength - 0.5).abs() < f32::EPSILON);
        assert!((read.loras[0].text_encoder_weight - 0.5).abs() < f32::EPSILON);
        assert_eq!(read.format, Format::Jpeg { quality: 90 });
    }

    #[test]
    fn what_is_not_known_is_named() {
        let wrong = proto::GenerateImageRequest {
            sampler: 77,
            format: -1,
            vae_model_id: "../../etc".into(),
            loras: vec![proto::LoraUse::default()],
            embeddings: vec![proto::EmbeddingUse::default()],
            previews: Some(proto::Previews {
                every_steps: 1,
                vae_model_id: "\n".into(),
            }),
            width: Some(1),
            ..proto::GenerateImageRequest::default()
        };
        assert_eq!(
            fields(wrong),
            [
                "sampler",
                "format",
                "loras[0].model_id",
                "embeddings[0].model_id",
                "vae_model_id",
                "previews.vae_model_id",
                "width"
            ]
        );
    }
}
