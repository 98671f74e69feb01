//! Whole runs: from prompt and seed to the picture.

use std::ops::ControlFlow;

use super::golden::{Case, Golden, difference};
use super::schedules::{compare, compare_diffusers, method, schedule};
use super::{FidelityError, Report};
use crate::model::{Lora, LoraUse, Model};
use crate::pipeline::{
    ImageModel, Initial, Mask, ModelTraits, Observer, Picture, Prompts, Sampling, Settings, Size, StepDone,
    generate_from,
};
use crate::prompt::PromptSyntax;
use crate::random::{NoiseSource, Normals};
use crate::sampler::Method;
use crate::schedule::{Convention, Plan, Schedule, Training};

/// How far normal numbers may be off.
const NOISE: f64 = 2e-6;
/// How far text states may be off.
const TEXT: f64 = 1e-4;
const RUN: &str = "the run";

pub(super) fn check(
    form: &str,
    model: &mut Model,
    golden: &Golden,
    report: &mut Report,
) -> Result<(), FidelityError> {
    let cases = &golden.cases;
    for case in cases.cases.iter().chain(&cases.k_diffusion).chain(&cases.lora) {
        let name = format!("{form} {}", case.name);
        if report.wants(&name) {
            case.check(&name, model, golden, report)?;
        }
    }
    Ok(())
}

/// What diffusers makes of a prompt, with its random numbers.
pub(super) fn plain(traits: &ModelTraits, prompt: &str) -> Settings {
    let sampling = Sampling {
        method: Method::Euler,
        schedule: Schedule::Normal,
        convention: Convention::Diffusers,
        spacing: None,
        steps: 1,
    };
    Settings {
        sampling,
        noise: NoiseSource::Cpu,
        syntax: PromptSyntax::Plain,
        ..Settings::for_model(traits, prompt.to_owned())
    }
}

impl Case {
    fn check(
        &self,
        case: &str,
        model: &mut Model,
        golden: &Golden,
        report: &mut Report,
    ) -> Result<(), FidelityError> {
        let Some(sampling) = self.sampling() else {
            let unknown = FidelityError::new(&golden.folder, "the sampler is not known");
            report.failed(case, RUN, &unknown);
            return Ok(());
        };
        self.check_table(case, &sampling, report);
        self.check_noise(case, golden, report)?;
        let settings = self.settings(sampling, model.traits(), golden)?;
        let lora = match &self.file {
            Some(file) => match Lora::open(&golden.folder.join(file)) {
                Ok(lora) => Some(lora),
                Err(error) => {
                    report.failed(case, "opening the LoRA", &error);
                    return Ok(());
                }
            },
            None => None,
        };
        let strength = self.lora_scale.unwrap_or(1.0);
        let uses: Vec<LoraUse<'_>> = lora
            .iter()
            .map(|lora| LoraUse {
                lora,
                unet_weight: strength,
                text_weight: strength,
            })
            .collect();
        if !uses.is_empty()
            && let Err(error) = model.apply_loras(&uses)
        {
            report.failed(case, "applying the LoRA", &error);
            return Ok(());
        }
        let outcome = self.check_run(case, &settings, model, golden, report);
        if !uses.is_empty()
            && let Err(error) = model.apply_loras(&[])
        {
            report.failed(case, "taking the LoRA away", &error);
        }
        outcome
    }

    fn sampling(&self) -> Option<Sampling> {
        let method = method(&self.sampler)?;
        let (schedule, convention, spacing) = match (&self.flavour, &self.scheduler) {
            (Some(flavour), _) => {
                let convention = match flavour.as_str() {
                    "a1111" => Convention::A1111,
                    _ => Convention::ComfyUi,
                };
                (schedule(self.schedule.as_deref()?)?, convention, None)
            }
            (None, Some(scheduler)) => (scheduler.schedule(), Convention::Diffusers, scheduler.spacing()),
            (None, None) => return None,
        };
        Some(Sampling {
            method,
            schedule,
            convention,
            spacing,
            steps: self.steps,
        })
    }

    fn check_table(&self, case: &str, sampling: &Sampling, report: &mut Report) {
        if let Some(scheduler) = &self.scheduler {
            compare_diffusers(case, &self.sampler, scheduler, self.steps, &self.table, report);
            return;
        }
        let plan = Plan {
            method: sampling.method,
            schedule: sampling.schedule,
            convention: sampling.convention,
            spacing: None,
            steps: self.steps,
        };
        match plan.table(&Training::new()) {
            // The web interfaces' tables have each sigma once, Heun's too.
            Ok(table) => compare(case, &table, Method::Euler, &self.table, report),
            Err(error) => report.failed(case, "the table", &error),
        }
    }

