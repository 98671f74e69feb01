//! How a process ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl Exit {
    /// The exit code, if it exited.
    #[must_use]
    pub fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal(_) => None,
        }
    }

    /// The signal, if one ended it.
    #[must_use]
    pub fn signal(self) -> Option<i32> {
        match self {
            Self::Signal(signal) => Some(signal),
            Self::Code(_) => None,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exit code {code}"),
            Self::Signal(signal) => match signal_name(*signal) {
                Some(name) => write!(formatter, "signal {signal}, {name}"),
                None => write!(formatter, "signal {signal}"),
            },
        }
    }
}

/// What the signals that end workers in practice are called and mean. The numbers are the same on
/// Linux and macOS, but for SIGBUS.
fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        4 => "SIGILL: an instruction that this processor doesn't have",
        6 => "SIGABRT: it gave up",
        8 => "SIGFPE: an arithmetic error",
        9 => "SIGKILL: killed, perhaps because the machine ran out of memory",
        11 => "SIGSEGV: an invalid memory access",
        15 => "SIGTERM: told to leave",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_a_person() {
        assert_eq!(Exit::Code(139).to_string(), "exit code 139");
        assert_eq!(
            Exit::Signal(11).to_string(),
            "signal 11, SIGSEGV: an invalid memory access"
        );
        assert_eq!(Exit::Signal(64).to_string(), "signal 64");
    }
}
