//! Methods of Python's strings and lists that minijinja-contrib lacks, or whose results it does not bound.

use minijinja::value::{Tuple, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

/// Calls a method of a value that is no object of the engine's own.
pub(in crate::text::template) fn call_method(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let own = match value.kind() {
        ValueKind::String => string_method(state, value.as_str().unwrap_or_default(), method, args)?,
        ValueKind::Seq => list_method(value, method, args)?,
        _ => None,
    };
    match own {
        Some(result) => Ok(result),
        None => pycompat::unknown_method_callback(state, value, method, args),
    }
}

fn string_method(
    state: &State<'_, '_>,
    text: &str,
    method: &str,
    args: &[Value],
) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "replace" => {
            let (old, new, count): (&str, &str, Option<i64>) = from_args(args)?;
            let limit = count
                .and_then(|count| usize::try_from(count).ok())
                .unwrap_or(usize::MAX);
            let found = if old.is_empty() {
                text.chars().count() + 1
            } else {
                text.matches(old).count()
            };
            let found = found.min(limit);
            expect_fuel(state, text.len().saturating_add(found.saturating_mul(new.len())))?;
            Value::from(text.replacen(old, new, limit))
        }
        "join" => {
            let (items,): (&Value,) = from_args(args)?;
            let mut joined = String::new();
            for (place, item) in items.try_iter()?.enumerate() {
                let item = item.as_str().ok_or_else(|| {
                    invalid(format!("join: item {place} is no string but a {}", item.kind()))
                })?;
                if place > 0 {
                    joined.push_str(text);
                }
                joined.push_str(item);
                expect_fuel(state, joined.len())?;
            }
            Value::from(joined)
        }
        "format" => {
            // Widths are the way to make much out of little.
            let longest = text
                .split(|character: char| !character.is_ascii_digit())
                .map(str::len)
                .max();
            if longest.unwrap_or(0) > 4 {
                return Err(invalid("format: a width of more than four digits".to_owned()));
            }
            return Ok(None);
        }
        "rsplit" => {
            let (separator, limit): (Option<&str>, Option<i64>) = from_args(args)?;
            let limit = limit
                .and_then(|limit| usize::try_from(limit).ok())
                .unwrap_or(usize::MAX);
            let mut parts = rsplit(text, separator, limit)?;
            parts.reverse();
            Value::from_iter(parts)
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            expect_separator(separator)?;
            let from_left = method == "partition";
            let split = if from_left {
                text.split_once(separator)
            } else {
                text.rsplit_once(separator)
            };
            let parts = match split {
                Some((before, after)) => [before, separator, after],
                None if from_left => [text, "", ""],
                None => ["", "", text],
            };
            Value::from(Tuple::from(parts.map(Value::from)))
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "index" | "rindex" => {
            let (part,): (&str,) = from_args(args)?;
            let at = if method == "index" {
                text.find(part)
            } else {
                text.rfind(part)
            };
            let at = at.ok_or_else(|| invalid(format!("{method}: substring not found")))?;
            Value::from(text[..at].chars().count())
        }
        "swapcase" => {
            let () = from_args(args)?;
            let swap = |character: char| -> String {
                if character.is_uppercase() {
                    character.to_lowercase().collect()
                } else {
                    character.to_uppercase().collect()
                }
            };
            Value::from(text.chars().map(swap).collect::<String>())
        }
        "casefold" => {
            let () = from_args(args)?;
            Value::from(text.to_lowercase().replace('ß', "ss"))
        }
        "zfill" => {
            let (width,): (i64,) = from_args(args)?;
            let padding = padding(state, text, width)?;
            let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
            let sign = &text[..text.len() - digits.len()];
            Value::from(format!("{sign}{}{digits}", "0".repeat(padding)))
        }
        "ljust" | "rjust" | "center" => {
            let (width, fill): (i64, Option<&str>) = from_args(args)?;
            let padding = padding(state, text, width)?;
            let fill = fill.unwrap_or(" ");
            if fill.chars().count() != 1 {
                return Err(invalid(format!("{method}: the fill must be one character")));
            }
            // Python's rule for an odd rest: to the left if the width is odd.
            let left = match method {
                "ljust" => 0,
                "rjust" => padding,
                _ => padding / 2 + (padding & usize::try_from(width).unwrap_or(0) & 1),
            };
            Value::from(format!(
                "{}{text}{}",
                fill.repeat(left),
                fill.repeat(padding - left)
            ))
        }
        _ => return Ok(None),
    }))
}

fn list_method(list: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    if method != "index" {
        return Ok(None);
    }
    let (wanted,): (&Value,) = from_args(args)?;
    let place = list.try_iter()?.position(|item| item == *wanted);
    place
        .map(|place| Some(Value::from(place)))
        .ok_or_else(|| invalid(format!("index: {wanted} is not in the list")))
}

/// The parts from the right, the last first.
fn rsplit<'a>(text: &'a str, separator: Option<&str>, limit: usize) -> Result<Vec<&'a str>, Error> {
    if let Some(separator) = separator {
        expect_separator(separator)?;
        return Ok(text.rsplitn(limit.saturating_add(1), separator).collect());
    }
    let mut parts = Vec::new();
    let mut rest = text.trim_end();
    while !rest.is_empty() {
        match rest.rsplit_once(char::is_whitespace) {
            Some((before, word)) if parts.len() < limit => {
                parts.push(word);
                rest = before.trim_end();
            }
            _ => {
                parts.push(rest.trim_start());
                break;
            }
        }
    }
    Ok(parts)
}

/// How many characters are missing from `text` to `width`.
fn padding(state: &State<'_, '_>, text: &str, width: i64) -> Result<usize, Error> {
    let width = usize::try_from(width).unwrap_or(0);
    expect_fuel(state, width.saturating_mul(4))?;
    Ok(width.saturating_sub(text.chars().count()))
}

fn expect_separator(separator: &str) -> Result<(), Error> {
    if separator.is_empty() {
        Err(invalid("empty separator".to_owned()))
    } else {
        Ok(())
    }
}

/// Fails if a result of this size is more than the template may still make; the engine charges for it
/// once it exists.
fn expect_fuel(state: &State<'_, '_>, size_bytes: usize) -> Result<(), Error> {
    match state.fuel_levels() {
        Some((_, left)) if size_bytes as u64 / 64 > left => Err(Error::from(ErrorKind::OutOfFuel)),
        _ => Ok(()),
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
