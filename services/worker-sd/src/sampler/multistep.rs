//! Methods that remember the steps before.

use super::Denoising;
use super::combine::combine;
use super::single::add_noise;
use crate::schedule::Point;

/// How many noises pseudo linear multistep looks back on.
const NOISES: usize = 3;

type Noise<'a> = &'a mut dyn FnMut(usize) -> Vec<f32>;

impl Denoising {
    /// DPM-Solver++ of second order (Lu et al. 2022, algorithm 2); the last step to zero is of first order.
    pub(super) fn dpmpp_2m(&mut self, point: Point, denoised: Vec<f32>) {
        let left = point.target / point.sigma;
        let slope = self.slope(point, 0.5);
        let latents = match (slope, self.memory.denoised.last()) {
            (Some(slope), Some((_, before))) => combine(&[
                (left, &self.latents),
                ((1.0 - left) * (1.0 + slope), &denoised),
                (-(1.0 - left) * slope, before),
            ]),
            _ => combine(&[(left, &self.latents), (1.0 - left, &denoised)]),
        };
        self.remember(point, denoised);
        self.finish(point, latents);
    }

    /// The same as a stochastic differential equation, with all the fresh noise that there can be.
    pub(super) fn dpmpp_2m_sde(&mut self, point: Point, denoised: Vec<f32>, noise: Noise<'_>) {
        let left = point.target / point.sigma;
        let new = 1.0 - left * left;
        let slope = self.slope(point, 0.5);
        let latents = match (slope, self.memory.denoised.last()) {
            (Some(slope), Some((_, before))) => combine(&[
                (left * left, &self.latents),
                (new * (1.0 + slope), &denoised),
                (-new * slope, before),
            ]),
            _ => combine(&[(left * left, &self.latents), (new, &denoised)]),
        };
        let latents = add_noise(latents, point.target * new.max(0.0).sqrt(), noise);
        self.remember(point, denoised);
        self.finish(point, latents);
    }

    /// By how much of the last difference between latents without noise the next ones differ: `share` of it, by the
    /// lengths of the steps in the logarithm of sigma. Nothing for the first step, and for the last one to zero.
    fn slope(&self, point: Point, share: f64) -> Option<f64> {
        let (before, _) = self.memory.denoised.last()?;
        let last = (before / point.sigma).ln();
        let next = (point.sigma / point.target).ln();
        let slope = share * next / last;
        slope.is_finite().then_some(slope)
    }

    fn remember(&mut self, point: Point, denoised: Vec<f32>) {
        let memory = &mut self.memory.denoised;
        memory.push((point.sigma, denoised));
        if memory.len() > 2 {
            memory.remove(0);
        }
    }

    /// UniPC of second order with B(h) = e^h - 1 on the latents without noise (Zhao et al. 2023, algorithms 5 and 6):
    /// what the model says at the new place corrects the step that led there, then the next step is predicted.
    pub(super) fn unipc(&mut self, point: Point, denoised: Vec<f32>) {
        if let Some(corrected) = self.corrected(point, &denoised) {
            self.latents = corrected;
        }
        self.remember(point, denoised);
        let left = self.table.points.len() - self.index;
        let done = self.index - self.begin;
        let order = 2.min(left).min(done + 1);
        let ratio = point.target / point.sigma;
        let slope = match self.memory.denoised.as_slice() {
            [(before, old), (_, new)] if order == 2 => {
                let slope = 0.5 * (point.sigma / point.target).ln() / (before / point.sigma).ln();
                slope.is_finite().then_some((slope, old, new))
            }
            _ => None,
        };
        let Some((_, last)) = self.memory.denoised.last() else {
            return;
        };
        let latents = match slope {
            Some((slope, old, new)) => combine(&[
                (ratio, &self.latents),
                ((1.0 - ratio) * (1.0 + slope), new),
                (-(1.0 - ratio) * slope, old),
            ]),
            None => combine(&[(ratio, &self.latents), (1.0 - ratio, last)]),
        };
        self.memory.order = order;
        self.memory.from = Some(std::mem::take(&mut self.latents));
        self.finish(point, latents);
    }

