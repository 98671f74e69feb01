//! What a worker can be told to do.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a chat message begins with that tells the worker what to do.
const MESSAGE: &str = "act: ";

/// The file in its working folder that tells the worker what to do.
const FILE: &str = "acts.json";

/// Something out of order that a worker does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Waits, in milliseconds, before the next act.
    Wait(u64),
    /// Writes this to its standard error. See [`last_words`].
    Say(String),
    /// Reports to its hive that it can't go on for this reason, and exits with code 2.
    Fail(String),
    /// Exits with this code.
    Exit(i32),
    /// Dies by this signal.
    Signal(i32),
    /// Stops answering anything, health and `SIGTERM` too.
    Hang,
    /// Goes on to answer health, but no requests; those that run get no more tokens.
    Stall,
    /// Forks a process that outlives it unless somebody ends its group.
    Fork,
    /// Forks a process that leaves its group, as a daemon does.
    Flee,
    /// Writes so many lines to its log at once; without a number it never stops.
    Flood(Option<u64>),
    /// Takes memory and never gives it back.
    Leak {
        /// How fast, in MiB per second.
        mib_per_second: u32,
        /// How much, in MiB.
        up_to_mib: u32,
    },
}

impl Act {
    /// The text of a chat message, or a prompt, that makes a worker do this before it answers.
    #[must_use]
    pub fn to_message(&self) -> String {
        format!("{MESSAGE}{}", self.to_json())
    }

    /// What the text of a message tells the worker to do; `None` if it is just text.
    pub(super) fn of_message(text: &str) -> Option<Self> {
        serde_json::from_str(text.strip_prefix(MESSAGE)?).ok()
    }

    /// Makes the worker that works in `folder` do this. It looks every few milliseconds; what was put there
    /// before and is still there is not done.
    ///
    /// # Errors
    /// If the folder can't be written to, as that of a worker that is gone.
    pub fn put(&self, folder: &Path) -> std::io::Result<()> {
        Self::put_all(std::slice::from_ref(self), folder)
    }

    /// Makes the worker that works in `folder` do these one after the other.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_all(acts: &[Self], folder: &Path) -> std::io::Result<()> {
        let half = folder.join("acts.half");
        std::fs::write(&half, serde_json::to_vec(acts)?)?;
        // In one step: half an act would be none.
        std::fs::rename(half, folder.join(FILE))
    }

    /// Takes what was [put](Self::put) into the working folder.
    pub(super) fn take() -> Vec<Self> {
        let file = PathBuf::from(FILE);
        let Ok(json) = std::fs::read(&file) else {
            return Vec::new();
        };
        let _ = std::fs::remove_file(file);
        serde_json::from_slice(&json).unwrap_or_default()
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an act is made of numbers and strings")
    }
}

/// What real programs write before they end, for tests of who reads it.
pub mod last_words {
    /// cudarc, when the GPU's memory is full.
    pub const CUDA_OUT_OF_MEMORY: &str = "Error: DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")";
    /// cudarc, when a kernel did something that it must not.
    pub const CUDA_ILLEGAL_ADDRESS: &str =
        "Error: DriverError(CUDA_ERROR_ILLEGAL_ADDRESS, \"an illegal memory access was encountered\")";
    /// Rust's allocator, before it aborts.
    pub const ALLOCATION_FAILED: &str = "memory allocation of 8589934592 bytes failed";
    /// The dynamic linker, before it exits with code 127.
    pub const LIBRARY_MISSING: &str = "llm-worker-rbee-cuda: error while loading shared libraries: libcudart.so.12: \
                                       cannot open shared object file: No such file or directory";
    /// A program that was given a path where nothing is.
    pub const FILE_MISSING: &str =
        "Error: cannot open model/tokenizer.json: No such file or directory (os error 2)";
    /// A Rust thread that panics.
    pub const PANIC: &str = "thread 'engine' panicked at src/engine.rs:42:9:\nindex out of bounds: the len is 3 but the index is 7";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_is_read_from_a_message_as_it_was_meant() {
        let leak = Act::Leak {
            mib_per_second: 50,
            up_to_mib: 200,
        };
        for act in [Act::Exit(139), Act::Flood(None), Act::Hang, leak] {
            assert_eq!(Act::of_message(&act.to_message()), Some(act));
        }
        for text in ["exit", "act: dance", "Act out, she said"] {
            assert_eq!(Act::of_message(text), None);
        }
    }
}
