//! Reads the HTML that the window is drawn as. Strict: what is not closed as it should be is an error.

use std::fmt::Write;

/// Elements that have no content.
const VOID: &[&str] = &[
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr",
];

/// An element, or text where the name is empty.
#[derive(Debug, Default, Clone)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) text: String,
    pub(crate) parent: Option<usize>,
    pub(crate) children: Vec<usize>,
}

impl Node {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_text(&self) -> bool {
        self.name.is_empty()
    }

    pub(crate) fn classes(&self) -> impl Iterator<Item = &str> {
        self.attribute("class").unwrap_or_default().split_whitespace()
    }
}

/// A tree of elements below one root.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) nodes: Vec<Node>,
}

/// The root, which the reader adds.
pub(crate) const ROOT: usize = 0;

impl Document {
    /// Reads a fragment.
    pub(crate) fn read(source: &str) -> Result<Self, String> {
        let mut reader = Reader {
            rest: source,
            document: Self {
                nodes: vec![Node {
                    name: "html".to_owned(),
                    ..Node::default()
                }],
            },
            open: vec![ROOT],
        };
        while !reader.rest.is_empty() {
            reader.step()?;
        }
        match reader.open.as_slice() {
            [ROOT] => Ok(reader.document),
            open => Err(format!(
                "<{}> is never closed",
                reader.document.nodes[*open.last().unwrap()].name
            )),
        }
    }

    /// All elements, in the order in which they are read.
    pub(crate) fn elements(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes
            .iter()
            .enumerate()
            .skip(1)
            .filter(|(_, node)| !node.is_text())
    }

    /// What is around a node, from the inside out.
    pub(crate) fn ancestors(&self, node: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(self.nodes[node].parent, |at| self.nodes[*at].parent)
    }

    /// The element with an id.
    pub(crate) fn by_id(&self, id: &str) -> Option<usize> {
        self.elements()
            .find(|(_, node)| node.attribute("id") == Some(id))
            .map(|(at, _)| at)
    }

    /// The tree with a line for each tag and each text, indented.
    pub(crate) fn pretty(&self) -> String {
        let mut text = String::new();
        for child in &self.nodes[ROOT].children {
            self.print(*child, 0, &mut text);
        }
        text
    }

    fn print(&self, at: usize, depth: usize, out: &mut String) {
        let node = &self.nodes[at];
        let indent = "  ".repeat(depth);
        if node.is_text() {
            writeln!(out, "{indent}{}", escaped(&node.text)).unwrap();
            return;
        }
        let mut tag = format!("<{}", node.name);
        for (name, value) in &node.attributes {
            write!(tag, " {name}=\"{}\"", escaped(value).replace('"', "&quot;")).unwrap();
        }
        match node.children.as_slice() {
            [] if VOID.contains(&node.name.as_str()) => writeln!(out, "{indent}{tag}>").unwrap(),
            [] => writeln!(out, "{indent}{tag}></{}>", node.name).unwrap(),
            [only] if self.nodes[*only].is_text() && !self.nodes[*only].text.contains('\n') => {
                writeln!(
                    out,
                    "{indent}{tag}>{}</{}>",
                    escaped(&self.nodes[*only].text),
                    node.name
                )
                .unwrap();
            }
            children => {
                writeln!(out, "{indent}{tag}>").unwrap();
                for child in children {
                    self.print(*child, depth + 1, out);
                }
                writeln!(out, "{indent}</{}>", node.name).unwrap();
            }
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&#34;", "\"")
        .replace("&#x2F;", "/")
        .replace("&amp;", "&")
}

struct Reader<'a> {
    rest: &'a str,
    document: Document,
    open: Vec<usize>,
}

impl<'a> Reader<'a> {
    fn step(&mut self) -> Result<(), String> {
        if let Some(rest) = self.rest.strip_prefix("<!--") {
            let end = rest.find("-->").ok_or("a comment is never closed")?;
            self.rest = &rest[end + 3..];
            Ok(())
        } else if let Some(rest) = self.rest.strip_prefix("</") {
            let (name, rest) = rest.split_once('>').ok_or("a tag is never closed")?;
            self.rest = rest;
            self.close(name)
        } else if self.rest.starts_with('<') {
            self.start()
        } else {
            let end = self.rest.find('<').unwrap_or(self.rest.len());
            let text = unescaped(&self.rest[..end]);
            self.rest = &self.rest[end..];
            if !text.trim().is_empty() {
                self.add(Node {
                    text,
                    ..Node::default()
                });
            }
            Ok(())
        }
    }

