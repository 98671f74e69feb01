//! Timesteps and sigmas.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::golden::{Arrays, Scheduler, TableOf, difference, json};
use super::{FidelityError, Report};
use crate::sampler::Method;
use crate::schedule::{Convention, Plan, Schedule, Space, Spacing, Table, Training};

/// How far a sigma may be off, in parts of it.
const SIGMA: f64 = 2e-5;
/// How far a fractional timestep may be off.
const TIMESTEP: f64 = 1e-3;
/// How far a whole one may be off: no more than the noise of double precision.
const WHOLE_TIMESTEP: f64 = 1e-9;

#[derive(Deserialize)]
struct Golden {
    samplers: HashMap<String, Scheduler>,
    tables: Vec<Entry>,
    k_diffusion: Vec<WebEntry>,
}

#[derive(Deserialize)]
struct Entry {
    sampler: String,
    steps: usize,
    #[serde(flatten)]
    table: TableOf,
}

#[derive(Deserialize)]
struct WebEntry {
    schedule: String,
    steps: usize,
    sigmas: Vec<f64>,
    timesteps_a1111: Vec<f64>,
    timesteps_comfy: Vec<f64>,
}

pub(super) fn check(folder: &Path, report: &mut Report) -> Result<(), FidelityError> {
    let path = folder.join("schedules.json");
    if !path.is_file() {
        report.absent.push("schedules".to_owned());
        return Ok(());
    }
    let golden: Golden = json(&path)?;
    training(folder, report)?;
    for entry in &golden.tables {
        let case = format!("schedule diffusers {} {}", entry.sampler, entry.steps);
        let scheduler = golden
            .samplers
            .get(&entry.sampler)
            .ok_or_else(|| FidelityError::new(&path, format!("there is no sampler {}", entry.sampler)))?;
        if report.wants(&case) {
            compare_diffusers(
                &case,
                &entry.sampler,
                scheduler,
                entry.steps,
                &entry.table,
                report,
            );
        }
    }
    for entry in &golden.k_diffusion {
        let case = format!("schedule web {} {}", entry.schedule, entry.steps);
        if report.wants(&case) {
            entry.check(&case, report);
        }
    }
    Ok(())
}

fn training(folder: &Path, report: &mut Report) -> Result<(), FidelityError> {
    let case = "schedule training";
    if !report.wants(case) {
        return Ok(());
    }
    let arrays = Arrays::open(&folder.join("schedules.safetensors"))?;
    let training = Training::new();
    let sigmas: Vec<f32> = training.sigmas().iter().map(|&sigma| sigma as f32).collect();
    for (name, found) in [("alphas_cumprod", training.alphas_cumprod()), ("sigmas", &sigmas)] {
        let ratios: Vec<f32> = arrays
            .numbers(name)?
            .iter()
            .zip(found)
            .map(|(a, b)| a / b)
            .collect();
        let one = vec![1.0; found.len()];
        report.at_most(
            case,
            "largest relative difference",
            difference(&ratios, &one),
            SIGMA,
        );
    }
    Ok(())
}

/// The method of a name such as `dpmpp_2m_karras`.
pub(super) fn method(name: &str) -> Option<Method> {
    let known = [
        ("euler_ancestral", Method::EulerAncestral),
        ("dpmpp_2m_sde", Method::Dpmpp2mSde),
        ("dpmpp_2m", Method::Dpmpp2m),
        ("dpmpp_sde", Method::DpmppSde),
        ("ddim", Method::Ddim),
        ("ddpm", Method::Ddpm),
        ("pndm", Method::Pndm),
        ("euler", Method::Euler),
        ("heun", Method::Heun),
        ("unipc", Method::UniPc),
        ("lcm", Method::Lcm),
    ];
    let found = known.iter().find(|(known, _)| name.starts_with(known));
    found.map(|&(_, method)| method)
}

/// The schedule of a web interface's name.
pub(super) fn schedule(name: &str) -> Option<Schedule> {
    Some(match name {
        "normal" => Schedule::Normal,
        "karras" => Schedule::Karras,
        "exponential" => Schedule::Exponential,
        "sgm_uniform" => Schedule::SgmUniform,
        "simple" => Schedule::Simple,
        "ddim_uniform" => Schedule::DdimUniform,
        _ => return None,
    })
}

impl Scheduler {
    pub(super) fn schedule(&self) -> Schedule {
        if self.use_karras_sigmas {
            Schedule::Karras
        } else if self.use_exponential_sigmas {
            Schedule::Exponential
        } else {
            Schedule::Normal
        }
    }

    pub(super) fn spacing(&self) -> Option<Spacing> {
        Some(match self.timestep_spacing.as_str() {
            "linspace" => Spacing::Linspace,
            "leading" => Spacing::Leading,
            "trailing" => Spacing::Trailing,
            _ => return None,
        })
    }
}

