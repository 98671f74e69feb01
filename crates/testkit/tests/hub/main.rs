//! The scripted hubs, seen by an HTTP client that shares no code with them: each fact and each fault.

mod civitai;
mod client;
mod faults;
mod huggingface;
mod outages;
mod size;