    fn close(&mut self, name: &str) -> Result<(), String> {
        let open = self
            .open
            .pop()
            .filter(|open| *open != ROOT)
            .ok_or(format!("</{name}> closes nothing"))?;
        let expected = &self.document.nodes[open].name;
        if expected == name {
            Ok(())
        } else {
            Err(format!("</{name}> where <{expected}> is open"))
        }
    }

    fn start(&mut self) -> Result<(), String> {
        self.rest = &self.rest[1..];
        let name = self
            .take_while(|c| !c.is_whitespace() && c != '>' && c != '/')
            .to_owned();
        let mut attributes = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            if let Some(rest) = self
                .rest
                .strip_prefix("/>")
                .or_else(|| self.rest.strip_prefix('>'))
            {
                let self_closed = self.rest.starts_with('/');
                self.rest = rest;
                let has_content = !self_closed && !VOID.contains(&name.as_str());
                let at = self.add(Node {
                    name: name.clone(),
                    attributes,
                    ..Node::default()
                });
                if matches!(name.as_str(), "style" | "script") && has_content {
                    self.raw(at, &name)?;
                } else if has_content {
                    self.open.push(at);
                }
                return Ok(());
            }
            if self.rest.is_empty() {
                return Err(format!("<{name} is never closed"));
            }
            attributes.push(self.attribute()?);
        }
    }

    /// Content in which nothing is a tag.
    fn raw(&mut self, at: usize, name: &str) -> Result<(), String> {
        let end = self
            .rest
            .find(&format!("</{name}>"))
            .ok_or(format!("<{name}> is never closed"))?;
        self.document.nodes[at].text = self.rest[..end].to_owned();
        self.rest = &self.rest[end + name.len() + 3..];
        Ok(())
    }

    fn attribute(&mut self) -> Result<(String, String), String> {
        let name = self
            .take_while(|c| !c.is_whitespace() && !"=>/".contains(c))
            .to_owned();
        if name.is_empty() {
            return Err(format!(
                "no attribute at {:?}",
                self.rest.chars().take(30).collect::<String>()
            ));
        }
        let Some(rest) = self.rest.strip_prefix('=') else {
            return Ok((name, String::new()));
        };
        let value = if let Some(quoted) = rest.strip_prefix('"') {
            let end = quoted
                .find('"')
                .ok_or(format!("the value of {name} is never closed"))?;
            self.rest = &quoted[end + 1..];
            &quoted[..end]
        } else {
            self.rest = rest;
            self.take_while(|c| !c.is_whitespace() && c != '>')
        };
        Ok((name, unescaped(value)))
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn add(&mut self, mut node: Node) -> usize {
        let parent = *self.open.last().unwrap_or(&ROOT);
        node.parent = Some(parent);
        let at = self.document.nodes.len();
        self.document.nodes.push(node);
        self.document.nodes[parent].children.push(at);
        at
    }
}

#[test]
fn a_fragment_is_read_and_printed() {
    let source =
        r#"<div class="a b" hidden><p title="1 &lt; 2">x &amp; y</p><input disabled value="q"/><br></div>"#;
    let document = Document::read(source).unwrap();
    assert_eq!(
        document.pretty(),
        "<div class=\"a b\" hidden=\"\">\n  <p title=\"1 &lt; 2\">x &amp; y</p>\n  <input disabled=\"\" value=\"q\">\n  <br>\n</div>\n"
    );
}

#[test]
fn what_is_not_closed_is_an_error() {
    for wrong in ["<p>", "<p></div>", "</p>", "<p", "<p title=\"", "<!-- "] {
        assert!(Document::read(wrong).is_err(), "{wrong}");
    }
}
