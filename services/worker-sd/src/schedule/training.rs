//! The noise levels on which Stable Diffusion was trained.

/// How many there are.
pub(super) const TIMESTEPS: usize = 1000;

/// The thousand noise levels of training: betas from 0.00085 to 0.012, even in their square roots.
///
/// Computed with the roundings of PyTorch, because sampling amplifies the difference.
#[derive(Debug, Clone)]
pub struct Training {
    alphas_cumprod: Vec<f32>,
    sigmas: Vec<f64>,
    logs: Vec<f64>,
}

impl Default for Training {
    fn default() -> Self {
        Self::new()
    }
}

impl Training {
    /// The noise levels.
    #[must_use]
    pub fn new() -> Self {
        let mut product = 1.0f64;
        let alphas_cumprod: Vec<f32> = (0..TIMESTEPS)
            .map(|index| {
                let root = linspace(0.00085f64.sqrt() as f32, 0.012f64.sqrt() as f32, index);
                product *= f64::from(1.0 - root * root);
                product as f32
            })
            .collect();
        let sigmas: Vec<f64> = alphas_cumprod
            .iter()
            .map(|&alpha| f64::from(((1.0 - alpha) / alpha).sqrt()))
            .collect();
        let logs = sigmas.iter().map(|sigma| sigma.ln()).collect();
        Self {
            alphas_cumprod,
            sigmas,
            logs,
        }
    }

    /// The part of the picture's variance that is left at each timestep.
    #[must_use]
    pub fn alphas_cumprod(&self) -> &[f32] {
        &self.alphas_cumprod
    }

    /// The noise level at each timestep, in rising order.
    #[must_use]
    pub fn sigmas(&self) -> &[f64] {
        &self.sigmas
    }

    /// The lowest and the highest noise level.
    #[must_use]
    pub fn extremes(&self) -> (f64, f64) {
        (self.sigmas[0], self.sigmas[TIMESTEPS - 1])
    }

    /// The noise level at a whole timestep; the nearest there is for one outside.
    #[must_use]
    pub fn sigma(&self, timestep: f64) -> f64 {
        self.sigmas[self.index(timestep)]
    }

    /// The noise level between two timesteps, straight between theirs.
    #[must_use]
    pub fn sigma_between(&self, timestep: f64) -> f64 {
        self.between(&self.sigmas, timestep)
    }

    /// The noise level between two timesteps, straight between the logarithms of theirs.
    #[must_use]
    pub fn sigma_by_log(&self, timestep: f64) -> f64 {
        self.between(&self.logs, timestep).exp()
    }

    /// The timestep of a noise level, fractional, straight between the logarithms.
    #[must_use]
    pub fn timestep(&self, sigma: f64) -> f64 {
        let log = sigma.max(1e-10).ln();
        let not_above = self.logs.partition_point(|&one| one <= log);
        let low = not_above.saturating_sub(1).min(TIMESTEPS - 2);
        let part = (log - self.logs[low]) / (self.logs[low + 1] - self.logs[low]);
        low as f64 + part.clamp(0.0, 1.0)
    }

    /// The timestep whose noise level is nearest in the logarithm.
    #[must_use]
    pub fn nearest_timestep(&self, sigma: f64) -> f64 {
        let log = sigma.max(1e-10).ln();
        let above = self.logs.partition_point(|&one| one < log).min(TIMESTEPS - 1);
        let below = above.saturating_sub(1);
        let nearest = if log - self.logs[below] <= self.logs[above] - log {
            below
        } else {
            above
        };
        nearest as f64
    }

    fn between(&self, values: &[f64], timestep: f64) -> f64 {
        let low = self.index(timestep.floor());
        let high = self.index(timestep.ceil());
        let part = timestep - timestep.floor();
        values[low] + part * (values[high] - values[low])
    }

    fn index(&self, timestep: f64) -> usize {
        // The conversion takes what is below 0 to 0.
        (timestep as usize).min(self.sigmas.len() - 1)
    }
}

/// The number at `index` of a thousand from `start` to `end`, as `torch.linspace` computes it: from the nearer end.
fn linspace(start: f32, end: f32, index: usize) -> f32 {
    let step = (end - start) / (TIMESTEPS - 1) as f32;
    if index < TIMESTEPS / 2 {
        start + step * index as f32
    } else {
        end - step * (TIMESTEPS - 1 - index) as f32
    }
}
