//! Sequences that have ended, for prompts that begin as they did.

use super::backend::SequenceId;

/// The most that are kept: each prompt is compared with all of them.
const MOST: usize = 512;

/// What is known of the tokens that a sequence has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Computed<'a> {
    pub(super) sequence: SequenceId,
    /// A prompt, and the part of the answer that follows it.
    pub(super) prompt: &'a [u32],
    pub(super) answer: &'a [u32],
    /// So many of them were computed in whole chunks from the start, as they would be again.
    pub(super) in_chunks: usize,
}

/// Where a prompt can begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reuse {
    pub(super) sequence: SequenceId,
    /// How many tokens are the same.
    pub(super) tokens: usize,
    /// How many of these were computed in whole chunks.
    pub(super) in_chunks: usize,
}

impl Computed<'_> {
    /// How many tokens `prompt` begins with are here.
    fn common(&self, prompt: &[u32]) -> usize {
        let own = self.prompt.iter().chain(self.answer);
        own.zip(prompt).take_while(|(own, other)| own == other).count()
    }

    /// What of it can serve `prompt`, whose last token is to be computed in any case. With a `chunk`,
    /// only what was computed in whole ones.
    pub(super) fn reuse(&self, prompt: &[u32], chunk: Option<usize>) -> Reuse {
        let common = self.common(&prompt[..prompt.len().saturating_sub(1)]);
        let tokens = match chunk {
            None => common,
            Some(chunk) => common.min(self.in_chunks) / chunk * chunk,
        };
        Reuse {
            sequence: self.sequence,
            tokens,
            in_chunks: self.in_chunks.min(tokens),
        }
    }
}

/// The better of two ways to begin, of equal ones the first.
pub(super) fn better(best: Option<Reuse>, other: Reuse) -> Option<Reuse> {
    let found = best.map_or(0, |best| best.tokens);
    if other.tokens > found { Some(other) } else { best }
}

#[derive(Debug)]
struct Kept {
    sequence: SequenceId,
    tokens: Vec<u32>,
    in_chunks: usize,
}

impl Kept {
    fn computed(&self) -> Computed<'_> {
        Computed {
            sequence: self.sequence,
            prompt: &self.tokens,
            answer: &[],
            in_chunks: self.in_chunks,
        }
    }

    /// Whether it has all that the other has.
    fn covers(&self, other: &Self) -> bool {
        self.tokens.starts_with(&other.tokens) && self.in_chunks >= other.in_chunks
    }
}

/// Ended sequences, the least recently used first.
#[derive(Debug, Default)]
pub(super) struct KeptSequences {
    kept: Vec<Kept>,
}

impl KeptSequences {
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn sequences(&self) -> impl Iterator<Item = SequenceId> {
        self.kept.iter().map(|kept| kept.sequence)
    }

    pub(super) fn computed(&self) -> impl Iterator<Item = Computed<'_>> {
        self.kept.iter().map(Kept::computed)
    }

    /// Takes a sequence in. Gives those that are of no use any more: what another one has, too.
    pub(super) fn keep(&mut self, ended: Computed<'_>) -> Vec<SequenceId> {
        let new = Kept {
            sequence: ended.sequence,
            tokens: [ended.prompt, ended.answer].concat(),
            in_chunks: ended.in_chunks,
        };
        if new.tokens.is_empty() || self.kept.iter().any(|kept| kept.covers(&new)) {
            return vec![new.sequence];
        }
        let covered = self.kept.extract_if(.., |kept| new.covers(kept));
        let mut useless: Vec<SequenceId> = covered.map(|kept| kept.sequence).collect();
        self.kept.push(new);
        if self.kept.len() > MOST {
            useless.extend(self.oldest());
        }
        useless
    }

    /// Notes that a sequence was of use.
    pub(super) fn used(&mut self, sequence: SequenceId) {
        if let Some(place) = self.kept.iter().position(|kept| kept.sequence == sequence) {
            self.kept[place..].rotate_left(1);
        }
    }

    /// Takes out the one that was of no use for the longest time.
    pub(super) fn oldest(&mut self) -> Option<SequenceId> {
        (!self.kept.is_empty()).then(|| self.kept.remove(0).sequence)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn computed(sequence: u64, prompt: &[u32], in_chunks: usize) -> Computed<'_> {
        Computed {
            sequence: SequenceId(sequence),
            prompt,
            answer: &[],
            in_chunks,
        }
    }

    #[test]
    fn a_prompt_begins_where_it_departs_and_never_at_its_end() {
        let ended = Computed {
            answer: &[4, 5, 6],
            ..computed(1, &[1, 2, 3], 2)
        };
        let tokens = |prompt: &[u32], chunk| ended.reuse(prompt, chunk).tokens;
        assert_eq!(tokens(&[1, 2, 3, 4, 5, 6, 7], None), 6);
        assert_eq!(tokens(&[1, 2, 3, 4], None), 3, "the last token is computed again");
        assert_eq!(tokens(&[1, 2, 9, 9], None), 2);
        assert_eq!(tokens(&[9], None), 0);
        assert_eq!(tokens(&[], None), 0);
        // In whole chunks of 2 there are two tokens only.
        assert_eq!(tokens(&[1, 2, 3, 4, 5, 6, 7], Some(2)), 2);
        assert_eq!(tokens(&[1, 2], Some(2)), 0);
        assert_eq!(ended.reuse(&[1, 2, 3, 4, 5], None).in_chunks, 2);
    }

    #[test]
    fn what_another_has_too_is_not_kept() {
        let mut kept = KeptSequences::default();
        assert!(kept.keep(computed(1, &[1, 2], 0)).is_empty());
        assert!(kept.keep(computed(2, &[5], 0)).is_empty());
        assert_eq!(kept.keep(computed(3, &[1, 2, 3], 0)), [SequenceId(1)]);
        assert_eq!(kept.keep(computed(4, &[1], 0)), [SequenceId(4)]);
        // Shorter, but what it has can be used by those who ask for more.
        assert!(kept.keep(computed(5, &[1], 1)).is_empty());
        assert_eq!(kept.keep(computed(6, &[], 0)), [SequenceId(6)]);
        assert_eq!(kept.len(), 3);
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut kept = KeptSequences::default();
        for sequence in 1..=3 {
            kept.keep(computed(sequence, &[sequence as u32], 0));
        }
        kept.used(SequenceId(1));
        kept.used(SequenceId(99));
        let order: Vec<u64> = std::iter::from_fn(|| kept.oldest()).map(|id| id.0).collect();
        assert_eq!(order, [2, 3, 1]);
    }

    proptest! {
        /// The best of all that are kept has the longest beginning that any of those taken in had, as
        /// long as none was taken out.
        #[test]
        fn nothing_that_was_taken_in_is_lost(
            ended in prop::collection::vec(prop::collection::vec(0u32..3, 0..6), 0..20),
            prompt in prop::collection::vec(0u32..3, 1..8),
        ) {
            let mut kept = KeptSequences::default();
            for (sequence, tokens) in ended.iter().enumerate() {
                kept.keep(computed(sequence as u64, tokens, 0));
            }
            let found = kept.computed().map(|one| one.reuse(&prompt, None)).fold(None, better);
            let expected = ended
                .iter()
                .map(|tokens| tokens.iter().zip(&prompt[..prompt.len() - 1]).take_while(|(a, b)| a == b).count())
                .max()
                .unwrap_or(0);
            prop_assert_eq!(found.map_or(0, |reuse| reuse.tokens), expected);
        }
    }
}
