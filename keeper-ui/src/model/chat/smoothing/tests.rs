//! Evenness, and a bound on the lag.

use proptest::prelude::*;

use super::*;

const FRAME: Duration = Duration::from_millis(16);

fn at(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Plays bursts (at a time, of so many characters) and gives what is shown after each frame.
fn play(bursts: &[(u64, usize)], until: u64) -> Vec<usize> {
    let mut smoother = Smoother::default();
    let mut bursts = bursts.iter().peekable();
    let mut shown = Vec::new();
    for now in (0..=until).step_by(FRAME.as_millis() as usize) {
        while let Some((time, size)) = bursts.next_if(|(time, _)| *time <= now) {
            smoother.arrive(&"x".repeat(*size), at(*time));
        }
        shown.push(smoother.frame(at(now)));
    }
    shown
}

#[test]
fn bursts_flow_evenly() {
    // 40 characters every 100 ms: 6.4 a frame.
    let bursts: Vec<_> = (0..30).map(|index| (index * 100, 40)).collect();
    let shown = play(&bursts, 2900);
    let steps: Vec<_> = shown.windows(2).map(|pair| pair[1] - pair[0]).skip(20).collect();
    let most = *steps.iter().max().unwrap();
    let least = *steps.iter().min().unwrap();
    assert!(
        most <= 10 && least >= 4,
        "steps from {least} to {most}: {steps:?}"
    );
}

#[test]
fn a_burst_is_not_shown_at_once_but_soon() {
    let shown = play(&[(0, 100)], 150);
    assert!(shown[1] < 30, "{shown:?}");
    assert_eq!(*shown.last().unwrap(), 100, "{shown:?}");
}

#[test]
fn single_tokens_begin_to_show_within_two_frames() {
    let shown = play(&[(0, 5)], 48);
    assert!(shown[3] >= 1, "{shown:?}");
}

#[test]
fn characters_are_never_torn() {
    let text = "e\u{301}👩‍👩‍👧 ไทย 👍🏽 שָׁלוֹם";
    let mut smoother = Smoother::default();
    // Each scalar value arrives alone, as tokens of bytes do.
    for (index, character) in text.chars().enumerate() {
        smoother.arrive(&character.to_string(), at(index as u64));
    }
    let mut prefixes = vec![];
    for now in 20..200 {
        prefixes.push(&text[..smoother.frame(at(now))]);
    }
    assert_eq!(*prefixes.last().unwrap(), text);
    for prefix in prefixes {
        let rest = &text[prefix.len()..];
        assert!(!rest.starts_with(joins_previous), "torn after {prefix:?}");
        assert!(!prefix.ends_with(ZERO_WIDTH_JOINER), "torn after {prefix:?}");
    }
}

#[test]
fn the_end_shows_all() {
    let mut smoother = Smoother::default();
    smoother.arrive("all of it", at(0));
    assert!(!smoother.is_settled());
    assert_eq!(smoother.finish(), 9);
    assert!(smoother.is_settled());
    assert_eq!(smoother.frame(at(500)), 9);
}

#[test]
fn a_long_silence_does_not_store_up_speed() {
    let mut smoother = Smoother::default();
    smoother.arrive("abc", at(0));
    smoother.frame(at(200));
    smoother.arrive(&"x".repeat(200), at(10_000));
    assert!(smoother.frame(at(10_016)) < 60);
}

proptest! {
    #[test]
    fn it_never_lags_too_far_never_goes_back_and_loses_nothing(
        bursts in prop::collection::vec((0u64..400, 0usize..300), 1..40),
        frames in prop::collection::vec(1u64..=40, 1..400),
    ) {
        let mut time = 0;
        let bursts: Vec<_> = bursts.into_iter().map(|(gap, size)| { time += gap; (time, size) }).collect();
        let end = time + 200;
        let mut smoother = Smoother::default();
        let mut pending = bursts.iter().peekable();
        let (mut now, mut before) = (0, 0);
        let mut frames = frames.iter().cycle();
        while now < end {
            now += frames.next().unwrap();
            while let Some((time, size)) = pending.next_if(|(time, _)| *time <= now) {
                smoother.arrive(&"é".repeat(*size), at(*time));
            }
            let shown = smoother.frame(at(now));
            prop_assert!(shown >= before);
            prop_assert_eq!(shown % 2, 0, "a whole character");
            let must = |(time, size): &(u64, usize)| if time + 150 <= now { size * 2 } else { 0 };
            let due: usize = bursts.iter().map(must).sum();
            prop_assert!(shown >= due, "at {}: shown {} of {} that are due", now, shown, due);
            before = shown;
        }
        prop_assert_eq!(before, bursts.iter().map(|(_, size)| size * 2).sum::<usize>());
    }
}