/// Compares the table of one of diffusers' schedulers.
pub(super) fn compare_diffusers(
    case: &str,
    sampler: &str,
    scheduler: &Scheduler,
    steps: usize,
    expected: &TableOf,
    report: &mut Report,
) {
    let measure = "largest difference of timesteps";
    let Some(method) = method(sampler) else {
        let unknown = FidelityError::new(Path::new(sampler), "the sampler is not known");
        return report.failed(case, measure, &unknown);
    };
    let plan = Plan {
        method,
        schedule: scheduler.schedule(),
        convention: Convention::Diffusers,
        spacing: scheduler.spacing(),
        steps,
    };
    match plan.table(&Training::new()) {
        Ok(table) => compare(case, &table, method, expected, report),
        Err(error) => report.failed(case, measure, &error),
    }
}

/// Compares a table with what a scheduler runs.
pub(super) fn compare(case: &str, table: &Table, method: Method, expected: &TableOf, report: &mut Report) {
    let twice = method == Method::Heun;
    // Heun's own table has all but the first twice.
    let repeat = |index: usize| if twice && index > 0 { 2 } else { 1 };
    let expand = |values: Vec<f64>| -> Vec<f64> {
        let values = values.into_iter().enumerate();
        values
            .flat_map(|(index, value)| std::iter::repeat_n(value, repeat(index)))
            .collect()
    };
    let timesteps = expand(table.points.iter().map(|point| point.timestep).collect());
    let whole = expected.timesteps.iter().all(|timestep| timestep.fract() == 0.0);
    let limit = if whole { WHOLE_TIMESTEP } else { TIMESTEP };
    let off = largest(&timesteps, &expected.timesteps, |found, expected| {
        (found - expected).abs()
    });
    report.at_most(case, "largest difference of timesteps", off, limit);
    if let Some(sigmas) = &expected.sigmas {
        let mut found = expand(table.points.iter().map(|point| point.sigma).collect());
        found.push(table.final_sigma());
        report.at_most(
            case,
            "largest relative difference of sigmas",
            largest(&found, sigmas, relative),
            SIGMA,
        );
    }
    let scale = match table.space {
        Space::Exploding => table.initial_scale,
        Space::Preserving => table.initial_scale / table.points[0].sigma.hypot(1.0),
    };
    report.at_most(
        case,
        "relative difference of the first noise",
        relative(scale, expected.init_noise_sigma),
        SIGMA,
    );
}

fn largest(found: &[f64], expected: &[f64], off: impl Fn(f64, f64) -> f64) -> f64 {
    if found.len() != expected.len() {
        return f64::INFINITY;
    }
    let pairs = found.iter().zip(expected);
    pairs
        .map(|(&found, &expected)| off(found, expected))
        .fold(0.0, f64::max)
}

fn relative(found: f64, expected: f64) -> f64 {
    match expected == 0.0 {
        true => found.abs(),
        false => (found / expected - 1.0).abs(),
    }
}

impl WebEntry {
    fn check(&self, case: &str, report: &mut Report) {
        for convention in [Convention::A1111, Convention::ComfyUi] {
            let measure = "largest relative difference of sigmas";
            let Some(schedule) = schedule(&self.schedule) else {
                let unknown = FidelityError::new(Path::new(&self.schedule), "the schedule is not known");
                return report.failed(case, measure, &unknown);
            };
            let plan = Plan {
                method: Method::Euler,
                schedule,
                convention,
                spacing: None,
                steps: self.steps,
            };
            let table = match plan.table(&Training::new()) {
                Ok(table) => table,
                Err(error) => return report.failed(case, measure, &error),
            };
            let mut sigmas: Vec<f64> = table.points.iter().map(|point| point.sigma).collect();
            sigmas.push(table.final_sigma());
            report.at_most(case, measure, largest(&sigmas, &self.sigmas, relative), SIGMA);
            let timesteps: Vec<f64> = table.points.iter().map(|point| point.timestep).collect();
            if convention == Convention::A1111 {
                let off = largest(&timesteps, &self.timesteps_a1111, |found, expected| {
                    (found - expected).abs()
                });
                report.at_most(case, "largest difference of A1111's timesteps", off, TIMESTEP);
            } else {
                let off = self.nearest_off(&timesteps);
                report.at_most(case, "largest difference of ComfyUI's timesteps", off, 0.0);
            }
        }
    }

    /// How far the nearest timesteps are off; half way between two, either is right.
    fn nearest_off(&self, found: &[f64]) -> f64 {
        if found.len() != self.timesteps_comfy.len() {
            return f64::INFINITY;
        }
        let pairs = found.iter().zip(&self.timesteps_comfy).zip(&self.timesteps_a1111);
        pairs
            .map(|((&found, &expected), &exact)| {
                let half_way = (exact.fract() - 0.5).abs() < 0.01 && (found - exact).abs() < 0.52;
                if half_way { 0.0 } else { (found - expected).abs() }
            })
            .fold(0.0, f64::max)
    }
}
