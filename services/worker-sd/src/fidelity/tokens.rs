//! Prompts as token ids.

use super::golden::{Golden, Original, Tokens};
use super::{FidelityError, Report};
use crate::pipeline::TowerTraits;
use crate::prompt::{BEGIN, Cleaning, ClipTokenizer, END, PromptReader, PromptSyntax};
use crate::schedule::Convention;

pub(super) fn check(name: &str, golden: &Golden, report: &mut Report) -> Result<(), FidelityError> {
    for entry in &golden.cases.tokens {
        let case = format!("{name} tokens {}", entry.name);
        if !report.wants(&case) {
            continue;
        }
        let mut wrong = Vec::new();
        let mut count = 0;
        let mut compare = |what: &str, found: &[u32], expected: &[u32]| {
            count += 1;
            if found != expected {
                wrong.push(format!("{what}: {found:?} and not {expected:?}"));
            }
        };
        for (tensor, pad_id, untruncated) in entry.towers() {
            let ids = golden.arrays.ids(tensor)?;
            compare("padded", &padded(&entry.text, pad_id), &ids);
            let whole = whole(&entry.text, Cleaning::Transformers, pad_id);
            compare("untruncated", &whole, untruncated);
        }
        let expected = match &entry.ids_original_clip {
            Original::Other(ids) => ids,
            Original::Same(word) => {
                debug_assert_eq!(word, "same");
                &entry.ids_untruncated
            }
        };
        compare("original", &whole(&entry.text, Cleaning::Original, END), expected);
        report.none_differ(&case, "lists of ids that differ", count, &wrong);
    }
    Ok(())
}

impl Tokens {
    /// For each text encoder the array of padded ids, the padding, and all ids.
    fn towers(&self) -> Vec<(&str, u32, &[u32])> {
        let second = || {
            let tensor = self.tensor_2.as_deref()?;
            Some((tensor, self.pad_token_id_2?, self.ids_untruncated_2.as_deref()?))
        };
        let first = (
            self.tensor.as_str(),
            self.pad_token_id,
            self.ids_untruncated.as_slice(),
        );
        std::iter::once(first).chain(second()).collect()
    }
}

fn whole(text: &str, cleaning: Cleaning, pad_id: u32) -> Vec<u32> {
    let ids = ClipTokenizer::shared().encode(text, cleaning, pad_id == 0);
    std::iter::once(BEGIN).chain(ids).chain([END]).collect()
}

fn padded(text: &str, pad_id: u32) -> Vec<u32> {
    let tower = TowerTraits {
        width: 1,
        pad_id,
        pooled: false,
    };
    let reader = PromptReader {
        syntax: PromptSyntax::Plain,
        convention: Convention::Diffusers,
        towers: &[tower],
        embeddings: &[],
    };
    let chunks = reader.read(text).into_iter().flatten();
    chunks.flat_map(|chunk| chunk.ids).collect()
}
