use super::*;
use crate::random::{NoiseSource, Normals};
use crate::schedule::{Convention, Plan, Schedule};

/// The best model there can be for pictures whose numbers are normal with this mean and deviation: what it says is
/// known, and so is the way from any noise to its picture.
struct Exact {
    mean: f64,
    deviation: f64,
}

impl Exact {
    /// Its noise for latents `x` = picture + sigma × noise.
    fn noise(&self, latents: &[f32], sigma: f64) -> Vec<f32> {
        let share = self.deviation.powi(2) / (self.deviation.powi(2) + sigma * sigma);
        latents
            .iter()
            .map(|&x| {
                let picture = self.mean + share * (f64::from(x) - self.mean);
                ((f64::from(x) - picture) / sigma) as f32
            })
            .collect()
    }

    /// Where the way without noise ends that comes through `x` at `sigma`.
    fn end(&self, x: f32, sigma: f64) -> f64 {
        let ratio = self.deviation / self.deviation.hypot(sigma);
        self.mean + ratio * (f64::from(x) - self.mean)
    }

    fn sample(
        &self,
        method: Method,
        schedule: Schedule,
        convention: Convention,
        steps: usize,
    ) -> (Vec<f32>, Vec<f32>, f64) {
        let plan = Plan {
            method,
            schedule,
            convention,
            spacing: None,
            steps,
        };
        let table = plan.table(&Training::new()).unwrap();
        let first = table.points[0].sigma;
        let mut normals = Normals::new(NoiseSource::Cpu, 7);
        let begin: Vec<f32> = normals
            .draw(4096)
            .iter()
            .map(|n| (f64::from(*n) * first.hypot(self.deviation) + self.mean) as f32)
            .collect();
        let mut denoising = Denoising::new(
            method.under(convention),
            Prediction::Epsilon,
            table,
            0,
            begin.clone(),
        );
        let mut evaluations = 0;
        while let Some(evaluation) = denoising.next() {
            evaluations += 1;
            assert!(evaluations <= 2 * steps + 1, "{method:?} does not end");
            let latents: Vec<f32> = denoising
                .input()
                .iter()
                .map(|x| (f64::from(*x) / evaluation.input_scale()) as f32)
                .collect();
            let noise = self.noise(&latents, evaluation.sigma);
            denoising.accept(&noise, &mut |count| normals.draw(count));
        }
        (begin, denoising.latents(), first)
    }
}

fn combinations() -> impl Iterator<Item = (Method, Schedule, Convention)> {
    [Convention::Diffusers, Convention::A1111, Convention::ComfyUi]
        .into_iter()
        .flat_map(|convention| {
            Method::ALL.into_iter().flat_map(move |method| {
                method
                    .schedules(convention)
                    .iter()
                    .map(move |&schedule| (method, schedule, convention))
            })
        })
}

#[test]
fn every_method_without_noise_follows_the_known_way() {
    let exact = Exact {
        mean: 0.5,
        deviation: 0.8,
    };
    for (method, schedule, convention) in combinations().filter(|(method, ..)| !method.stochastic()) {
        let (begin, end, sigma) = exact.sample(method, schedule, convention, 200);
        let error = begin
            .iter()
            .zip(&end)
            .map(|(&x, &y)| (exact.end(x, sigma) - f64::from(y)).abs())
            .fold(0.0, f64::max);
        // What begins at a lower level or ends above none keeps a little noise; first order is the slowest.
        let limit = match method {
            Method::Ddim | Method::Euler | Method::Pndm => 0.12,
            _ => 0.06,
        };
        assert!(error < limit, "{method:?} {schedule:?} {convention:?}: {error}");
    }
}

