//! Colours for code: each line as spans of what they are, whatever the theme makes of it.

use std::sync::OnceLock;

use syntect::parsing::{ParseState, Scope, ScopeStack, SyntaxReference, SyntaxSet};

/// What a piece of code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenClass {
    /// Nothing in particular.
    Plain,
    /// For people.
    Comment,
    /// Text in quotes.
    String,
    /// A number, or another constant of the language.
    Constant,
    /// A word of the language.
    Keyword,
    /// The name of a function.
    Function,
    /// The name of a type.
    Type,
    /// A tag of markup, or the name of a key.
    Tag,
    /// An attribute, or a parameter.
    Attribute,
    /// Added, in a difference.
    Added,
    /// Removed, in a difference.
    Removed,
}

impl TokenClass {
    /// Its name in styles.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Comment => "comment",
            Self::String => "string",
            Self::Constant => "constant",
            Self::Keyword => "keyword",
            Self::Function => "function",
            Self::Type => "type",
            Self::Tag => "tag",
            Self::Attribute => "attribute",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// What it is.
    pub class: TokenClass,
    /// Its text.
    pub text: String,
}

/// One line with its end.
pub type CodeLine = Vec<Span>;

/// A line longer than this, in bytes, is left as it is: expressions that look for its parts could take long.
const LONGEST_LINE: usize = 2_000;

/// Code after this many lines is left as it is.
const MOST_LINES: usize = 10_000;

/// Goes through code line by line. Costs nothing where the language is not known.
#[derive(Debug)]
pub struct Highlighter {
    state: Option<(ParseState, ScopeStack)>,
    lines: usize,
}

impl Highlighter {
    /// For a language as people name it after a fence, such as `rust`, `py` or `C++`. The first call of a process reads the
    /// grammars, which takes tens of milliseconds.
    #[must_use]
    pub fn new(language: &str) -> Self {
        let state = syntax(language).map(|syntax| (ParseState::new(syntax), ScopeStack::new()));
        Self { state, lines: 0 }
    }

    /// The spans of the next line, its end included. They join to the line, whatever happens.
    pub fn line(&mut self, line: &str) -> CodeLine {
        self.lines += 1;
        if line.len() > LONGEST_LINE || self.lines > MOST_LINES {
            return plain(line);
        }
        let Some((parser, stack)) = &mut self.state else {
            return plain(line);
        };
        let Ok(operations) = parser.parse_line(line, grammars()) else {
            self.state = None;
            return plain(line);
        };
        let mut spans = CodeLine::new();
        let mut from = 0;
        for (at, operation) in &operations {
            push(&mut spans, class(stack), line.get(from..*at).unwrap_or_default());
            from = from.max(*at);
            if stack.apply(operation).is_err() {
                self.state = None;
                return plain(line);
            }
        }
        push(&mut spans, class(stack), line.get(from..).unwrap_or_default());
        spans
    }
}

fn plain(line: &str) -> CodeLine {
    vec![Span {
        class: TokenClass::Plain,
        text: line.to_owned(),
    }]
}

fn push(spans: &mut CodeLine, class: TokenClass, text: &str) {
    if text.is_empty() {
        return;
    }
    match spans.last_mut() {
        Some(last) if last.class == class => last.text.push_str(text),
        _ => spans.push(Span {
            class,
            text: text.to_owned(),
        }),
    }
}

fn grammars() -> &'static SyntaxSet {
    static GRAMMARS: OnceLock<SyntaxSet> = OnceLock::new();
    GRAMMARS.get_or_init(SyntaxSet::load_defaults_newlines)
}

/// The grammar of a language. Some that are asked for often have none of their own and are close to another.
fn syntax(language: &str) -> Option<&'static SyntaxReference> {
    let name = language.to_ascii_lowercase();
    let name = match name.as_str() {
        "" | "text" | "txt" | "plain" | "plaintext" | "console" | "output" => return None,
        "typescript" | "ts" | "tsx" | "jsx" | "mjs" | "node" => "js",
        "shell" | "zsh" | "fish" | "terminal" | "sh-session" => "sh",
        "jsonc" | "json5" | "jsonl" => "json",
        "c++" | "cxx" | "cuda" | "cu" => "cpp",
        "c#" | "csharp" => "cs",
        "py3" | "python3" | "pyi" => "python",
        "golang" => "go",
        "toml" | "ini" | "conf" => "properties",
        "kotlin" | "kt" => "java",
        "svelte" | "vue" => "html",
        other => other,
    };
    let grammars = grammars();
    grammars.find_syntax_by_token(name)
}

