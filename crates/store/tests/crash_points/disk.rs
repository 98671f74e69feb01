//! A disk that stops at a chosen step. Also used by the catalog's tests.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rbee_store::{Faults, Step};

/// What happens at the chosen step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The process is killed: what was done stays done, and of bytes being written the first half.
    Kill,
    /// The power fails: as above, and all that was not synced is lost.
    PowerCut,
    /// The step fails, and the next ones work again.
    Fail,
}

/// Lets so many steps be made and then stops. Paths that are not below `root` are no concern of its.
#[derive(Debug)]
pub(crate) struct StoppingDisk {
    stop: Stop,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    left: usize,
    is_stopped: bool,
    /// What would be lost now, oldest first.
    unsynced: Vec<Unsynced>,
}

/// A change that is not on the disk yet.
#[derive(Debug)]
enum Unsynced {
    /// The content of a file.
    Content(PathBuf),
    /// A new name.
    New(PathBuf),
    /// A new folder.
    NewFolder(PathBuf),
    /// A file that has another name now, in place of what had it.
    Renamed {
        from: PathBuf,
        to: PathBuf,
        replaced: Option<Old>,
    },
    /// A name that is gone.
    Removed(PathBuf, Old),
    /// A folder that is gone.
    RemovedFolder(PathBuf),
}

/// What had a name.
#[derive(Debug)]
enum Old {
    File(Vec<u8>),
    Link(PathBuf),
}

impl StoppingDisk {
    pub(crate) fn new(stop: Stop, after_steps: usize) -> Self {
        let state = Mutex::new(State {
            left: after_steps,
            ..State::default()
        });
        Self { stop, state }
    }

    /// Whether the step came at which to stop.
    pub(crate) fn has_stopped(&self) -> bool {
        self.state.lock().unwrap().is_stopped
    }
}

impl Faults for StoppingDisk {
    fn before(&self, step: Step<'_>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        if state.is_stopped {
            return match self.stop {
                Stop::Fail => Ok(()),
                Stop::Kill | Stop::PowerCut => Err(io::Error::other("the process is dead")),
            };
        }
        if state.left > 0 {
            state.left -= 1;
            return state.note(step);
        }
        state.is_stopped = true;
        if self.stop != Stop::Fail
            && let Step::Append(path, bytes) = step
        {
            let mut file = fs::OpenOptions::new().append(true).open(path)?;
            file.write_all(&bytes[..bytes.len() / 2])?;
        }
        if self.stop == Stop::PowerCut {
            while let Some(change) = state.unsynced.pop() {
                change.undo();
            }
        }
        Err(io::Error::other("the disk stops here"))
    }
}

impl State {
    /// Remembers what the step will leave unsynced, or forgets what it will sync.
    fn note(&mut self, step: Step<'_>) -> io::Result<()> {
        match step {
            Step::CreateFolder(path) => self.unsynced.push(Unsynced::NewFolder(path.into())),
            Step::CreateFile(path) => self.unsynced.push(Unsynced::New(path.into())),
            Step::HardLink(_, link) | Step::SymbolicLink(_, link) => {
                self.unsynced.push(Unsynced::New(link.into()));
            }
            Step::Append(path, _) => self.unsynced.push(Unsynced::Content(path.into())),
            Step::SyncFile(path) => self
                .unsynced
                .retain(|change| !matches!(change, Unsynced::Content(of) if of == path)),
            Step::Rename(from, to) => {
                for change in &mut self.unsynced {
                    if let Unsynced::Content(of) = change
                        && of == from
                    {
                        *of = to.into();
                    }
                }
                // The name it had is gone either way.
                self.unsynced
                    .retain(|change| !matches!(change, Unsynced::New(path) if path == from));
                let replaced = Old::at(to);
                let (from, to) = (from.into(), to.into());
                self.unsynced.push(Unsynced::Renamed { from, to, replaced });
            }
            Step::RemoveFile(path) => {
                if let Some(old) = Old::at(path) {
                    self.unsynced.push(Unsynced::Removed(path.into(), old));
                }
            }
            // One that is not empty will stay.
            Step::RemoveFolder(path)
                if fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none()) =>
            {
                self.unsynced.push(Unsynced::RemovedFolder(path.into()));
            }
            Step::SyncFolder(folder) => self.unsynced.retain(|change| !change.is_kept_by(folder)),
            // Of staging, where nothing has to last.
            _ => {}
        }
        Ok(())
    }
}

impl Old {
    fn at(path: &Path) -> Option<Self> {
        fs::read_link(path)
            .map(Self::Link)
            .or_else(|_| fs::read(path).map(Self::File))
            .ok()
    }

    fn restore(self, path: &Path) {
        // Its folder may have been removed, which was lost before this.
        let restored = match self {
            Self::File(content) => fs::write(path, content),
            Self::Link(target) => std::os::unix::fs::symlink(target, path),
        };
        restored.unwrap();
    }
}

impl Unsynced {
    /// Whether syncing `folder` makes this last.
    fn is_kept_by(&self, folder: &Path) -> bool {
        let path = match self {
            Self::Content(_) => return false,
            Self::New(path) | Self::NewFolder(path) | Self::RemovedFolder(path) | Self::Removed(path, _) => {
                path
            }
            Self::Renamed { to, .. } => to,
        };
        // What was in a folder that is gone is gone with it.
        path.ancestors().skip(1).find(|above| above.is_dir()) == Some(folder)
    }

    fn undo(self) {
        match self {
            // Extents that were never written: the length is there, or not.
            Self::Content(path) => {
                if let Ok(file) = fs::OpenOptions::new().write(true).open(path) {
                    file.set_len(0).unwrap();
                }
            }
            Self::New(path) => drop(fs::remove_file(path)),
            Self::NewFolder(path) => drop(fs::remove_dir_all(path)),
            Self::Renamed { from, to, replaced } => {
                drop(fs::rename(&to, &from));
                if let Some(old) = replaced {
                    old.restore(&to);
                }
            }
            Self::Removed(path, old) => old.restore(&path),
            Self::RemovedFolder(path) => fs::create_dir(path).unwrap(),
        }
    }
}
