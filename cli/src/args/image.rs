//! `rbee image`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use rbee_proto::worker::v1::{Convention, ImageFormat, NoiseSource, PromptSyntax, Sampler, Schedule};

pub(crate) const EXAMPLES: &str = "\
Examples:
  rbee image local:dream \"a bee on a flower\" -o bee.png
  rbee image local:dream \"a bee\" -o bee.png --steps 30 --sampler euler_a --seed 7
  rbee image local:dream \"a wasp\" -o wasp.png --img2img bee.png --strength 0.6
  rbee image local:dream \"a bee\" -o bee.png --lora honey:0.8 --preview
  rbee image --read bee.png                       what it says of how it was made

Ctrl-C stops the worker within one step.";

/// Make pictures, or read what a picture says of how it was made.
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    /// Model id (`local:dream`), worker id, or the beginning of a worker id
    #[arg(value_name = "MODEL_OR_WORKER", required_unless_present = "read")]
    pub(crate) target: Option<String>,
    /// What is to be seen
    #[arg(value_name = "PROMPT", required_unless_present = "read")]
    pub(crate) prompt: Option<String>,
    /// File to write; of several pictures each gets its number in the name
    #[arg(long, short, value_name = "FILE", required_unless_present = "read")]
    pub(crate) output: Option<PathBuf>,
    /// Print what this picture says of how it was made, and make none
    #[arg(long, value_name = "FILE", conflicts_with_all = ["target", "prompt", "output"])]
    pub(crate) read: Option<PathBuf>,
    /// What is not to be seen
    #[arg(long, value_name = "TEXT")]
    pub(crate) negative: Option<String>,
    /// Width in pixels, a multiple of 8 [default: what the model was made for]
    #[arg(long, value_name = "PIXELS")]
    pub(crate) width: Option<u32>,
    /// Height in pixels, a multiple of 8 [default: what the model was made for]
    #[arg(long, value_name = "PIXELS")]
    pub(crate) height: Option<u32>,
    /// Steps [default: 20; 4 for distilled models]
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<u32>,
    /// How closely the prompt is followed [default: 7; 1 for distilled models]
    #[arg(long, value_name = "SCALE")]
    pub(crate) guidance: Option<f32>,
    /// How noise becomes a picture [default: what suits the model]
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) sampler: Option<SamplerArg>,
    /// Which noise levels the steps go through [default: what suits the sampler]
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) schedule: Option<ScheduleArg>,
    /// Whose rules of scheduling and noise hold [default: a1111]
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) convention: Option<ConventionArg>,
    /// Where noise comes from [default: as the convention has it]
    #[arg(long, value_enum, value_name = "SOURCE")]
    pub(crate) noise: Option<NoiseArg>,
    /// How prompts are read [default: as the convention has it]
    #[arg(long, value_enum, value_name = "SYNTAX")]
    pub(crate) prompt_syntax: Option<SyntaxArg>,
    /// The same seed and settings give the same picture [default: by chance]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// How many pictures; each has one more as its seed
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u32>,
    /// Leave out this many of the text encoder's last blocks, 1 for none
    #[arg(long, value_name = "N")]
    pub(crate) clip_skip: Option<u32>,
    /// Begin from this picture
    #[arg(long, value_name = "FILE")]
    pub(crate) img2img: Option<PathBuf>,
    /// How much of it is made anew, above 0 to 1 [default: 0.75]
    #[arg(long, value_name = "SHARE", requires = "img2img")]
    pub(crate) strength: Option<f32>,
    /// Picture that is white where it is to be made anew
    #[arg(long, value_name = "FILE", requires = "img2img")]
    pub(crate) mask: Option<PathBuf>,
    /// Make a second picture from it, this many times larger
    #[arg(long, value_name = "SCALE")]
    pub(crate) hires: Option<f32>,
    /// How much the second pass makes anew, above 0 to 1 [default: 0.5]
    #[arg(long, value_name = "SHARE", requires = "hires")]
    pub(crate) hires_strength: Option<f32>,
    /// Steps of the second pass
    #[arg(long, value_name = "N", requires = "hires")]
    pub(crate) hires_steps: Option<u32>,
    /// LoRA to use, with its weight: `civitai:123456:0.8`, or `honey:0.8` for `local:honey`; may be given several times
    #[arg(long, value_name = "MODEL[:WEIGHT]")]
    pub(crate) lora: Vec<AddOnArg>,
    /// Embedding to use, and the word for it in the prompts [default: its name]; may be given several times
    #[arg(long, value_name = "MODEL[=WORD]")]
    pub(crate) embedding: Vec<String>,
    /// VAE to use in place of the model's own
    #[arg(long, value_name = "MODEL")]
    pub(crate) vae: Option<String>,
    /// Write a small picture after each step [default FILE: beside the picture]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub(crate) preview: Option<Option<PathBuf>>,
    /// Preview VAE (TAESD) to decode the small pictures with: they are then as large as the picture, up to 512 pixels
    #[arg(long, value_name = "MODEL", requires = "preview")]
    pub(crate) preview_vae: Option<String>,
    /// How pictures are written [default: by the file's extension]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<ImageFormatArg>,
    /// Quality of a JPEG, 1 to 100 [default: 90]
    #[arg(long, value_name = "N")]
    pub(crate) quality: Option<u32>,
    /// Leave the settings out of the picture's file
    #[arg(long)]
    pub(crate) without_parameters: bool,
}

