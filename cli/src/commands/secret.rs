//! A token of the user's: from the terminal without showing it, from standard input, or from a file.

use std::io::{self, Read};

use secrecy::SecretString;

use super::interrupt::{Outcome, or_ctrl_c};
use crate::args::{HubArg, LoginArgs};
use crate::exit::Exit;
use crate::failure::{Doing, Failure};

/// Longest token; those of the hubs have about 40 characters.
const LONGEST: usize = 4096;

/// The token, from where the user said.
pub(super) async fn read(arguments: &LoginArgs, hub: HubArg) -> Result<SecretString, Failure> {
    if let Some(path) = &arguments.hub_token_file {
        let file = std::fs::File::open(path).doing(|| format!("can't read {}", path.display()))?;
        return first_line(file, &path.display().to_string());
    }
    if arguments.token_stdin {
        return first_line(io::stdin().lock(), "standard input");
    }
    let asked = or_ctrl_c(typed(hub)).await;
    match asked {
        Outcome::Done(token) => token,
        Outcome::Interrupted => Err(Failure::new(Exit::Interrupted, "no token was kept")),
    }
}

/// The first line, without the space around it.
fn first_line(source: impl Read, name: &str) -> Result<SecretString, Failure> {
    let mut bytes = Vec::new();
    source
        .take(LONGEST as u64 + 1)
        .read_to_end(&mut bytes)
        .doing(|| format!("can't read the token from {name}"))?;
    token(&bytes, name)
}

fn token(bytes: &[u8], name: &str) -> Result<SecretString, Failure> {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let text = std::str::from_utf8(line).ok().map(str::trim);
    let plain = |text: &&str| text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic());
    match text.filter(plain) {
        Some("") => Err(Failure::new(Exit::Usage, format!("there is no token in {name}"))),
        Some(text) => Ok(SecretString::from(text)),
        // Not a word of it is repeated: it may be a token with something around it.
        None => Err(Failure::new(Exit::Usage, format!("what {name} has is no token"))
            .because("a token is one word of letters, digits and signs")),
    }
}

#[cfg(unix)]
async fn typed(hub: HubArg) -> Result<SecretString, Failure> {
    use std::fs::File;

    use crate::output::note;

    let Ok(terminal) = File::options().read(true).write(true).open("/dev/tty") else {
        return Err(nobody(hub));
    };
    let silence = Silence::of(terminal.try_clone().doing(|| "can't use the terminal".into())?)
        .map_err(|error| Failure::of_error(Exit::Failed, "can't hide what you type", &error))?;
    note(&format!("Token for {} (it is not shown):", hub.title()));
    // The thread stays behind if Ctrl-C comes; `silence` is put back all the same.
    let line = tokio::task::spawn_blocking(move || typed_line(terminal)).await;
    drop(silence);
    let line = line
        .map_err(|error| Failure::of_error(Exit::Failed, "can't read the token", &error))?
        .doing(|| "can't read the token".into())?;
    token(&line, "your answer")
}

/// What is typed up to Enter. A terminal gives whole lines.
#[cfg(unix)]
fn typed_line(mut terminal: impl Read) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut piece = [0; 512];
    while line.len() <= LONGEST {
        let count = terminal.read(&mut piece)?;
        line.extend_from_slice(&piece[..count]);
        if count == 0 || line.contains(&b'\n') {
            break;
        }
    }
    Ok(line)
}

#[cfg(not(unix))]
async fn typed(hub: HubArg) -> Result<SecretString, Failure> {
    Err(nobody(hub))
}

fn nobody(hub: HubArg) -> Failure {
    Failure::new(Exit::Usage, "nobody can be asked for the token").hint(format!(
        "`rbee login {} --token-stdin` reads it from standard input, --hub-token-file FILE from a file",
        hub.word()
    ))
}

/// A terminal that does not show what is typed, until this is dropped.
#[cfg(unix)]
struct Silence {
    terminal: std::fs::File,
    before: nix::sys::termios::Termios,
}

#[cfg(unix)]
impl Silence {
    fn of(terminal: std::fs::File) -> nix::Result<Self> {
        use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(&terminal, SetArg::TCSAFLUSH, &silent)?;
        Ok(Self { terminal, before })
    }
}

#[cfg(unix)]
impl Drop for Silence {
    fn drop(&mut self) {
        use nix::sys::termios::{SetArg, tcsetattr};
        // A terminal that is gone needs nothing put back.
        let _ = tcsetattr(&self.terminal, SetArg::TCSANOW, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn the_first_line_is_the_token() {
        for text in ["hf_abc", "hf_abc\n", "  hf_abc \r\nsecond line\n"] {
            let token = first_line(text.as_bytes(), "x").unwrap();
            assert_eq!(token.expose_secret(), "hf_abc", "{text:?}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused_and_not_repeated() {
        let long = "x".repeat(LONGEST + 1);
        for text in ["", "\n", "two words", "ümlaut", &long] {
            let failure = first_line(text.as_bytes(), "the file").unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{text:?}");
            assert!(failure.message.contains("the file"));
            let said = format!("{failure:?}");
            assert!(text.trim().is_empty() || !said.contains(text), "{said}");
        }
    }
}
