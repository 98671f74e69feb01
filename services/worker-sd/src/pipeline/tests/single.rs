//! One request.

use super::*;

/// The level of a colour from -1 to 1.
fn level(colour: f32) -> u8 {
    ((colour / 2.0 + 0.5) * 255.0).round() as u8
}

fn near(picture: &Picture, expected: u8) {
    let far = picture.rgb.iter().find(|level| level.abs_diff(expected) > 3);
    assert!(far.is_none(), "{far:?} and not {expected}");
}

const CONVENTIONS: [Convention; 3] = [Convention::Diffusers, Convention::A1111, Convention::ComfyUi];

#[test]
fn steps_previews_and_pictures_come_in_order() {
    let settings = Settings {
        count: 2,
        seed: u64::MAX,
        preview_every: Some(2),
        ..settings(Convention::A1111)
    };
    let mut model = Plain::new(4);
    let watch = run(&mut model, &settings);
    let steps: Vec<(u32, u32, u32)> = watch
        .steps
        .iter()
        .map(|done| (done.image, done.step, done.total))
        .collect();
    assert_eq!(
        steps,
        [
            (0, 1, 4),
            (0, 2, 4),
            (0, 3, 4),
            (0, 4, 4),
            (1, 1, 4),
            (1, 2, 4),
            (1, 3, 4),
            (1, 4, 4)
        ]
    );
    assert!(watch.steps[0].sigma > watch.steps[1].sigma && watch.steps[3].sigma == 0.0);
    assert_eq!(
        watch
            .pictures
            .iter()
            .map(|one| (one.0, one.1))
            .collect::<Vec<_>>(),
        [(0, u64::MAX), (1, 0)]
    );
    assert_eq!(
        watch
            .previews
            .iter()
            .map(|one| (one.0, one.1))
            .collect::<Vec<_>>(),
        [(0, 2), (1, 2)]
    );
    assert_eq!((watch.previews[0].2.width, watch.previews[0].2.height), (4, 2));
    assert!(
        model.rows.iter().all(|&rows| rows == 2),
        "both prompts side by side"
    );
    near(&watch.pictures[0].2, level(0.5));
}

#[test]
fn without_guidance_the_negative_prompt_is_left_out_and_uneven_prompts_go_apart() {
    let mut model = Plain::new(4);
    run(
        &mut model,
        &Settings {
            guidance: 1.0,
            ..settings(Convention::A1111)
        },
    );
    assert_eq!(model.rows, [1; 4]);
    let mut model = Plain::new(4);
    let prompt = "fox ".repeat(100);
    let watch = run(
        &mut model,
        &Settings {
            prompt,
            ..settings(Convention::A1111)
        },
    );
    assert_eq!(model.rows, [1; 8]);
    assert_eq!(watch.steps.len(), 4);
}

#[test]
fn what_the_mask_keeps_is_the_initial_picture() {
    let size = settings(Convention::A1111).size;
    let picture = Picture {
        width: size.width,
        height: size.height,
        rgb: vec![level(-0.5); size.width * size.height * 3],
    };
    let levels = (0..size.width * size.height).map(|at| if at % 32 < 16 { 255 } else { 0 });
    let mask = Mask {
        width: size.width,
        height: size.height,
        levels: levels.collect(),
    };
    for convention in CONVENTIONS {
        for strength in [0.5, 1.0] {
            let initial = Some(Initial {
                picture: picture.clone(),
                strength,
                mask: Some(mask.clone()),
            });
            let watch = run(
                &mut Plain::new(4),
                &Settings {
                    initial,
                    ..settings(convention)
                },
            );
            let made = &watch.pictures[0].2.rgb;
            assert!(
                made[0].abs_diff(level(0.5)) < 3,
                "{convention:?} {strength}: repainted {}",
                made[0]
            );
            assert!(
                made[17 * 3].abs_diff(level(-0.5)) < 3,
                "{convention:?} {strength}: kept {}",
                made[17 * 3]
            );
        }
        // A UNet that is told of the mask decides by itself.
        let initial = Some(Initial {
            picture: picture.clone(),
            strength: 1.0,
            mask: Some(mask.clone()),
        });
        let watch = run(
            &mut Plain::new(9),
            &Settings {
                initial,
                ..settings(convention)
            },
        );
        near(&watch.pictures[0].2, level(0.5));
    }
    let watch = run(&mut Plain::new(9), &settings(Convention::A1111));
    near(&watch.pictures[0].2, level(0.5));
}

#[test]
fn the_second_pass_is_larger_and_counts() {
    let high = HighResolution {
        scale: 1.5,
        strength: 0.5,
        steps: Some(6),
    };
    let settings = Settings {
        high_resolution: Some(high),
        ..settings(Convention::Diffusers)
    };
    let watch = run(&mut Plain::new(4), &settings);
    let picture = &watch.pictures[0].2;
    assert_eq!((picture.width, picture.height), (48, 24));
    assert_eq!(
        watch.steps.iter().map(|done| (done.step, done.total)).next_back(),
        Some((7, 7))
    );
}

#[test]
fn an_observer_ends_it_after_a_step_or_in_a_pause() {
    let mut watch = Watch {
        stop_after: Some(2),
        ..Watch::default()
    };
    let stopped = generate(&mut Plain::new(4), &settings(Convention::A1111), &mut watch);
    assert!(matches!(stopped, Err(GenerateError::Cancelled)));
    assert_eq!(watch.steps.len(), 2);
    let mut watch = Watch {
        stop_in_pause: true,
        ..Watch::default()
    };
    let stopped = generate(&mut Plain::new(4), &settings(Convention::A1111), &mut watch);
    assert!(matches!(stopped, Err(GenerateError::Cancelled)));
    assert!(watch.pictures.is_empty());
}

#[test]
fn numbers_that_are_none_end_it_at_the_step() {
    let mut model = Plain::new(4);
    model.fails = true;
    let error = generate(&mut model, &settings(Convention::A1111), &mut Watch::default()).unwrap_err();
    assert_eq!(error.to_string(), "the step 1 gave numbers that are not finite");
}

#[test]
fn seeds_tell_noise_and_heun_counts_whole_steps() {
    let sampling = |method| Settings {
        sampling: Sampling {
            method,
            ..settings(Convention::A1111).sampling
        },
        ..settings(Convention::A1111)
    };
    for method in Method::ALL {
        let settings = sampling(method);
        let watch = run(&mut Plain::new(4), &settings);
        assert_eq!(watch.steps.len(), settings.total_steps().unwrap(), "{method:?}");
        let again = run(&mut Plain::new(4), &settings);
        assert_eq!(watch.pictures, again.pictures, "{method:?}");
    }
}
