//! PKGBUILDs of every kind, run by the real bash: good ones, and those that go wrong in every way that
//! somebody's PKGBUILD does. Each is tried confined (where bubblewrap works) and not.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

mod endings;
mod environment;
mod good;
mod packages;
mod refusals;
mod sources;
mod support;
