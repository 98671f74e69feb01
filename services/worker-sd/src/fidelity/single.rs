//! Single passes: text encoders, UNet, VAE.

use std::ops::ControlFlow;

use super::golden::{Golden, Text, Unet, Vae, difference};
use super::runs::plain;
use super::{FidelityError, Report};
use crate::pipeline::{ImageModel, LATENT_CHANNELS, LATENT_PIXELS, ModelError, Prompts, Settings, UnetInput};

const LARGEST: &str = "largest difference";

pub(super) fn check(
    form: &str,
    model: &mut dyn ImageModel,
    golden: &Golden,
    report: &mut Report,
) -> Result<(), FidelityError> {
    for entry in &golden.cases.text {
        let case = format!("{form} text {}", entry.name);
        if report.wants(&case) {
            text(&case, entry, model, golden, report)?;
        }
    }
    for entry in golden.unet()? {
        let case = format!("{form} {}", entry.name);
        if report.wants(&case) {
            unet(&case, &entry, model, golden, report)?;
        }
    }
    for entry in &golden.cases.vae {
        let case = format!("{form} {}", entry.name);
        if report.wants(&case) {
            vae(&case, entry, model, golden, report)?;
        }
    }
    Ok(())
}

fn text(
    case: &str,
    entry: &Text,
    model: &mut dyn ImageModel,
    golden: &Golden,
    report: &mut Report,
) -> Result<(), FidelityError> {
    let limit = entry.tolerance.max_abs;
    for (name, array) in &entry.tensors {
        let settings = Settings {
            guidance: 1.0,
            clip_skip: name.ends_with("clip_skip_2").then_some(2),
            ..plain(model.traits(), &entry.text)
        };
        let expected = golden.arrays.numbers(array)?;
        match Prompts::encode(model, &settings) {
            Ok(prompts) => {
                let found = match name.as_str() {
                    "pooled" => prompts.positive.pooled.unwrap_or_default(),
                    _ => prompts.positive.context,
                };
                let case = format!("{case} {name}");
                report.at_most(&case, LARGEST, difference(&found, &expected), limit);
            }
            Err(error) => report.failed(case, LARGEST, &error),
        }
    }
    Ok(())
}

fn unet(
    case: &str,
    entry: &Unet,
    model: &mut dyn ImageModel,
    golden: &Golden,
    report: &mut Report,
) -> Result<(), FidelityError> {
    let samples = golden.arrays.numbers(&entry.sample)?;
    let context = golden.arrays.numbers(&entry.context)?;
    let pooled = entry
        .pooled
        .as_ref()
        .map(|name| golden.arrays.numbers(name))
        .transpose()?;
    let rows = golden.arrays.rows(&entry.context)?;
    let time_ids = entry.time_ids.as_ref().map(|ids| ids.repeat(rows));
    let (height, width) = (entry.height / LATENT_PIXELS, entry.width / LATENT_PIXELS);
    let input = UnetInput {
        rows,
        channels: LATENT_CHANNELS,
        height,
        width,
        samples: &samples,
        timesteps: &vec![entry.timestep as f32; rows],
        context: &context,
        tokens: context.len() / rows / model.traits().context_width(),
        pooled: pooled.as_deref(),
        time_ids: time_ids.as_deref(),
    };
    let expected = golden.arrays.numbers(&entry.out)?;
    judge(
        case,
        model.denoise(input),
        &expected,
        entry.tolerance.max_abs,
        report,
    );
    Ok(())
}

fn judge(case: &str, found: Result<Vec<f32>, ModelError>, expected: &[f32], limit: f64, report: &mut Report) {
    match found {
        Ok(found) => report.at_most(case, LARGEST, difference(&found, expected), limit),
        Err(error) => report.failed(case, LARGEST, &error),
    }
}

fn vae(
    case: &str,
    entry: &Vae,
    model: &mut dyn ImageModel,
    golden: &Golden,
    report: &mut Report,
) -> Result<(), FidelityError> {
    // The one picture size in these data; shapes are in the arrays.
    let image = golden.arrays.numbers(&entry.image)?;
    let limit = entry.tolerance.max_abs;
    let mut on = || ControlFlow::Continue(());
    if let Some(latents) = &entry.latents {
        let (height, width) = golden.arrays.edges(latents)?;
        let latents = golden.arrays.numbers(latents)?;
        let found = model.decode(&latents, height, width, &mut on);
        judge(case, found, &image, limit, report);
    }
    if let (Some(mean), Some(logvar)) = (&entry.mean, &entry.logvar) {
        let (height, width) = golden.arrays.edges(mean)?;
        let channel = |channel: usize| image.iter().skip(channel).step_by(3);
        let planes: Vec<f32> = (0..3)
            .flat_map(channel)
            .map(|level| level / 255.0 * 2.0 - 1.0)
            .collect();
        let (height, width) = (height * LATENT_PIXELS, width * LATENT_PIXELS);
        match model.encode(&planes, height, width, &mut on) {
            Ok(found) => {
                for (name, found) in [(mean, found.mean), (logvar, found.logvar)] {
                    let expected = golden.arrays.numbers(name)?;
                    report.at_most(case, LARGEST, difference(&found, &expected), limit);
                }
            }
            Err(error) => report.failed(case, LARGEST, &error),
        }
    }
    Ok(())
}
