//! Stop strings in a stream of text.

/// A node of the automaton: "the text so far ends with this beginning of a stop string".
#[derive(Debug, Clone, Default)]
struct Node {
    /// Sorted by byte.
    children: Vec<(u8, u32)>,
    /// The node of the longest ending of this one's text that begins a stop string, too.
    fallback: u32,
    /// How many bytes of text lead here: as many as must be held back.
    depth: u32,
    /// The longest stop string that ends here.
    complete: Option<Match>,
}

#[derive(Debug, Clone, Copy)]
struct Match {
    /// Which stop string, in the order they were given.
    index: usize,
    /// Its length in bytes.
    len: usize,
}

impl Node {
    fn child(&self, byte: u8) -> Option<u32> {
        let place = self
            .children
            .binary_search_by_key(&byte, |&(byte, _)| byte)
            .ok()?;
        Some(self.children[place].1)
    }
}

/// What a delta became.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StopDelta {
    /// Text that can be sent: no part of it can belong to a stop string.
    pub text: String,
    /// The stop string that the answer ran into, as an index into those given. Nothing comes after it.
    pub stopped: Option<usize>,
}

/// Watches a stream of text for stop strings.
///
/// The answer ends as soon as any stop string is complete. What is sent is the text before it; of stop
/// strings that end at one place, the longest counts. That depends on the text alone and not on how it
/// was cut into deltas, so a stop string is found across token borders and no part of one is ever sent.
/// What could be the beginning of one is held back until it cannot, or until [`StopMatcher::finish`].
///
/// Time is linear in the text (an automaton after Aho and Corasick), whatever the stop strings.
#[derive(Debug, Clone)]
pub struct StopMatcher {
    nodes: Vec<Node>,
    node: u32,
    held: String,
    stopped: Option<usize>,
}

impl StopMatcher {
    /// A matcher for these stop strings. Empty ones are never found.
    pub fn new<I>(stops: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut nodes = vec![Node::default()];
        for (index, stop) in stops.into_iter().enumerate() {
            let stop = stop.as_ref().as_bytes();
            if !stop.is_empty() {
                add(&mut nodes, stop, index);
            }
        }
        link(&mut nodes);
        Self {
            nodes,
            node: 0,
            held: String::new(),
            stopped: None,
        }
    }

    /// Takes the next piece of text. After a stop, nothing more comes out.
    pub fn push(&mut self, delta: &str) -> StopDelta {
        if self.stopped.is_some() {
            return StopDelta {
                text: String::new(),
                stopped: self.stopped,
            };
        }
        let before = self.held.len();
        self.held.push_str(delta);
        for (place, &byte) in delta.as_bytes().iter().enumerate() {
            self.node = self.step(self.node, byte);
            if let Some(found) = self.nodes[self.node as usize].complete {
                self.held.truncate(before + place + 1 - found.len);
                self.stopped = Some(found.index);
                return StopDelta {
                    text: std::mem::take(&mut self.held),
                    stopped: self.stopped,
                };
            }
        }
        // A stop string begins with a whole character, so what is held back does, too.
        let keep = self.nodes[self.node as usize].depth as usize;
        let held = self.held.split_off(self.held.len() - keep);
        StopDelta {
            text: std::mem::replace(&mut self.held, held),
            stopped: None,
        }
    }

    /// How many bytes of text are held back.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Ends the stream: gives what was held back, which was no stop string after all.
    pub fn finish(&mut self) -> String {
        self.node = 0;
        std::mem::take(&mut self.held)
    }

    fn step(&self, mut node: u32, byte: u8) -> u32 {
        loop {
            if let Some(child) = self.nodes[node as usize].child(byte) {
                return child;
            }
            if node == 0 {
                return 0;
            }
            node = self.nodes[node as usize].fallback;
        }
    }
}

fn add(nodes: &mut Vec<Node>, stop: &[u8], index: usize) {
    let mut node = 0;
    for (depth, &byte) in stop.iter().enumerate() {
        node = match nodes[node]
            .children
            .binary_search_by_key(&byte, |&(byte, _)| byte)
        {
            Ok(place) => nodes[node].children[place].1 as usize,
            Err(place) => {
                let new = nodes.len();
                nodes[node].children.insert(place, (byte, new as u32));
                nodes.push(Node {
                    depth: depth as u32 + 1,
                    ..Node::default()
                });
                new
            }
        };
    }
    nodes[node].complete.get_or_insert(Match {
        index,
        len: stop.len(),
    });
}

