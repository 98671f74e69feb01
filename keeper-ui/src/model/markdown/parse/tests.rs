//! Texts and their blocks.

use super::*;

fn text(words: &str) -> Inline {
    Inline::Text(words.into())
}

fn one(source: &str) -> Block {
    let blocks = parse(source);
    assert_eq!(blocks.len(), 1, "{blocks:?}");
    (*blocks[0]).clone()
}

#[test]
fn running_text_with_marks() {
    let expected = vec![
        text("a "),
        Inline::Strong(vec![text("b "), Inline::Emphasis(vec![text("c")])]),
        text(" "),
        Inline::Struck(vec![text("d")]),
        text(" "),
        Inline::Code("e".into()),
    ];
    assert_eq!(one("a **b *c*** ~~d~~ `e`"), Block::Paragraph(expected));
}

#[test]
fn html_is_text() {
    assert_eq!(
        one("<script>alert(1)</script>\n"),
        Block::Paragraph(vec![text("<script>alert(1)</script>\n")])
    );
    assert_eq!(
        one("a <b onclick=x>b</b>"),
        Block::Paragraph(vec![text("a <b onclick=x>b</b>")])
    );
    assert_eq!(one("&lt;b&gt;"), Block::Paragraph(vec![text("<b>")]));
}

#[test]
fn links_that_may_not_be_followed_keep_their_words() {
    assert_eq!(
        one("[x](javascript:y)"),
        Block::Paragraph(vec![Inline::Link(None, vec![text("x")])])
    );
    let expected = Inline::Link(Some("https://a.b".into()), vec![text("x")]);
    assert_eq!(one("[x](https://a.b)"), Block::Paragraph(vec![expected]));
    let picture = Inline::Picture(Some("https://a.b/c.png".into()), "a cat".into());
    assert_eq!(
        one("![a *cat*](https://a.b/c.png)"),
        Block::Paragraph(vec![picture])
    );
}

#[test]
fn lists_tight_and_loose_nested_and_with_tasks() {
    let paragraph = |words: &str| Rc::new(Block::Paragraph(vec![text(words)]));
    let Block::List { start, items } = one("3. one\n4. two\n   - [x] deep\n   - [ ] deeper\n") else {
        panic!("no list");
    };
    assert_eq!(start, Some(3));
    assert_eq!(items[0].blocks, [paragraph("one")]);
    let Block::List {
        start: None,
        items: tasks,
    } = &*items[1].blocks[1]
    else {
        panic!("no list within")
    };
    assert_eq!((tasks[0].done, tasks[1].done), (Some(true), Some(false)));
    assert_eq!(tasks[0].blocks, [paragraph("deep")]);
    let Block::List { items, .. } = one("- a\n\n- b\n\n  c\n") else {
        panic!("no list")
    };
    assert_eq!(items[1].blocks, [paragraph("b"), paragraph("c")]);
}

#[test]
fn code_has_its_language_and_its_text() {
    let code = |language: &str, text: &str| Block::Code {
        language: language.into(),
        text: text.into(),
    };
    assert_eq!(
        one("```rust,ignore\nlet <x>;\n\n```"),
        code("rust", "let <x>;\n\n")
    );
    assert_eq!(one("~~~\nnot yet"), code("", "not yet"));
    assert_eq!(one("    indented\n"), code("", "indented\n"));
}

#[test]
fn tables() {
    let Block::Table {
        alignments,
        head,
        rows,
    } = one("|a|b|\n|:-:|-:|\n|1|**2**|\n|3|\n")
    else {
        panic!("no table");
    };
    assert_eq!(alignments, [Alignment::Centre, Alignment::End]);
    assert_eq!(head, [[text("a")], [text("b")]]);
    assert_eq!(rows[0][1], [Inline::Strong(vec![text("2")])]);
    assert_eq!(rows[1].len(), 2, "a row is filled up");
}

#[test]
fn a_tower_is_flattened() {
    fn depth(block: &Block) -> usize {
        match block {
            Block::Quote(inner) => 1 + inner.iter().map(|it| depth(it)).max().unwrap_or(0),
            Block::List { items, .. } => {
                1 + items
                    .iter()
                    .flat_map(|item| &item.blocks)
                    .map(|it| depth(it))
                    .max()
                    .unwrap_or(0)
            }
            _ => 0,
        }
    }
    let tower = format!("{} deep", ">".repeat(3000));
    let blocks = parse(&tower);
    assert!(depth(&blocks[0]) <= DEEPEST, "{}", depth(&blocks[0]));
    let stars = format!("{}x{}", "*a _b ".repeat(500), "_ *".repeat(500));
    assert!(!parse(&stars).is_empty());
    let lists: String = (0..200)
        .map(|level| format!("{}- x\n", "  ".repeat(level)))
        .collect();
    assert!(depth(&parse(&lists)[0]) <= DEEPEST);
}
