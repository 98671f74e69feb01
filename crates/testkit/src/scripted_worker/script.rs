//! What a worker does, told beforehand.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Act;

/// What stands between a real model file and the script behind it.
const MARK: &[u8] = b"\nscripted worker: ";

/// What the worker does besides serving. Everything is off by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// How long the model takes to load, with ten reports on the way.
    pub load_ms: u64,
    /// Loads forever.
    pub never_ready: bool,
    /// Says that it is ready while its health says that it isn't.
    pub ready_without_health: bool,
    /// Exits with this code while it loads.
    pub exit_loading: Option<i32>,
    /// Reports this reason while it loads, and exits with code 2.
    pub fail_loading: Option<String>,
    /// Exits with this code when it is asked for an answer.
    pub exit_serving: Option<i32>,
    /// Aborts when it is asked for an answer.
    pub abort_serving: bool,
    /// Does not leave when it is told to.
    pub ignore_term: bool,
    /// Forks a process that outlives it unless somebody ends it.
    pub fork: bool,
    /// Lines to log at once while it loads.
    pub log_lines: u64,
    /// Stops answering anything, health too, when it is asked for an answer.
    pub hang_serving: bool,
    /// Answers health, and nothing else.
    pub hang_requests: bool,
    /// What else it does in the middle of loading.
    pub loading: Vec<Act>,
    /// What it does by itself once it has become ready.
    pub ready: Vec<Act>,
    /// What else it does when it is asked for an answer, before it gives one.
    pub asked: Vec<Act>,
    /// In which of its starts it does all this; in the others it only loads and serves. Without this, in all.
    pub starts: Option<Starts>,
    /// Tokens of each answer.
    pub tokens: u32,
    /// Time between tokens in milliseconds; 0 for as fast as they are taken.
    pub token_ms: u64,
    /// Answers at the same time, unless the command line says another number.
    pub slots: u32,
    /// Requests that may wait, unless the command line says another number.
    pub queue: u32,
}

/// Some of the starts of all workers that count in the same file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Starts {
    /// The file: its length is the number of starts. It need not be there yet, its folder must be.
    pub counter: PathBuf,
    /// The first of them, from 0.
    pub from: u64,
    /// The first that is none of them again.
    pub until: u64,
}

impl Starts {
    /// The first `count` starts.
    #[must_use]
    pub fn first(count: u64, counter: &Path) -> Self {
        Self {
            counter: counter.into(),
            from: 0,
            until: count,
        }
    }

    /// All but the first `count` starts.
    #[must_use]
    pub fn after(count: u64, counter: &Path) -> Self {
        Self {
            counter: counter.into(),
            from: count,
            until: u64::MAX,
        }
    }

    /// Counts one more start, and answers whether it is one of these.
    fn begin(&self) -> std::io::Result<bool> {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.counter)?;
        file.write_all(b"+")?;
        let start = file.metadata()?.len() - 1;
        Ok((self.from..self.until).contains(&start))
    }
}

impl Default for Script {
    fn default() -> Self {
        Self {
            load_ms: 0,
            never_ready: false,
            ready_without_health: false,
            exit_loading: None,
            fail_loading: None,
            exit_serving: None,
            abort_serving: false,
            ignore_term: false,
            fork: false,
            log_lines: 0,
            hang_serving: false,
            hang_requests: false,
            loading: Vec::new(),
            ready: Vec::new(),
            asked: Vec::new(),
            starts: None,
            tokens: 5,
            token_ms: 1,
            slots: 64,
            queue: 256,
        }
    }
}

impl Script {
    /// The content of a model file that makes the worker do this.
    ///
    /// # Panics
    /// Never: a script can be written as JSON.
    #[must_use]
    pub fn to_model(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a script is made of numbers and strings")
    }

    /// The same behind a real model file, which can then be imported like any other: what follows the tensors is read by
    /// nobody else.
    #[must_use]
    pub fn behind(&self, model: &[u8]) -> Vec<u8> {
        [model, MARK, &self.to_model()].concat()
    }

    /// What the worker with this model file does in this start, which is counted.
    pub(super) fn begin(model: &Path) -> std::io::Result<Self> {
        let content = std::fs::read(model)?;
        let marked = content.windows(MARK.len()).rposition(|bytes| bytes == MARK);
        let script = match marked {
            Some(place) => &content[place + MARK.len()..],
            None if content.starts_with(b"{") => &content[..],
            None => return Ok(Self::default()),
        };
        let script: Self = serde_json::from_slice(script)?;
        let misbehaves = script.starts.as_ref().map_or(Ok(true), Starts::begin)?;
        Ok(if misbehaves { script } else { script.behaving() })
    }

    /// The same load and the same answers, and nothing out of order.
    fn behaving(self) -> Self {
        Self {
            load_ms: self.load_ms,
            tokens: self.tokens,
            token_ms: self.token_ms,
            slots: self.slots,
            queue: self.queue,
            ..Self::default()
        }
    }

    /// All that it does in the middle of loading.
    pub(super) fn acts_loading(&self) -> Vec<Act> {
        let exit = self.exit_loading.map(|code| vec![told(code), Act::Exit(code)]);
        let fail = self.fail_loading.clone().map(Act::Fail);
        let acts = exit.into_iter().flatten().chain(fail);
        acts.chain(self.loading.iter().cloned()).collect()
    }

    /// All that it does when it is asked for an answer.
    pub(super) fn acts_asked(&self) -> Vec<Act> {
        let exit = self.exit_serving.map(|code| vec![told(code), Act::Exit(code)]);
        let others = [
            self.abort_serving.then_some(Act::Signal(nix::libc::SIGABRT)),
            self.hang_serving.then_some(Act::Hang),
            self.hang_requests.then_some(Act::Stall),
        ];
        let acts = exit.into_iter().flatten().chain(others.into_iter().flatten());
        acts.chain(self.asked.iter().cloned()).collect()
    }
}

fn told(code: i32) -> Act {
    Act::Say(format!("exiting with code {code} as the script says"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(folder: &Path, script: &Script) -> PathBuf {
        let path = folder.join("model.gguf");
        std::fs::write(&path, script.to_model()).unwrap();
        path
    }

    #[test]
    fn a_script_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let script = Script {
            loading: vec![Act::Wait(5), Act::Signal(11)],
            exit_serving: Some(3),
            tokens: 9,
            ..Script::default()
        };
        assert_eq!(Script::begin(&model(folder.path(), &script)).unwrap(), script);
        let other = folder.path().join("other.gguf");
        std::fs::write(&other, b"GGUF").unwrap();
        assert_eq!(Script::begin(&other).unwrap(), Script::default());
        std::fs::write(&other, script.behind(b"GGUF")).unwrap();
        assert_eq!(Script::begin(&other).unwrap(), script);
    }

    #[test]
    fn starts_are_counted_and_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let misbehaves = |starts: Starts| -> Vec<bool> {
            let script = Script {
                tokens: 9,
                exit_loading: Some(1),
                starts: Some(starts),
                ..Script::default()
            };
            let path = model(folder.path(), &script);
            let begun = (0..4).map(|_| Script::begin(&path).unwrap());
            begun
                .inspect(|script| assert_eq!(script.tokens, 9))
                .map(|script| script.exit_loading.is_some())
                .collect()
        };
        let first = misbehaves(Starts::first(2, &folder.path().join("first")));
        assert_eq!(first, [true, true, false, false]);
        let later = misbehaves(Starts::after(1, &folder.path().join("later")));
        assert_eq!(later, [false, true, true, true]);
    }
}
