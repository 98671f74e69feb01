//! What the window knows: plain data with events, without the drawing, the network or a clock.

pub mod activity;
pub mod chat;
pub mod cluster;
pub mod connection;
pub mod downloads;
pub mod ids;
pub mod image;
pub mod import;
pub mod layout;
pub mod logs;
pub mod markdown;
pub mod marketplace;
pub mod model_list;
pub mod models;
pub mod narration;
pub mod overlay;
pub mod settings;
pub mod shortcuts;
pub mod tabs;
pub mod telemetry;
pub mod toasts;
pub mod units;
pub mod wizard;
pub mod words;
pub mod workspace;

#[cfg(test)]
pub(crate) mod sample;
