//! What transformers and Python add to Jinja, written in the Jinja that the engine knows.
//!
//! - `{% generation %}` marks what an assistant said, for training. It prints its body and is a scope of
//!   its own; so is `{% with %}`.
//! - `'%s: %d' % (name, 3)` formats as Python does; so does `'%s: %d' | format(name, 3)`. Only a literal
//!   on the left and a tuple on the right are known to be meant so; for other operands the engine says
//!   that it knows no `%` for them.

use std::borrow::Cow;

/// The template in the engine's words. Lines stay where they are.
pub(super) fn translate(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find('{') {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let kind = tag.as_bytes().get(1);
        let length = match kind {
            Some(b'#') => tag.find("#}").map_or(tag.len(), |end| end + 2),
            Some(b'{') => tag_length(tag, "}}"),
            Some(b'%') if block_name(tag) == "raw" => raw_length(tag),
            Some(b'%') => tag_length(tag, "%}"),
            _ => 1,
        };
        let (tag, after) = tag.split_at(length);
        match kind {
            Some(b'{') => out.push_str(&percent_as_filter(tag)),
            Some(b'%') => match block_name(tag) {
                "generation" => out.push_str(&tag.replacen("generation", "with", 1)),
                "endgeneration" => out.push_str(&tag.replacen("endgeneration", "endwith", 1)),
                "raw" => out.push_str(tag),
                _ => out.push_str(&percent_as_filter(tag)),
            },
            _ => out.push_str(tag),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The tag with `'…' % (` written as `'…'|format(`.
fn percent_as_filter(tag: &str) -> Cow<'_, str> {
    if !tag
        .get(2..tag.len().saturating_sub(2))
        .is_some_and(|inside| inside.contains('%'))
    {
        return Cow::Borrowed(tag);
    }
    let mut out = String::with_capacity(tag.len() + 16);
    let mut rest = tag;
    while let Some(at) = rest.find(['"', '\'']) {
        let literal_end = at + literal_length(&rest[at..]);
        let (literal, after) = rest.split_at(literal_end);
        out.push_str(literal);
        rest = after;
        // In `2 * '%s' % (x)` the product comes first.
        let binds_left = literal[..at].trim_end().ends_with(['*', '/', '%']);
        if let Some(operand) = after.trim_start().strip_prefix('%').map(str::trim_start)
            && operand.starts_with('(')
            && !binds_left
        {
            out.push_str("|format");
            rest = operand;
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The name of the block that a text beginning with `{%` opens.
fn block_name(tag: &str) -> &str {
    let name = tag[2..].trim_start_matches(['-', '+']).trim_start();
    let end = name.find(|character: char| !character.is_alphanumeric() && character != '_');
    &name[..end.unwrap_or(name.len())]
}

/// The length of a tag up to `close`, which may stand in a string before.
fn tag_length(tag: &str, close: &str) -> usize {
    let mut place = 2;
    while let Some(&byte) = tag.as_bytes().get(place) {
        if matches!(byte, b'"' | b'\'') {
            place += literal_length(&tag[place..]);
        } else if tag.as_bytes()[place..].starts_with(close.as_bytes()) {
            return place + close.len();
        } else {
            place += 1;
        }
    }
    tag.len()
}

/// The length of the string literal that a text begins with, quotes included.
fn literal_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut place = 1;
    while let Some(&byte) = bytes.get(place) {
        match byte {
            b'\\' => place += 1,
            _ if byte == bytes[0] => return place + 1,
            _ => {}
        }
        place += 1;
    }
    text.len()
}

/// The length of a raw block with its end tag.
fn raw_length(tag: &str) -> usize {
    let mut place = tag_length(tag, "%}");
    while let Some(at) = tag[place..].find("{%") {
        place += at;
        if block_name(&tag[place..]) == "endraw" {
            return place + tag_length(&tag[place..], "%}");
        }
        place += 2;
    }
    tag.len()
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn blocks_become_scopes() {
        assert_eq!(
            translate("{%- generation -%}\nx{{ '%}' }}{%endgeneration%}"),
            "{%- with -%}\nx{{ '%}' }}{%endwith%}"
        );
    }

    #[test]
    fn everything_else_stays() {
        for template in [
            "add_generation_prompt {% if add_generation_prompt %}{% endif %}",
            "{# {% generation %} #}{% raw %}{% generation %}{% endraw %}",
            "{{ '{% generation %}' }} { %} {",
            "{% generation",
            "{%",
            "{% raw %}{% generation",
            "{{ 'é\\'{% generation %}' }}",
        ] {
            let expected = if template == "{% generation" {
                "{% with"
            } else {
                template
            };
            assert_eq!(translate(template), expected);
        }
    }

    #[test]
    fn percent_formats_literals() {
        for (template, expected) in [
            ("{{ '%s-%s' % ('a', 'b') }}", "{{ '%s-%s'|format('a', 'b') }}"),
            ("{% set x = \"%d\"%(n,) %}", "{% set x = \"%d\"|format(n,) %}"),
            ("{{ 7 % (3) }}", "{{ 7 % (3) }}"),
            ("{{ 'a' * 7 % (3) }}", "{{ 'a' * 7 % (3) }}"),
            ("{{ 2 * '%s' % (x) }}", "{{ 2 * '%s' % (x) }}"),
            ("{{ '% (' ~ x }}", "{{ '% (' ~ x }}"),
            ("{% if x == 'a' %}(", "{% if x == 'a' %}("),
            ("{% if x == 'a'%}(", "{% if x == 'a'%}("),
            ("'%s' % (x)", "'%s' % (x)"),
        ] {
            assert_eq!(translate(template), expected);
        }
    }
}
