//! No worker outlives its hive: the kernel's part of that promise.

/// Has the kernel send SIGTERM to this process when its parent dies. It backs up the end of stdin,
/// which another process could hold open by accident. Does nothing where the system has no such call.
///
/// # Errors
/// What the system says.
#[cfg(target_os = "linux")]
pub fn leave_with_parent() -> std::io::Result<()> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM).map_err(std::io::Error::from)
}

/// Has the kernel send SIGTERM to this process when its parent dies. This system has no such call,
/// so the end of stdin alone tells.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn leave_with_parent() -> std::io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_kernel_knows_the_signal() {
        // The setting belongs to the thread, and ends with it.
        std::thread::spawn(|| {
            super::leave_with_parent().unwrap();
            let signal = nix::sys::prctl::get_pdeathsig().unwrap();
            assert_eq!(signal, Some(nix::sys::signal::Signal::SIGTERM));
        })
        .join()
        .unwrap();
    }
}
