//! What a request comes to with a model: everything that it left open is chosen.

use rbee_artifacts::StableDiffusionVersion;
use rbee_artifacts::detect::Prediction;

use super::Violations;
use super::request::{EDGES, ImageRequest, PromptSyntax};
use crate::pipeline::{Distilled, Size};
use crate::random::NoiseSource;
use crate::sampler::Method;
use crate::schedule::{Convention, Schedule};

/// Seeds that a worker chooses are below this, so that every program takes them.
pub const RANDOM_SEEDS: u64 = 1 << 32;

const STEPS: u32 = 20;
const DISTILLED_STEPS: u32 = 4;
const GUIDANCE: f32 = 7.0;
const DISTILLED_GUIDANCE: f32 = 1.0;

/// What a model is, as far as requests and clients care.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The generation of Stable Diffusion.
    pub version: StableDiffusionVersion,
    /// What the UNet predicts.
    pub prediction: Prediction,
    /// Edge in pixels of the pictures that it was made for.
    pub native_edge: u32,
    /// Whether it sees mask and picture.
    pub inpainting: bool,
    /// How it was distilled, where that is known.
    pub distilled: Option<Distilled>,
}

impl Facts {
    /// The sampler where a request names none.
    #[must_use]
    pub fn method(&self) -> Method {
        match self.distilled {
            Some(Distilled::Lcm) => Method::Lcm,
            Some(Distilled::Turbo) => Method::EulerAncestral,
            None => Method::Dpmpp2m,
        }
    }
}

/// The schedule where a request names none: what suits the sampler, as far as the convention has it.
#[must_use]
pub fn schedule_for(method: Method, convention: Convention) -> Schedule {
    let preferred = match method {
        Method::Dpmpp2m | Method::Dpmpp2mSde | Method::DpmppSde => Schedule::Karras,
        _ => Schedule::Normal,
    };
    let allowed = method.schedules(convention);
    if allowed.contains(&preferred) {
        preferred
    } else {
        allowed.first().copied().unwrap_or(Schedule::Normal)
    }
}

/// What is used.
#[derive(Debug, Clone, PartialEq)]
pub struct Choices {
    /// Width of the first pass in pixels.
    pub width: u32,
    /// Height of the first pass in pixels.
    pub height: u32,
    /// Width of the picture in pixels.
    pub final_width: u32,
    /// Height of the picture in pixels.
    pub final_height: u32,
    /// Steps of the first pass, before a strength takes its share.
    pub steps: u32,
    /// How closely the prompt is followed.
    pub guidance: f32,
    /// How noise becomes a picture.
    pub method: Method,
    /// Which noise levels.
    pub schedule: Schedule,
    /// Whose rules hold.
    pub convention: Convention,
    /// Where noise comes from.
    pub noise: NoiseSource,
    /// How prompts are read.
    pub syntax: PromptSyntax,
    /// Seed of the first picture.
    pub seed: u64,
}

impl Choices {
    /// Chooses for a request that was checked. `random` is used if it names no seed.
    ///
    /// # Errors
    /// If what the request says does not go with what is chosen.
    pub fn of(request: &ImageRequest, facts: &Facts, random: u64) -> Result<Self, Violations> {
        let sampling = &request.sampling;
        let convention = sampling.convention;
        let method = sampling.method.unwrap_or_else(|| facts.method());
        let schedule = sampling
            .schedule
            .unwrap_or_else(|| schedule_for(method, convention));
        let width = request.width.unwrap_or(facts.native_edge);
        let height = request.height.unwrap_or(facts.native_edge);
        let scale = request.high_resolution.map(|pass| pass.scale);
        let (final_width, final_height) = (scaled(width, scale), scaled(height, scale));
        let distilled = facts.distilled.is_some();
        let mut violations = Violations::default();
        violations.require(
            method.schedules(convention).contains(&schedule),
            "schedule",
            format!("does not go with the sampler {}", method.name()),
        );
        violations.require(
            final_width.max(final_height) <= *EDGES.end(),
            "high_resolution.scale",
            format!("must leave the picture at most {} pixels an edge", EDGES.end()),
        );
        violations.check(Self {
            width,
            height,
            final_width,
            final_height,
            steps: sampling
                .steps
                .unwrap_or(if distilled { DISTILLED_STEPS } else { STEPS }),
            guidance: sampling
                .guidance
                .unwrap_or(if distilled { DISTILLED_GUIDANCE } else { GUIDANCE }),
            method,
            schedule,
            convention,
            noise: sampling.noise.unwrap_or(match convention {
                Convention::A1111 => NoiseSource::Gpu,
                Convention::ComfyUi | Convention::Diffusers => NoiseSource::Cpu,
            }),
            syntax: request.syntax.unwrap_or(match convention {
                Convention::A1111 | Convention::ComfyUi => PromptSyntax::Weighted,
                Convention::Diffusers => PromptSyntax::Plain,
            }),
            seed: request
                .seed
                .unwrap_or(random % (RANDOM_SEEDS - u64::from(request.count))),
        })
    }
}

