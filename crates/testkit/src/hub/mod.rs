//! Scripted hubs: Hugging Face and CivitAI on loopback, for tests of what downloads from them.
//!
//! Each hub is three real HTTP/1.1 servers on free ports: the **API**, the **CDN** that its signed
//! addresses lead to, and a **foreign host** that belongs to neither and that nobody should ever send a
//! token. They speak the hubs' protocols as [`huggingface`] and [`civitai`] state them, fact by fact, and
//! misbehave on command: a [`FaultPlan`] says which request meets which [`Fault`]s.
//!
//! ```no_run
//! # use rbee_testkit::hub::{Fault, FaultRule, FileBody, huggingface::*};
//! # async fn example() {
//! let repo = Repo::new("org/tiny").lfs("tiny.gguf", FileBody::pattern(1 << 20, 7));
//! let hub = HuggingFaceHub::start(HuggingFaceConfig::of([repo])).await;
//! hub.hosts().faults().add(FaultRule::cdn().first(1).with(Fault::DropAfter { bytes: 4096 }));
//! // … point `HF_ENDPOINT` at `hub.endpoint()`, download, and look at `hub.hosts().requests()`.
//! # }
//! ```
//!
//! The servers write HTTP by hand over a `TcpStream`, since a proper HTTP library refuses to send a wrong
//! length, to stop within a body or to reset a connection. A body is never held in memory whole:
//! [`FileBody::Pattern`] gives gigabytes from one block of a mebibyte, written in large slices.

pub mod civitai;
pub mod huggingface;

mod apply;
mod body;
mod cdn;
mod fault;
mod foreign;
mod hosts;
mod log;
mod plan;
mod random;
mod range;
mod request;
mod response;
mod server;
mod signing;
mod wire;

pub use body::{FileBody, git_blob_sha1};
pub use fault::{Fault, FaultKind, Wait};
pub use hosts::Hosts;
pub use log::{Host, RecordedRequest};
pub use plan::{FaultPlan, FaultRule, RandomFaults};
