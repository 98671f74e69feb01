//! Several requests side by side.

use super::*;

fn sampling(method: Method, steps: usize, seed: u64) -> Settings {
    Settings {
        seed,
        sampling: Sampling {
            method,
            steps,
            ..settings(Convention::A1111).sampling
        },
        ..settings(Convention::A1111)
    }
}

/// Makes all of them, each beginning when some of the others are under way, and answers what each heard.
fn together(model: &mut Plain, all: &[Settings]) -> Vec<(Watch, Result<(), GenerateError>)> {
    let mut under_way: Vec<(usize, Generation)> = Vec::new();
    let mut heard: Vec<(Watch, Result<(), GenerateError>)> = Vec::new();
    loop {
        if let Some(next) = all.get(heard.len()) {
            let mut watch = Watch::default();
            let begun = Generation::begin(model, next.clone(), &mut watch).unwrap();
            under_way.push((heard.len(), begun));
            heard.push((watch, Ok(())));
        }
        if under_way.is_empty() {
            return heard;
        }
        let mut watches: Vec<Option<&mut Watch>> = heard.iter_mut().map(|(watch, _)| Some(watch)).collect();
        let mut group: Vec<(&mut Generation, &mut dyn Observer)> = under_way
            .iter_mut()
            .map(|(index, generation)| {
                let watch: &mut dyn Observer = watches[*index].take().unwrap();
                (generation, watch)
            })
            .collect();
        let outcomes = advance(model, &mut group);
        let mut outcomes = outcomes.into_iter();
        under_way.retain(|(index, generation)| {
            let outcome = outcomes.next().unwrap();
            let failed = outcome.is_err();
            heard[*index].1 = outcome;
            !failed && !generation.is_done()
        });
    }
}

fn steps(watch: &Watch) -> Vec<(u32, u32, f64)> {
    watch
        .steps
        .iter()
        .map(|done| (done.step, done.total, done.sigma))
        .collect()
}

#[test]
fn whoever_is_beside_pictures_steps_and_previews_are_those_of_alone() {
    let all: Vec<Settings> = Method::ALL
        .into_iter()
        .enumerate()
        .map(|(index, method)| Settings {
            guidance: [1.0, 7.0][index % 2],
            count: 1 + index as u32 % 3,
            preview_every: Some(2),
            ..sampling(method, 3 + index % 4, index as u64)
        })
        .collect();
    let mut model = Plain::new(4);
    let heard = together(&mut model, &all);
    assert!(model.rows.iter().any(|&rows| rows > 8), "{:?}", model.rows);
    for (settings, (watch, outcome)) in all.iter().zip(heard) {
        let alone = run(&mut Plain::new(4), settings);
        assert!(outcome.is_ok());
        let method = settings.sampling.method;
        assert_eq!(steps(&watch), steps(&alone), "{method:?}");
        assert_eq!(watch.previews, alone.previews, "{method:?}");
        assert_eq!(watch.pictures, alone.pictures, "{method:?}");
    }
}

#[test]
fn only_what_has_one_shape_is_computed_together() {
    let mut model = Plain::new(4);
    let small = sampling(Method::Euler, 3, 1);
    let wide = Settings {
        size: Size {
            width: 64,
            height: 16,
        },
        ..sampling(Method::Euler, 3, 2)
    };
    let long = Settings {
        prompt: "fox ".repeat(100),
        ..sampling(Method::Euler, 3, 3)
    };
    let heard = together(&mut model, &[small, wide, long]);
    // The long one's negative prompt goes with the first one; nobody goes with its prompt.
    let begin = [2, 2, 2];
    assert_eq!(model.rows[..3], begin);
    assert!(model.rows.contains(&3), "{:?}", model.rows);
    assert!(
        heard
            .iter()
            .all(|(watch, outcome)| outcome.is_ok() && watch.pictures.len() == 1)
    );
}

#[test]
fn one_that_leaves_or_fails_leaves_the_others_alone() {
    let mut model = Plain::new(4);
    let (stays, leaves) = (sampling(Method::UniPc, 6, 1), sampling(Method::Heun, 6, 2));
    let mut watches = [
        Watch::default(),
        Watch {
            stop_after: Some(2),
            ..Watch::default()
        },
    ];
    let [first, second] = &mut watches;
    let mut one = Generation::begin(&mut model, stays.clone(), first).unwrap();
    let mut other = Generation::begin(&mut model, leaves, second).unwrap();
    let mut ended = None;
    while !one.is_done() {
        let mut group: Vec<(&mut Generation, &mut dyn Observer)> = vec![(&mut one, first)];
        if ended.is_none() {
            group.push((&mut other, second));
        }
        let mut outcomes = advance(&mut model, &mut group);
        if outcomes.len() > 1 {
            ended = outcomes.pop().and_then(Result::err);
        }
        assert!(outcomes.iter().all(Result::is_ok));
    }
    assert!(matches!(ended, Some(GenerateError::Cancelled)));
    assert_eq!(watches[1].steps.len(), 2);
    assert_eq!(watches[0].pictures, run(&mut Plain::new(4), &stays).pictures);
}

#[test]
fn without_memory_for_all_each_is_computed_alone() {
    let all = [sampling(Method::Dpmpp2m, 3, 1), sampling(Method::Lcm, 3, 2)];
    let mut model = Plain::new(4);
    model.most_rows = 2;
    let heard = together(&mut model, &all);
    assert!(model.rows.iter().all(|&rows| rows == 2));
    for (settings, (watch, outcome)) in all.iter().zip(heard) {
        assert!(outcome.is_ok());
        assert_eq!(watch.pictures, run(&mut Plain::new(4), settings).pictures);
    }
    // Where there is none for one of them, only that one hears of it.
    let mut model = Plain::new(4);
    model.most_rows = 1;
    let alone = Settings {
        guidance: 1.0,
        ..all[0].clone()
    };
    let heard = together(&mut model, &[alone, all[1].clone()]);
    assert!(heard[0].1.is_ok());
    let Err(GenerateError::Model(ModelError::OutOfMemory(rows))) = &heard[1].1 else {
        panic!("{:?}", heard[1].1)
    };
    assert_eq!(rows, "2 rows");
}

#[test]
fn tokens_are_known_before_the_text_is_encoded() {
    let model = Plain::new(4);
    for prompt in [
        "a fox".to_owned(),
        "fox ".repeat(100),
        "a fox BREAK a bee".to_owned(),
    ] {
        for guidance in [1.0, 7.0] {
            let settings = Settings {
                prompt: prompt.clone(),
                guidance,
                ..settings(Convention::A1111)
            };
            let prompts = Prompts::encode(&mut Plain::new(4), &settings).unwrap();
            let mut encoded = vec![prompts.positive.tokens];
            encoded.extend(prompts.negative.map(|negative| negative.tokens));
            assert_eq!(prompt_tokens(&model.traits, &settings), encoded, "{prompt}");
        }
    }
}