/// An edge after a second pass.
fn scaled(edge: u32, scale: Option<f32>) -> u32 {
    let Some(scale) = scale else {
        return edge;
    };
    let size = Size {
        width: edge as usize,
        height: edge as usize,
    };
    u32::try_from(size.scaled(scale).width).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::HighResolution;

    fn facts(distilled: Option<Distilled>) -> Facts {
        Facts {
            version: StableDiffusionVersion::V1_5,
            prediction: Prediction::Epsilon,
            native_edge: 512,
            inpainting: false,
            distilled,
        }
    }

    #[test]
    fn what_is_left_open_suits_the_model() {
        let request = ImageRequest::default();
        let chosen = Choices::of(&request, &facts(None), 7).unwrap();
        assert_eq!((chosen.width, chosen.height), (512, 512));
        assert_eq!((chosen.steps, chosen.seed), (20, 7));
        assert_eq!(
            (chosen.method, chosen.schedule),
            (Method::Dpmpp2m, Schedule::Karras)
        );
        assert_eq!(chosen.noise, NoiseSource::Gpu);
        assert_eq!(chosen.syntax, PromptSyntax::Weighted);
        assert!((chosen.guidance - 7.0).abs() < f32::EPSILON);

        let turbo = Choices::of(&request, &facts(Some(Distilled::Turbo)), 7).unwrap();
        assert_eq!((turbo.method, turbo.steps), (Method::EulerAncestral, 4));
        assert!((turbo.guidance - 1.0).abs() < f32::EPSILON);
        let lcm = Choices::of(&request, &facts(Some(Distilled::Lcm)), 7).unwrap();
        assert_eq!((lcm.method, lcm.schedule), (Method::Lcm, Schedule::Normal));
    }

    #[test]
    fn each_convention_has_its_own_noise_and_syntax() {
        let mut request = ImageRequest::default();
        request.sampling.convention = Convention::Diffusers;
        let chosen = Choices::of(&request, &facts(None), 7).unwrap();
        assert_eq!(
            (chosen.noise, chosen.syntax),
            (NoiseSource::Cpu, PromptSyntax::Plain)
        );
    }

    #[test]
    fn every_default_schedule_goes_with_its_sampler() {
        for convention in [Convention::A1111, Convention::ComfyUi, Convention::Diffusers] {
            for method in Method::ALL {
                let schedule = schedule_for(method, convention);
                assert!(method.schedules(convention).contains(&schedule), "{method:?}");
            }
        }
    }

    #[test]
    fn a_second_pass_is_bounded_too() {
        let mut request = ImageRequest {
            width: Some(2048),
            ..ImageRequest::default()
        };
        request.high_resolution = Some(HighResolution {
            scale: 2.1,
            strength: 0.5,
            steps: None,
        });
        let violations = Choices::of(&request, &facts(None), 7).unwrap_err();
        assert_eq!(violations.iter().next().unwrap().field, "high_resolution.scale");
    }

    proptest! {
        #[test]
        fn seeds_that_the_worker_chooses_fit_everywhere(random: u64, count in 1u32..=16) {
            let request = ImageRequest { count, ..ImageRequest::default() };
            let seed = Choices::of(&request, &facts(None), random).unwrap().seed;
            prop_assert!(seed + u64::from(count) <= RANDOM_SEEDS);
        }

        #[test]
        fn edges_stay_multiples_of_eight(edge in 8u32..=512, scale in 1.01f32..=4.0) {
            let large = scaled(edge * 8, Some(scale));
            prop_assert!(large.is_multiple_of(8) && large >= edge * 8);
        }
    }
}
