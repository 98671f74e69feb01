//! JSON that a model writes, character by character and whole.

use serde::de::IgnoredAny;

/// Deeper than arguments of any tool.
const MAX_DEPTH: usize = 64;

/// How far an object or list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanned {
    /// It goes on.
    More,
    /// This character closed it.
    Closed,
    /// This character can't stand here in any JSON.
    Broken,
}

/// Finds the end of an object or list, or the place where it is certain that there is none to come.
/// Commas and colons are not looked at: what has an end is read for good by others.
#[derive(Debug, Default)]
pub(super) struct JsonScan {
    /// Which brackets are open: true for an object.
    open: Vec<bool>,
    in_string: bool,
    escaped: bool,
}

impl JsonScan {
    /// Takes the next character; the first is the opening bracket.
    pub(super) fn push(&mut self, character: char) -> Scanned {
        if self.in_string {
            return self.in_string(character);
        }
        match character {
            '"' if !self.open.is_empty() => self.in_string = true,
            '{' | '[' if self.open.len() < MAX_DEPTH => self.open.push(character == '{'),
            '}' | ']' => {
                if self.open.pop() != Some(character == '}') {
                    return Scanned::Broken;
                }
                if self.open.is_empty() {
                    return Scanned::Closed;
                }
            }
            ' ' | '\t' | '\n' | '\r' | ',' | ':' | '+' | '-' | '.' if !self.open.is_empty() => {}
            _ if character.is_ascii_alphanumeric() && !self.open.is_empty() => {}
            _ => return Scanned::Broken,
        }
        Scanned::More
    }

    fn in_string(&mut self, character: char) -> Scanned {
        match character {
            _ if character < ' ' => return Scanned::Broken,
            _ if self.escaped => self.escaped = false,
            '\\' => self.escaped = true,
            '"' => self.in_string = false,
            _ => {}
        }
        Scanned::More
    }
}

/// The fields of an object, each value as it is written; `None` if the text is no object.
pub(super) fn fields(text: &str) -> Option<Vec<(String, &str)>> {
    let mut rest = text.trim().strip_prefix('{')?.trim_start();
    let mut fields = Vec::new();
    if rest == "}" {
        return Some(fields);
    }
    loop {
        let (name, after) = value::<String>(rest)?;
        let written = after.trim_start().strip_prefix(':')?.trim_start();
        let (_, after) = value::<IgnoredAny>(written)?;
        fields.push((name, written[..written.len() - after.len()].trim_end()));
        let after = after.trim_start();
        match after.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None if after == "}" => return Some(fields),
            None => return None,
        }
    }
}

/// The items of a list as they are written; `None` if the text is no list.
pub(super) fn items(text: &str) -> Option<Vec<&str>> {
    let mut rest = text.trim().strip_prefix('[')?.trim_start();
    let mut items = Vec::new();
    if rest == "]" {
        return Some(items);
    }
    loop {
        let (_, after) = value::<IgnoredAny>(rest)?;
        items.push(rest[..rest.len() - after.len()].trim_end());
        let after = after.trim_start();
        match after.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None if after == "]" => return Some(items),
            None => return None,
        }
    }
}

/// The value that a text begins with, and what follows.
fn value<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Option<(T, &'a str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, &text[values.byte_offset()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str) -> (usize, Scanned) {
        let mut scan = JsonScan::default();
        for (place, character) in text.chars().enumerate() {
            match scan.push(character) {
                Scanned::More => {}
                done => return (place, done),
            }
        }
        (text.chars().count(), Scanned::More)
    }

    #[test]
    fn ends_are_found() {
        assert_eq!(end("{\"a\": [1, {}]} x"), (13, Scanned::Closed));
        assert_eq!(end("{\"}\\\"}\": 1}"), (10, Scanned::Closed));
        assert_eq!(end("{\"a\": 1"), (7, Scanned::More));
        assert_eq!(end("{]"), (1, Scanned::Broken));
        assert_eq!(end("{\"a\": <"), (6, Scanned::Broken));
        assert_eq!(end("{\"a\nb\""), (3, Scanned::Broken));
        assert_eq!(end("x"), (0, Scanned::Broken));
        assert_eq!(end(&"[".repeat(65)), (64, Scanned::Broken));
    }

    #[test]
    fn values_stay_as_they_are_written() {
        let found = fields(" {\"a\" : 1.50 , \"b\\n\":{ \"z\":1, \"a\":[ ] } , \"c\":true}").unwrap();
        let expected = [
            ("a".to_owned(), "1.50"),
            ("b\n".to_owned(), "{ \"z\":1, \"a\":[ ] }"),
            ("c".to_owned(), "true"),
        ];
        assert_eq!(found, expected);
        assert_eq!(fields("{ }").unwrap(), []);
        assert_eq!(
            items("[ {\"a\":1} , 2,\"x\" ]").unwrap(),
            ["{\"a\":1}", "2", "\"x\""]
        );
        for broken in [
            "",
            "{",
            "{\"a\"}",
            "{\"a\":1,}",
            "{\"a\":1} x",
            "{\"a\":01}",
            "[1]",
        ] {
            assert_eq!(fields(broken), None, "{broken}");
        }
        for broken in ["[1,]", "[1 2]", "[", "{}"] {
            assert_eq!(items(broken), None, "{broken}");
        }
    }
}
