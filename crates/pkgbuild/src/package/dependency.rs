//! What a package needs of the host: looked for by what it brings, since hosts other than Arch have other
//! package managers, or none.

/// Something that a package needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// As the PKGBUILD writes it: `cargo`, `cuda>=12`.
    pub name: String,
    /// Whether it is there.
    pub state: DependencyState,
    /// Where to get it; empty where that isn't known or isn't needed.
    pub hint: String,
}

/// Whether something that a package needs is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DependencyState {
    /// It is there. Its version was not looked at.
    Present,
    /// It is missing.
    Missing,
    /// There is no way to look for it. Libraries are among these: the linker, or the program's first
    /// run, says whether they are there.
    NotChecked,
}

/// What is known about a dependency.
struct Known {
    /// Its names in Arch's repositories, and usual others.
    names: &'static [&'static str],
    /// One of these programs shows that it is there.
    programs: &'static [&'static str],
    hint: &'static str,
}

const KNOWN: [Known; 16] = [
    Known {
        names: &["cargo", "rust", "rustup"],
        programs: &["cargo"],
        hint: "https://rustup.rs, or Arch: rust",
    },
    Known {
        names: &["git"],
        programs: &["git"],
        hint: "Debian and Arch: git",
    },
    Known {
        names: &["gcc", "clang", "base-devel"],
        programs: &["cc", "gcc", "clang"],
        hint: "Debian: build-essential; Arch: base-devel; macOS: xcode-select --install",
    },
    Known {
        names: &["make"],
        programs: &["make", "gmake"],
        hint: "Debian and Arch: make",
    },
    Known {
        names: &["cmake"],
        programs: &["cmake"],
        hint: "Debian and Arch: cmake",
    },
    Known {
        names: &["pkgconf", "pkg-config"],
        programs: &["pkg-config", "pkgconf"],
        hint: "Debian: pkg-config; Arch: pkgconf",
    },
    Known {
        names: &["cuda"],
        programs: &["nvcc"],
        hint: "Debian: nvidia-cuda-toolkit; Arch: cuda; or https://developer.nvidia.com/cuda-downloads",
    },
    Known {
        names: &["nvidia-utils"],
        programs: &["nvidia-smi"],
        hint: "NVIDIA's driver; Arch: nvidia-utils",
    },
    Known {
        names: &["xcode"],
        programs: &["xcrun"],
        hint: "macOS: xcode-select --install",
    },
    Known {
        names: &["python"],
        programs: &["python3"],
        hint: "Debian: python3; Arch: python",
    },
    Known {
        names: &["perl"],
        programs: &["perl"],
        hint: "Debian and Arch: perl",
    },
    Known {
        names: &["curl"],
        programs: &["curl"],
        hint: "Debian and Arch: curl",
    },
    Known {
        names: &["unzip"],
        programs: &["unzip"],
        hint: "Debian and Arch: unzip",
    },
    Known {
        names: &["xz"],
        programs: &["xz"],
        hint: "Debian: xz-utils; Arch: xz",
    },
    Known {
        names: &["zstd"],
        programs: &["zstd"],
        hint: "Debian and Arch: zstd",
    },
    Known {
        names: &["patch"],
        programs: &["patch"],
        hint: "Debian and Arch: patch",
    },
];

impl Dependency {
    /// Looks for a dependency. `has_program` says whether a build finds a program of this name.
    pub(crate) fn look_for(written: &str, has_program: &dyn Fn(&str) -> bool) -> Self {
        // An optional one is written `name: what for`.
        let name = written
            .split(['<', '>', '=', ':'])
            .next()
            .unwrap_or_default()
            .trim();
        let (state, hint) = match KNOWN.iter().find(|known| known.names.contains(&name)) {
            None => (DependencyState::NotChecked, ""),
            Some(known) if known.programs.iter().any(|program| has_program(program)) => {
                (DependencyState::Present, "")
            }
            Some(known) => (DependencyState::Missing, known.hint),
        };
        Self {
            name: written.to_owned(),
            state,
            hint: hint.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_reasons_are_no_part_of_the_name() {
        let has = |name: &str| name == "cargo";
        for (written, state) in [
            ("cargo", DependencyState::Present),
            ("rust>=1.95", DependencyState::Present),
            ("cuda>=12", DependencyState::Missing),
            ("git: for sources", DependencyState::Missing),
            ("glibc", DependencyState::NotChecked),
            ("", DependencyState::NotChecked),
        ] {
            let dependency = Dependency::look_for(written, &has);
            assert_eq!((dependency.state, dependency.name.as_str()), (state, written));
            assert_eq!(
                dependency.hint.is_empty(),
                state != DependencyState::Missing,
                "{written}"
            );
        }
    }

    #[test]
    fn no_name_is_known_twice() {
        let mut names: Vec<&str> = KNOWN.iter().flat_map(|known| known.names).copied().collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
