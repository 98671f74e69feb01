//! Stdin: the token first, then nothing until its end, which means that the hive is gone.

use std::io::{ErrorKind, Read};
use std::sync::mpsc;
use std::time::Duration;

use secrecy::SecretString;

/// How long the first line may take.
pub const TOKEN_WAIT: Duration = Duration::from_secs(5);
/// Longest token in bytes.
pub const TOKEN_MAX_BYTES: usize = 1024;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Nothing came in time.
    #[error(
        "no token came on stdin within {} s; the first line must be the token that clients show \
         (by hand: `(echo TOKEN; cat) | PROGRAM …`)",
        wait.as_secs()
    )]
    Late {
        /// How long it was waited for.
        wait: Duration,
    },
    /// Stdin ended before the end of the first line.
    #[error(
        "stdin ended before a line with the token; it must stay open for as long as the worker is wanted"
    )]
    Closed,
    /// The line is too long.
    #[error("the token on stdin is longer than {TOKEN_MAX_BYTES} bytes")]
    TooLong,
    /// The line is empty, or holds what no header can carry.
    #[error("the token on stdin must be one line of visible ASCII characters without spaces")]
    Malformed,
    /// Stdin cannot be read.
    #[error("cannot read the token from stdin")]
    Read(#[source] std::io::Error),
}

/// Stdin, read on a thread of its own: a read that waits must hold up neither the runtime nor the exit.
#[derive(Debug)]
pub struct Lifeline {
    token: mpsc::Receiver<Result<SecretString, TokenError>>,
}

impl Lifeline {
    /// Starts to read. `on_end` is called on the reading thread when the input ends after a token.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn open(
        mut input: impl Read + Send + 'static,
        on_end: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<Self> {
        let (sender, token) = mpsc::sync_channel(1);
        std::thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(move || {
                let first = read_token(&mut input);
                let held = first.is_ok();
                // Nobody waits for a token that came too late; the process is leaving then.
                if sender.send(first).is_ok() && held {
                    read_to_end(&mut input);
                    on_end();
                }
            })?;
        Ok(Self { token })
    }

    /// Waits for the token.
    ///
    /// # Errors
    /// If it doesn't come in time, or is none.
    pub fn token(self, wait: Duration) -> Result<SecretString, TokenError> {
        match self.token.recv_timeout(wait) {
            Ok(token) => token,
            Err(mpsc::RecvTimeoutError::Timeout) => Err(TokenError::Late { wait }),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(TokenError::Closed),
        }
    }
}

/// Reads the first line byte by byte: it is short, and nothing behind it is taken.
fn read_token(input: &mut impl Read) -> Result<SecretString, TokenError> {
    let mut line = String::with_capacity(TOKEN_MAX_BYTES);
    let mut byte = [0];
    loop {
        match input.read(&mut byte) {
            Ok(0) => return Err(TokenError::Closed),
            Ok(_) if byte == *b"\n" => break,
            Ok(_) if line.len() == TOKEN_MAX_BYTES => return Err(TokenError::TooLong),
            Ok(_) if byte[0].is_ascii_graphic() => line.push(char::from(byte[0])),
            Ok(_) if byte == *b"\r" => {}
            Ok(_) => return Err(TokenError::Malformed),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(TokenError::Read(error)),
        }
    }
    if line.is_empty() {
        Err(TokenError::Malformed)
    } else {
        Ok(SecretString::from(line))
    }
}

/// Returns when the input has ended or can't be read any more, which is the same to the worker.
fn read_to_end(input: &mut impl Read) {
    let mut ignored = [0; 256];
    loop {
        match input.read(&mut ignored) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use secrecy::ExposeSecret;

    use super::*;

    fn token_of(input: &str) -> Result<String, TokenError> {
        let lifeline = Lifeline::open(Cursor::new(input.as_bytes().to_vec()), || ()).unwrap();
        lifeline
            .token(TOKEN_WAIT)
            .map(|token| token.expose_secret().to_owned())
    }

    #[test]
    fn the_first_line_is_the_token() {
        assert_eq!(token_of("secret\nmore\n").unwrap(), "secret");
        assert_eq!(token_of("secret\r\n").unwrap(), "secret");
        let longest = "x".repeat(TOKEN_MAX_BYTES);
        assert_eq!(token_of(&format!("{longest}\n")).unwrap(), longest);
    }

    #[test]
    fn what_is_no_token_is_refused() {
        assert!(matches!(token_of(""), Err(TokenError::Closed)));
        assert!(matches!(token_of("no end of line"), Err(TokenError::Malformed)));
        assert!(matches!(token_of("cut"), Err(TokenError::Closed)));
        assert!(matches!(token_of("\n"), Err(TokenError::Malformed)));
        assert!(matches!(token_of("two words\n"), Err(TokenError::Malformed)));
        assert!(matches!(token_of("gr\u{fc}n\n"), Err(TokenError::Malformed)));
        let longer = format!("{}\n", "x".repeat(TOKEN_MAX_BYTES + 1));
        assert!(matches!(token_of(&longer), Err(TokenError::TooLong)));
    }

    #[test]
    fn a_token_that_does_not_come_is_not_waited_for() {
        let (reader, writer) = std::io::pipe().unwrap();
        let lifeline = Lifeline::open(reader, || ()).unwrap();
        let result = lifeline.token(Duration::from_millis(1));
        assert!(matches!(result, Err(TokenError::Late { .. })));
        drop(writer);
    }

    #[test]
    fn the_end_of_the_input_is_told_and_not_before() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let (ended, end) = mpsc::channel();
        let lifeline = Lifeline::open(reader, move || ended.send(()).unwrap()).unwrap();
        writer.write_all(b"secret\n").unwrap();
        lifeline.token(TOKEN_WAIT).unwrap();
        writer.write_all(b"what comes later is ignored\n").unwrap();
        assert!(end.recv_timeout(Duration::from_millis(20)).is_err());
        drop(writer);
        end.recv_timeout(TOKEN_WAIT).unwrap();
    }
}
