//! Samplers, schedules and conventions: the contract's, with the names that people know them by.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$documentation:meta])* $kind:ident { $($(#[$about:meta])+ $name:ident = $id:literal, $label:literal $(| $other:literal)*;)+ }) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $kind {
            $($(#[$about])+ #[serde(rename = $id)] $name,)+
        }

        impl $kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name on the command line and in addresses.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => $id),+ }
            }

            /// The name on the screen, which is the one in published settings.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $(Self::$name => $label),+ }
            }

            /// The one of a name, be it of the command line, the screen or other programs.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                let name = name.trim();
                let is = |other: &str| other.eq_ignore_ascii_case(name);
                $(if is($id) || is($label) $(|| is($other))* { return Some(Self::$name); })+
                None
            }
        }
    };
}

words! {
    /// How noise becomes a picture.
    Sampler {
        /// DPM-Solver++ of second order.
        Dpmpp2m = "dpmpp_2m", "DPM++ 2M";
        /// The same as a stochastic differential equation.
        Dpmpp2mSde = "dpmpp_2m_sde", "DPM++ 2M SDE";
        /// DPM-Solver++ as a stochastic differential equation, two evaluations a step.
        DpmppSde = "dpmpp_sde", "DPM++ SDE";
        /// Euler's method.
        Euler = "euler", "Euler";
        /// Euler's method with fresh noise in each step.
        EulerA = "euler_a", "Euler a" | "euler_ancestral" | "Euler Ancestral";
        /// Heun's method: two evaluations a step.
        Heun = "heun", "Heun";
        /// UniPC, predictor and corrector.
        Unipc = "unipc", "UniPC" | "uni_pc";
        /// Denoising diffusion implicit models.
        Ddim = "ddim", "DDIM";
        /// Denoising diffusion probabilistic models.
        Ddpm = "ddpm", "DDPM";
        /// Latent consistency models.
        Lcm = "lcm", "LCM";
    }
}

words! {
    /// Which noise levels the steps go through.
    Schedule {
        /// Even in the model's own timesteps.
        Normal = "normal", "Uniform" | "Automatic";
        /// Karras et al. 2022.
        Karras = "karras", "Karras";
        /// Even in the logarithm of sigma.
        Exponential = "exponential", "Exponential";
        /// Even in timesteps, the end left out.
        SgmUniform = "sgm_uniform", "SGM Uniform";
        /// Every n-th of the model's own sigmas.
        Simple = "simple", "Simple";
    }
}

words! {
    /// Whose rules of scheduling and noise hold, down to the last digit.
    Convention {
        /// The web interface that most published settings and seeds come from.
        A1111 = "a1111", "A1111" | "AUTOMATIC1111";
        /// ComfyUI.
        ComfyUi = "comfyui", "ComfyUI";
        /// The library diffusers.
        Diffusers = "diffusers", "diffusers";
    }
}

impl Sampler {
    /// A sampler out of published settings, where older programs write the schedule behind it: `DPM++ 2M Karras`.
    #[must_use]
    pub fn published(name: &str) -> Option<(Self, Option<Schedule>)> {
        if let Some(sampler) = Self::named(name) {
            return Some((sampler, None));
        }
        Schedule::ALL.iter().find_map(|&schedule| {
            let at = name.len().checked_sub(schedule.label().len())?;
            let (before, last) = name.split_at_checked(at)?;
            let sampler = Self::named(before)?;
            last.eq_ignore_ascii_case(schedule.label())
                .then_some((sampler, Some(schedule)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_each_of_its_names() {
        for &sampler in Sampler::ALL {
            assert_eq!(Sampler::named(sampler.id()), Some(sampler));
            assert_eq!(Sampler::named(sampler.label()), Some(sampler));
        }
        for &schedule in Schedule::ALL {
            assert_eq!(Schedule::named(schedule.id()), Some(schedule));
            assert_eq!(Schedule::named(schedule.label()), Some(schedule));
        }
        for &convention in Convention::ALL {
            assert_eq!(Convention::named(convention.id()), Some(convention));
            assert_eq!(Convention::named(convention.label()), Some(convention));
        }
        assert_eq!(Sampler::named("euler_ancestral"), Some(Sampler::EulerA));
        assert_eq!(Sampler::named("Restart"), None);
    }

    #[test]
    fn a_schedule_behind_the_sampler_is_told_from_it() {
        assert_eq!(
            Sampler::published("DPM++ 2M Karras"),
            Some((Sampler::Dpmpp2m, Some(Schedule::Karras)))
        );
        assert_eq!(
            Sampler::published("DPM++ 2M SDE Exponential"),
            Some((Sampler::Dpmpp2mSde, Some(Schedule::Exponential)))
        );
        assert_eq!(Sampler::published("Euler a"), Some((Sampler::EulerA, None)));
        assert_eq!(Sampler::published("émulé"), None);
        assert_eq!(Sampler::published(""), None);
    }
}
