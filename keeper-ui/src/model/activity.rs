//! Which lines of the narration are shown.

use super::narration::{EventLevel, NarrationLine, NarrationView};

/// What the person wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityFilter {
    /// The least that a line must matter.
    pub least: EventLevel,
    /// Words that must all occur, in whatever case.
    pub query: String,
}

impl Default for ActivityFilter {
    fn default() -> Self {
        Self {
            least: EventLevel::Info,
            query: String::new(),
        }
    }
}

impl ActivityFilter {
    /// The lines to show, newest first.
    #[must_use]
    pub fn lines<'a>(&self, view: &'a NarrationView) -> Vec<&'a NarrationLine> {
        let words: Vec<String> = self.query.split_whitespace().map(str::to_lowercase).collect();
        view.lines()
            .rev()
            .filter(|line| line.level >= self.least && has_all(line, &words))
            .collect()
    }

    /// Whether it leaves anything out.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.least == EventLevel::Info && self.query.trim().is_empty()
    }
}

fn has_all(line: &NarrationLine, words: &[String]) -> bool {
    if words.is_empty() {
        return true;
    }
    let about = [
        line.job.as_ref().map(super::ids::JobId::as_str),
        line.worker.as_ref().map(super::ids::WorkerId::as_str),
    ];
    let fields = line.fields.values().map(String::as_str);
    let all: Vec<&str> = [line.message.as_str(), line.service.as_str()]
        .into_iter()
        .chain(about.into_iter().flatten())
        .chain(fields)
        .collect();
    let text = all.join("\n").to_lowercase();
    words.iter().all(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::narration::NarrationChange;

    fn view() -> NarrationView {
        let mut view = NarrationView::default();
        for (level, message) in [
            (EventLevel::Info, "worker started"),
            (EventLevel::Error, "worker crashed"),
            (EventLevel::Warning, "slow"),
        ] {
            view.apply(NarrationChange::Told(Box::new(NarrationLine {
                number: 0,
                at: None,
                level,
                service: "rbee-hive".to_owned(),
                message: message.to_owned(),
                job: None,
                worker: Some("w-1".into()),
                fields: BTreeMap::from([("reason".to_owned(), "WORKER_EXITED".to_owned())]),
            })));
        }
        view
    }

    fn shown(least: EventLevel, query: &str) -> Vec<String> {
        let filter = ActivityFilter {
            least,
            query: query.to_owned(),
        };
        filter
            .lines(&view())
            .into_iter()
            .map(|line| line.message.clone())
            .collect()
    }

    #[test]
    fn the_newest_comes_first_and_all_words_must_occur() {
        assert_eq!(
            shown(EventLevel::Info, ""),
            ["slow", "worker crashed", "worker started"]
        );
        assert_eq!(shown(EventLevel::Warning, ""), ["slow", "worker crashed"]);
        assert_eq!(shown(EventLevel::Info, "HIVE crashed"), ["worker crashed"]);
        assert_eq!(shown(EventLevel::Error, "w-1 worker_exited"), ["worker crashed"]);
        assert!(shown(EventLevel::Info, "nobody").is_empty());
    }
}
