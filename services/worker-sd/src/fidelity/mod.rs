//! Whether this worker makes the same pictures as the references: golden data of one folder, and a table of what was
//! compared.
//!
//! A folder has the parts of `fixtures/sd` (its README in the shared fixtures tells the forms and where the limits
//! come from); a part that is not there is told as absent. `cargo xtask fidelity sd` and the tests run the same checks.
//!
//! | part | against |
//! |---|---|
//! | `rng.json` | PyTorch's normal numbers, of processors and of NVIDIA's GPUs |
//! | `schedules.json` | timesteps and sigmas of diffusers and of the web interfaces |
//! | `manifests/` | names and shapes of all tensors of real files |
//! | `text-multihead/` | text encoders with more than one head |
//! | `NAME-tiny/` | small models with random weights, each from one file and from a folder: tokens, text states, the UNet, the VAE, and whole runs of diffusers' pipelines and of the web interfaces' samplers |

mod golden;
mod pieces;
mod random;
mod report;
mod runs;
mod schedules;
mod shapes;
mod single;
mod tokens;

use std::path::Path;

pub use pieces::Folder;
pub use report::{Check, FidelityError, Report, Selection};

use golden::Golden;

use crate::model::{LoadOptions, Model};

/// Compares everything in `folder` that is asked for.
///
/// # Errors
/// When golden data can't be read, or are not in the form that is known.
pub fn run(folder: &Path, selection: &Selection) -> Result<Report, FidelityError> {
    let mut report = Report::new(selection.filter.clone());
    random::check(folder, &mut report)?;
    schedules::check(folder, &mut report)?;
    shapes::check(folder, &mut report)?;
    for name in golden::models(folder)? {
        if !report.wants_some_of(&name) {
            continue;
        }
        model(folder, &name, &mut report)?;
    }
    Ok(report)
}

/// Compares one model, from each form in which it lies there.
fn model(folder: &Path, name: &str, report: &mut Report) -> Result<(), FidelityError> {
    let golden = Golden::open(&folder.join(name))?;
    tokens::check(name, &golden, report)?;
    let own = Folder::open(&folder.join(name))?;
    // A UNet alone takes text encoders and VAE of the model that it was made with.
    let host = golden
        .host()
        .map(|host| Folder::open(&folder.join(host)))
        .transpose()?;
    let forms = match &host {
        Some(host) => [
            ("file", own.file(), host.file()),
            ("folder", own.file(), host.folder()),
        ],
        None => [("file", own.file(), None), ("folder", own.folder(), None)],
    };
    for (form, path, companion) in forms {
        let case = format!("{name} {form}");
        let Some(path) = path.filter(|_| host.is_none() || companion.is_some()) else {
            report.absent.push(case);
            continue;
        };
        if !report.wants_some_of(&case) {
            continue;
        }
        let options = LoadOptions {
            companion,
            precision: crate::model::Precision::F32,
            ..LoadOptions::default()
        };
        match Model::load(&path, &options, &mut |_| {}) {
            Ok(mut model) => {
                single::check(&case, &mut model, &golden, report)?;
                runs::check(&case, &mut model, &golden, report)?;
            }
            Err(error) => report.failed(&case, "loading", &error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything in the repository, or in the folder that `RBEE_SD_FIXTURES` names.
    fn check(filter: &str) {
        let folder = std::env::var_os("RBEE_SD_FIXTURES").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/sd"),
            Into::into,
        );
        let selection = Selection {
            filter: Some(filter.to_owned()),
        };
        let report = run(&folder, &selection).unwrap();
        let failures: Vec<_> = report.failures().collect();
        assert!(failures.is_empty(), "{failures:#?}");
        assert!(report.passed(), "nothing was compared");
        assert_eq!(report.absent, [""; 0]);
    }

    #[test]
    fn random_numbers_are_pytorchs() {
        check("random ");
    }

    #[test]
    fn schedules_are_those_of_diffusers_and_of_the_web_interfaces() {
        check("schedule ");
    }

    #[test]
    fn real_models_are_whole_by_their_names_and_shapes() {
        check("manifest ");
    }

    #[test]
    fn text_encoders_of_several_heads_agree() {
        check("text-multihead ");
    }

    #[test]
    fn sd_1_5_from_one_file_agrees_with_diffusers() {
        check("sd15-tiny file ");
    }

    #[test]
    fn sd_1_5_from_a_folder_agrees_with_diffusers() {
        check("sd15-tiny folder ");
    }

    #[test]
    fn sd_2_1_agrees_with_diffusers() {
        check("sd21-tiny ");
    }

    #[test]
    fn sdxl_agrees_with_diffusers() {
        check("sdxl-tiny ");
    }

    #[test]
    fn a_unet_for_inpainting_agrees_with_diffusers() {
        check("sd15-inpaint-tiny ");
    }

    #[test]
    fn prompts_have_the_tokens_of_transformers_and_of_the_original() {
        check(" tokens ");
    }
}
