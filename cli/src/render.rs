//! What people and scripts see: text, tables, progress and JSON. Pure, but for [`job`] and
//! [`steps`]' bars on a terminal.

pub(crate) mod cards;
pub(crate) mod check;
pub(crate) mod error;
pub(crate) mod hives;
pub(crate) mod hubs;
pub(crate) mod human;
pub(crate) mod job;
pub(crate) mod lists;
pub(crate) mod log;
pub(crate) mod log_probabilities;
pub(crate) mod memory_bar;
pub(crate) mod paint;
pub(crate) mod plain_text;
pub(crate) mod resolution;
pub(crate) mod screen;
pub(crate) mod stats;
pub(crate) mod steps;
pub(crate) mod table;
pub(crate) mod top;
pub(crate) mod views;
pub(crate) mod words;
pub(crate) mod workers;
