//! Tables as the web interfaces A1111 and ComfyUI have them: all methods on the same sigmas, down to zero.

use super::training::TIMESTEPS;
use super::{Convention, Plan, Schedule, Space, Table, Times, Training, exponential, fractions, karras};

/// The steps of `plan`, whose number was checked.
pub(super) fn table(plan: &Plan, training: &Training) -> Table {
    let sigmas = sigmas(plan.schedule, plan.steps, training);
    let highest = sigmas[0];
    let (times, initial_scale) = match plan.convention {
        Convention::ComfyUi => (Times::Nearest, highest.hypot(1.0)),
        Convention::A1111 | Convention::Diffusers => (Times::Fractional, highest),
    };
    let mut table = Table {
        points: Vec::new(),
        initial_scale,
        space: Space::Exploding,
        times,
    };
    let steps: Vec<(f64, f64)> = sigmas
        .into_iter()
        .map(|sigma| (table.timestep(training, sigma), sigma))
        .collect();
    table.points = Table::chain(&steps, 0.0);
    table
}

/// Noise levels from the highest; a zero follows them.
pub(super) fn sigmas(schedule: Schedule, steps: usize, training: &Training) -> Vec<f64> {
    const LAST: f64 = (TIMESTEPS - 1) as f64;
    let (low, high) = training.extremes();
    let even = |parts: usize| -> Vec<f64> {
        fractions(parts)
            .map(|part| training.sigma_by_log(LAST * (1.0 - part)))
            .take(steps)
            .collect()
    };
    match schedule {
        Schedule::Normal => even(steps),
        Schedule::SgmUniform => even(steps + 1),
        Schedule::Karras => karras(high, low, steps),
        Schedule::Exponential => exponential(high, low, steps),
        Schedule::Simple => {
            let stride = TIMESTEPS as f64 / steps as f64;
            (0..steps)
                .map(|index| training.sigmas()[TIMESTEPS - 1 - (index as f64 * stride) as usize])
                .collect()
        }
        Schedule::DdimUniform => {
            let stride = (TIMESTEPS / steps).max(1);
            let rising: Vec<f64> = training
                .sigmas()
                .iter()
                .skip(1)
                .step_by(stride)
                .copied()
                .collect();
            rising.into_iter().rev().collect()
        }
    }
}
