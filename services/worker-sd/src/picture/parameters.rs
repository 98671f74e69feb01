//! A picture's settings in the words of A1111, which ComfyUI's loaders and CivitAI understand.

use rbee_pictures::Parameters;

use crate::domain::{Choices, ImageRequest};
use crate::random::NoiseSource;
use crate::sampler::Method;
use crate::schedule::Schedule;

/// What of the worker goes into a picture's settings.
#[derive(Debug, Clone, Copy)]
pub struct Used<'a> {
    /// Id of the model.
    pub model_id: &'a str,
    /// Seed of this picture.
    pub seed: u64,
}

/// The settings of one picture.
#[must_use]
pub fn parameters(request: &ImageRequest, choices: &Choices, used: Used<'_>) -> Parameters {
    let mut prompt = request.prompt.clone();
    for lora in &request.loras {
        prompt.push_str(&format!(
            " <lora:{}:{}>",
            short(lora.model_id.as_str()),
            lora.weight
        ));
    }
    let mut parameters = Parameters {
        prompt,
        negative_prompt: request.negative_prompt.clone().unwrap_or_default(),
        settings: Vec::new(),
    };
    parameters.set("Steps", choices.steps);
    parameters.set("Sampler", method_name(choices.method));
    parameters.set("Schedule type", schedule_name(choices.schedule));
    parameters.set("CFG scale", choices.guidance);
    parameters.set("Seed", used.seed);
    parameters.set("Size", format!("{}x{}", choices.width, choices.height));
    parameters.set("Model", short(used.model_id));
    if let Some(vae) = &request.vae {
        parameters.set("VAE", short(vae.as_str()));
    }
    if let Some(initial) = &request.initial {
        parameters.set("Denoising strength", initial.strength);
    } else if let Some(pass) = &request.high_resolution {
        parameters.set("Denoising strength", pass.strength);
    }
    if let Some(clip_skip) = request.clip_skip.filter(|&skip| skip > 1) {
        parameters.set("Clip skip", clip_skip);
    }
    if choices.noise == NoiseSource::Cpu {
        parameters.set("RNG", "CPU");
    }
    if let Some(pass) = &request.high_resolution {
        parameters.set("Hires upscale", pass.scale);
        if let Some(steps) = pass.steps {
            parameters.set("Hires steps", steps);
        }
        parameters.set("Hires upscaler", "Latent");
    }
    parameters.set("Version", concat!("rbee ", env!("CARGO_PKG_VERSION")));
    parameters
}

/// A model's name without the way to it: what comes last, without an extension that files have.
fn short(model_id: &str) -> &str {
    let name = model_id.rsplit([':', '/']).next().unwrap_or(model_id);
    name.strip_suffix(".safetensors").unwrap_or(name)
}

/// What A1111 calls it.
fn method_name(method: Method) -> &'static str {
    match method {
        Method::Ddim => "DDIM",
        Method::Ddpm => "DDPM",
        Method::Pndm => "PLMS",
        Method::Euler => "Euler",
        Method::EulerAncestral => "Euler a",
        Method::Heun => "Heun",
        Method::Dpmpp2m => "DPM++ 2M",
        Method::Dpmpp2mSde => "DPM++ 2M SDE",
        Method::DpmppSde => "DPM++ SDE",
        Method::UniPc => "UniPC",
        Method::Lcm => "LCM",
    }
}

/// What A1111 calls it.
fn schedule_name(schedule: Schedule) -> &'static str {
    match schedule {
        Schedule::Normal => "Uniform",
        Schedule::Karras => "Karras",
        Schedule::Exponential => "Exponential",
        Schedule::SgmUniform => "SGM Uniform",
        Schedule::Simple => "Simple",
        Schedule::DdimUniform => "DDIM",
    }
}

#[cfg(test)]
mod tests {
    use rbee_artifacts::detect::Prediction;
    use rbee_artifacts::{ModelId, StableDiffusionVersion};

    use super::*;
    use crate::domain::{Facts, Initial, LoraUse};

    fn text(request: &ImageRequest) -> String {
        let facts = Facts {
            version: StableDiffusionVersion::V1_5,
            prediction: Prediction::Epsilon,
            native_edge: 512,
            inpainting: false,
            distilled: None,
        };
        let choices = Choices::of(request, &facts, 5).unwrap();
        let used = Used {
            model_id: "org/repo:v1-5-pruned.safetensors",
            seed: 6,
        };
        parameters(request, &choices, used).to_string()
    }

    #[test]
    fn the_text_is_as_a1111_writes_it() {
        let request = ImageRequest {
            prompt: "a bee, on a flower".into(),
            negative_prompt: Some("blurry".into()),
            clip_skip: Some(2),
            ..ImageRequest::default()
        };
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            text(&request),
            format!(
                "a bee, on a flower\nNegative prompt: blurry\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, \
                 CFG scale: 7, Seed: 6, Size: 512x512, Model: v1-5-pruned, Clip skip: 2, Version: rbee {version}"
            )
        );
    }

    #[test]
    fn what_changes_the_picture_is_named() {
        let mut request = ImageRequest {
            prompt: "a bee".into(),
            ..ImageRequest::default()
        };
        request.loras.push(LoraUse {
            model_id: ModelId::local("honey").unwrap(),
            weight: 0.8,
            text_encoder_weight: 0.8,
        });
        request.initial = Some(Initial {
            image: vec![1],
            strength: 0.6,
            mask: None,
        });
        request.sampling.noise = Some(NoiseSource::Cpu);
        let text = text(&request);
        assert!(text.starts_with("a bee <lora:honey:0.8>\nSteps: 20"), "{text}");
        assert!(text.contains("Denoising strength: 0.6, RNG: CPU, "), "{text}");
    }
}
