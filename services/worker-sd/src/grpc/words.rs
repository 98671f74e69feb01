//! The contract's enumerations and the worker's own.

use rbee_proto::worker::v1 as proto;

use crate::domain::PromptSyntax;
use crate::random::NoiseSource;
use crate::sampler::Method;
use crate::schedule::{Convention, Schedule};

/// The sampler; `None` where the request leaves it open.
pub(super) fn method(sampler: proto::Sampler) -> Option<Method> {
    Some(match sampler {
        proto::Sampler::Unspecified => return None,
        proto::Sampler::Ddim => Method::Ddim,
        proto::Sampler::Ddpm => Method::Ddpm,
        proto::Sampler::Euler => Method::Euler,
        proto::Sampler::EulerA => Method::EulerAncestral,
        proto::Sampler::Heun => Method::Heun,
        proto::Sampler::Dpmpp2m => Method::Dpmpp2m,
        proto::Sampler::Dpmpp2mSde => Method::Dpmpp2mSde,
        proto::Sampler::DpmppSde => Method::DpmppSde,
        proto::Sampler::Unipc => Method::UniPc,
        proto::Sampler::Lcm => Method::Lcm,
    })
}

/// The sampler's name in the contract; unspecified for one that only the fidelity cases use.
pub(super) fn sampler(method: Method) -> proto::Sampler {
    match method {
        Method::Ddim => proto::Sampler::Ddim,
        Method::Ddpm => proto::Sampler::Ddpm,
        Method::Pndm => proto::Sampler::Unspecified,
        Method::Euler => proto::Sampler::Euler,
        Method::EulerAncestral => proto::Sampler::EulerA,
        Method::Heun => proto::Sampler::Heun,
        Method::Dpmpp2m => proto::Sampler::Dpmpp2m,
        Method::Dpmpp2mSde => proto::Sampler::Dpmpp2mSde,
        Method::DpmppSde => proto::Sampler::DpmppSde,
        Method::UniPc => proto::Sampler::Unipc,
        Method::Lcm => proto::Sampler::Lcm,
    }
}

/// The schedule; `None` where the request leaves it open.
pub(super) fn schedule(schedule: proto::Schedule) -> Option<Schedule> {
    Some(match schedule {
        proto::Schedule::Unspecified => return None,
        proto::Schedule::Normal => Schedule::Normal,
        proto::Schedule::Karras => Schedule::Karras,
        proto::Schedule::Exponential => Schedule::Exponential,
        proto::Schedule::SgmUniform => Schedule::SgmUniform,
        proto::Schedule::Simple => Schedule::Simple,
    })
}

/// The schedule in the contract; unspecified for one that only the fidelity cases use.
pub(super) fn wire_schedule(schedule: Schedule) -> proto::Schedule {
    match schedule {
        Schedule::Normal => proto::Schedule::Normal,
        Schedule::Karras => proto::Schedule::Karras,
        Schedule::Exponential => proto::Schedule::Exponential,
        Schedule::SgmUniform => proto::Schedule::SgmUniform,
        Schedule::Simple => proto::Schedule::Simple,
        Schedule::DdimUniform => proto::Schedule::Unspecified,
    }
}

pub(super) fn convention(convention: proto::Convention) -> Convention {
    match convention {
        proto::Convention::Unspecified | proto::Convention::A1111 => Convention::A1111,
        proto::Convention::Comfyui => Convention::ComfyUi,
        proto::Convention::Diffusers => Convention::Diffusers,
    }
}

pub(super) fn noise(noise: proto::NoiseSource) -> Option<NoiseSource> {
    match noise {
        proto::NoiseSource::Unspecified => None,
        proto::NoiseSource::Cpu => Some(NoiseSource::Cpu),
        proto::NoiseSource::Gpu => Some(NoiseSource::Gpu),
    }
}

pub(super) fn syntax(syntax: proto::PromptSyntax) -> Option<PromptSyntax> {
    match syntax {
        proto::PromptSyntax::Unspecified => None,
        proto::PromptSyntax::Plain => Some(PromptSyntax::Plain),
        proto::PromptSyntax::Weighted => Some(PromptSyntax::Weighted),
    }
}

/// All samplers that requests can name, with what goes with them in the convention that holds if none is named.
pub(super) fn samplers() -> Vec<proto::SamplerInfo> {
    let of_wire = Method::ALL
        .iter()
        .filter(|&&method| sampler(method) != proto::Sampler::Unspecified);
    of_wire
        .map(|&method| proto::SamplerInfo {
            sampler: sampler(method).into(),
            name: method.name().to_owned(),
            stochastic: method.stochastic(),
            evaluations_per_step: method.evaluations_per_step(),
            schedules: method
                .schedules(Convention::A1111)
                .iter()
                .map(|&schedule| wire_schedule(schedule))
                .filter(|&schedule| schedule != proto::Schedule::Unspecified)
                .map(i32::from)
                .collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sampler_of_the_contract_is_known_and_comes_back() {
        let known = (1..=10).map(|number| proto::Sampler::try_from(number).unwrap());
        for wire in known {
            assert_eq!(sampler(method(wire).unwrap()), wire);
        }
        assert_eq!(samplers().len(), 10);
        assert!(samplers().iter().all(|sampler| !sampler.schedules.is_empty()));
        for wire in (1..=5).map(|number| proto::Schedule::try_from(number).unwrap()) {
            assert_eq!(wire_schedule(schedule(wire).unwrap()), wire);
        }
    }
}
