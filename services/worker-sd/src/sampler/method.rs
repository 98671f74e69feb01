//! The methods and what they are called.

use crate::schedule::{Convention, Schedule};

/// How noise becomes a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Denoising diffusion implicit models (Song et al. 2020).
    Ddim,
    /// Denoising diffusion probabilistic models (Ho et al. 2020).
    Ddpm,
    /// Pseudo linear multistep (Liu et al. 2022), with which Stable Diffusion 1 was published.
    Pndm,
    /// Euler's method (Karras et al. 2022, algorithm 1).
    Euler,
    /// Euler's method with fresh noise in each step.
    EulerAncestral,
    /// Heun's method: two evaluations a step.
    Heun,
    /// DPM-Solver++ (Lu et al. 2022, algorithm 2).
    Dpmpp2m,
    /// The same as a stochastic differential equation.
    Dpmpp2mSde,
    /// DPM-Solver++ as a stochastic differential equation, two evaluations a step.
    DpmppSde,
    /// UniPC (Zhao et al. 2023) of second order, variant B2.
    UniPc,
    /// Latent consistency (Luo et al. 2023).
    Lcm,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Ddim,
        Self::Ddpm,
        Self::Pndm,
        Self::Euler,
        Self::EulerAncestral,
        Self::Heun,
        Self::Dpmpp2m,
        Self::Dpmpp2mSde,
        Self::DpmppSde,
        Self::UniPc,
        Self::Lcm,
    ];

    /// The name in published settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ddim => "ddim",
            Self::Ddpm => "ddpm",
            Self::Pndm => "pndm",
            Self::Euler => "euler",
            Self::EulerAncestral => "euler_a",
            Self::Heun => "heun",
            Self::Dpmpp2m => "dpmpp_2m",
            Self::Dpmpp2mSde => "dpmpp_2m_sde",
            Self::DpmppSde => "dpmpp_sde",
            Self::UniPc => "unipc",
            Self::Lcm => "lcm",
        }
    }

    /// Whether it adds noise in each step, so that more steps give another picture.
    #[must_use]
    pub fn stochastic(self) -> bool {
        matches!(
            self,
            Self::Ddpm | Self::EulerAncestral | Self::Dpmpp2mSde | Self::DpmppSde | Self::Lcm
        )
    }

    /// Evaluations of the model in each step; the last step of those with two has one.
    #[must_use]
    pub fn evaluations_per_step(self) -> u32 {
        match self {
            Self::Heun | Self::DpmppSde => 2,
            _ => 1,
        }
    }

    /// The schedule that its users mostly take.
    #[must_use]
    pub fn usual_schedule(self) -> Schedule {
        match self {
            Self::Dpmpp2m | Self::Dpmpp2mSde | Self::DpmppSde => Schedule::Karras,
            _ => Schedule::Normal,
        }
    }

    /// The schedules that go with it.
    #[must_use]
    pub fn schedules(self, convention: Convention) -> &'static [Schedule] {
        const EVERY: [Schedule; 5] = [
            Schedule::Normal,
            Schedule::Karras,
            Schedule::Exponential,
            Schedule::SgmUniform,
            Schedule::Simple,
        ];
        const WEB: [Schedule; 6] = [
            Schedule::Normal,
            Schedule::Karras,
            Schedule::Exponential,
            Schedule::SgmUniform,
            Schedule::Simple,
            Schedule::DdimUniform,
        ];
        const SPACED: [Schedule; 3] = [Schedule::Normal, Schedule::SgmUniform, Schedule::Simple];
        match (convention, self) {
            (Convention::ComfyUi, Self::Pndm) | (Convention::A1111 | Convention::Diffusers, Self::Pndm) => {
                &[Schedule::Normal]
            }
            (Convention::Diffusers, Self::Lcm) => &[Schedule::Normal],
            (Convention::Diffusers | Convention::A1111, Self::Ddim) | (Convention::Diffusers, Self::Ddpm) => {
                &SPACED
            }
            (Convention::Diffusers, _) => &EVERY,
            (Convention::A1111 | Convention::ComfyUi, _) => &WEB,
        }
    }
}
