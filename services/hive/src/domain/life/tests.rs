use proptest::prelude::*;

use super::*;

const HEALTHY: Duration = Duration::from_secs(60);

fn fresh(proven: bool) -> Life {
    Life::new(RestartPolicy::default(), proven, None)
}

fn failure(reason: &'static str) -> Failure {
    Failure::new(reason, "as the test says")
}

fn exited_after(code: i32, served: Duration) -> Event {
    let exit = Exit::Code(code);
    Event::Exited { exit, served }
}

fn asked(leave: Leave) -> Event {
    Event::Asked { leave, drain: true }
}

/// What leads to [`State::Ready`].
const READY: [Event; 5] = [
    Event::Begin,
    Event::Prepared,
    Event::Started,
    Event::Serving,
    Event::SaidReady,
];

fn feed(life: &mut Life, events: impl IntoIterator<Item = Event>) -> Vec<Command> {
    events
        .into_iter()
        .filter_map(|event| life.apply(event, 1.0))
        .collect()
}

fn ready() -> Life {
    let mut life = fresh(false);
    assert_eq!(feed(&mut life, READY), []);
    assert_eq!(life.state(), State::Ready);
    life
}

#[test]
fn a_worker_is_ready_when_it_and_its_health_say_so() {
    let mut life = fresh(false);
    feed(&mut life, READY[..4].iter().cloned());
    assert_eq!(life.state(), State::Loading { fraction: None });
    feed(
        &mut life,
        [Event::Loaded(0.5), Event::Loaded(0.2), Event::Loaded(f32::NAN)],
    );
    assert_eq!(life.state(), State::Loading { fraction: Some(0.5) });
    assert!(!life.is_proven());
    feed(&mut life, [Event::SaidReady]);
    assert_eq!(life.state(), State::Ready);
    assert!(life.is_proven());
}

#[test]
fn what_fails_before_it_ever_was_ready_is_over() {
    for (events, reason) in [
        (
            vec![Event::Begin, Event::Refused(failure(reason::INSUFFICIENT_MEMORY))],
            reason::INSUFFICIENT_MEMORY,
        ),
        (
            vec![
                Event::Begin,
                Event::Prepared,
                Event::StartFailed(failure(reason::WORKER_START_FAILED)),
            ],
            reason::WORKER_START_FAILED,
        ),
        (
            vec![
                Event::Begin,
                Event::Prepared,
                Event::Started,
                exited_after(1, Duration::ZERO),
            ],
            reason::WORKER_EXITED,
        ),
    ] {
        let mut life = fresh(false);
        assert_eq!(feed(&mut life, events), []);
        assert!(life.is_over() && life.state() == State::Failed);
        assert_eq!(life.failure().unwrap().reason, reason);
    }
}

#[test]
fn a_crash_waits_longer_each_time_until_it_is_left_alone() {
    let mut life = ready();
    let mut waits = Vec::new();
    loop {
        waits.extend(feed(&mut life, [exited_after(0, Duration::from_secs(1))]));
        if life.state() != State::Pending {
            break;
        }
        assert_eq!(feed(&mut life, READY), []);
    }
    let seconds = [1, 2, 4, 8].map(|seconds| Command::Wait(Duration::from_secs(seconds)));
    assert_eq!(waits, seconds);
    assert_eq!(life.state(), State::CrashLooping);
    assert_eq!(life.restart_count(), 4);
    assert_eq!(feed(&mut life, [Event::Begin]), [], "it is left alone");

    assert_eq!(
        feed(&mut life, [asked(Leave::ToRestart)]),
        [Command::Wait(Duration::ZERO)]
    );
    assert_eq!((life.state(), life.restart_count()), (State::Pending, 0));
    feed(&mut life, READY);
    assert_eq!(
        feed(&mut life, [exited_after(0, Duration::ZERO)]),
        [seconds[0]],
        "its crashes are forgotten"
    );
}

#[test]
fn a_healthy_period_begins_a_new_row_of_crashes() {
    let mut life = ready();
    for _ in 0..20 {
        assert_eq!(
            feed(&mut life, [exited_after(9, HEALTHY)]),
            [Command::Wait(Duration::from_secs(1))]
        );
        feed(&mut life, READY);
    }
    assert_eq!((life.state(), life.restart_count()), (State::Ready, 20));
}

