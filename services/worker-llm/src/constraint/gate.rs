//! Where a constraint begins, if the model may say something else before.

/// What the model may write before the constraint holds: reasoning that it marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// With it, only an answer that begins so is free at first, such as `<think>`; the constraint allows this
    /// beginning besides its own. Without, every answer is.
    pub opens: Option<Vec<u8>>,
    /// What ends the freedom, such as `</think>`; the constraint begins with the token after the one that
    /// completes it. Not empty.
    pub closes: Vec<u8>,
}

/// Where an answer stands with its gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The constraint holds, or so many bytes of what opens the gate have been written.
    Before(usize),
    /// Everything but the end is allowed; these bytes were written last.
    Within(Vec<u8>),
    /// The constraint holds.
    Behind,
}

impl Gate {
    pub(super) fn begin(&self) -> Place {
        match &self.opens {
            Some(opens) if !opens.is_empty() => Place::Before(0),
            _ => Place::Within(Vec::new()),
        }
    }

    /// What is left of the opening after so many bytes.
    pub(super) fn rest(&self, written: usize) -> &[u8] {
        self.opens
            .as_deref()
            .and_then(|opens| opens.get(written..))
            .unwrap_or_default()
    }

    /// Whether a token goes on with the opening, of which this is left.
    pub(super) fn goes_on(rest: &[u8], token: &[u8]) -> bool {
        !token.is_empty() && (rest.starts_with(token) || token.starts_with(rest))
    }

    /// Notes more of the opening.
    pub(super) fn opened(&self, written: usize, token: &[u8]) -> Place {
        let rest = self.rest(written);
        if token.len() < rest.len() {
            Place::Before(written + token.len())
        } else {
            self.written(Vec::new(), &token[rest.len()..])
        }
    }

    /// Notes what was written within.
    pub(super) fn written(&self, mut last: Vec<u8>, token: &[u8]) -> Place {
        last.extend_from_slice(token);
        let is_closed = last
            .windows(self.closes.len().max(1))
            .any(|bytes| bytes == self.closes);
        if is_closed {
            return Place::Behind;
        }
        // Only what may still become the end counts.
        let kept = self.closes.len().saturating_sub(1).min(last.len());
        last.drain(..last.len() - kept);
        Place::Within(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_across_tokens() {
        let gate = Gate {
            opens: None,
            closes: b"</t>".to_vec(),
        };
        let mut place = gate.begin();
        for token in ["a<", "<", "/", "</", "t", ">x"] {
            let Place::Within(last) = place else {
                panic!("closed before {token}")
            };
            assert!(last.len() < 4);
            place = gate.written(last, token.as_bytes());
        }
        assert_eq!(place, Place::Behind);
    }

    #[test]
    fn the_opening_may_come_in_pieces_or_with_more() {
        let gate = Gate {
            opens: Some(b"<think>".to_vec()),
            closes: b"</think>".to_vec(),
        };
        assert_eq!(gate.begin(), Place::Before(0));
        assert!(Gate::goes_on(gate.rest(0), b"<thi"));
        assert!(!Gate::goes_on(gate.rest(0), b"think"));
        assert!(Gate::goes_on(gate.rest(4), b"nk>\n"));
        assert_eq!(gate.opened(0, b"<thi"), Place::Before(4));
        assert_eq!(gate.opened(4, b"nk>\n"), Place::Within(b"\n".to_vec()));
        assert_eq!(gate.opened(0, b"<think></think>"), Place::Behind);
    }
}