/// What the innermost scope that means something makes of the text.
fn class(stack: &ScopeStack) -> TokenClass {
    let named = stack.as_slice().iter().rev().find_map(|scope| {
        classes()
            .iter()
            .find(|(prefix, _)| prefix.is_prefix_of(*scope))
            .map(|(_, class)| *class)
    });
    named.unwrap_or(TokenClass::Plain)
}

fn classes() -> &'static [(Scope, TokenClass)] {
    static CLASSES: OnceLock<Vec<(Scope, TokenClass)>> = OnceLock::new();
    CLASSES.get_or_init(|| {
        use TokenClass as Class;
        let named = [
            ("comment", Class::Comment),
            ("string", Class::String),
            ("constant", Class::Constant),
            ("keyword.operator", Class::Plain),
            ("keyword", Class::Keyword),
            ("storage", Class::Keyword),
            ("variable.language", Class::Keyword),
            ("entity.name.function", Class::Function),
            ("support.function", Class::Function),
            ("variable.function", Class::Function),
            ("support.macro", Class::Function),
            ("entity.name.tag", Class::Tag),
            ("support.type.property-name", Class::Tag),
            ("entity.other.attribute-name", Class::Attribute),
            ("variable.parameter", Class::Attribute),
            ("entity.name", Class::Type),
            ("entity.other.inherited-class", Class::Type),
            ("support.type", Class::Type),
            ("support.class", Class::Type),
            ("markup.inserted", Class::Added),
            ("markup.deleted", Class::Removed),
            ("markup.heading", Class::Keyword),
        ];
        let scope = |(name, class)| Scope::new(name).ok().map(|scope| (scope, class));
        named.into_iter().filter_map(scope).collect()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spans(language: &str, line: &str) -> Vec<(TokenClass, String)> {
        Highlighter::new(language)
            .line(line)
            .into_iter()
            .map(|span| (span.class, span.text))
            .collect()
    }

    fn class_of(language: &str, line: &str, word: &str) -> TokenClass {
        let spans = spans(language, line);
        spans
            .iter()
            .find(|(_, text)| text.contains(word))
            .unwrap_or_else(|| panic!("{word} in {spans:?}"))
            .0
    }

    #[test]
    fn words_have_their_classes() {
        let rust = "fn main() { let x: String = \"y\".into(); } // z\n";
        assert_eq!(class_of("rust", rust, "fn"), TokenClass::Keyword);
        assert_eq!(class_of("rust", rust, "main"), TokenClass::Function);
        assert_eq!(class_of("rust", rust, "\"y\""), TokenClass::String);
        assert_eq!(class_of("rust", rust, "// z"), TokenClass::Comment);
        assert_eq!(class_of("python", "x = 42  # n\n", "42"), TokenClass::Constant);
        assert_eq!(class_of("html", "<p class=\"a\">\n", "p"), TokenClass::Tag);
        assert_eq!(class_of("diff", "+added\n", "added"), TokenClass::Added);
    }

    #[test]
    fn a_comment_goes_over_lines() {
        let mut highlighter = Highlighter::new("c");
        highlighter.line("/* one\n");
        assert_eq!(highlighter.line("two\n")[0].class, TokenClass::Comment);
        assert_ne!(
            highlighter.line("*/ int x;\n").last().unwrap().class,
            TokenClass::Comment
        );
    }

    #[test]
    fn languages_by_the_names_that_models_use() {
        for language in [
            "rust",
            "rs",
            "python",
            "py",
            "js",
            "ts",
            "TypeScript",
            "bash",
            "sh",
            "json",
            "yaml",
            "html",
            "css",
            "sql",
            "go",
            "java",
            "C++",
            "cs",
            "php",
            "ruby",
            "toml",
            "xml",
            "markdown",
            "lua",
            "haskell",
            "diff",
        ] {
            assert!(Highlighter::new(language).state.is_some(), "{language}");
        }
        for language in ["", "text", "no-such-language"] {
            assert!(Highlighter::new(language).state.is_none(), "{language}");
        }
    }

    #[test]
    fn a_line_without_end_is_left_alone() {
        let line = "(".repeat(100_000);
        assert_eq!(spans("rust", &line).len(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn nothing_is_lost(
            language in prop::sample::select(vec!["rust", "python", "html", "sh", "markdown", "nope"]),
            lines in prop::collection::vec("\\PC{0,40}", 1..6),
        ) {
            let mut highlighter = Highlighter::new(language);
            for line in lines {
                let line = format!("{line}\n");
                let joined: String = highlighter.line(&line).into_iter().map(|span| span.text).collect();
                prop_assert_eq!(joined, line);
            }
        }
    }
}
