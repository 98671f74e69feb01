//! Requests that are computed in one, against the same alone.

use std::ops::ControlFlow;

use super::fixtures::folder;
use crate::model::{LoadOptions, Model};
use crate::pipeline::{
    Generation, ImageModel as _, Observer, Picture, Sampling, Settings, Size, StepDone, advance, generate,
};
use crate::random::NoiseSource;
use crate::sampler::Method;
use crate::schedule::Convention;

/// What the reference's README allows latents to be off in 32 bits, of one run to another.
const LATENTS: f32 = 1e-3;

#[derive(Default)]
struct Record {
    latents: Vec<Vec<f32>>,
    steps: Vec<u32>,
    pictures: Vec<Picture>,
}

impl Observer for Record {
    fn step(&mut self, done: StepDone) -> ControlFlow<()> {
        self.steps.push(done.step);
        ControlFlow::Continue(())
    }

    fn latents(&mut self, _: u32, latents: &[f32]) {
        self.latents.push(latents.to_vec());
    }

    fn preview(&mut self, _: u32, _: u32, _: Picture) {}

    fn picture(&mut self, _: u32, _: u64, picture: Picture) {
        self.pictures.push(picture);
    }

    fn pause(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

fn settings(model: &Model, method: Method, index: usize) -> Settings {
    let convention = [Convention::A1111, Convention::ComfyUi, Convention::Diffusers][index % 3];
    let plain = Settings::for_model(model.traits(), format!("a bee, number {index}"));
    Settings {
        negative_prompt: (index % 2 == 1).then(|| "wasps".to_owned()),
        size: Size {
            width: 64,
            height: 128,
        },
        guidance: [7.0, 1.0, 4.5][index % 3],
        seed: 70 + index as u64,
        sampling: Sampling {
            method,
            schedule: method.schedules(convention)[0],
            convention,
            spacing: None,
            steps: 3 + index % 3,
        },
        noise: NoiseSource::Cpu,
        ..plain
    }
}

fn together(model: &mut Model, all: &[Settings]) -> Vec<Record> {
    let mut records: Vec<Record> = all.iter().map(|_| Record::default()).collect();
    let mut generations: Vec<Generation> = all
        .iter()
        .zip(&mut records)
        .map(|(settings, record)| Generation::begin(model, settings.clone(), record).unwrap())
        .collect();
    while generations.iter().any(|generation| !generation.is_done()) {
        let mut group: Vec<(&mut Generation, &mut dyn Observer)> = generations
            .iter_mut()
            .zip(&mut records)
            .map(|(generation, record)| (generation, record as &mut dyn Observer))
            .collect();
        assert!(advance(model, &mut group).iter().all(Result::is_ok));
    }
    records
}

#[test]
fn with_every_sampler_a_picture_is_the_same_beside_others() {
    for name in ["sd15-tiny", "sdxl-tiny"] {
        let path = folder().join(name).join("model.safetensors");
        let mut model = Model::load(&path, &LoadOptions::default(), &mut |_| {}).unwrap();
        let all: Vec<Settings> = Method::ALL
            .into_iter()
            .enumerate()
            .map(|(index, method)| settings(&model, method, index))
            .collect();
        for (settings, beside) in all.iter().zip(together(&mut model, &all)) {
            let method = settings.sampling.method;
            let mut alone = Record::default();
            generate(&mut model, settings, &mut alone).unwrap();
            assert_eq!(beside.steps, alone.steps, "{name} {method:?}");
            assert_eq!(beside.latents.len(), alone.latents.len());
            let pairs = beside
                .latents
                .iter()
                .flatten()
                .zip(alone.latents.iter().flatten());
            let off = pairs.fold(0.0_f32, |worst, (one, other)| worst.max((one - other).abs()));
            assert!(off <= LATENTS, "{name} {method:?}: latents are off by {off}");
            let levels = beside.pictures[0].rgb.iter().zip(&alone.pictures[0].rgb);
            let off = levels.map(|(one, other)| one.abs_diff(*other)).max();
            assert!(off <= Some(1), "{name} {method:?}: levels are off by {off:?}");
        }
    }
}
