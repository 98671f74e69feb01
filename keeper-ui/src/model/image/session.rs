//! One image worker's pane: settings, what runs, and what came of it.

use std::time::Instant;

use super::facts::Facts;
use super::from_picture::of_one;
use super::gallery::{Gallery, GalleryItem};
use super::picture::PictureId;
use super::run::{Phase, Run, RunEvent, RunId};
use super::settings::Settings;

/// Runs that are remembered after their end.
const REMEMBERED_RUNS: usize = 20;

/// A pane's state. `F` is what a failure is told by.
#[derive(Debug, Clone, PartialEq)]
pub struct Session<F> {
    /// What is set.
    pub settings: Settings,
    /// What the worker says of itself; `None` until it has.
    pub facts: Option<Facts>,
    /// Why the worker did not say it, if it did not.
    pub trouble: Option<F>,
    /// The pictures.
    pub gallery: Gallery,
    /// The picture that the person looks at; `None` for what is made now, or was made last.
    pub shown: Option<PictureId>,
    /// Things to tell that are no failures: what of a file's settings could not be taken over.
    pub notes: Vec<String>,
    runs: Vec<Run<F>>,
    next_run: u64,
}

impl<F> Default for Session<F> {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            facts: None,
            trouble: None,
            gallery: Gallery::default(),
            shown: None,
            notes: Vec::new(),
            runs: Vec::new(),
            next_run: 1,
        }
    }
}

impl<F> Session<F> {
    /// The runs, oldest first.
    #[must_use]
    pub fn runs(&self) -> &[Run<F>] {
        &self.runs
    }

    /// A run by its id.
    #[must_use]
    pub fn run(&self, id: RunId) -> Option<&Run<F>> {
        self.runs.iter().find(|run| run.id == id)
    }

    /// The run to show: the one that is worked on, else the first that waits, else the last that ended.
    #[must_use]
    pub fn current(&self) -> Option<&Run<F>> {
        let working = self.runs.iter().find(|run| run.is_working());
        let waiting = || self.runs.iter().find(|run| !run.is_over());
        working.or_else(waiting).or_else(|| self.runs.last())
    }

    /// How many runs are not over.
    #[must_use]
    pub fn running(&self) -> usize {
        self.runs.iter().filter(|run| !run.is_over()).count()
    }

    /// The picture to show: the one that the person looks at, else the newest.
    #[must_use]
    pub fn picture(&self) -> Option<&GalleryItem> {
        let looked_at = self.shown.and_then(|id| self.gallery.item(id));
        looked_at.or_else(|| self.gallery.items().first())
    }

    /// Whether a run is to be shown and no picture: it is not over, and the person does not look at another one.
    #[must_use]
    pub fn shows_run(&self) -> bool {
        self.shown.is_none() && self.current().is_some_and(|run| !run.is_over())
    }

    /// The failure of the last run, until it is dismissed or another begins.
    #[must_use]
    pub fn failed(&self) -> Option<(RunId, &F)> {
        match self.runs.last().map(|run| (run.id, &run.phase)) {
            Some((id, Phase::Failed(failure))) => Some((id, failure)),
            _ => None,
        }
    }

    /// Begins a run with what is set. The caller asks the worker.
    pub fn begin(&mut self) -> RunId {
        self.shown = None;
        let id = RunId(self.next_run);
        self.next_run += 1;
        self.runs.push(Run::new(id, self.settings.clone()));
        self.forget();
        id
    }

    /// Takes what happened to a run at `now`. A picture goes into the gallery.
    pub fn apply(&mut self, id: RunId, event: RunEvent<F>, now: Instant) {
        let Some(run) = self.runs.iter_mut().find(|run| run.id == id && !run.is_over()) else {
            return;
        };
        match &event {
            RunEvent::Started(started) => self.settings.seed.used(started.seed),
            RunEvent::Picture(made) => self.gallery.add(GalleryItem {
                picture: made.picture.clone(),
                size: made.size,
                seed: Some(made.seed),
                parameters: made.parameters.clone(),
                settings: Some(of_one(&run.settings, made.seed)),
            }),
            _ => {}
        }
        run.apply(event, now);
    }

