//! Memory that goes back to the system.

/// Gives back what was freed and is kept for later. A picture takes gigabytes for seconds, and the next request may be
/// long in coming. Does nothing where the allocator has no such call.
pub(super) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim may be called at any time, from any thread.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}
