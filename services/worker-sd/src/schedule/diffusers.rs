//! Tables as the schedulers of the library diffusers have them.

use super::{Plan, Point, Schedule, Space, Spacing, Table, Times, Training, exponential, karras};
use crate::sampler::Method;

const TIMESTEPS: f64 = super::training::TIMESTEPS as f64;
/// The last timestep.
const LAST: f64 = TIMESTEPS - 1.0;
/// What the family's published configurations add to timesteps with leading spacing.
const OFFSET: f64 = 1.0;
/// Steps of the schedule with which latent consistency models are distilled.
pub(super) const DISTILLED_STEPS: usize = 50;

/// The steps of `plan`, whose number was checked.
pub(super) fn table(plan: &Plan, training: &Training) -> Table {
    match plan.method {
        Method::Ddim | Method::Ddpm => by_timesteps(plan, training),
        Method::Pndm => pseudo_linear(plan, training),
        Method::Lcm => distilled(plan.steps, training),
        Method::Dpmpp2m | Method::Dpmpp2mSde | Method::UniPc => multistep(plan, training),
        Method::Euler | Method::EulerAncestral | Method::Heun | Method::DpmppSde => by_sigmas(plan, training),
    }
}

/// Where the timesteps lie: as the plan says, or as the schedule means, or as is usual.
fn spacing(plan: &Plan, usual: Spacing) -> Spacing {
    match plan.schedule {
        Schedule::SgmUniform | Schedule::Simple => Spacing::Trailing,
        _ => plan.spacing.unwrap_or(usual),
    }
}

/// Whole timesteps with a stride of `steps`' share of the thousand, from the highest.
fn leading(steps: usize, stride: usize) -> Vec<f64> {
    (0..steps)
        .rev()
        .map(|index| (index * stride) as f64 + OFFSET)
        .collect()
}

/// Whole timesteps from the last on, in equal parts.
fn trailing(steps: usize) -> Vec<f64> {
    let stride = TIMESTEPS / steps as f64;
    (0..steps)
        .map(|index| (TIMESTEPS - index as f64 * stride).round_ties_even() - 1.0)
        .collect()
}

/// Timesteps from the last to the first, with numpy's roundings: half of a timestep decides which one it is.
fn linspace(steps: usize) -> Vec<f64> {
    let last = steps.saturating_sub(1);
    let stride = LAST / last.max(1) as f64;
    let rising = (0..steps).map(|index| match index {
        index if index == last && last > 0 => LAST,
        index => index as f64 * stride,
    });
    let rising: Vec<f64> = rising.collect();
    rising.into_iter().rev().collect()
}

/// Deterministic and probabilistic diffusion: each step goes down by the stride, wherever the next one begins.
fn by_timesteps(plan: &Plan, training: &Training) -> Table {
    let stride = super::training::TIMESTEPS / plan.steps;
    let timesteps = match spacing(plan, Spacing::Leading) {
        Spacing::Leading => leading(plan.steps, stride),
        Spacing::Trailing => trailing(plan.steps),
        Spacing::Linspace => linspace(plan.steps)
            .iter()
            .map(|timestep| timestep.round_ties_even())
            .collect(),
    };
    // Probabilistic diffusion ends in the picture, deterministic diffusion at the first noise level.
    let end = match plan.method {
        Method::Ddpm => 0.0,
        _ => training.extremes().0,
    };
    let points = timesteps.iter().map(|&timestep| {
        let before = timestep - stride as f64;
        Point {
            timestep,
            sigma: training.sigma(timestep),
            target: if before >= 0.0 {
                training.sigma(before)
            } else {
                end
            },
        }
    });
    preserving(points.collect())
}

/// Pseudo linear multistep: the second evaluation takes the first step once more.
fn pseudo_linear(plan: &Plan, training: &Training) -> Table {
    let stride = super::training::TIMESTEPS / plan.steps;
    let end = training.extremes().0;
    let steps: Vec<(f64, f64)> = leading(plan.steps, stride)
        .into_iter()
        .map(|timestep| (timestep, training.sigma(timestep)))
        .collect();
    let mut points = Table::chain(&steps, end);
    if let Some(&second) = points.get(1) {
        let again = Point {
            target: second.sigma,
            ..second
        };
        points.insert(1, again);
    }
    preserving(points)
}