#[test]
fn what_will_not_pass_is_not_tried_again() {
    let mut life = ready();
    assert_eq!(
        feed(&mut life, [Event::SaidFailed(failure(reason::MODEL_CORRUPT))]),
        [Command::Stop]
    );
    assert_eq!(feed(&mut life, [exited_after(2, HEALTHY)]), []);
    assert!(life.state() == State::Failed && !life.is_over());
    assert_eq!(life.failure().unwrap().exit, Some(Exit::Code(2)));

    let mut life = ready();
    feed(&mut life, [exited_after(1, HEALTHY), Event::Begin]);
    assert_eq!(
        feed(&mut life, [Event::Refused(failure(reason::MODEL_NOT_FOUND))]),
        []
    );
    assert_eq!(life.state(), State::Failed);
}

#[test]
fn a_refusal_that_may_pass_waits_and_counts_as_no_crash() {
    let mut life = ready();
    feed(&mut life, [exited_after(1, Duration::ZERO)]);
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
        let refused = Event::Refused(failure(reason::INSUFFICIENT_MEMORY));
        let wait = Command::Wait(Duration::from_secs(seconds));
        assert_eq!(feed(&mut life, [Event::Begin, refused]), [wait]);
    }
    feed(&mut life, READY);
    assert_eq!((life.state(), life.restart_count()), (State::Ready, 1));
}

#[test]
fn requests_make_it_busy_and_may_finish_when_it_is_to_leave() {
    let mut life = ready();
    feed(&mut life, [Event::Answering(2)]);
    assert_eq!(life.state(), State::Busy);
    assert_eq!(feed(&mut life, [asked(Leave::ForGood)]), [Command::Drain]);
    assert_eq!(life.state(), State::Draining);
    assert_eq!(feed(&mut life, [Event::Answering(1)]), []);
    assert_eq!(feed(&mut life, [Event::Answering(0)]), [Command::Stop]);
    assert_eq!(feed(&mut life, [Event::Answering(0), Event::DrainGraceOver]), []);
    feed(&mut life, [exited_after(0, HEALTHY)]);
    assert_eq!(life.state(), State::Stopped);
}

#[test]
fn a_drain_ends_with_its_grace_or_by_an_impatient_word() {
    for last in [
        Event::DrainGraceOver,
        Event::Asked {
            leave: Leave::ForGood,
            drain: false,
        },
    ] {
        let mut life = ready();
        feed(&mut life, [Event::Answering(1), asked(Leave::ToRestart)]);
        assert_eq!(feed(&mut life, [last]), [Command::Stop]);
        assert_eq!(life.state(), State::Stopping);
    }
}

#[test]
fn one_that_hangs_is_killed_and_started_anew() {
    let mut life = ready();
    feed(&mut life, [Event::Answering(1)]);
    assert_eq!(
        feed(&mut life, [Event::Unresponsive(Duration::from_secs(20))]),
        [Command::Kill]
    );
    let exit = Event::Exited {
        exit: Exit::Signal(9),
        served: Duration::ZERO,
    };
    assert_eq!(feed(&mut life, [exit]), [Command::Wait(Duration::from_secs(1))]);
    let failure = life.failure().unwrap();
    assert_eq!(
        (failure.reason, failure.exit),
        (reason::WORKER_UNRESPONSIVE, Some(Exit::Signal(9)))
    );
}

#[test]
fn a_hive_that_is_emptied_lets_its_workers_rest_and_come_back() {
    let mut life = ready();
    assert_eq!(feed(&mut life, [asked(Leave::ToRest)]), [Command::Stop]);
    assert_eq!(feed(&mut life, [exited_after(0, HEALTHY)]), []);
    assert_eq!(life.state(), State::Pending);
    feed(&mut life, READY);
    assert_eq!(life.state(), State::Ready);
    assert_eq!(life.failure(), None);
}