#[test]
fn higher_orders_are_nearer_with_few_steps() {
    let exact = Exact {
        mean: 0.5,
        deviation: 0.8,
    };
    let error = |method| {
        let (begin, end, sigma) = exact.sample(method, Schedule::Karras, Convention::A1111, 12);
        begin
            .iter()
            .zip(&end)
            .map(|(&x, &y)| (exact.end(x, sigma) - f64::from(y)).abs())
            .fold(0.0, f64::max)
    };
    let euler = error(Method::Euler);
    for method in [Method::Heun, Method::Dpmpp2m, Method::UniPc] {
        assert!(
            error(method) < euler / 2.0,
            "{method:?}: {} and Euler {euler}",
            error(method)
        );
    }
}

#[test]
fn every_method_with_noise_gives_pictures_of_the_right_spread() {
    let exact = Exact {
        mean: 0.5,
        deviation: 0.8,
    };
    let noisy = combinations().filter(|(method, ..)| method.stochastic() && *method != Method::Lcm);
    for (method, schedule, convention) in noisy {
        let (_, end, _) = exact.sample(method, schedule, convention, 200);
        let count = end.len() as f64;
        let mean = end.iter().map(|&y| f64::from(y)).sum::<f64>() / count;
        let variance = end.iter().map(|&y| (f64::from(y) - mean).powi(2)).sum::<f64>() / count;
        assert!(
            (mean - exact.mean).abs() < 0.06,
            "{method:?} {schedule:?} {convention:?}: mean {mean}"
        );
        assert!(
            (variance.sqrt() - exact.deviation).abs() < 0.06,
            "{method:?} {schedule:?} {convention:?}: deviation {}",
            variance.sqrt()
        );
    }
}

#[test]
fn both_predictions_say_the_same() {
    let plan = Plan {
        method: Method::Dpmpp2m,
        schedule: Schedule::Karras,
        convention: Convention::A1111,
        spacing: None,
        steps: 5,
    };
    let table = plan.table(&Training::new()).unwrap();
    let sigma = table.points[2].sigma;
    let (picture, noise) = ([0.3f32, -1.2, 0.0], [0.5f32, 1.5, -2.0]);
    let latents = combine(&[(1.0, &picture), (sigma, &noise)]);
    let scale = 1.0 / sigma.hypot(1.0);
    let v = combine(&[(scale, &noise), (-scale * sigma, &picture)]);
    for (prediction, output) in [(Prediction::Epsilon, noise.to_vec()), (Prediction::V, v)] {
        let denoising = Denoising::new(Method::Dpmpp2m, prediction, table.clone(), 2, latents.clone());
        for (found, expected) in denoising.without_noise(&output).iter().zip(picture) {
            assert!(
                (found - expected).abs() < 1e-5,
                "{prediction:?}: {found} and not {expected}"
            );
        }
    }
}

#[test]
fn what_is_kept_is_the_picture_with_the_noise_of_the_moment() {
    for method in [Method::Euler, Method::Ddim, Method::Heun] {
        let plan = Plan {
            method,
            schedule: Schedule::Normal,
            convention: Convention::Diffusers,
            spacing: None,
            steps: 4,
        };
        let table = plan.table(&Training::new()).unwrap();
        let (kept, noise, mask) = ([2.0f32, 3.0], [1.0f32, -1.0], [0.0f32, 1.0]);
        let mut denoising = Denoising::new(method, Prediction::Epsilon, table, 0, vec![1.0; 2]);
        while denoising.next().is_some() {
            denoising.accept(&[0.1, 0.1], &mut |count| vec![0.0; count]);
            let before = denoising.input();
            denoising.keep(&kept, &noise, &mask);
            let scale = 1.0 / denoising.sigma().hypot(1.0);
            if denoising.next().is_some() {
                let expected = (2.0 + denoising.sigma()) * scale;
                assert!((f64::from(denoising.input()[0]) - expected).abs() < 1e-5);
            }
            assert_eq!(
                denoising.input()[1],
                before[1],
                "where it is painted nothing changes"
            );
        }
        assert!(
            (denoising.latents()[0] - 2.0).abs() < 1e-5,
            "{method:?} ends with the picture itself"
        );
    }
}
