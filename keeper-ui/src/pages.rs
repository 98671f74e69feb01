//! The pages of the bar, and what shows before there is a worker.

pub mod activity;
pub mod downloads;
pub mod first_start;
pub mod hives;
pub mod jobs;
pub mod marketplace;
pub mod models;
pub mod settings;
pub mod workers;
