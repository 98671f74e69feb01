//! Finds what was said.

use super::{Conversation, ConversationId, Library, MessageId, Said};

/// A place where something was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// In this conversation.
    pub conversation: ConversationId,
    /// Its name.
    pub name: String,
    /// In this message; absent if the conversation's name is what was found.
    pub message: Option<MessageId>,
    /// The words before the first match, the match, and those after it.
    pub excerpt: (String, String, String),
}

/// The most places that are shown.
const MAXIMUM_FOUND: usize = 200;

/// Characters of an excerpt before and after the match.
const AROUND: usize = 40;

/// Places in which all words of `query` occur, in whatever case; the most recent conversation first, at most 200.
#[must_use]
pub fn search(library: &Library, query: &str) -> Vec<Found> {
    let words: Vec<String> = query.split_whitespace().map(lower).collect();
    if words.is_empty() {
        return Vec::new();
    }
    let recent = library.recent();
    recent
        .iter()
        .flat_map(|conversation| in_one(conversation, &words))
        .take(MAXIMUM_FOUND)
        .collect()
}

fn in_one<'a>(conversation: &'a Conversation, words: &'a [String]) -> impl Iterator<Item = Found> + 'a {
    let name = conversation.name();
    let found = {
        let name = name.clone();
        move |message, text: &str| {
            excerpt(text, words).map(|excerpt| Found {
                conversation: conversation.id.clone(),
                name: name.clone(),
                message,
                excerpt,
            })
        }
    };
    let given = matches!(conversation.title, super::Title::Given(_));
    let named = given.then(|| found(None, &name)).flatten();
    let said = conversation
        .transcript
        .messages()
        .filter_map(move |(id, message)| {
            found(
                Some(id),
                match &message.said {
                    Said::Question(text) => text,
                    Said::Answer(answer) => &answer.text,
                },
            )
        });
    named.into_iter().chain(said)
}

/// Lower case by single characters, as texts are looked through: that of a whole word may depend on its end.
fn lower(word: &str) -> String {
    word.chars().flat_map(char::to_lowercase).collect()
}

/// Words around the first of `words`, if all of them occur.
fn excerpt(text: &str, words: &[String]) -> Option<(String, String, String)> {
    // Lower case may have another length than the text, so each of its characters remembers where it is from.
    let lowered: Vec<(char, usize)> = text
        .char_indices()
        .flat_map(|(at, character)| character.to_lowercase().map(move |lower| (lower, at)))
        .collect();
    let first = words
        .iter()
        .map(|word| position(&lowered, word))
        .collect::<Option<Vec<_>>>()?;
    let (start, length) = *first.first()?;
    let from = lowered[start].1;
    let to = lowered.get(start + length).map_or(text.len(), |(_, at)| *at);
    let (before, matched, after) = (&text[..from], text.get(from..to)?, &text[to..]);
    Some((tail(before), matched.to_owned(), head(after)))
}

/// Where a word begins, and how many characters it has.
fn position(lowered: &[(char, usize)], word: &str) -> Option<(usize, usize)> {
    let word: Vec<char> = word.chars().collect();
    let matches = |window: &[(char, usize)]| window.iter().zip(&word).all(|((one, _), other)| one == other);
    lowered
        .windows(word.len())
        .position(matches)
        .map(|start| (start, word.len()))
}

fn tail(text: &str) -> String {
    let count = text.chars().count();
    if count <= AROUND {
        return flat(text);
    }
    let rest: String = text.chars().skip(count - AROUND).collect();
    format!("…{}", flat(&rest))
}

fn head(text: &str) -> String {
    let rest: String = text.chars().take(AROUND).collect();
    if rest.len() == text.len() {
        flat(text)
    } else {
        format!("{}…", flat(&rest))
    }
}

fn flat(text: &str) -> String {
    text.replace(['\n', '\r', '\t'], " ")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::model::chat::{Answer, Title};

    fn library(questions: &[&str]) -> Library {
        let mut library = Library::default();
        for (index, question) in questions.iter().enumerate() {
            let at = Timestamp::from_second(index as i64).unwrap();
            let id = ConversationId::new(format!("c{index}")).unwrap();
            library.start(id.clone(), "m", at).unwrap();
            library.change(&id, |conversation| {
                let question = conversation.transcript.ask(*question, at).unwrap();
                let answer = Answer {
                    text: format!("Answer {index}"),
                    ..Answer::default()
                };
                conversation.transcript.answer(question, answer, at).unwrap();
            });
        }
        library
    }

    #[test]
    fn all_words_must_occur_in_whatever_case() {
        let library = library(&["How tall is the Eiffel tower?", "the tower of Pisa"]);
        let found = search(&library, "TOWER tall");
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].excerpt,
            ("How tall is the Eiffel ".into(), "tower".into(), "?".into())
        );
        assert_eq!(search(&library, "tower").len(), 2);
        assert_eq!(search(&library, "tower")[0].excerpt.1, "tower");
        assert_eq!(search(&library, "answer 1").len(), 1);
        assert!(search(&library, "  ").is_empty());
    }

    #[test]
    fn a_name_is_found_too() {
        let mut library = library(&["x"]);
        let id = ConversationId::new("c0").unwrap();
        library.change(&id, |conversation| {
            conversation.title = Title::Given("Journey".into());
        });
        assert_eq!(search(&library, "journey")[0].message, None);
    }

    proptest! {
        #[test]
        fn whatever_was_said_is_found_and_nothing_breaks(text in "\\PC{1,60}", from in 0usize..60, length in 1usize..20) {
            let characters: Vec<char> = text.chars().collect();
            let from = from.min(characters.len() - 1);
            let word: String = characters[from..].iter().take(length).collect();
            let found = search(&library(&[&text]), &word);
            let words = word.split_whitespace().count();
            prop_assert!(words == 0 || found.iter().any(|found| found.message == Some(MessageId(0))), "{:?}", word);
        }
    }
}
