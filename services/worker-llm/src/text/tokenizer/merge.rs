//! The loop that both algorithms share: join the best pair of neighbours until none is left.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

/// Stands for "no token" and "no neighbour".
pub(super) const NONE: u32 = u32::MAX;

/// A piece of the text, and the token that it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Symbol {
    /// Where it begins in the text, in bytes.
    start: u32,
    /// How many bytes it has; none once it was joined to the one before.
    len: u32,
    /// Its token, or [`NONE`].
    pub(super) token: u32,
    previous: u32,
    next: u32,
}

impl Symbol {
    /// Its place in the text.
    pub(super) fn range(&self) -> Range<usize> {
        self.start as usize..(self.start + self.len) as usize
    }
}

/// A pair of neighbours that may be joined. The least is joined first: by rank, then from the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    rank: u32,
    left: u32,
    right: u32,
    /// The length of both when they met: tells whether either has changed since.
    len: u32,
    token: u32,
}

/// Joins pairs in a text. Keeps its memory from one text to the next.
#[derive(Debug, Default)]
pub(super) struct Merger {
    symbols: Vec<Symbol>,
    queue: BinaryHeap<Reverse<Pair>>,
}

impl Merger {
    /// Begins a text.
    pub(super) fn clear(&mut self) {
        self.symbols.clear();
        self.queue.clear();
    }

    /// Appends a symbol of `len` bytes, whose token is `token`.
    pub(super) fn push(&mut self, len: usize, token: u32) {
        let place = self.symbols.len() as u32;
        let start = self.symbols.last().map_or(0, |last| last.start + last.len);
        if let Some(last) = self.symbols.last_mut() {
            last.next = place;
        }
        let previous = place.checked_sub(1).unwrap_or(NONE);
        self.symbols.push(Symbol {
            start,
            len: len as u32,
            token,
            previous,
            next: NONE,
        });
    }

    /// Joins pairs for as long as `join` gives a rank and a token for two neighbours; the lowest rank
    /// goes first, and of equal ones the leftmost. Takes O(n log n) for n symbols.
    pub(super) fn merge(&mut self, join: impl Fn(&Symbol, &Symbol) -> Option<(u32, u32)>) {
        for right in 1..self.symbols.len() as u32 {
            self.offer(right - 1, right, &join);
        }
        while let Some(Reverse(pair)) = self.queue.pop() {
            let left = self.symbols[pair.left as usize];
            let right = self.symbols[pair.right as usize];
            if left.len == 0 || left.next != pair.right || left.len + right.len != pair.len {
                continue;
            }
            self.symbols[pair.left as usize] = Symbol {
                len: pair.len,
                token: pair.token,
                next: right.next,
                ..left
            };
            self.symbols[pair.right as usize].len = 0;
            if right.next != NONE {
                self.symbols[right.next as usize].previous = pair.left;
                self.offer(pair.left, right.next, &join);
            }
            if left.previous != NONE {
                self.offer(left.previous, pair.left, &join);
            }
        }
    }

    fn offer(&mut self, left: u32, right: u32, join: &impl Fn(&Symbol, &Symbol) -> Option<(u32, u32)>) {
        let (a, b) = (&self.symbols[left as usize], &self.symbols[right as usize]);
        if let Some((rank, token)) = join(a, b) {
            self.queue.push(Reverse(Pair {
                rank,
                left,
                right,
                len: a.len + b.len,
                token,
            }));
        }
    }

    /// What is left, in order.
    pub(super) fn symbols(&self) -> impl Iterator<Item = &Symbol> {
        self.symbols.iter().filter(|symbol| symbol.len > 0)
    }
}
