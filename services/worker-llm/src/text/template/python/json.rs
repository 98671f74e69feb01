//! `tojson` as transformers defines it: `json.dumps` with its spaces, and no escapes for HTML.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

use super::repr::{MAX_VALUE_DEPTH, float, printable_bytes};

/// The filter: `tojson(value, indent, ensure_ascii, separators, sort_keys)`.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the engine gives a filter its keyword arguments so"
)]
pub(in crate::text::template) fn tojson(
    state: &State<'_, '_>,
    value: &Value,
    indent: Option<Value>,
    options: Kwargs,
) -> Result<String, Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => options.get("indent")?,
    };
    let indent = indent
        .filter(|indent| !indent.is_none())
        .map(|indent| indentation(&indent))
        .transpose()?;
    let separators: Option<Value> = options.get("separators")?;
    let (between, after_key) = match separators.filter(|separators| !separators.is_none()) {
        Some(pair) => (part(&pair, 0)?, part(&pair, 1)?),
        None if indent.is_some() => (",".to_owned(), ": ".to_owned()),
        None => (", ".to_owned(), ": ".to_owned()),
    };
    let mut writer = Writer {
        out: String::new(),
        // A list can hold another many times over, so what it prints is bounded as it grows.
        limit: printable_bytes(state),
        indent,
        between,
        after_key,
        ensure_ascii: options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sort_keys: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
        depth: 0,
    };
    options.assert_all_used()?;
    writer.value(value)?;
    state.consume_fuel(writer.out.len() as u64)?;
    Ok(writer.out)
}

fn indentation(indent: &Value) -> Result<String, Error> {
    if let Some(text) = indent.as_str() {
        return Ok(text.to_owned());
    }
    let spaces = u8::try_from(indent.clone()).map_err(|error| {
        Error::new(ErrorKind::InvalidOperation, "indent must be a small number").with_source(error)
    })?;
    Ok(" ".repeat(usize::from(spaces)))
}

fn part(pair: &Value, index: usize) -> Result<String, Error> {
    let part = pair.get_item_by_index(index)?;
    part.as_str()
        .map(str::to_owned)
        .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "separators must be two strings"))
}

struct Writer {
    out: String,
    limit: usize,
    indent: Option<String>,
    between: String,
    after_key: String,
    ensure_ascii: bool,
    sort_keys: bool,
    depth: usize,
}

impl Writer {
    fn value(&mut self, value: &Value) -> Result<(), Error> {
        if self.out.len() > self.limit {
            return Err(Error::from(ErrorKind::OutOfFuel));
        }
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.out.push_str(&number(value)),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                let items: Vec<Value> = value.try_iter()?.collect();
                self.container('[', ']', items.len(), |writer, index| writer.value(&items[index]))?;
            }
            ValueKind::Map => self.object(value)?,
            kind => {
                return Err(Error::new(
                    ErrorKind::BadSerialization,
                    format!("{kind} has no JSON"),
                ));
            }
        }
        Ok(())
    }

    fn object(&mut self, value: &Value) -> Result<(), Error> {
        let mut keys: Vec<Value> = value.try_iter()?.collect();
        if self.sort_keys {
            keys.sort();
        }
        self.container('{', '}', keys.len(), |writer, index| {
            let key = &keys[index];
            match key.kind() {
                ValueKind::String => writer.string(key.as_str().unwrap_or_default()),
                ValueKind::None => writer.string("null"),
                ValueKind::Bool => writer.string(if key.is_true() { "true" } else { "false" }),
                _ => writer.string(&number(key)),
            }
            writer.out.push_str(&writer.after_key);
            writer.value(&value.get_item(key)?)
        })
    }

    fn container(
        &mut self,
        open: char,
        close: char,
        count: usize,
        mut item: impl FnMut(&mut Self, usize) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.depth > MAX_VALUE_DEPTH {
            return Err(Error::new(
                ErrorKind::BadSerialization,
                "nested too deep for JSON",
            ));
        }
        self.depth += 1;
        self.out.push(open);
        for index in 0..count {
            if index > 0 {
                self.out.push_str(&self.between);
            }
            self.line_break();
            item(self, index)?;
        }
        self.depth -= 1;
        if count > 0 {
            self.line_break();
        }
        self.out.push(close);
        Ok(())
    }

    fn line_break(&mut self) {
        if let Some(indent) = &self.indent {
            self.out.push('\n');
            for _ in 0..self.depth {
                self.out.push_str(indent);
            }
        }
    }

    fn string(&mut self, text: &str) {
        use std::fmt::Write;

        self.out.push('"');
        for character in text.chars() {
            match character {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                _ if character < ' ' || (self.ensure_ascii && !character.is_ascii()) => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        // Writing to a string cannot fail.
                        let _ = write!(self.out, "\\u{unit:04x}");
                    }
                }
                _ => self.out.push(character),
            }
        }
        self.out.push('"');
    }
}

fn number(value: &Value) -> String {
    match f64::try_from(value.clone()) {
        Ok(number) if !value.is_integer() => match number {
            _ if number.is_nan() => "NaN".to_owned(),
            f64::INFINITY => "Infinity".to_owned(),
            f64::NEG_INFINITY => "-Infinity".to_owned(),
            _ => float(number),
        },
        _ => value.to_string(),
    }
}