/// Latent consistency: steps of the schedule of distillation, evenly.
fn distilled(steps: usize, training: &Training) -> Table {
    let stride = super::training::TIMESTEPS / DISTILLED_STEPS;
    let origin: Vec<f64> = (1..=DISTILLED_STEPS)
        .rev()
        .map(|index| (index * stride) as f64 - 1.0)
        .collect();
    let every = DISTILLED_STEPS as f64 / steps as f64;
    let chosen: Vec<(f64, f64)> = (0..steps)
        .map(|index| origin[(index as f64 * every) as usize])
        .map(|timestep| (timestep, training.sigma(timestep)))
        .collect();
    preserving(Table::chain(&chosen, 0.0))
}

/// The DPM++ solvers of two steps, and UniPC: one point more than steps, the last left out, whole timesteps.
fn multistep(plan: &Plan, training: &Training) -> Table {
    let steps = plan.steps;
    let (low, high) = training.extremes();
    let whole = |round: fn(f64) -> f64, sigmas: Vec<f64>| -> Vec<(f64, f64)> {
        let steps = sigmas.into_iter();
        steps
            .map(|sigma| (round(training.timestep(sigma)), sigma))
            .collect()
    };
    let chosen = match plan.schedule {
        Schedule::Karras => whole(f64::round_ties_even, karras(high, low, steps)),
        Schedule::Exponential => whole(f64::trunc, exponential(high, low, steps)),
        _ => {
            let mut timesteps = match spacing(plan, Spacing::Linspace) {
                Spacing::Linspace => linspace(steps + 1),
                Spacing::Leading => leading(steps + 1, super::training::TIMESTEPS / (steps + 1)),
                Spacing::Trailing => trailing(steps),
            };
            timesteps.truncate(steps);
            let steps = timesteps.into_iter().map(f64::round_ties_even);
            steps
                .map(|timestep| (timestep, training.sigma(timestep)))
                .collect()
        }
    };
    preserving(Table::chain(&chosen, 0.0))
}

/// The methods that work on sigmas: fractional timesteps.
fn by_sigmas(plan: &Plan, training: &Training) -> Table {
    let steps = plan.steps;
    let spacing = spacing(plan, Spacing::Linspace);
    let timesteps = match spacing {
        Spacing::Linspace => linspace(steps),
        Spacing::Leading => leading(steps, super::training::TIMESTEPS / steps),
        Spacing::Trailing => trailing(steps),
    };
    let plain: Vec<(f64, f64)> = timesteps
        .into_iter()
        // The library has them in single precision.
        .map(|timestep| f64::from(timestep as f32))
        .map(|timestep| (timestep, training.sigma_between(timestep)))
        .collect();
    let (high, low) = (plain[0].1, plain[steps - 1].1);
    let timed = |sigmas: Vec<f64>| -> Vec<(f64, f64)> {
        let steps = sigmas.into_iter();
        steps.map(|sigma| (training.timestep(sigma), sigma)).collect()
    };
    let chosen = match plan.schedule {
        Schedule::Karras => timed(karras(high, low, steps)),
        Schedule::Exponential => timed(exponential(high, low, steps)),
        _ => plain,
    };
    let highest = chosen[0].1;
    Table {
        points: Table::chain(&chosen, 0.0),
        initial_scale: match spacing {
            Spacing::Leading => highest.hypot(1.0),
            Spacing::Linspace | Spacing::Trailing => highest,
        },
        space: Space::Exploding,
        times: Times::Fractional,
    }
}

/// A table of a method that keeps the variance, and so begins with unit noise.
fn preserving(points: Vec<Point>) -> Table {
    Table {
        initial_scale: points[0].sigma.hypot(1.0),
        points,
        space: Space::Preserving,
        times: Times::Fractional,
    }
}