    /// Takes an ended run out of sight, for example one whose failure was read.
    pub fn dismiss(&mut self, id: RunId) {
        self.runs.retain(|run| run.id != id || !run.is_over());
    }

    /// Lets go of the oldest ended runs.
    fn forget(&mut self) {
        let mut spare = self.runs.len().saturating_sub(REMEMBERED_RUNS);
        self.runs.retain(|run| {
            let leaves = spare > 0 && run.is_over();
            spare -= usize::from(leaves);
            !leaves
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::picture::tests::picture;
    use super::super::run::{Made, Started};
    use super::super::size::Size;
    use super::*;

    const SIZE: Size = Size { width: 8, height: 8 };

    fn started(seed: u64) -> RunEvent<()> {
        RunEvent::Started(Started {
            seed,
            size: SIZE,
            sampler: None,
            schedule: None,
            steps: 2,
            guidance: 7.0,
        })
    }

    fn made(seed: u64) -> RunEvent<()> {
        RunEvent::Picture(Made {
            index: 0,
            seed,
            size: SIZE,
            parameters: "a bee".into(),
            picture: picture(seed),
        })
    }

    #[test]
    fn a_picture_keeps_the_settings_that_it_was_made_with() {
        let now = Instant::now();
        let mut session = Session::default();
        session.settings.prompt = "a bee".into();
        session.settings.count = 4;
        let run = session.begin();
        session.settings.prompt = "a wasp".into();
        session.apply(run, started(5), now);
        assert_eq!(session.settings.seed.value, Some(5));
        session.apply(run, made(6), now);
        let settings = session.gallery.items()[0].settings.clone().unwrap();
        assert_eq!((settings.prompt.as_str(), settings.count), ("a bee", 1));
        assert_eq!(settings.seed.asked(), Some(6));
    }

    #[test]
    fn the_run_to_show_is_the_one_that_is_worked_on() {
        let now = Instant::now();
        let mut session = Session::default();
        let first = session.begin();
        let second = session.begin();
        assert_eq!((session.current().unwrap().id, session.running()), (first, 2));
        session.apply(second, started(1), now);
        assert_eq!(session.current().unwrap().id, second);
        session.apply(second, RunEvent::Cancelled, now);
        assert_eq!(session.current().unwrap().id, first);
        session.apply(first, RunEvent::Failed(()), now);
        assert_eq!((session.current().unwrap().id, session.running()), (second, 0));
        session.dismiss(second);
        assert_eq!(session.current().unwrap().id, first);
    }

    #[test]
    fn what_the_person_looks_at_stays_until_the_next_run() {
        let now = Instant::now();
        let mut session = Session::default();
        let run = session.begin();
        session.apply(run, made(6), now);
        session.apply(run, made(7), now);
        assert!(session.shows_run());
        session.shown = Some(PictureId(6));
        assert_eq!(session.picture().unwrap().seed, Some(6));
        assert!(!session.shows_run());
        let other = session.begin();
        assert!(session.shows_run() && session.failed().is_none());
        session.apply(other, RunEvent::Failed(()), now);
        assert_eq!(session.failed(), Some((other, &())));
        session.apply(
            run,
            RunEvent::Finished(super::super::run::Timings::default()),
            now,
        );
        assert!(!session.shows_run());
        assert_eq!(session.picture().unwrap().seed, Some(7));
    }

    #[test]
    fn a_picture_that_comes_after_the_end_is_left_out() {
        let now = Instant::now();
        let mut session = Session::default();
        let run = session.begin();
        session.apply(run, RunEvent::Cancelled, now);
        session.apply(run, made(6), now);
        assert!(session.gallery.items().is_empty());
    }

    #[test]
    fn ended_runs_are_forgotten_and_running_ones_are_not() {
        let mut session = Session::<()>::default();
        let first = session.begin();
        for _ in 0..2 * REMEMBERED_RUNS {
            let run = session.begin();
            session.apply(run, RunEvent::Cancelled, Instant::now());
        }
        assert!(session.runs().len() <= REMEMBERED_RUNS + 1);
        assert!(session.run(first).is_some());
    }
}
