use proptest::prelude::*;

use super::super::picture::tests::picture;
use super::*;

type Event = RunEvent<&'static str>;

fn run(count: u32) -> Run<&'static str> {
    let settings = Settings {
        count,
        ..Settings::default()
    };
    Run::new(RunId(1), settings)
}

fn started(steps: u32) -> Event {
    RunEvent::Started(Started {
        seed: 7,
        size: Size {
            width: 512,
            height: 512,
        },
        sampler: Some(Sampler::Dpmpp2m),
        schedule: Some(Schedule::Karras),
        steps,
        guidance: 7.0,
    })
}

fn step(image: u32, step: u32, total: u32, millis: u64) -> Event {
    RunEvent::Step {
        image,
        step,
        total,
        took: Some(Duration::from_millis(millis)),
    }
}

fn made(index: u32) -> Event {
    RunEvent::Picture(Made {
        index,
        seed: 7 + u64::from(index),
        size: Size {
            width: 512,
            height: 512,
        },
        parameters: String::new(),
        picture: picture(u64::from(index) + 100),
    })
}

#[test]
fn a_run_goes_through_its_phases() {
    let now = Instant::now();
    let mut run = run(2);
    run.apply(RunEvent::Queued { ahead: 3 }, now);
    assert_eq!(run.phase, Phase::Queued { ahead: 3 });
    run.apply(started(4), now);
    assert_eq!((&run.phase, run.left(now)), (&Phase::Preparing, None));
    run.apply(step(0, 1, 4, 1000), now);
    // Three more of this picture and four of the next.
    assert_eq!(run.left(now), Some(Duration::from_secs(7)));
    assert_eq!(
        run.left(now + Duration::from_millis(500)),
        Some(Duration::from_millis(6500))
    );
    assert!((run.share() - 0.125).abs() < 1e-6);
    run.apply(
        RunEvent::Preview {
            image: 0,
            picture: picture(1),
        },
        now,
    );
    assert!(run.preview.is_some());
    for index in 2..=4 {
        run.apply(step(0, index, 4, 1000), now);
    }
    assert_eq!(run.phase, Phase::Decoding);
    run.apply(made(0), now);
    assert_eq!((&run.phase, run.image, run.step), (&Phase::Painting, 1, 0));
    assert_eq!((run.preview.as_ref(), run.pictures.len()), (None, 1));
    run.apply(step(1, 4, 4, 1000), now);
    run.apply(made(1), now);
    let timings = Timings {
        denoise: Some(Duration::from_secs(8)),
        decode: Some(Duration::from_secs(1)),
        ..Timings::default()
    };
    run.apply(RunEvent::Finished(timings), now);
    assert_eq!(run.phase, Phase::Done(timings));
    assert_eq!(timings.worked(), Some(Duration::from_secs(9)));
    assert!(run.is_over() && (run.share() - 1.0).abs() < 1e-6);
}

#[test]
fn only_the_last_steps_count_for_how_long_it_will_take() {
    let now = Instant::now();
    let mut run = run(1);
    run.apply(started(100), now);
    run.apply(step(0, 1, 100, 60_000), now);
    for index in 2..=9 {
        run.apply(step(0, index, 100, 100), now);
    }
    assert_eq!(run.usual_step(), Some(Duration::from_millis(100)));
}

#[test]
fn a_worker_that_tells_no_times_gets_none_made_up() {
    let now = Instant::now();
    let mut run = run(1);
    run.apply(started(4), now);
    let silent = RunEvent::Step {
        image: 0,
        step: 1,
        total: 4,
        took: None,
    };
    run.apply(silent, now);
    assert_eq!((run.usual_step(), run.left(now)), (None, None));
    assert_eq!(Timings::default().worked(), None);
}

#[test]
fn the_preview_of_a_picture_that_is_done_does_not_come_back() {
    let now = Instant::now();
    let mut run = run(2);
    run.apply(started(1), now);
    run.apply(step(0, 1, 1, 1), now);
    run.apply(made(0), now);
    run.apply(
        RunEvent::Preview {
            image: 0,
            picture: picture(5),
        },
        now,
    );
    assert_eq!(run.preview, None);
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        any::<u32>().prop_map(|ahead| RunEvent::Queued { ahead }),
        any::<u32>().prop_map(started),
        (0u32..20, any::<u32>(), any::<u32>(), any::<u64>())
            .prop_map(|(image, at, total, millis)| step(image, at, total, millis)),
        (0u32..20).prop_map(|image| RunEvent::Preview {
            image,
            picture: picture(1)
        }),
        (0u32..20).prop_map(made),
        Just(RunEvent::Finished(Timings::default())),
        Just(RunEvent::Failed("OUT_OF_MEMORY")),
        Just(RunEvent::Cancelled),
    ]
}

proptest! {
    #[test]
    fn whatever_a_worker_says_a_run_makes_sense(
        count in 1u32..=16,
        events in proptest::collection::vec((event(), 0u64..5000), 0..40),
    ) {
        let mut now = Instant::now();
        let mut run = run(count);
        for (event, millis) in events {
            let before = run.clone();
            run.apply(event, now);
            now += Duration::from_millis(millis);
            if before.is_over() {
                prop_assert_eq!(&run, &before);
            }
            prop_assert!((0.0..=1.0).contains(&run.share()));
            prop_assert!(run.step <= run.total);
            prop_assert!(!run.is_over() || (run.preview.is_none() && run.left(now).is_none()));
            prop_assert!(run.pictures.len() >= before.pictures.len());
        }
    }
}
