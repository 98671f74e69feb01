//! Jobs as they come, in whatever order.

use proptest::prelude::*;

use super::*;

type View = DownloadsView<&'static str>;

fn job(id: &str, subject: &str, state: JobState) -> Job {
    Job {
        id: id.into(),
        kind: JobKind::Download,
        subject: subject.to_owned(),
        state,
        phase: Some(JobPhase::Downloading),
        done_bytes: 1 << 30,
        total_bytes: Some(4 << 30),
        bytes_per_second: Some(1024.0 * 1024.0),
        remaining: Some(Duration::from_secs(185)),
        file_name: String::new(),
        note: String::new(),
        created_at: None,
        brought: None,
    }
}

fn progress(job: Job) -> DownloadsEvent<&'static str> {
    DownloadsEvent::Progress(Box::new(job), Vec::new())
}

#[test]
fn figures_say_what_is_known() {
    let running = job("1", "a/b", JobState::Running);
    assert_eq!(running.figures(), "1.0 of 4.0 GiB · 1.0 MiB/s · 3 min left");
    assert_eq!(running.fraction(), Some(0.25));
    let stopped = Job {
        state: JobState::Stopped,
        ..running.clone()
    };
    assert_eq!(
        stopped.figures(),
        "1.0 of 4.0 GiB",
        "what stands still has no rate"
    );
    let unknown = Job {
        done_bytes: 0,
        total_bytes: None,
        bytes_per_second: None,
        remaining: None,
        ..running
    };
    assert_eq!(unknown.figures(), "");
    assert_eq!(unknown.fraction(), None);
}

#[test]
fn what_was_asked_for_shows_until_there_is_a_job() {
    let mut view = View::default();
    view.apply(DownloadsEvent::Asked("a/b".to_owned()));
    assert!(view.is_asked("a/b"));
    view.apply(progress(job("1", "a/b", JobState::Pending)));
    assert!(!view.is_asked("a/b"));
    assert_eq!(view.shown().count(), 1);
}

#[test]
fn a_refusal_stays_until_it_is_waved_away() {
    let mut view = View::default();
    view.apply(DownloadsEvent::Asked("a/b".to_owned()));
    view.apply(DownloadsEvent::Refused("a/b".to_owned(), "no"));
    assert!(!view.is_asked("a/b"));
    assert_eq!(view.asked().collect::<Vec<_>>(), [("a/b", Some(&"no"))]);
    view.apply(DownloadsEvent::Dismissed("a/b".to_owned()));
    assert_eq!(view.asked().count(), 0);
}

#[test]
fn a_resumed_download_takes_the_place_of_the_stopped_one() {
    let mut view = View::default();
    view.apply(progress(job("1", "a/b", JobState::Stopped)));
    view.apply(progress(job("2", "a/b", JobState::Running)));
    let shown: Vec<_> = view.shown().map(|entry| entry.job.id.as_str()).collect();
    assert_eq!(shown, ["2"]);
    view.apply(progress(job("2", "a/b", JobState::Succeeded)));
    assert_eq!(view.shown().count(), 0, "the stopped one does not come back");
}

#[test]
fn a_late_list_does_not_bring_a_job_back_to_life() {
    let mut view = View::default();
    view.apply(progress(job("1", "a/b", JobState::Stopped)));
    view.apply(DownloadsEvent::Listed(vec![job("1", "a/b", JobState::Running)]));
    assert_eq!(view.job(&"1".into()).unwrap().job.state, JobState::Stopped);
    view.apply(DownloadsEvent::Listed(Vec::new()));
    assert!(view.job(&"1".into()).is_none(), "the provisioner forgot it");
}

#[test]
fn a_log_is_bounded_and_keeps_its_end() {
    let mut view = View::default();
    let lines = (0..MOST_LINES + 5).map(|line| line.to_string()).collect();
    view.apply(DownloadsEvent::Progress(
        Box::new(job("1", "a/b", JobState::Running)),
        lines,
    ));
    let lines = &view.job(&"1".into()).unwrap().lines;
    assert_eq!((lines.len(), lines[0].as_str()), (MOST_LINES, "5"));
}

fn state() -> impl Strategy<Value = JobState> {
    prop_oneof![
        Just(JobState::Pending),
        Just(JobState::Running),
        Just(JobState::Succeeded),
        Just(JobState::Stopped),
        Just(JobState::Failed {
            reason: "DISK_FULL".to_owned(),
            message: String::new()
        }),
    ]
}

proptest! {
    #[test]
    fn no_thing_shows_twice_and_nothing_done_shows(told in prop::collection::vec((0_u8..6, 0_u8..3, state()), 0..40)) {
        let mut view = View::default();
        for (id, subject, state) in told {
            view.apply(progress(job(&id.to_string(), &subject.to_string(), state)));
            let subjects: Vec<_> = view.shown().map(|entry| entry.job.subject.clone()).collect();
            let mut unique = subjects.clone();
            unique.sort();
            unique.dedup();
            prop_assert_eq!(subjects.len(), unique.len());
            prop_assert!(view.shown().all(|entry| entry.job.state != JobState::Succeeded));
        }
    }
}

#[test]
fn an_end_is_told_once_and_only_of_what_went_on_here() {
    let mut view = View::default();
    let ended = progress(job("1", "a/b", JobState::Succeeded));
    assert_eq!(view.ends(&ended), None, "it was over before this window looked");
    view.apply(progress(job("1", "a/b", JobState::Running)));
    let told = view.ends(&ended).and_then(Job::ending);
    assert_eq!(told, Some((true, "b is here".to_owned())));
    view.apply(ended.clone());
    assert_eq!(view.ends(&ended), None);

    let failed = JobState::Failed {
        reason: "DISK_FULL".to_owned(),
        message: "no room".to_owned(),
    };
    assert_eq!(
        job("2", "a/b", failed).ending(),
        Some((false, "b failed".to_owned()))
    );
    assert_eq!(job("2", "a/b", JobState::Stopped).ending(), None);
}
