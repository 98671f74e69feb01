//! The generations of Stable Diffusion, and the sizes that each was made for.

use super::size::Size;

/// A generation of Stable Diffusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Stable Diffusion 1.5.
    V1,
    /// Stable Diffusion 2.1.
    V2,
    /// Stable Diffusion XL.
    Xl,
    /// Stable Diffusion XL Turbo.
    XlTurbo,
    /// The refiner of Stable Diffusion XL.
    XlRefiner,
    /// One that this program does not know.
    Other,
}

/// A size with its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name: `Square`.
    pub label: &'static str,
    /// The proportion: `3:2`.
    pub ratio: &'static str,
    /// The size.
    pub size: Size,
}

/// What [`Family::presets`] gives for SDXL: sizes of its training (Podell et al. 2023, appendix I).
const XL: [(&str, &str, u32, u32); 7] = [
    ("Square", "1:1", 1024, 1024),
    ("Photo", "4:3", 1152, 896),
    ("Landscape", "3:2", 1216, 832),
    ("Wide", "16:9", 1344, 768),
    ("Portrait", "3:4", 896, 1152),
    ("Tall", "2:3", 832, 1216),
    ("Phone", "9:16", 768, 1344),
];

/// Shares of the native edge for models with one size, in 64ths so that edges stay multiples of 8 for those edges
/// that models have.
const SHARES: [(&str, &str, u32, u32); 7] = [
    ("Square", "1:1", 64, 64),
    ("Photo", "4:3", 80, 60),
    ("Landscape", "3:2", 96, 64),
    ("Wide", "16:9", 96, 54),
    ("Portrait", "3:4", 60, 80),
    ("Tall", "2:3", 64, 96),
    ("Phone", "9:16", 54, 96),
];

impl Family {
    /// The family by the contract's word for it: `v1-5`, `xl`.
    #[must_use]
    pub fn of_version(version: &str) -> Self {
        match version {
            "v1-5" => Self::V1,
            "v2-1" => Self::V2,
            "xl" => Self::Xl,
            "xl-turbo" => Self::XlTurbo,
            "xl-refiner" => Self::XlRefiner,
            _ => Self::Other,
        }
    }

    /// Its name on the screen.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::V1 => "Stable Diffusion 1.5",
            Self::V2 => "Stable Diffusion 2.1",
            Self::Xl => "Stable Diffusion XL",
            Self::XlTurbo => "SDXL Turbo",
            Self::XlRefiner => "SDXL Refiner",
            Self::Other => "Stable Diffusion",
        }
    }

    /// Sizes that suit a model of this family which was made for `native_edge` pixels, the native one first.
    #[must_use]
    pub fn presets(self, native_edge: u32) -> Vec<Preset> {
        let is_xl = matches!(self, Self::Xl | Self::XlRefiner) && native_edge == 1024;
        let sizes = SHARES.map(|(label, ratio, width, height)| {
            let edge = |share| Size::nearest_edge(u64::from(native_edge) * share / 64);
            (label, ratio, edge(u64::from(width)), edge(u64::from(height)))
        });
        let sizes = if is_xl { XL } else { sizes };
        let preset = |(label, ratio, width, height)| Preset {
            label,
            ratio,
            size: Size { width, height },
        };
        sizes.map(preset).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_sizes_are_those_that_people_take() {
        let sizes = |family: Family, edge| {
            let presets = family.presets(edge);
            presets
                .iter()
                .map(|preset| preset.size.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            sizes(Family::V1, 512),
            [
                "512×512", "640×480", "768×512", "768×432", "480×640", "512×768", "432×768"
            ]
        );
        assert_eq!(sizes(Family::Xl, 1024)[3], "1344×768");
        assert_eq!(sizes(Family::V2, 768)[0], "768×768");
        // A tiny model for tests calls itself XL, too.
        assert_eq!(sizes(Family::Xl, 64)[0], "64×64");
    }

    proptest! {
        #[test]
        fn every_preset_can_be_asked_for(edge in 0u32..=8192) {
            for family in [Family::V1, Family::Xl, Family::Other] {
                for preset in family.presets(edge) {
                    prop_assert!(preset.size.is_possible(), "{:?}", preset);
                }
            }
        }
    }
}
