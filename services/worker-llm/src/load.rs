//! From a file to everything that answers, and why that may fail.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::Instant;

use candle_core::Device;
use rbee_artifacts::detect::DetectError;
use rbee_artifacts::gguf::GgufError;
use rbee_artifacts::{DeviceId, DeviceKind};
use rbee_service_kit::{narrate, narrate_warn, reason};
use rbee_worker_kit::WorkerArguments;

use crate::config::{Arguments, DEVICE_KIND};
use crate::engine::{Backend, Engine, EngineConfig};
use crate::generator::Generator;
use crate::model::{CpuBackend, DeviceBackend, LoadError, LoadOptions, ModelFiles};
use crate::text::tokenizer::chat_template;
use crate::text::{ChatTemplate, TemplateError, Tokenizer, TokenizerError};

/// Why a model can't be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadFailure {
    /// This build can't compute there.
    #[error("this worker computes on {DEVICE_KIND} devices and has no device {device}")]
    Device {
        /// What was asked for.
        device: DeviceId,
    },
    /// The model can't be loaded.
    #[error(transparent)]
    Model(#[from] LoadError),
    /// The file's tokenizer can't be used.
    #[error("cannot use the tokenizer of {}", path.display())]
    Tokenizer {
        /// The model's file.
        path: PathBuf,
        /// What is wrong, with the field's name.
        #[source]
        source: TokenizerError,
    },
    /// The system gives no thread.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

impl rbee_worker_kit::LoadFailure for LoadFailure {
    fn reason(&self) -> &'static str {
        match self {
            Self::Device { .. } => reason::DEVICE_NOT_FOUND,
            Self::Model(LoadError::Read { source, .. }) => of_system(source),
            Self::Model(LoadError::File { source, .. }) => of_file(source),
            Self::Model(LoadError::Folder { source, .. }) => of_folder(source),
            Self::Tokenizer {
                source: TokenizerError::Metadata(error),
                ..
            } => of_file(error),
            Self::Tokenizer {
                source: TokenizerError::Unsupported { .. },
                ..
            } => reason::MODEL_UNSUPPORTED,
            Self::Tokenizer { .. } => reason::MODEL_CORRUPT,
            Self::Model(LoadError::ContextLength { .. } | LoadError::KvFormat) => reason::INVALID_ARGUMENT,
            Self::Model(LoadError::Device(message)) => of_device(message),
            Self::Model(LoadError::Threads { .. }) | Self::Thread(_) => reason::WORKER_START_FAILED,
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

/// Drivers tell what is wrong in words only.
fn of_device(message: &str) -> &'static str {
    let message = message.to_ascii_lowercase();
    if message.contains("out of memory") || message.contains("out_of_memory") {
        reason::OUT_OF_MEMORY
    } else {
        reason::WORKER_START_FAILED
    }
}

fn of_file(error: &GgufError) -> &'static str {
    match error {
        GgufError::Unsupported { .. } => reason::MODEL_UNSUPPORTED,
        _ => reason::MODEL_CORRUPT,
    }
}

fn of_folder(error: &DetectError) -> &'static str {
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
pub fn load(arguments: &Arguments, progress: impl Fn(f64)) -> Result<Generator, LoadFailure> {
    let WorkerArguments {
        worker_id,
        model_id,
        model,
        ..
    } = &arguments.worker;
    let device = arguments.device;
    if device.kind() != DEVICE_KIND || (device.kind() == DeviceKind::Cpu && device != DeviceId::CPU) {
        return Err(LoadFailure::Device { device });
    }
    narrate!(worker_id = %worker_id, model_id = %model_id, "loading {model_id} from {}", model.display());
    let began = Instant::now();
    // What is checked quickly comes before what is read slowly.
    let files = ModelFiles::open(model)?;
    let (tokenizer, template) = text_of(&files).map_err(|source| LoadFailure::Tokenizer {
        path: model.clone(),
        source,
    })?;
    let options = LoadOptions {
        context_length: arguments.context_length.map(usize::from),
        threads: arguments.threads.map(usize::from),
        kv_type: arguments.kv_type(),
        ..LoadOptions::default()
    };
    let backend = backend(device, &files, &options, &mut |fraction| progress(fraction))?;
    if let Err(error) = &template {
        narrate_warn!(worker_id = %worker_id, "{model_id} cannot chat: {error}");
    }
    let config = EngineConfig {
        slots: arguments.slots.get(),
        queue: arguments.queue,
        kv_limit_bytes: arguments.kv_limit_bytes,
        ..EngineConfig::default()
    };
    let engine = Engine::start(backend, config).map_err(LoadFailure::Thread)?;
    let info = engine.info();
    narrate!(
        worker_id = %worker_id,
        model_id = %model_id,
        architecture = info.architecture,
        quantization = info.quantization,
        context_length = info.context_length,
        "loaded {model_id} in {:.1} s",
        began.elapsed().as_secs_f64(),
    );
    Ok(Generator::new(worker_id.clone(), engine, tokenizer, template))
}

/// The model where it is to run: our own kernels on a processor, candle's on a GPU.
fn backend(
    device: DeviceId,
    files: &ModelFiles,
    options: &LoadOptions,
    progress: &mut dyn FnMut(f64),
) -> Result<Box<dyn Backend>, LoadFailure> {
    let ordinal = usize::try_from(device.index()).unwrap_or(usize::MAX);
    let gpu = match device.kind() {
        DeviceKind::Cpu => return Ok(Box::new(CpuBackend::load(files, options, progress)?)),
        DeviceKind::Cuda => Device::new_cuda(ordinal),
        DeviceKind::Metal => Device::new_metal(ordinal),
    };
    let gpu = gpu.map_err(|error| LoadError::Device(error.to_string()))?;
    Ok(Box::new(DeviceBackend::load(files, options, &gpu, progress)?))
}

/// What turns text into tokens, and conversations into text.
fn text_of(files: &ModelFiles) -> Result<(Tokenizer, Result<ChatTemplate, TemplateError>), TokenizerError> {
    match files {
        ModelFiles::Gguf(file) => {
            let tokenizer = Tokenizer::from_gguf(file.header())?;
            let template = ChatTemplate::from_gguf(file.header(), &tokenizer);
            Ok((tokenizer, template))
        }
        ModelFiles::Safetensors(folder) => {
            let vocab_size = folder.contents().config.vocab_size;
            let rows = u32::try_from(vocab_size).unwrap_or(u32::MAX);
            let tokenizer = Tokenizer::from_folder(folder.path(), rows)?;
            let template = match chat_template(folder.path())? {
                Some(source) => ChatTemplate::from_model(&source, &tokenizer),
                None => Err(TemplateError::NoChatTemplate),
            };
            Ok((tokenizer, template))
        }
    }
}

#[cfg(test)]
mod tests {
    use rbee_worker_kit::LoadFailure as _;

    use super::*;

    #[test]
    fn each_failure_has_its_reason() {
        let path = PathBuf::from("model.gguf");
        let read = |kind: ErrorKind| {
            LoadFailure::from(LoadError::Read {
                path: path.clone(),
                source: kind.into(),
            })
            .reason()
        };
        assert_eq!(read(ErrorKind::NotFound), reason::MODEL_FILES_MISSING);
        assert_eq!(read(ErrorKind::OutOfMemory), reason::OUT_OF_MEMORY);
        assert_eq!(read(ErrorKind::PermissionDenied), reason::WORKER_START_FAILED);

        let (field, problem) = (String::from("general.architecture"), String::from("is not known"));
        let unsupported = GgufError::Unsupported {
            field: field.clone(),
            problem: problem.clone(),
        };
        let failure = LoadFailure::from(LoadError::File {
            path: path.clone(),
            source: unsupported,
        });
        assert_eq!(failure.reason(), reason::MODEL_UNSUPPORTED);
        let missing = LoadError::File {
            path: path.clone(),
            source: GgufError::Missing { field: field.clone() },
        };
        assert_eq!(LoadFailure::from(missing).reason(), reason::MODEL_CORRUPT);

        let source = TokenizerError::Unsupported { field, problem };
        assert_eq!(
            LoadFailure::Tokenizer { path, source }.reason(),
            reason::MODEL_UNSUPPORTED
        );
        let device = "cuda:1".parse().unwrap();
        assert_eq!(LoadFailure::Device { device }.reason(), reason::DEVICE_NOT_FOUND);
    }
}