    /// The last step once more, with what the model says at its end.
    fn corrected(&self, point: Point, denoised: &[f32]) -> Option<Vec<f32>> {
        let from = self.memory.from.as_deref()?;
        let (sigma, last) = self.memory.denoised.last()?;
        let length = (sigma / point.sigma).ln();
        let ratio = point.sigma / sigma;
        let older = match self.memory.denoised.as_slice() {
            [(older_sigma, older), _] if self.memory.order == 2 => {
                Some(((sigma / older_sigma).ln() / length, older.as_slice()))
            }
            _ => None,
        };
        let corrected = match older {
            None => combine(&[
                (ratio, from),
                ((1.0 - ratio) * 0.5, last),
                ((1.0 - ratio) * 0.5, denoised),
            ]),
            Some((place, older)) => {
                let (past, present) = corrector_weights(place, length);
                combine(&[
                    (ratio, from),
                    ((1.0 - ratio) * (1.0 - past / place - present), last),
                    ((1.0 - ratio) * past / place, older),
                    ((1.0 - ratio) * present, denoised),
                ])
            }
        };
        corrected
            .iter()
            .all(|number| number.is_finite())
            .then_some(corrected)
    }

    /// Pseudo linear multistep (Liu et al. 2022, equations 9 and 12): Adams and Bashforth's weights on the model's
    /// noises. The second evaluation takes the first step once more with the mean of both.
    pub(super) fn pseudo_linear(&mut self, point: Point, denoised: &[f32]) {
        let inverse = 1.0 / self.sigma;
        let noise = combine(&[(inverse, &self.latents), (-inverse, denoised)]);
        let done = self.index - self.begin;
        let noises = &mut self.memory.noises;
        if done == 1
            && let Some(from) = self.memory.from.take()
        {
            let first = &noises[0];
            let begin = self.table.points[self.begin];
            let half = (begin.target - begin.sigma) / 2.0;
            let latents = combine(&[(1.0, &from), (half, first), (half, &noise)]);
            let target = begin.target;
            self.finish(Point { target, ..point }, latents);
            return;
        }
        let span = point.target - point.sigma;
        let part = |weight: f64, divisor: f64| span * weight / divisor;
        let now = |weight, divisor| (part(weight, divisor), noise.as_slice());
        let old =
            |weight, divisor, back: usize| (part(weight, divisor), noises[noises.len() - back].as_slice());
        let same = (1.0, self.latents.as_slice());
        let latents = match noises.len() {
            0 => combine(&[same, now(1.0, 1.0)]),
            1 => combine(&[same, now(3.0, 2.0), old(-1.0, 2.0, 1)]),
            2 => combine(&[same, now(23.0, 12.0), old(-16.0, 12.0, 1), old(5.0, 12.0, 2)]),
            _ => combine(&[
                same,
                now(55.0, 24.0),
                old(-59.0, 24.0, 1),
                old(37.0, 24.0, 2),
                old(-9.0, 24.0, 3),
            ]),
        };
        noises.push(noise);
        if noises.len() > NOISES {
            noises.remove(0);
        }
        if done == 0 {
            self.memory.from = Some(self.latents.clone());
        }
        self.finish(point, latents);
    }
}

/// How much the older and the present difference count in UniPC's correction of second order; `place` is where the
/// older one lies, in lengths of the step, and `length` that step in the logarithm of sigma.
fn corrector_weights(place: f64, length: f64) -> (f64, f64) {
    // h is negative in the form for latents without noise; B(h) and the first of the phi functions are then the same.
    let step = -length;
    let base = step.exp_m1();
    let first = base / step - 1.0;
    let second = first / step - 0.5;
    let (first, second) = (first / base, 2.0 * second / base);
    let past = (first - second) / (1.0 - place);
    (past, first - past)
}
