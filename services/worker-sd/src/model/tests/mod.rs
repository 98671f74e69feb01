//! The models against the reference's numbers, and what is refused.

mod fixtures;
mod golden;
mod loading;
mod lora;
mod preview_vae;
mod together;
