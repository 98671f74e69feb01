//! Models, worker types, compatibility and file headers: the pure domain every service shares.
//!
//! Plain data and plain functions; but for [`detect::detect_path`], nothing here reads a file, and nothing
//! opens a socket or knows a message of the contract. A service parses what comes from outside into these types at its rim, and from there on a
//! value that exists is a valid one: ids are safe names, file names stay inside their folder, digests
//! are digests.
//!
//! - [`ModelId`] and [`ModelEntry`]: what a model is called, and what the catalog knows of it.
//! - [`WorkerType`] and [`WorkerBinary`]: the programs that serve models, and which serves which.
//! - [`DeviceId`], [`Platform`]: what programs run on.
//! - [`Artifact`] with [`document`]: what models and worker binaries have in common, and how their
//!   descriptions lie on disk.
//! - [`estimate`], [`placement`]: how much memory a worker will take, and where it goes.
//! - [`gguf`], [`safetensors`]: file headers; [`detect`]: what a file or a folder is, by its headers.
//! - [`LlmArchitecture`]: the builds of language models that are detected, estimated and run.

mod architecture;
mod artifact;
pub mod detect;
mod device;
pub mod document;
pub mod estimate;
pub mod gguf;
mod ids;
mod model;
mod model_id;
mod names;
pub mod placement;
mod relative_path;
pub mod safetensors;
mod sha256;
mod worker;

pub use architecture::LlmArchitecture;
pub use artifact::{Artifact, ArtifactId};
pub use device::{DeviceId, DeviceIdError, DeviceKind, Platform};
pub use ids::{HiveId, IdError, JobId, WorkerBinaryId, WorkerId};
pub use model::{AddOnKind, ModelEntry, ModelFile, ModelStatus, ModelType, StableDiffusionVersion};
pub use model_id::{ModelId, ModelIdError, ModelSource, Vendor};
pub use names::UnknownName;
pub use relative_path::{RelativePath, RelativePathError};
pub use sha256::{Sha256, Sha256Error};
pub use worker::{ModelCategory, WorkerBinary, WorkerType};
