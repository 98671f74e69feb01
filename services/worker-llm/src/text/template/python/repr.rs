//! How Python prints: `True`, `None`, `1e+20`, `['it\'s', 1.0]`.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Output, State, Value};

/// What `{{ value }}` prints.
pub(in crate::text::template) fn format(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    match value.as_str() {
        Some(text) => out.write_str(text).map_err(Error::from),
        None => out.write_str(&text(state, value)?).map_err(Error::from),
    }
}

/// The filter `string`.
pub(in crate::text::template) fn string(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    if value.kind() == ValueKind::String {
        Ok(value)
    } else {
        text(state, &value).map(Value::from)
    }
}

/// `str(value)`, with an upper bound: a list can hold another many times over, so what it prints can be
/// beyond all measure while the list itself is small.
pub(in crate::text::template) fn text(state: &State<'_, '_>, value: &Value) -> Result<String, Error> {
    let mut writer = Writer {
        out: String::new(),
        limit: printable_bytes(state),
        depth: 0,
    };
    match value.kind() {
        ValueKind::String => return Ok(value.to_string()),
        ValueKind::Undefined => return Ok(String::new()),
        _ => writer.value(value)?,
    }
    state.consume_fuel(writer.out.len() as u64)?;
    Ok(writer.out)
}

/// How many bytes a value may still print: a unit of fuel each, for walking through a value is far slower
/// than copying a string.
pub(super) fn printable_bytes(state: &State<'_, '_>) -> usize {
    state.fuel_levels().map_or(usize::MAX, |(_, left)| left as usize)
}

/// Deeper than any value that is not an attack; Python's own limit is a recursion of 1000.
pub(super) const MAX_VALUE_DEPTH: usize = 100;

struct Writer {
    out: String,
    limit: usize,
    depth: usize,
}

impl Writer {
    /// `repr(value)`.
    fn value(&mut self, value: &Value) -> Result<(), Error> {
        if self.out.len() > self.limit {
            return Err(Error::from(ErrorKind::OutOfFuel));
        }
        if self.depth > MAX_VALUE_DEPTH {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "a value is nested too deep to be printed",
            ));
        }
        match value.kind() {
            ValueKind::Number => self.out.push_str(&number(value)),
            // The engine quotes strings as Python does.
            ValueKind::String => self.out.push_str(&format!("{value:?}")),
            ValueKind::Undefined => self.out.push_str("Undefined"),
            ValueKind::Seq | ValueKind::Iterable if value.is_tuple() => {
                let one = value.len() == Some(1);
                self.container("(", if one { ",)" } else { ")" }, value, |_, _| Ok(()))?;
            }
            ValueKind::Seq | ValueKind::Iterable => self.container("[", "]", value, |_, _| Ok(()))?,
            ValueKind::Map => self.container("{", "}", value, |writer, key| {
                writer.out.push_str(": ");
                writer.value(&value.get_item(key)?)
            })?,
            _ => self.out.push_str(&value.to_string()),
        }
        Ok(())
    }

    fn container(
        &mut self,
        open: &str,
        close: &str,
        items: &Value,
        mut after_item: impl FnMut(&mut Self, &Value) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.depth += 1;
        self.out.push_str(open);
        for (place, item) in items.try_iter()?.enumerate() {
            if place > 0 {
                self.out.push_str(", ");
            }
            self.value(&item)?;
            after_item(self, &item)?;
        }
        self.out.push_str(close);
        self.depth -= 1;
        Ok(())
    }
}

/// `repr` of a number.
fn number(value: &Value) -> String {
    match f64::try_from(value.clone()) {
        Ok(number) if !value.is_integer() => float(number),
        _ => value.to_string(),
    }
}

/// `repr` of a float: the shortest digits that give it back, with an exponent outside of
/// 1e-4 <= |x| < 1e16.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    // Rust has the same limits, and writes 1e16 where Python writes 1e+16.
    let text = format!("{number:?}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent
                .strip_prefix('-')
                .map_or(('+', exponent), |rest| ('-', rest));
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::float;

    #[test]
    fn floats_print_as_in_python() {
        let cases = [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e20, "1e+20"),
            (1e-7, "1e-07"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (1e-4, "0.0001"),
            (0.00001, "1e-05"),
            (-2.5e-300, "-2.5e-300"),
            (1e100, "1e+100"),
            (-0.0, "-0.0"),
        ];
        for (number, expected) in cases {
            assert_eq!(float(number), expected);
        }
    }
}
