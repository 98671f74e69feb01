//! What was compared, and how it came out.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// What to compare.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only cases whose name holds this.
    pub filter: Option<String>,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// Which part of the folder, and what of it: `sd15-tiny file lcm`.
    pub case: String,
    /// What was measured: `largest difference of latents`.
    pub measure: &'static str,
    /// The figure; absent where it did not come so far.
    pub figure: Option<f64>,
    /// What the figure may be at most.
    pub limit: f64,
    /// Whether it is within.
    pub passed: bool,
    /// What is wrong, or worth telling.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// All comparisons of a folder.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// In the order in which they were made.
    pub checks: Vec<Check>,
    /// What the golden data speak of but which is not in the folder.
    pub absent: Vec<String>,
    #[serde(skip)]
    filter: Option<String>,
}

/// Why golden data can't be used. A model that can't be loaded is a check that failed instead.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the golden data in {}: {problem}", path.display())]
pub struct FidelityError {
    /// The file at fault.
    pub path: PathBuf,
    /// What is wrong.
    pub problem: String,
    /// What the system says, where it was asked.
    #[source]
    pub source: Option<io::Error>,
}

impl FidelityError {
    pub(super) fn new(path: &Path, problem: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            problem: problem.into(),
            source: None,
        }
    }
}

impl Report {
    /// A report that takes only cases whose name holds `filter`.
    pub(super) fn new(filter: Option<String>) -> Self {
        Self {
            filter,
            ..Self::default()
        }
    }

    /// Whether a case is asked for.
    pub(super) fn wants(&self, case: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| case.contains(filter))
    }

    /// Whether a case whose name begins so may be asked for.
    pub(super) fn wants_some_of(&self, beginning: &str) -> bool {
        let filter = self.filter.as_deref().unwrap_or_default();
        let [name, form] = ["-tiny", " fi"].map(|part| filter.contains(part));
        !(name || form) || filter.starts_with(beginning) || beginning.starts_with(filter.trim_end())
    }

    pub(super) fn at_most(&mut self, case: &str, measure: &'static str, figure: f64, limit: f64) {
        self.checks.push(Check {
            case: case.to_owned(),
            measure,
            figure: Some(figure),
            limit,
            passed: figure <= limit,
            note: String::new(),
        });
    }

    /// How many of `count` comparisons differ, and the first of them in words.
    pub(super) fn none_differ(&mut self, case: &str, measure: &'static str, count: usize, wrong: &[String]) {
        let first: String = wrong
            .first()
            .map_or("", String::as_str)
            .chars()
            .take(400)
            .collect();
        self.checks.push(Check {
            case: case.to_owned(),
            measure,
            figure: Some(wrong.len() as f64),
            limit: 0.0,
            passed: wrong.is_empty() && count > 0,
            note: match wrong.is_empty() {
                true => format!("{count} compared"),
                false => format!("{count} compared; {first}"),
            },
        });
    }

    pub(super) fn failed(&mut self, case: &str, measure: &'static str, error: &dyn std::error::Error) {
        let mut note = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            note = format!("{note}: {cause}");
            source = cause.source();
        }
        self.checks.push(Check {
            case: case.to_owned(),
            measure,
            figure: None,
            limit: 0.0,
            passed: false,
            note,
        });
    }

    /// Whether something was compared, and all of it agrees.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.checks.is_empty() && self.failures().next().is_none()
    }

    /// What does not agree.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| !check.passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_passes_only_if_something_was_compared_and_nothing_differs() {
        let mut report = Report::default();
        assert!(!report.passed());
        report.at_most("a", "distance", 0.5, 0.5);
        assert!(report.passed());
        report.none_differ("b", "texts", 3, &[]);
        assert!(report.passed());
        report.at_most("c", "distance", f64::NAN, 0.5);
        assert!(!report.passed());
        assert_eq!(report.failures().count(), 1);
        report.none_differ("d", "texts", 0, &[]);
        report.none_differ("e", "texts", 3, &["one".to_owned()]);
        report.failed("f", "loading", &FidelityError::new(Path::new("x"), "is empty"));
        let failed: Vec<&str> = report.failures().map(|check| check.case.as_str()).collect();
        assert_eq!(failed, ["c", "d", "e", "f"]);
    }

    #[test]
    fn a_filter_takes_cases_by_their_names() {
        let report = Report::new(Some("lcm".to_owned()));
        assert!(report.wants("sd15-tiny file lcm") && !report.wants("sd15-tiny file ddim"));
        assert!(Report::default().wants("anything"));
    }
}
