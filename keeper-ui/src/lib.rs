//! Keeper: the window onto a cluster.
//!
//! A pure client of the contract. [`model`] is what the window knows, as plain data with events; [`client`] brings what the
//! cluster says over its watch streams and carries what the person wants; [`stores`] is where the two meet; everything else
//! draws the model.

pub mod app;
pub mod client;
pub mod components;
#[cfg(feature = "test-hook")]
pub mod hook;
pub mod model;
pub mod pages;
pub mod panes;
pub mod stores;
pub mod theme;
pub mod wizard;
