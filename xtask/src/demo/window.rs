//! The window with both workers side by side.

use std::ffi::OsString;
use std::process::Stdio;

use anyhow::{Context, Result};

use super::cluster::Cluster;
use super::expect_success;
use crate::interrupt::Interrupt;
use crate::process;

/// What builds it. Apart from the services: the window's libraries bring features of others' that these do without.
pub(super) const BUILD: &[&str] = &[
    "--release",
    "--locked",
    "--package",
    "rbee-keeper",
    "--features",
    "desktop",
];

/// Whether there is where a window can be. Only where X11 or Wayland draw windows does the environment tell.
pub(super) fn has_screen(variable: impl Fn(&'static str) -> Option<OsString>) -> bool {
    let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}

/// Opens the window, and waits until it is closed. What it keeps goes with the demo's folder.
pub(super) fn show(interrupt: &Interrupt, cluster: &Cluster) -> Result<()> {
    let mut keeper = cluster.keeper();
    let mut window = keeper
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", process::show(&keeper)))?;
    expect_success(&keeper, interrupt.wait(&mut window)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_screen_is_one_of_x11_or_wayland() {
        let only = |name: &'static str, value: &'static str| {
            move |asked: &'static str| (asked == name).then(|| OsString::from(value))
        };
        assert!(has_screen(only("DISPLAY", ":0")));
        assert!(has_screen(only("WAYLAND_DISPLAY", "wayland-0")));
        assert!(!has_screen(only("DISPLAY", "")));
        assert!(!has_screen(only("HOME", "/root")));
    }
}
