//! The whole way, with a model that can be computed by hand: the most probable picture is always the same colour.

mod single;
mod together;

use std::ops::ControlFlow;

use super::*;
use crate::prompt::PromptSyntax;
use crate::random::NoiseSource;
use crate::sampler::{Method, Prediction};
use crate::schedule::{Convention, Schedule};

/// Believes that all latents are `aim`, plus a hundredth of the mean of the text's states.
struct Plain {
    traits: ModelTraits,
    aim: f32,
    rows: Vec<usize>,
    fails: bool,
    /// There is no memory for more.
    most_rows: usize,
}

impl Plain {
    fn new(unet_channels: usize) -> Self {
        let tower = TowerTraits {
            width: 2,
            pad_id: 49407,
            pooled: false,
        };
        Self {
            traits: ModelTraits {
                family: Family::Sd15,
                prediction: Prediction::Epsilon,
                unet_channels,
                latent_scaling: 0.5,
                towers: vec![tower],
                distilled: None,
            },
            aim: 0.25,
            rows: Vec::new(),
            fails: false,
            most_rows: usize::MAX,
        }
    }
}

impl ImageModel for Plain {
    fn traits(&self) -> &ModelTraits {
        &self.traits
    }

    fn encode_text(
        &mut self,
        _: usize,
        rows: &[TextRow],
        _: Option<u32>,
    ) -> Result<Vec<TextState>, ModelError> {
        let states = |row: &TextRow| row.ids.iter().flat_map(|&id| [id as f32; 2]).collect();
        Ok(rows
            .iter()
            .map(|row| TextState {
                states: states(row),
                pooled: None,
            })
            .collect())
    }

    fn denoise(&mut self, input: UnetInput<'_>) -> Result<Vec<f32>, ModelError> {
        let UnetInput {
            rows,
            channels,
            height,
            width,
            ..
        } = input;
        assert_eq!(input.samples.len(), rows * channels * height * width);
        assert_eq!(input.context.len(), rows * input.tokens * 2);
        assert_eq!(channels, self.traits.unet_channels);
        if self.fails {
            return Ok(vec![f32::NAN; rows * LATENT_CHANNELS * height * width]);
        }
        assert_eq!(input.timesteps.len(), rows);
        if rows > self.most_rows {
            return Err(ModelError::OutOfMemory(format!("{rows} rows")));
        }
        self.rows.push(rows);
        let pixels = height * width;
        let samples = input.samples.chunks(channels * pixels).zip(input.timesteps);
        let training = crate::schedule::Training::new();
        Ok(samples
            .flat_map(|(row, &timestep)| {
                let sigma = training.sigma_by_log(f64::from(timestep)) as f32;
                // The input is scaled to a variance of one.
                let noise = |&x: &f32| (x * sigma.hypot(1.0) - self.aim) / sigma;
                row[..LATENT_CHANNELS * pixels]
                    .iter()
                    .map(noise)
                    .collect::<Vec<f32>>()
            })
            .collect())
    }

    fn decode(
        &mut self,
        latents: &[f32],
        height: usize,
        width: usize,
        pause: Pause<'_>,
    ) -> Result<Vec<f32>, ModelError> {
        if pause().is_break() {
            return Err(ModelError::Stopped);
        }
        let pixels = height * width;
        let row = |channel: usize, y: usize| {
            let at = channel * pixels + y / 8 * width;
            latents[at..at + width].iter().flat_map(|&x| [x / 0.5; 8])
        };
        Ok((0..3)
            .flat_map(|channel| (0..height * 8).flat_map(move |y| row(channel, y)))
            .collect())
    }

    fn encode(
        &mut self,
        colours: &[f32],
        height: usize,
        width: usize,
        _: Pause<'_>,
    ) -> Result<Posterior, ModelError> {
        let at = |channel: usize, y: usize, x: usize| {
            colours[channel.min(2) * height * width + y * 8 * width + x * 8]
        };
        let mean = (0..LATENT_CHANNELS)
            .flat_map(|channel| (0..height / 8).map(move |y| (channel, y)))
            .flat_map(|(channel, y)| (0..width / 8).map(move |x| at(channel, y, x)))
            .collect::<Vec<f32>>();
        Ok(Posterior {
            logvar: vec![-30.0; mean.len()],
            mean,
        })
    }
}

#[derive(Default)]
struct Watch {
    steps: Vec<StepDone>,
    previews: Vec<(u32, u32, Picture)>,
    pictures: Vec<(u32, u64, Picture)>,
    stop_after: Option<usize>,
    stop_in_pause: bool,
}

impl Observer for Watch {
    fn step(&mut self, done: StepDone) -> ControlFlow<()> {
        self.steps.push(done);
        match self.stop_after {
            Some(after) if self.steps.len() >= after => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn preview(&mut self, image: u32, step: u32, preview: Picture) {
        self.previews.push((image, step, preview));
    }

    fn picture(&mut self, image: u32, seed: u64, picture: Picture) {
        self.pictures.push((image, seed, picture));
    }

    fn pause(&mut self) -> ControlFlow<()> {
        match self.stop_in_pause {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

fn settings(convention: Convention) -> Settings {
    Settings {
        size: Size {
            width: 32,
            height: 16,
        },
        sampling: Sampling {
            method: Method::Euler,
            schedule: Schedule::Normal,
            convention,
            spacing: None,
            steps: 4,
        },
        noise: NoiseSource::Cpu,
        syntax: PromptSyntax::Weighted,
        ..Settings::for_model(&Plain::new(4).traits, "a (fox:1.2)".to_owned())
    }
}

fn run(model: &mut Plain, settings: &Settings) -> Watch {
    let mut watch = Watch::default();
    generate(model, settings, &mut watch).unwrap();
    watch
}
