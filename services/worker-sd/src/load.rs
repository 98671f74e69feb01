//! From files to everything that answers, and why that may fail.

use std::io::{self, ErrorKind};
use std::time::Instant;

use candle_core::Device;
use rbee_artifacts::detect::DetectError;
use rbee_artifacts::{DeviceId, DeviceKind};
use rbee_service_kit::{narrate, reason};
use rbee_worker_kit::WorkerArguments;

use crate::add_ons::AddOns;
use crate::config::{Arguments, DEVICE_KIND};
use crate::engine::{Engine, EngineConfig};
use crate::model::{LoadError, LoadOptions, Model, Vae};
use crate::painter::ModelPainter;
use crate::studio::Studio;

/// Why a model can't be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadFailure {
    /// This build can't compute there.
    #[error("this worker computes on {DEVICE_KIND} devices and has no device {device}")]
    Device {
        /// What was asked for.
        device: DeviceId,
    },
    /// The model, or the VAE in place of its own, can't be loaded.
    #[error(transparent)]
    Model(#[from] LoadError),
    /// The system gives no thread.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// The threads that compute can't be started.
    #[error("cannot start the threads that compute")]
    Pool(#[from] rayon::ThreadPoolBuildError),
}

impl rbee_worker_kit::LoadFailure for LoadFailure {
    fn reason(&self) -> &'static str {
        match self {
            Self::Device { .. } => reason::DEVICE_NOT_FOUND,
            Self::Model(LoadError::Read { source, .. }) => of_system(source),
            Self::Model(LoadError::Model { source, .. }) => of_file(source),
            Self::Model(LoadError::WrongKind { .. } | LoadError::Unsuitable { .. }) => {
                reason::MODEL_UNSUPPORTED
            }
            Self::Model(LoadError::Device(_)) => reason::OUT_OF_MEMORY,
            Self::Thread(_) | Self::Pool(_) => reason::WORKER_START_FAILED,
        }
    }
}

fn of_system(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => reason::MODEL_FILES_MISSING,
        ErrorKind::OutOfMemory => reason::OUT_OF_MEMORY,
        _ => reason::WORKER_START_FAILED,
    }
}

fn of_file(error: &DetectError) -> &'static str {
    match error {
        DetectError::Read { source, .. } => of_system(source),
        DetectError::Missing { .. } => reason::MODEL_FILES_MISSING,
        DetectError::Refused { .. } | DetectError::Unsupported { .. } => reason::MODEL_UNSUPPORTED,
        _ => reason::MODEL_CORRUPT,
    }
}

/// Loads the model. It computes and reads for seconds.
///
/// # Errors
/// If the model can't be served as asked.
pub fn load(arguments: &Arguments, progress: impl Fn(f64)) -> Result<Studio, LoadFailure> {
    let WorkerArguments {
        worker_id,
        model_id,
        model: path,
        ..
    } = &arguments.worker;
    let device = device(arguments.device)?;
    if let Some(threads) = arguments.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .build_global()?;
    }
    narrate!(worker_id = %worker_id, model_id = %model_id, "loading {model_id} from {}", path.display());
    let began = Instant::now();
    let options = LoadOptions {
        device,
        ..LoadOptions::default()
    };
    // What is checked quickly comes before what is read slowly.
    let vae = arguments
        .vae
        .as_deref()
        .map(|path| Vae::load(path, &options))
        .transpose()?;
    let mut model = Model::load(path, &options, &mut |fraction| progress(fraction))?;
    if vae.is_some() {
        model.set_vae(vae);
    }
    let add_ons = AddOns::new(arguments.add_ons.clone());
    let painter = ModelPainter::new(model, options, arguments.vae.clone(), add_ons.clone());
    let config = EngineConfig {
        slots: arguments.slots.get(),
        queue: arguments.queue,
        model_id: model_id.clone(),
    };
    let engine = Engine::start(Box::new(painter), config).map_err(LoadFailure::Thread)?;
    let facts = engine.facts();
    narrate!(
        worker_id = %worker_id,
        model_id = %model_id,
        version = %facts.version,
        prediction = %facts.prediction,
        native_edge = facts.native_edge,
        "loaded {model_id} in {:.1} s",
        began.elapsed().as_secs_f64(),
    );
    Ok(Studio::new(worker_id.clone(), engine, add_ons))
}

/// The device as candle has it.
fn device(id: DeviceId) -> Result<Device, LoadFailure> {
    let ordinal = usize::try_from(id.index()).unwrap_or(usize::MAX);
    let device = match id.kind() {
        kind if kind != DEVICE_KIND => return Err(LoadFailure::Device { device: id }),
        DeviceKind::Cpu if id == DeviceId::CPU => return Ok(Device::Cpu),
        DeviceKind::Cpu => return Err(LoadFailure::Device { device: id }),
        DeviceKind::Cuda => Device::new_cuda(ordinal),
        DeviceKind::Metal => Device::new_metal(ordinal),
    };
    device.map_err(|error| LoadFailure::Model(LoadError::Device(error)))
}

#[cfg(test)]
mod tests {
    use rbee_worker_kit::LoadFailure as _;

    use super::*;

    #[test]
    fn each_failure_has_its_reason() {
        let path = std::path::PathBuf::from("model.safetensors");
        let read = |kind: ErrorKind| {
            let source = kind.into();
            let path = path.clone();
            LoadFailure::from(LoadError::Read { path, source }).reason()
        };
        assert_eq!(read(ErrorKind::NotFound), reason::MODEL_FILES_MISSING);
        assert_eq!(read(ErrorKind::OutOfMemory), reason::OUT_OF_MEMORY);
        assert_eq!(read(ErrorKind::PermissionDenied), reason::WORKER_START_FAILED);
        let wrong = LoadError::WrongKind {
            path,
            found: "a LoRA".into(),
            wanted: "a model".into(),
        };
        assert_eq!(LoadFailure::from(wrong).reason(), reason::MODEL_UNSUPPORTED);
        let device = "cuda:1".parse().unwrap();
        assert_eq!(LoadFailure::Device { device }.reason(), reason::DEVICE_NOT_FOUND);
    }
}