    /// The noise in the order in which it is drawn.
    fn check_noise(&self, case: &str, golden: &Golden, report: &mut Report) -> Result<(), FidelityError> {
        let mut normals = Normals::new(NoiseSource::Cpu, self.seed);
        let mut worst: f64 = 0.0;
        for key in ["posterior_noise", "noise", "masked_posterior_noise", "step_noise"] {
            let Some(name) = self.tensors.get(key) else {
                continue;
            };
            let expected = golden.arrays.numbers(name)?;
            let rows = golden.arrays.rows(name)?.max(1);
            for row in expected.chunks(expected.len() / rows) {
                worst = worst.max(difference(&normals.draw(row.len()), row));
            }
        }
        report.at_most(case, "largest difference of noise", worst, NOISE);
        Ok(())
    }

    fn settings(
        &self,
        sampling: Sampling,
        traits: &ModelTraits,
        golden: &Golden,
    ) -> Result<Settings, FidelityError> {
        let Self { width, height, .. } = *self;
        let levels = |key: &str| -> Result<Option<Vec<u8>>, FidelityError> {
            let name = self.tensors.get(key);
            let numbers = name.map(|name| golden.arrays.numbers(name)).transpose()?;
            Ok(numbers.map(|numbers| numbers.into_iter().map(|level| level as u8).collect()))
        };
        let mask = levels("mask")?.map(|levels| Mask {
            width,
            height,
            levels,
        });
        let initial = levels("init_image")?.map(|rgb| Initial {
            picture: Picture { width, height, rgb },
            strength: self.strength,
            mask,
        });
        debug_assert_eq!(initial.is_some(), !self.kind.starts_with("txt2img"));
        Ok(Settings {
            negative_prompt: self.negative_prompt.clone(),
            size: Size { width, height },
            guidance: self.guidance,
            seed: self.seed,
            sampling,
            initial,
            ..plain(traits, &self.prompt)
        })
    }

    fn check_run(
        &self,
        case: &str,
        settings: &Settings,
        model: &mut Model,
        golden: &Golden,
        report: &mut Report,
    ) -> Result<(), FidelityError> {
        // The prompts are diffusers' in the web interfaces' runs as well: those compare the samplers alone.
        let mut reading = settings.clone();
        reading.sampling.convention = Convention::Diffusers;
        let prompts = match Prompts::encode(model, &reading) {
            Ok(prompts) => prompts,
            Err(error) => {
                report.failed(case, "the prompts", &error);
                return Ok(());
            }
        };
        self.check_text(case, &prompts, golden, report)?;
        let mut record = Record::default();
        if let Err(error) = generate_from(model, settings, &prompts, &mut record) {
            report.failed(case, RUN, &error);
            return Ok(());
        }
        let limit = self.tolerance.latents_max_abs;
        if let Some(name) = self.tensors.get("step_latents") {
            let steps = golden.arrays.numbers(name)?;
            let off = difference(&record.latents.concat(), &steps);
            report.at_most(case, "largest difference of latents after a step", off, limit);
        }
        for (key, name) in &self.tensors {
            let expected = golden.arrays.numbers(name)?;
            match key.as_str() {
                "latents" => {
                    let last = record.latents.last().map(Vec::as_slice).unwrap_or_default();
                    report.at_most(
                        case,
                        "largest difference of latents",
                        difference(last, &expected),
                        limit,
                    );
                }
                "image" => {
                    let found: Vec<f32> = record.levels.iter().map(|&level| f32::from(level)).collect();
                    let off = difference(&found, &expected);
                    let limit = self.tolerance.image_max_levels;
                    report.at_most(case, "largest difference of levels", off, limit);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_text(
        &self,
        case: &str,
        prompts: &Prompts,
        golden: &Golden,
        report: &mut Report,
    ) -> Result<(), FidelityError> {
        let positive = &prompts.positive;
        let pooled = positive.pooled.as_deref().unwrap_or_default();
        for (key, found) in [("context", positive.context.as_slice()), ("pooled", pooled)] {
            if let Some(name) = self.tensors.get(key) {
                let off = difference(found, &golden.arrays.numbers(name)?);
                report.at_most(case, "largest difference of text states", off, TEXT);
            }
        }
        Ok(())
    }
}

/// What came of a run.
#[derive(Default)]
struct Record {
    latents: Vec<Vec<f32>>,
    levels: Vec<u8>,
}

impl Observer for Record {
    fn step(&mut self, _: StepDone) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn latents(&mut self, _: u32, latents: &[f32]) {
        self.latents.push(latents.to_vec());
    }

    fn preview(&mut self, _: u32, _: u32, _: Picture) {}

    fn picture(&mut self, _: u32, _: u64, picture: Picture) {
        self.levels = picture.rgb;
    }

    fn pause(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
