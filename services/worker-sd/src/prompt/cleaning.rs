//! What is done to a text before it is cut into words.

use tokenizers::NormalizedString;

/// Whose way of cleaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleaning {
    /// The library transformers: composed characters, single spaces, lower case.
    Transformers,
    /// The original CLIP and open_clip, so the web interfaces: before that, what `ftfy` and `html.unescape` do.
    ///
    /// Of these, curly quotes, ligatures, wide characters, control characters, numeric references and the usual named
    /// ones are done; text that was decoded wrongly is not repaired.
    Original,
}

/// The longest name of a reference to a character.
const LONGEST_REFERENCE: usize = 10;

/// The text as its words are looked up.
pub(super) fn clean(text: &str, cleaning: Cleaning) -> String {
    let text = match cleaning {
        Cleaning::Transformers => composed(text),
        Cleaning::Original => {
            let repaired = composed(&repair(text));
            unescape(&unescape(&repaired)).trim().to_owned()
        }
    };
    lower_with_single_spaces(&text)
}

fn lower_with_single_spaces(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut space = false;
    for character in text.chars() {
        if character.is_whitespace() {
            if !space {
                clean.push(' ');
            }
            space = true;
        } else {
            clean.extend(character.to_lowercase());
            space = false;
        }
    }
    clean
}

/// Unicode's normalization form C.
fn composed(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    NormalizedString::from(text).nfc().get().to_owned()
}

/// What `ftfy.fix_text` does to single characters.
fn repair(text: &str) -> String {
    let mut repaired = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{2bc}' | '\u{2018}'..='\u{201b}' => repaired.push('\''),
            '\u{201c}'..='\u{201f}' => repaired.push('"'),
            '\u{fb00}' => repaired.push_str("ff"),
            '\u{fb01}' => repaired.push_str("fi"),
            '\u{fb02}' => repaired.push_str("fl"),
            '\u{fb03}' => repaired.push_str("ffi"),
            '\u{fb04}' => repaired.push_str("ffl"),
            '\u{fb05}' => repaired.push_str("\u{17f}t"),
            '\u{fb06}' => repaired.push_str("st"),
            '\u{132}' => repaired.push_str("IJ"),
            '\u{133}' => repaired.push_str("ij"),
            '\u{3000}' => repaired.push(' '),
            // Wide forms of ASCII lie together, in ASCII's order.
            '\u{ff01}'..='\u{ff5e}' => {
                let narrow = u32::from(character) - 0xff01 + u32::from('!');
                repaired.extend(char::from_u32(narrow));
            }
            '\0'..='\u{8}' | '\u{b}' | '\u{e}'..='\u{1f}' | '\u{7f}' => {}
            '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}' => {}
            other => repaired.push(other),
        }
    }
    repaired
}

/// References such as `&amp;` and `&#39;` become what they stand for.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(LONGEST_REFERENCE).position(|byte| byte == b';');
        match end.and_then(|end| Some((end, referenced(&rest[1..end])?))) {
            Some((end, character)) => {
                plain.push(character);
                rest = &rest[end + 1..];
            }
            None => {
                plain.push('&');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn referenced(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let number = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        return char::from_u32(number.ok()?).filter(|character| !character.is_control());
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "copy" => '©',
        "reg" => '®',
        "trade" => '™',
        "deg" => '°',
        "times" => '×',
        "euro" => '€',
        "pound" => '£',
        "hellip" => '…',
        "mdash" => '—',
        "ndash" => '–',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "bull" => '•',
        "middot" => '·',
        "eacute" => 'é',
        "auml" => 'ä',
        "ouml" => 'ö',
        "uuml" => 'ü',
        "szlig" => 'ß',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_put_letters_together_and_lower_them() {
        for cleaning in [Cleaning::Transformers, Cleaning::Original] {
            assert_eq!(clean("E\u{301}TOILE \t\n Rouge", cleaning), "étoile rouge");
        }
    }

    #[test]
    fn only_the_original_way_repairs_and_resolves_references() {
        let text = "“ﬁne” ＡＢ &amp;amp; &#39;x&#x27; &nosuch; & &lt;b";
        assert_eq!(clean(text, Cleaning::Original), "\"fine\" ab & 'x' &nosuch; & <b");
        assert_eq!(
            clean(text, Cleaning::Transformers),
            "“ﬁne” ａｂ &amp;amp; &#39;x&#x27; &nosuch; & &lt;b"
        );
    }
}
