//! What worker and helper say to each other: a length of four bytes, and so many bytes.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use jiff::civil::DateTime;
use minijinja::Value;
use serde::{Deserialize, Serialize};

use super::super::environment::MAX_OUTPUT_BYTES;
use super::super::error::Trouble;
use super::super::rendering::Values;

/// The longest message: a prompt, or a conversation as JSON.
const MAX_MESSAGE_BYTES: usize = 4 * MAX_OUTPUT_BYTES;

const UNKNOWN: u8 = 0;
const COMPILED: u8 = 1;
const TEXT: u8 = 2;
const TROUBLE: u8 = 3;

/// To compile a template, or to render one.
#[derive(Debug)]
pub(super) struct Request<'a> {
    number: u64,
    /// Source, and the names of the two tokens.
    source: [&'a str; 3],
    values: Option<&'a Values>,
}

/// The same as JSON.
#[derive(Serialize)]
struct Written<'a> {
    number: u64,
    source: Option<[&'a str; 3]>,
    values: Option<WrittenValues<'a>>,
}

#[derive(Serialize)]
struct WrittenValues<'a> {
    messages: &'a Value,
    tools: &'a Value,
    documents: &'a Value,
    variables: &'a [(String, Value)],
    add_generation_prompt: bool,
    now: String,
}

/// The same as it is read.
#[derive(Deserialize)]
pub(super) struct ReadRequest {
    pub(super) number: u64,
    pub(super) source: Option<[String; 3]>,
    pub(super) values: Option<ReadValues>,
}

#[derive(Deserialize)]
pub(super) struct ReadValues {
    messages: Value,
    tools: Value,
    documents: Value,
    variables: Vec<(String, Value)>,
    add_generation_prompt: bool,
    now: String,
}

impl ReadValues {
    pub(super) fn into_values(self) -> Option<Values> {
        Some(Values {
            messages: self.messages,
            tools: self.tools,
            documents: self.documents,
            variables: self.variables,
            add_generation_prompt: self.add_generation_prompt,
            now: self.now.parse::<DateTime>().ok()?,
        })
    }
}

impl<'a> Request<'a> {
    pub(super) fn new(number: u64, source: [&'a str; 3], values: Option<&'a Values>) -> Self {
        Self {
            number,
            source,
            values,
        }
    }

    /// For a helper that may know the template.
    pub(super) fn without_source(&self) -> Vec<u8> {
        self.written(None)
    }

    pub(super) fn whole(&self) -> Vec<u8> {
        self.written(Some(self.source))
    }

    fn written(&self, source: Option<[&str; 3]>) -> Vec<u8> {
        let values = self.values.map(|values| WrittenValues {
            messages: &values.messages,
            tools: &values.tools,
            documents: &values.documents,
            variables: &values.variables,
            add_generation_prompt: values.add_generation_prompt,
            now: values.now.to_string(),
        });
        let written = Written {
            number: self.number,
            source,
            values,
        };
        serde_json::to_vec(&written).expect("values came as JSON, so they are JSON")
    }
}

/// What became of a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// The template is to be sent, too.
    UnknownTemplate,
    Compiled {
        reads_tools: bool,
    },
    Text(String),
    Trouble(Trouble),
}

impl Answer {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            _ => 0,
        }
    }

    pub(super) fn written(&self) -> Vec<u8> {
        match self {
            Self::UnknownTemplate => vec![UNKNOWN],
            Self::Compiled { reads_tools } => vec![COMPILED, u8::from(*reads_tools)],
            Self::Text(text) => [&[TEXT], text.as_bytes()].concat(),
            Self::Trouble(trouble) => {
                let trouble = serde_json::to_vec(trouble).expect("texts and numbers are JSON");
                [&[TROUBLE], trouble.as_slice()].concat()
            }
        }
    }

    /// What was written; none if it is nothing that a helper writes.
    fn read(bytes: Vec<u8>) -> Option<Self> {
        Some(match bytes.split_first()? {
            (&UNKNOWN, []) => Self::UnknownTemplate,
            (&COMPILED, &[reads_tools]) => Self::Compiled {
                reads_tools: reads_tools != 0,
            },
            (&TEXT, _) => {
                let mut text = bytes;
                text.remove(0);
                Self::Text(String::from_utf8(text).ok()?)
            }
            (&TROUBLE, trouble) => Self::Trouble(serde_json::from_slice(trouble).ok()?),
            _ => return None,
        })
    }
}

/// Sends a message before the deadline.
pub(super) fn send(socket: &mut UnixStream, message: &[u8], until: Instant) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut rest = &[&length.to_le_bytes(), message].concat()[..];
    while !rest.is_empty() {
        socket.set_write_timeout(Some(left(until)?))?;
        let written = match socket.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        rest = &rest[written..];
    }
    Ok(())
}

/// The answer, if it comes before the deadline.
pub(super) fn receive_answer(socket: &mut UnixStream, until: Instant) -> io::Result<Answer> {
    let bytes = receive(socket, Some(until))?.ok_or(io::ErrorKind::UnexpectedEof)?;
    Answer::read(bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The next message; none where the other side has left.
pub(super) fn receive(socket: &mut UnixStream, until: Option<Instant>) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    if !fill(socket, &mut length, until)? {
        return Ok(None);
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_MESSAGE_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; length];
    Ok(fill(socket, &mut message, until)?.then_some(message))
}

/// Whether the buffer could be filled.
fn fill(socket: &mut UnixStream, buffer: &mut [u8], until: Option<Instant>) -> io::Result<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        if let Some(until) = until {
            socket.set_read_timeout(Some(left(until)?))?;
        }
        match socket.read(&mut buffer[filled..]) {
            Ok(0) => return Ok(false),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn left(until: Instant) -> io::Result<std::time::Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}
