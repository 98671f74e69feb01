//! The image pane: what is made now or was made last above, the prompt below, all settings beside or over it.
//!
//! [`ImageView`] is the drawn part: it takes a session and tells wishes. [`ImagePane`] is one worker's, with its calls.

mod composer;
mod embeddings;
mod files;
mod gallery_view;
mod loras;
mod mask_editor;
mod pane;
mod panel;
mod picture_view;
mod running;
mod second_pass;
mod size_field;
mod source_field;
mod spans;
mod stage;
mod store;
mod strip;
mod view;

pub use pane::ImagePane;
pub use store::ImageStore;
pub use view::{AddOnChoice, Drop, ImageSession, ImageView, Painter, Wish};

/// The pane's styles.
pub const STYLE: &str = concat!(
    include_str!("image/style.css"),
    include_str!("image/panel.css"),
    include_str!("image/stage.css")
);
