//! Pictures: what is asked for, what becomes of it, and what came of it.
//!
//! [`Session`] is one worker's pane: its [`Settings`], its runs ([`Run`]) and its [`Gallery`]. Times are passed in.

pub mod extras;
pub mod facts;
pub mod family;
pub mod from_picture;
pub mod gallery;
pub mod mask;
pub mod picture;
pub mod run;
pub mod seed;
pub mod session;
pub mod settings;
pub mod size;
pub mod source;
pub mod words;

pub use extras::{EmbeddingUse, HighResolution};
pub use facts::{Facts, SamplerFacts};
pub use family::{Family, Preset};
pub use gallery::{Gallery, GalleryItem};
pub use mask::{Mask, Point, Stroke};
pub use picture::{Picture, PictureId};
pub use run::{Phase, Run, RunEvent, RunId};
pub use seed::Seed;
pub use session::Session;
pub use settings::{LoraUse, Settings};
pub use size::Size;
pub use source::Source;
pub use words::{Convention, Sampler, Schedule};