/// A model with a weight.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AddOnArg {
    /// Its id.
    pub(crate) model_id: String,
    /// How strongly; the worker's default if it is absent.
    pub(crate) weight: Option<f32>,
}

/// The largest weight; what is behind the last colon and larger belongs to the id.
const MAX_WEIGHT: f32 = 10.0;

impl FromStr for AddOnArg {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let weighted = text.rsplit_once(':').and_then(|(id, weight)| {
            let weight: f32 = weight.parse().ok()?;
            let names_something = !["civitai", "local", "hf"].contains(&id);
            (names_something && weight.abs() <= MAX_WEIGHT).then_some((id, weight))
        });
        Ok(match weighted {
            Some((id, weight)) => Self {
                model_id: full_id(id),
                weight: Some(weight),
            },
            None => Self {
                model_id: full_id(text),
                weight: None,
            },
        })
    }
}

/// The id of what a user calls by its bare name: that of a local model.
pub(crate) fn full_id(text: &str) -> String {
    if text.contains([':', '/']) {
        text.to_owned()
    } else {
        format!("local:{text}")
    }
}

/// Samplers as published settings name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SamplerArg {
    /// Denoising diffusion implicit models
    Ddim,
    /// Denoising diffusion probabilistic models
    Ddpm,
    /// Euler's method
    Euler,
    /// Euler's method with fresh noise in each step
    #[value(name = "euler_a")]
    EulerA,
    /// Heun's method: two evaluations a step
    Heun,
    /// DPM-Solver++ of second order
    #[value(name = "dpmpp_2m")]
    Dpmpp2m,
    /// The same as a stochastic differential equation
    #[value(name = "dpmpp_2m_sde")]
    Dpmpp2mSde,
    /// DPM-Solver++ as a stochastic differential equation, two evaluations a step
    #[value(name = "dpmpp_sde")]
    DpmppSde,
    /// UniPC, predictor and corrector
    Unipc,
    /// Latent consistency models
    Lcm,
}

impl From<SamplerArg> for Sampler {
    fn from(argument: SamplerArg) -> Self {
        match argument {
            SamplerArg::Ddim => Self::Ddim,
            SamplerArg::Ddpm => Self::Ddpm,
            SamplerArg::Euler => Self::Euler,
            SamplerArg::EulerA => Self::EulerA,
            SamplerArg::Heun => Self::Heun,
            SamplerArg::Dpmpp2m => Self::Dpmpp2m,
            SamplerArg::Dpmpp2mSde => Self::Dpmpp2mSde,
            SamplerArg::DpmppSde => Self::DpmppSde,
            SamplerArg::Unipc => Self::Unipc,
            SamplerArg::Lcm => Self::Lcm,
        }
    }
}

