//! What the pipeline's and the model's errors are to who asked.

use rbee_artifacts::ModelId;

use super::failed;
use crate::domain::Violations;
use crate::engine::{EngineError, PaintError};
use crate::model::LoadError;
use crate::pipeline::{GenerateError, ModelError, SettingsError};
use crate::schedule::ScheduleError;

pub(super) fn of_generation(error: &GenerateError) -> PaintError {
    match error {
        GenerateError::Cancelled | GenerateError::Model(ModelError::Stopped) => PaintError::Cancelled,
        GenerateError::NotFinite { stage } => {
            tracing::warn!(stage, "numbers are not finite");
            EngineError::NotFinite.into()
        }
        GenerateError::Settings(SettingsError::Schedule(error)) => of_schedule(error).into(),
        GenerateError::Model(ModelError::OutOfMemory(message)) => EngineError::OutOfMemory {
            message: message.clone(),
        }
        .into(),
        GenerateError::Settings(_) | GenerateError::Model(ModelError::Failed(_)) => failed(error).into(),
    }
}

/// The only thing of a schedule that depends on the model's side: how many steps a distilled one has.
pub(super) fn of_schedule(error: &ScheduleError) -> EngineError {
    let field = match error {
        ScheduleError::Steps { .. } => "steps",
        ScheduleError::Schedule { .. } => "schedule",
    };
    Violations::of(field, error.to_string()).into()
}

/// Why an add-on can't be used, without the path that it lies at.
pub(super) fn of_add_on(model_id: &ModelId, error: &LoadError) -> EngineError {
    let problem = match error {
        LoadError::Read { source, .. } => format!("its file cannot be read ({source})"),
        LoadError::Model { source, .. } => source.in_words(),
        LoadError::WrongKind { found, wanted, .. } => format!("it is {found}, but {wanted} is needed here"),
        LoadError::Unsuitable { problem, .. } => problem.clone(),
        LoadError::Device(error) => {
            return EngineError::OutOfMemory {
                message: error.to_string(),
            };
        }
    };
    EngineError::AddOnUnsuitable {
        model_id: model_id.clone(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_add_on_is_refused_without_its_path() {
        let id = ModelId::local("honey").unwrap();
        let path = std::path::PathBuf::from("/secret/place/honey.safetensors");
        let errors = [
            LoadError::Read {
                path: path.clone(),
                source: std::io::ErrorKind::PermissionDenied.into(),
            },
            LoadError::WrongKind {
                path: path.clone(),
                found: "a whole model".into(),
                wanted: "a LoRA".into(),
            },
            LoadError::Unsuitable {
                path,
                problem: "it was made for xl".into(),
            },
        ];
        for error in errors {
            let refused = of_add_on(&id, &error).to_string();
            assert!(
                refused.contains("local:honey") && !refused.contains("secret"),
                "{refused}"
            );
        }
    }

    #[test]
    fn what_is_not_finite_has_its_own_error() {
        let error = GenerateError::NotFinite {
            stage: "step 3".into(),
        };
        assert_eq!(of_generation(&error), EngineError::NotFinite.into());
        assert_eq!(of_generation(&GenerateError::Cancelled), PaintError::Cancelled);
    }
}