#[test]
fn one_that_is_stopped_while_it_is_started_is_told_when_it_runs() {
    let mut life = fresh(false);
    assert_eq!(
        feed(&mut life, [Event::Begin, Event::Prepared, asked(Leave::ForGood)]),
        []
    );
    assert_eq!(feed(&mut life, [Event::Started]), [Command::Stop]);
    feed(&mut life, [exited_after(0, Duration::ZERO)]);
    assert_eq!(life.state(), State::Stopped);

    let mut life = fresh(false);
    feed(&mut life, [Event::Begin, Event::Prepared, asked(Leave::ForGood)]);
    feed(
        &mut life,
        [Event::StartFailed(failure(reason::WORKER_START_FAILED))],
    );
    assert_eq!((life.state(), life.failure()), (State::Stopped, None));
}

fn events() -> impl Strategy<Value = Event> {
    let leave = prop_oneof![Just(Leave::ForGood), Just(Leave::ToRestart), Just(Leave::ToRest)];
    prop_oneof![
        3 => Just(Event::Begin),
        1 => Just(Event::Fetching { done_bytes: 1, total_bytes: 2 }),
        3 => Just(Event::Prepared),
        1 => Just(Event::Refused(failure(reason::CATALOG_UNAVAILABLE))),
        1 => Just(Event::Refused(failure(reason::MODEL_NOT_FOUND))),
        3 => Just(Event::Started),
        1 => Just(Event::StartFailed(failure(reason::WORKER_START_FAILED))),
        1 => any::<f32>().prop_map(Event::Loaded),
        3 => Just(Event::SaidReady),
        3 => Just(Event::Serving),
        1 => Just(Event::SaidFailed(failure(reason::MODEL_CORRUPT))),
        1 => Just(Event::DeadlinePassed(HEALTHY)),
        1 => Just(Event::Unresponsive(HEALTHY)),
        1 => (0..3u32).prop_map(Event::Answering),
        1 => (leave, any::<bool>()).prop_map(|(leave, drain)| Event::Asked { leave, drain }),
        1 => Just(Event::DrainGraceOver),
        2 => (0..100u64).prop_map(|served| exited_after(1, Duration::from_secs(served))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_promises_hold_whatever_happens(proven: bool, events in prop::collection::vec(events(), 0..60)) {
        let mut life = fresh(proven);
        let mut told_to_go = false;
        let mut leaves_for_good = false;
        for event in events {
            let before = life.clone();
            let command = life.apply(event.clone(), 0.5);
            let (was, is) = (before.state(), life.state());

            if before.is_over() {
                prop_assert_eq!(&life, &before, "an end is an end");
            }
            prop_assert!(life.is_proven() >= before.is_proven());
            if is == State::Ready && !was.is_serving() {
                let loading = matches!(was, State::Loading { .. });
                prop_assert!(loading && life.said_ready && life.serving, "ready comes from loading");
            }
            if let (State::Loading { fraction: Some(old) }, State::Loading { fraction }) = (was, is) {
                prop_assert!(fraction.is_some_and(|new| new >= old && (0.0..=1.0).contains(&new)));
            }
            if is == State::Starting && was != State::Starting {
                told_to_go = false;
            }
            if matches!(command, Some(Command::Stop | Command::Kill)) {
                prop_assert!(!told_to_go, "told once a run");
                prop_assert_eq!(is, State::Stopping);
                told_to_go = true;
            }
            if matches!(command, Some(Command::Wait(_))) {
                prop_assert_eq!(is, State::Pending);
            }
            if matches!(event, Event::Exited { .. }) {
                prop_assert!(!is.has_process(), "no process, no state that has one");
            }
            if was.has_process() && !is.has_process() {
                prop_assert!(matches!(event, Event::Exited { .. } | Event::StartFailed(_)), "{event:?}");
            }
            if let Some(Leaving::Broken(cause)) = &before.leaving
                && matches!(event, Event::Exited { .. })
            {
                prop_assert_eq!(life.failure().map(|failure| failure.reason), Some(cause.reason));
            }
            leaves_for_good |= matches!(event, Event::Asked { leave: Leave::ForGood, .. }) && !before.is_over();
            if leaves_for_good {
                let leaving = matches!(is, State::Draining | State::Stopping | State::Stopped);
                prop_assert!(leaving, "it is not started again: {is:?}");
            }
            prop_assert!(life.leaving.is_none() || matches!(is, State::Draining | State::Stopping));
            prop_assert!(life.crashes_in_a_row <= life.policy.limit);
        }
    }
}
