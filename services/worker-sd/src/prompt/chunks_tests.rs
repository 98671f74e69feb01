use proptest::prelude::*;

use super::*;

fn towers() -> Vec<TowerTraits> {
    [END, 0]
        .into_iter()
        .map(|pad_id| TowerTraits {
            width: 4,
            pad_id,
            pooled: pad_id == 0,
        })
        .collect()
}

fn read(
    prompt: &str,
    syntax: PromptSyntax,
    convention: Convention,
    embeddings: &[Embedding],
) -> Vec<Vec<Chunk>> {
    let towers = towers();
    PromptReader {
        syntax,
        convention,
        towers: &towers,
        embeddings,
    }
    .read(prompt)
}

fn words(chunk: &Chunk) -> Vec<u32> {
    chunk.ids[1..]
        .iter()
        .copied()
        .take_while(|&id| id != END)
        .collect()
}

const CAT: u32 = 2368;
const DOG: u32 = 1929;

#[test]
fn chunks_begin_and_end_and_are_filled_with_the_encoders_own_token() {
    let read = read("cat", PromptSyntax::Plain, Convention::Diffusers, &[]);
    assert_eq!(read[0][0].ids[..4], [BEGIN, CAT, END, END]);
    assert_eq!(read[1][0].ids[..4], [BEGIN, CAT, END, 0]);
    assert_eq!(read[0][0].ids.len(), CHUNK_TOKENS);
}

#[test]
fn a_plain_prompt_is_cut_off_and_a_weighted_one_goes_on() {
    let prompt = "cat ".repeat(80);
    let plain = read(&prompt, PromptSyntax::Plain, Convention::A1111, &[]);
    assert_eq!(plain[0].len(), 1);
    assert_eq!(plain[0][0].ids[76], END);
    for convention in [Convention::A1111, Convention::ComfyUi] {
        let weighted = read(&prompt, PromptSyntax::Weighted, convention, &[]);
        assert_eq!(
            weighted[0]
                .iter()
                .map(|chunk| words(chunk).len())
                .collect::<Vec<_>>(),
            [75, 5]
        );
    }
}

#[test]
fn weights_stand_at_their_tokens_and_break_begins_a_chunk() {
    let chunks = &read(
        "cat (dog:1.5) BREAK cat",
        PromptSyntax::Weighted,
        Convention::A1111,
        &[],
    )[0];
    assert_eq!(
        chunks.iter().map(words).collect::<Vec<_>>(),
        [vec![CAT, DOG], vec![CAT]]
    );
    assert_eq!(chunks[0].weights[..4], [1.0, 1.0, 1.5, 1.0]);
    let plain = &read("(cat:1.5)", PromptSyntax::Plain, Convention::A1111, &[])[0];
    assert!(words(&plain[0]).len() > 1, "plain brackets are text");
}

#[test]
fn a1111_moves_what_follows_a_comma() {
    let prompt = format!("{}, {}", "cat ".repeat(70), "dog ".repeat(10));
    let chunks = &read(&prompt, PromptSyntax::Weighted, Convention::A1111, &[])[0];
    assert_eq!(words(&chunks[0]).len(), 71);
    assert_eq!(words(&chunks[1]), [DOG; 10]);
    let chunks = &read(&prompt, PromptSyntax::Weighted, Convention::ComfyUi, &[])[0];
    assert_eq!(words(&chunks[0]).len(), 75);
}

#[test]
fn vectors_stand_in_the_place_of_their_word() {
    let embedding = Embedding {
        word: "dog".to_owned(),
        vectors: vec![vec![vec![1.0; 4]; 3], vec![vec![2.0; 4]; 3]],
    };
    for (syntax, prompt) in [
        (PromptSyntax::Plain, "cat dog cat"),
        (PromptSyntax::Weighted, "cat (Dog:1.2) cat"),
    ] {
        let chunk = &read(
            prompt,
            syntax,
            Convention::A1111,
            std::slice::from_ref(&embedding),
        )[0][0];
        assert_eq!(chunk.vectors, [(2, 0, 0), (3, 0, 1), (4, 0, 2)]);
        assert_eq!(chunk.ids[..7], [BEGIN, CAT, 0, 0, 0, CAT, END]);
    }
    let prompt = format!("{} dog", "cat ".repeat(74));
    let chunks = &read(&prompt, PromptSyntax::Weighted, Convention::A1111, &[embedding])[0];
    assert_eq!(
        (chunks[0].vectors.len(), chunks[1].vectors.len()),
        (0, 3),
        "vectors stay together"
    );
}

proptest! {
    #[test]
    fn any_prompt_becomes_whole_chunks(prompt in r"([()\[\]:,!& 0-9a]|BREAK|cat|dog|.){0,300}", vectors in 0usize..90) {
        let embedding = Embedding { word: "dog".to_owned(), vectors: vec![vec![vec![0.0; 4]; vectors]; 2] };
        for syntax in [PromptSyntax::Plain, PromptSyntax::Weighted] {
            for convention in [Convention::Diffusers, Convention::A1111, Convention::ComfyUi] {
                let read = read(&prompt, syntax, convention, std::slice::from_ref(&embedding));
                prop_assert_eq!(read[0].len(), read[1].len());
                prop_assert!((1..=400).contains(&read[0].len()));
                for chunk in read.iter().flatten() {
                    prop_assert_eq!(chunk.ids.len(), CHUNK_TOKENS);
                    prop_assert_eq!(chunk.weights.len(), CHUNK_TOKENS);
                    prop_assert!(chunk.ids.contains(&END) && chunk.ids[0] == BEGIN);
                }
            }
        }
    }
}
