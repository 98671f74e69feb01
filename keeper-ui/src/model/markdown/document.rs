//! A text that grows, and its blocks: those that can't change any more are not looked at again.

use std::rc::Rc;

use super::block::Block;
use super::parse::{parse, parse_with_starts};

/// A growing text's blocks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    settled: Vec<Rc<Block>>,
    /// Where in the text the blocks begin that may still change.
    settled_bytes: usize,
    open: Vec<Rc<Block>>,
}

impl Document {
    /// The blocks of a text that will not grow.
    #[must_use]
    pub fn whole(text: &str) -> Self {
        Self {
            settled: parse(text),
            settled_bytes: text.len(),
            open: Vec::new(),
        }
    }

    /// Takes the text so far, which begins with what it was before.
    ///
    /// Only what follows the last settled block is parsed. A block is settled when another one has begun after it, behind an
    /// empty line and on a whole line: what begins right below it, or on half a line, may yet turn out to go on with it. The one thing that can reach back is the definition of a link; [`Self::finish`] sees to that.
    pub fn grow(&mut self, text: &str) {
        let Some(rest) = text.get(self.settled_bytes..) else {
            return;
        };
        let mut blocks = parse_with_starts(rest);
        let whole_line = |start: usize| rest[start..].contains('\n');
        let mut settled = match blocks.last() {
            Some((start, _)) if whole_line(*start) => blocks.len() - 1,
            _ => blocks.len().saturating_sub(2),
        };
        while settled > 0 && !follows_empty_line(&rest[..blocks[settled].0]) {
            settled -= 1;
        }
        if settled > 0 {
            let start = blocks[settled].0;
            self.settled_bytes += rest[..start].rfind('\n').map_or(0, |end| end + 1);
            self.settled
                .extend(blocks.drain(..settled).map(|(_, block)| block));
        }
        self.open = blocks.into_iter().map(|(_, block)| block).collect();
    }

    /// The text is whole: everything is looked at once more. Blocks that stay as they are stay the same in memory.
    pub fn finish(&mut self, text: &str) {
        let mut blocks = parse(text);
        for (block, old) in blocks.iter_mut().zip(self.settled.iter().chain(&self.open)) {
            if block == old {
                *block = old.clone();
            }
        }
        *self = Self {
            settled: blocks,
            settled_bytes: text.len(),
            open: Vec::new(),
        };
    }

    /// The blocks so far.
    pub fn blocks(&self) -> impl Iterator<Item = &Rc<Block>> {
        self.settled.iter().chain(&self.open)
    }

    /// How many of the blocks can't change any more.
    #[must_use]
    pub fn settled(&self) -> usize {
        self.settled.len()
    }
}

/// Whether the line before the one that this text ends in is empty.
fn follows_empty_line(before: &str) -> bool {
    before
        .rfind('\n')
        .and_then(|end| before[..end].rsplit('\n').next())
        .is_some_and(|line| line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grown(text: &str, steps: impl Iterator<Item = usize>) -> Document {
        let mut document = Document::default();
        for end in steps.map(|end| end.min(text.len())).chain([text.len()]) {
            if text.is_char_boundary(end) {
                document.grow(&text[..end]);
            }
        }
        document
    }

    fn blocks(document: &Document) -> Vec<Rc<Block>> {
        document.blocks().cloned().collect()
    }

    #[test]
    fn a_half_line_may_go_on_with_the_block_before() {
        let text = "para\n#foo";
        assert_eq!(blocks(&grown(text, 1..text.len())), parse(text));
        let text = "para\n1) x";
        assert_eq!(blocks(&grown(text, 1..text.len())), parse(text));
    }

    #[test]
    fn a_long_answer_is_parsed_from_its_last_block_on() {
        let text = "Paragraph.\n\n".repeat(1000);
        let document = grown(&text, (0..text.len()).step_by(50));
        assert!(document.settled() >= 998);
        assert!(text.len() - document.settled_bytes < 30);
    }

    #[test]
    fn a_definition_at_the_end_is_seen_when_the_text_is_whole() {
        let text = "see [it]\n\nmore\n\n[it]: https://example.org\n";
        let mut document = grown(text, 0..text.len());
        let before = blocks(&document);
        document.finish(text);
        assert_eq!(blocks(&document), parse(text));
        assert!(
            Rc::ptr_eq(&blocks(&document)[1], &before[1]),
            "what is the same stays"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]
        #[test]
        fn a_text_that_grew_is_the_text(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "word", "é語", " ", "  ", "    ", "\n", "\n\n", "- ", "* ", "1. ", "2) ", "# ", "## ", "#", "> ", ">",
                "```", "```rust\n", "~~~", "`", "**", "_", "~~", "|", "|a|b|\n|-|-|\n", "---", "===", "***", "+ ",
                "<b>", "</b>", "<!--", "-->", "<div>", "\\", "&amp;", "\t", "- [x] ", "(", ")", "!",
            ]), 0..40),
            steps in prop::collection::vec(1usize..9, 1..20),
        ) {
            let text: String = pieces.concat();
            let mut at = 0;
            let steps = steps.into_iter().cycle().map_while(|step| { at += step; (at < text.len()).then_some(at) });
            let mut document = grown(&text, steps);
            prop_assert_eq!(blocks(&document), parse(&text));
            document.finish(&text);
            prop_assert_eq!(blocks(&document), parse(&text));
        }
    }
}
