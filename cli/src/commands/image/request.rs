//! From the command line to the contract.

use std::path::Path;

use rbee_proto::worker::v1::{
    Convention, EmbeddingUse, GenerateImageRequest, HighResolutionPass, ImageFormat, InitialImage, LoraUse,
    NoiseSource, Previews, PromptSyntax, Sampler, Schedule,
};

use crate::args::{ImageArgs, ImageFormatArg, full_id};
use crate::failure::{Doing, Failure};

/// What the command line asks for. Files are read here.
pub(super) fn request(
    arguments: &ImageArgs,
    format: ImageFormatArg,
) -> Result<GenerateImageRequest, Failure> {
    Ok(GenerateImageRequest {
        prompt: arguments.prompt.clone().unwrap_or_default(),
        negative_prompt: arguments.negative.clone(),
        width: arguments.width,
        height: arguments.height,
        steps: arguments.steps,
        guidance_scale: arguments.guidance,
        seed: arguments.seed,
        count: arguments.count,
        sampler: arguments.sampler.map_or(Sampler::Unspecified, Into::into).into(),
        schedule: arguments
            .schedule
            .map_or(Schedule::Unspecified, Into::into)
            .into(),
        convention: arguments
            .convention
            .map_or(Convention::Unspecified, Into::into)
            .into(),
        noise_source: arguments
            .noise
            .map_or(NoiseSource::Unspecified, Into::into)
            .into(),
        prompt_syntax: arguments
            .prompt_syntax
            .map_or(PromptSyntax::Unspecified, Into::into)
            .into(),
        clip_skip: arguments.clip_skip,
        initial_image: initial(arguments)?,
        high_resolution: arguments.hires.map(|scale| HighResolutionPass {
            scale,
            strength: arguments.hires_strength,
            steps: arguments.hires_steps,
        }),
        loras: arguments
            .lora
            .iter()
            .map(|lora| LoraUse {
                model_id: lora.model_id.clone(),
                weight: lora.weight,
                text_encoder_weight: None,
            })
            .collect(),
        embeddings: arguments.embedding.iter().map(|text| embedding(text)).collect(),
        vae_model_id: arguments.vae.as_deref().map(full_id).unwrap_or_default(),
        previews: arguments.preview.as_ref().map(|_| Previews {
            every_steps: 1,
            vae_model_id: arguments.preview_vae.as_deref().map(full_id).unwrap_or_default(),
        }),
        format: ImageFormat::from(format).into(),
        jpeg_quality: arguments.quality,
        without_parameters: arguments.without_parameters,
    })
}

fn initial(arguments: &ImageArgs) -> Result<Option<InitialImage>, Failure> {
    let read = |path: &Path| std::fs::read(path).doing(|| format!("can't read {}", path.display()));
    let Some(path) = &arguments.img2img else {
        return Ok(None);
    };
    Ok(Some(InitialImage {
        image: read(path)?,
        strength: arguments.strength,
        mask: arguments
            .mask
            .as_deref()
            .map(read)
            .transpose()?
            .unwrap_or_default(),
    }))
}

/// `civitai:7=honey`, or the id alone, whose name is the word then.
fn embedding(text: &str) -> EmbeddingUse {
    let (id, word) = match text.split_once('=') {
        Some((id, word)) => (id, word),
        None => (text, name(text)),
    };
    EmbeddingUse {
        model_id: full_id(id),
        word: word.to_owned(),
    }
}

/// What comes last in an id, without an extension that files have.
fn name(id: &str) -> &str {
    let name = id.rsplit([':', '/']).next().unwrap_or(id);
    name.strip_suffix(".safetensors").unwrap_or(name)
}

/// Ids of what the request uses beside the model, each once.
pub(super) fn add_ons(request: &GenerateImageRequest) -> Vec<String> {
    let loras = request.loras.iter().map(|lora| &lora.model_id);
    let embeddings = request.embeddings.iter().map(|embedding| &embedding.model_id);
    let previews = request.previews.as_ref().map(|previews| &previews.vae_model_id);
    let vaes = std::iter::once(&request.vae_model_id)
        .chain(previews)
        .filter(|id| !id.is_empty());
    let mut ids: Vec<_> = loras.chain(embeddings).chain(vaes).cloned().collect();
    ids.sort();
    ids.dedup();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedding_is_called_by_its_name_or_another_word() {
        let of = |text| {
            let embedding = embedding(text);
            (embedding.model_id, embedding.word)
        };
        assert_eq!(of("easy"), ("local:easy".into(), "easy".into()));
        assert_eq!(of("civitai:7=honey"), ("civitai:7".into(), "honey".into()));
        assert_eq!(
            of("org/repo:easy.safetensors"),
            ("org/repo:easy.safetensors".into(), "easy".into())
        );
    }

    #[test]
    fn what_is_used_twice_is_attached_once() {
        let request = GenerateImageRequest {
            loras: vec![
                LoraUse {
                    model_id: "local:b".into(),
                    ..LoraUse::default()
                };
                2
            ],
            vae_model_id: "local:a".into(),
            previews: Some(Previews {
                every_steps: 1,
                vae_model_id: "local:taesd".into(),
            }),
            ..GenerateImageRequest::default()
        };
        assert_eq!(add_ons(&request), ["local:a", "local:b", "local:taesd"]);
    }
}
