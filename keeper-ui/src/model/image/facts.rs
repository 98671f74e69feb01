//! What a worker says of its model and of its samplers, and the defaults that follow.

use super::family::{Family, Preset};
use super::size::Size;
use super::words::{Sampler, Schedule};
use crate::model::ids::ModelId;

/// Steps of a request that names none, as the contract has them.
const STEPS: u32 = 20;
const DISTILLED_STEPS: u32 = 4;
/// Guidance of a request that names none, as the contract has it.
const GUIDANCE: f32 = 7.0;
const DISTILLED_GUIDANCE: f32 = 1.0;

/// A sampler as the worker has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamplerFacts {
    /// Which.
    pub sampler: Sampler,
    /// Whether it adds noise in each step, so that more steps give another picture.
    pub stochastic: bool,
    /// Evaluations of the model in each step.
    pub evaluations_per_step: u32,
    /// Schedules that go with it.
    pub schedules: Vec<Schedule>,
}

/// What a worker says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The model's family.
    pub family: Family,
    /// Edge in pixels of the pictures that the model was made for.
    pub native_edge: u32,
    /// Whether it sees mask and picture.
    pub inpainting: bool,
    /// The samplers.
    pub samplers: Vec<SamplerFacts>,
    /// The sampler where a request names none.
    pub default_sampler: Option<Sampler>,
    /// The schedule where a request names none.
    pub default_schedule: Option<Schedule>,
    /// Add-ons that requests can use already.
    pub add_ons: Vec<ModelId>,
}

impl Facts {
    /// The size of a request that names none.
    #[must_use]
    pub fn size(&self) -> Size {
        let edge = Size::nearest_edge(self.native_edge.into());
        Size {
            width: edge,
            height: edge,
        }
    }

    /// Sizes that suit the model.
    #[must_use]
    pub fn presets(&self) -> Vec<Preset> {
        self.family.presets(self.native_edge)
    }

    /// Whether few steps are enough: the contract gives only distilled models these samplers by default.
    #[must_use]
    pub fn distilled(&self) -> bool {
        matches!(self.default_sampler, Some(Sampler::Lcm | Sampler::EulerA))
    }

    /// The steps of a request that names none.
    #[must_use]
    pub fn steps(&self) -> u32 {
        if self.distilled() { DISTILLED_STEPS } else { STEPS }
    }

    /// The guidance of a request that names none.
    #[must_use]
    pub fn guidance(&self) -> f32 {
        if self.distilled() {
            DISTILLED_GUIDANCE
        } else {
            GUIDANCE
        }
    }

    /// The schedules that go with a sampler; with the default one if none is named. Empty where the worker said nothing.
    #[must_use]
    pub fn schedules(&self, sampler: Option<Sampler>) -> &[Schedule] {
        let wanted = sampler.or(self.default_sampler);
        let found = self.samplers.iter().find(|facts| Some(facts.sampler) == wanted);
        found.map_or(&[], |facts| &facts.schedules)
    }

    /// What the worker says of a sampler; of the default one if none is named.
    #[must_use]
    pub fn sampler(&self, sampler: Option<Sampler>) -> Option<&SamplerFacts> {
        let wanted = sampler.or(self.default_sampler)?;
        self.samplers.iter().find(|facts| facts.sampler == wanted)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A worker with SD 1.5.
    pub(crate) fn facts() -> Facts {
        let sampler = |sampler, schedules: &[Schedule]| SamplerFacts {
            sampler,
            stochastic: sampler == Sampler::EulerA,
            evaluations_per_step: 1,
            schedules: schedules.to_vec(),
        };
        Facts {
            family: Family::V1,
            native_edge: 512,
            inpainting: false,
            samplers: vec![
                sampler(Sampler::Dpmpp2m, Schedule::ALL),
                sampler(Sampler::EulerA, Schedule::ALL),
                sampler(Sampler::Ddim, &[Schedule::Normal, Schedule::Simple]),
            ],
            default_sampler: Some(Sampler::Dpmpp2m),
            default_schedule: Some(Schedule::Karras),
            add_ons: Vec::new(),
        }
    }

    #[test]
    fn a_distilled_model_takes_few_steps() {
        let usual = facts();
        assert_eq!((usual.steps(), usual.guidance()), (20, 7.0));
        let turbo = Facts {
            default_sampler: Some(Sampler::EulerA),
            ..facts()
        };
        assert_eq!((turbo.steps(), turbo.guidance()), (4, 1.0));
    }

    #[test]
    fn schedules_follow_the_sampler() {
        let facts = facts();
        assert_eq!(facts.schedules(None).len(), 5);
        assert_eq!(
            facts.schedules(Some(Sampler::Ddim)),
            [Schedule::Normal, Schedule::Simple]
        );
        assert!(facts.schedules(Some(Sampler::Heun)).is_empty());
    }
}