/// Noise levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScheduleArg {
    /// Even in the model's own timesteps
    Normal,
    /// Karras et al. 2022
    Karras,
    /// Even in the logarithm of sigma
    Exponential,
    /// Even in timesteps, as the trainers of distilled models do
    #[value(name = "sgm_uniform")]
    SgmUniform,
    /// Every n-th of the model's own sigmas
    Simple,
}

impl From<ScheduleArg> for Schedule {
    fn from(argument: ScheduleArg) -> Self {
        match argument {
            ScheduleArg::Normal => Self::Normal,
            ScheduleArg::Karras => Self::Karras,
            ScheduleArg::Exponential => Self::Exponential,
            ScheduleArg::SgmUniform => Self::SgmUniform,
            ScheduleArg::Simple => Self::Simple,
        }
    }
}

/// Whose rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConventionArg {
    /// The web interface that most published settings come from
    A1111,
    /// ComfyUI
    Comfyui,
    /// The library diffusers
    Diffusers,
}

impl From<ConventionArg> for Convention {
    fn from(argument: ConventionArg) -> Self {
        match argument {
            ConventionArg::A1111 => Self::A1111,
            ConventionArg::Comfyui => Self::Comfyui,
            ConventionArg::Diffusers => Self::Diffusers,
        }
    }
}

/// Where noise comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NoiseArg {
    /// PyTorch's generator on processors
    Cpu,
    /// PyTorch's generator on NVIDIA's GPUs
    Gpu,
}

impl From<NoiseArg> for NoiseSource {
    fn from(argument: NoiseArg) -> Self {
        match argument {
            NoiseArg::Cpu => Self::Cpu,
            NoiseArg::Gpu => Self::Gpu,
        }
    }
}

/// How a prompt is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SyntaxArg {
    /// As it is; what is beyond 75 tokens is left out
    Plain,
    /// `(word:1.2)`, `[word]` and `BREAK` are understood, and prompts may be long
    Weighted,
}

impl From<SyntaxArg> for PromptSyntax {
    fn from(argument: SyntaxArg) -> Self {
        match argument {
            SyntaxArg::Plain => Self::Plain,
            SyntaxArg::Weighted => Self::Weighted,
        }
    }
}

/// How a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImageFormatArg {
    /// PNG
    Png,
    /// JPEG
    #[value(alias = "jpg")]
    Jpeg,
    /// WebP without loss
    Webp,
}

impl From<ImageFormatArg> for ImageFormat {
    fn from(argument: ImageFormatArg) -> Self {
        match argument {
            ImageFormatArg::Png => Self::Png,
            ImageFormatArg::Jpeg => Self::Jpeg,
            ImageFormatArg::Webp => Self::Webp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_stands_behind_the_id() {
        for (text, model_id, weight) in [
            ("honey", "local:honey", None),
            ("honey:0.8", "local:honey", Some(0.8)),
            ("local:honey", "local:honey", None),
            ("local:honey:-1", "local:honey", Some(-1.0)),
            ("civitai:7", "civitai:7", None),
            ("civitai:123456", "civitai:123456", None),
            ("civitai:123456:0.5", "civitai:123456", Some(0.5)),
            ("org/repo:honey.safetensors", "org/repo:honey.safetensors", None),
            (
                "org/repo:honey.safetensors:1.5",
                "org/repo:honey.safetensors",
                Some(1.5),
            ),
        ] {
            let expected = AddOnArg {
                model_id: model_id.into(),
                weight,
            };
            assert_eq!(text.parse::<AddOnArg>().unwrap(), expected);
        }
    }
}
