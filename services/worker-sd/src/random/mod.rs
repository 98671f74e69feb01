//! Normal numbers exactly as PyTorch draws them, so that a published seed gives the published picture.
//!
//! Two generators are what "a seed" means in practice: the one of processors ([`TorchCpu`], Mersenne Twister), and the
//! one of NVIDIA's GPUs ([`Philox`]), which web interfaces imitate on any machine.

mod mersenne;
mod philox;

pub use mersenne::TorchCpu;
pub use philox::Philox;

/// Where noise comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoiseSource {
    /// PyTorch's generator on processors.
    Cpu,
    /// PyTorch's generator on NVIDIA's GPUs.
    Gpu,
}

/// A generator of standard normal numbers with a seed.
#[derive(Debug, Clone)]
pub enum Normals {
    /// See [`NoiseSource::Cpu`].
    Cpu(Box<TorchCpu>),
    /// See [`NoiseSource::Gpu`].
    Gpu(Philox),
}

impl Normals {
    /// The generator of `source` after `manual_seed(seed)`.
    #[must_use]
    pub fn new(source: NoiseSource, seed: u64) -> Self {
        match source {
            NoiseSource::Cpu => Self::Cpu(Box::new(TorchCpu::new(seed))),
            NoiseSource::Gpu => Self::Gpu(Philox::new(seed)),
        }
    }

    /// What `torch.randn` of `count` numbers gives next.
    #[must_use]
    pub fn draw(&mut self, count: usize) -> Vec<f32> {
        match self {
            Self::Cpu(generator) => generator.normals(count),
            Self::Gpu(generator) => generator.normals(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_sources_differ_and_repeat_themselves() {
        let draw = |source, seed| Normals::new(source, seed).draw(64);
        assert_eq!(draw(NoiseSource::Cpu, 1), draw(NoiseSource::Cpu, 1));
        assert_eq!(draw(NoiseSource::Gpu, 1), draw(NoiseSource::Gpu, 1));
        assert_ne!(draw(NoiseSource::Cpu, 1), draw(NoiseSource::Gpu, 1));
        assert_ne!(draw(NoiseSource::Cpu, 1), draw(NoiseSource::Cpu, 2));
    }

    #[test]
    fn only_the_generator_of_gpus_takes_the_high_bits_of_a_seed() {
        let high = |source| Normals::new(source, 5).draw(32) == Normals::new(source, 5 | 1 << 32).draw(32);
        assert!(high(NoiseSource::Cpu));
        assert!(!high(NoiseSource::Gpu));
    }

    proptest! {
        #[test]
        fn numbers_are_finite_and_as_many_as_asked(seed: u64, counts in prop::collection::vec(0usize..100, 1..6)) {
            for source in [NoiseSource::Cpu, NoiseSource::Gpu] {
                let mut normals = Normals::new(source, seed);
                for &count in &counts {
                    let numbers = normals.draw(count);
                    prop_assert_eq!(numbers.len(), count);
                    prop_assert!(numbers.iter().all(|number| number.abs() < 10.0));
                }
            }
        }
    }
}