/// Finds each node's fallback, from the root outwards.
fn link(nodes: &mut [Node]) {
    let mut level = vec![0_usize];
    while !level.is_empty() {
        let mut next = Vec::new();
        for &node in &level {
            for (byte, child) in nodes[node].children.clone() {
                let child = child as usize;
                next.push(child);
                let mut fallback = nodes[node].fallback as usize;
                nodes[child].fallback = loop {
                    match nodes[fallback].child(byte) {
                        Some(found) if found as usize != child => break found,
                        _ if fallback == 0 => break 0,
                        _ => fallback = nodes[fallback].fallback as usize,
                    }
                };
                // The node's own stop string is longer than any that its fallback ends with.
                let shorter = nodes[nodes[child].fallback as usize].complete;
                nodes[child].complete = nodes[child].complete.or(shorter);
            }
        }
        level = next;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(stops: &[&str], deltas: &[&str]) -> (Vec<String>, Option<usize>) {
        let mut matcher = StopMatcher::new(stops);
        let mut out = Vec::new();
        let mut stopped = None;
        for delta in deltas {
            let got = matcher.push(delta);
            out.push(got.text);
            stopped = got.stopped;
        }
        if stopped.is_none() {
            out.push(matcher.finish());
        }
        (out, stopped)
    }

    #[test]
    fn a_stop_across_deltas_is_found_and_never_sent() {
        assert_eq!(
            run(&["\n\nUser:"], &["Hi\n", "\nUs", "er", ": x"]).0.concat(),
            "Hi"
        );
        assert_eq!(
            run(&["END"], &["a", "E", "N", "D", "b"]),
            (
                vec!["a".into(), "".into(), "".into(), "".into(), "".into()],
                Some(0)
            )
        );
    }

    #[test]
    fn what_is_no_stop_after_all_is_sent() {
        assert_eq!(
            run(&["END"], &["E", "N", "x", "EN"]),
            (
                vec!["".into(), "".into(), "ENx".into(), "".into(), "EN".into()],
                None
            )
        );
    }

    #[test]
    fn the_longest_of_those_that_end_first() {
        assert_eq!(run(&["b", "abc", "ab"], &["xabc"]), (vec!["x".into()], Some(2)));
        assert_eq!(
            run(&["", "é"], &["caf", "é"]),
            (vec!["caf".into(), "".into()], Some(1))
        );
    }

    #[test]
    fn without_stops_text_passes() {
        assert_eq!(
            run(&[], &["a", "b"]),
            (vec!["a".into(), "b".into(), "".into()], None)
        );
        assert_eq!(run(&[""], &["a"]), (vec!["a".into(), "".into()], None));
    }

    #[test]
    fn nothing_comes_after_a_stop() {
        let mut matcher = StopMatcher::new(["x"]);
        assert_eq!(
            matcher.push("axb"),
            StopDelta {
                text: "a".into(),
                stopped: Some(0)
            }
        );
        assert_eq!(
            matcher.push("more"),
            StopDelta {
                text: String::new(),
                stopped: Some(0)
            }
        );
        assert_eq!(matcher.finish(), "");
    }

    /// The definition: the first place where a stop string is complete, and the longest that ends there.
    fn naive(stops: &[String], text: &str) -> (String, bool) {
        for end in (1..=text.len()).filter(|&end| text.is_char_boundary(end)) {
            let longest = stops
                .iter()
                .filter(|stop| !stop.is_empty() && text[..end].ends_with(stop.as_str()))
                .map(String::len)
                .max();
            if let Some(longest) = longest {
                return (text[..end - longest].to_owned(), true);
            }
        }
        (text.to_owned(), false)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn as_defined_however_the_text_is_cut(
            stops in prop::collection::vec("[abé👍]{0,4}", 0..4),
            deltas in prop::collection::vec("[abé👍]{0,5}", 0..8),
        ) {
            let text = deltas.concat();
            let (expected, expected_stop) = naive(&stops, &text);
            let mut matcher = StopMatcher::new(&stops);
            let mut sent = String::new();
            let mut stopped = false;
            for delta in &deltas {
                let got = matcher.push(delta);
                sent.push_str(&got.text);
                // Never more than the definition lets through.
                prop_assert!(expected.starts_with(&sent));
                stopped = got.stopped.is_some();
                if stopped {
                    break;
                }
            }
            if !stopped {
                sent.push_str(&matcher.finish());
            }
            prop_assert_eq!((sent, stopped), (expected, expected_stop));
        }
    }
}
