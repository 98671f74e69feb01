//! Both hubs, as scripted, through the public interface.
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

mod civitai;
mod huggingface;
mod search;
mod support;
