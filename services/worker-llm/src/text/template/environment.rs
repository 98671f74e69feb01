//! minijinja as transformers sets up Jinja, and its limits.

use std::io;

use jiff::civil::DateTime;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value};

use super::python;

/// How the engine calls the template.
pub(super) const TEMPLATE_NAME: &str = "chat_template";

// The limits hold against loops, recursion, growing strings and large output. What they do not cover is a
// template that nests one list in another twice over, some thirty times, and gives that to `~`, to a
// filter for strings or to `==`: the engine's fuel counts the result there and not the way to it. Printing,
// `tojson`, `string` and the methods in `python` are counted as they go. `apart` bounds the rest.

/// What a render may cost before it looks at the conversation. One unit is an instruction or 64 bytes
/// made; real templates take a few thousand. It also bounds memory: 64 bytes a unit, so 96 MiB.
const BASE_FUEL: u64 = 1_500_000;
/// More for each byte of the conversation: a template may print it four times as JSON, or copy it some
/// two hundred times.
const FUEL_PER_BYTE: u64 = 4;

/// The longest prompt: 16 MiB are some four million tokens.
pub(super) const MAX_OUTPUT_BYTES: usize = 16 << 20;

/// How deep macros, loops and blocks may nest: the engine's own limit, which it keeps on a stack of 2 MiB.
const MAX_DEPTH: usize = 500;

/// The fuel for a conversation of this size.
pub(super) fn fuel_for(size_bytes: usize) -> u64 {
    BASE_FUEL.saturating_add(FUEL_PER_BYTE.saturating_mul(size_bytes as u64))
}

/// An environment without a template.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .expect("the delimiters are Jinja's own"),
    );
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // Undefined prints as nothing; an attribute of undefined is an error.
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_recursion_limit(MAX_DEPTH);
    environment.set_debug(false);
    environment.set_unknown_method_callback(python::call_method);
    environment.set_formatter(python::format);
    environment.add_filter("tojson", python::tojson);
    environment.add_filter("string", python::string);
    environment.add_test("iterable", is_iterable);
    environment.add_function("raise_exception", raise_exception);
    // Prints the engine's insides.
    environment.remove_global("debug");
    environment
}

/// What a template gave to `raise_exception`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refusal(pub(super) String);

fn raise_exception(state: &State<'_, '_>, message: &Value) -> Result<Value, Error> {
    let message = python::text(state, message)?;
    Err(Error::new(ErrorKind::InvalidOperation, message.clone()).with_source(Refusal(message)))
}

/// As in Python: none and numbers are not iterable, undefined is.
fn is_iterable(value: &Value) -> bool {
    match value.kind() {
        ValueKind::None => false,
        ValueKind::Undefined => true,
        _ => value.try_iter().is_ok(),
    }
}

/// `strftime_now(format)` at a given time.
pub(super) fn strftime_now(now: DateTime) -> Value {
    Value::from_function(move |format: &str| {
        jiff::fmt::strtime::format(format, now).map_err(|error| {
            Error::new(
                ErrorKind::InvalidOperation,
                format!("strftime_now does not know \"{format}\""),
            )
            .with_source(error)
        })
    })
}

/// Takes what a template prints, up to a limit.
#[derive(Debug, Default)]
pub(super) struct BoundedOutput {
    bytes: Vec<u8>,
    full: bool,
}

impl BoundedOutput {
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// The text, unless the template printed too much.
    pub(super) fn into_text(self) -> Option<String> {
        // The engine writes whole strings, so this is UTF-8.
        if self.full {
            None
        } else {
            String::from_utf8(self.bytes).ok()
        }
    }
}

impl io::Write for BoundedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_OUTPUT_BYTES {
            self.full = true;
            return Err(io::Error::from(io::ErrorKind::WriteZero));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
