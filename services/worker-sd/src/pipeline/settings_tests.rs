use super::*;

fn sampling(convention: Convention) -> Sampling {
    Sampling {
        method: Method::Euler,
        schedule: Schedule::Normal,
        convention,
        spacing: None,
        steps: 10,
    }
}

fn settings() -> Settings {
    let traits = ModelTraits {
        family: Family::Sd15,
        prediction: crate::sampler::Prediction::Epsilon,
        unet_channels: 4,
        latent_scaling: 0.18215,
        towers: Vec::new(),
        distilled: None,
    };
    Settings::for_model(&traits, "a fox".to_owned())
}

fn picture(width: usize, height: usize) -> Picture {
    Picture {
        width,
        height,
        rgb: vec![0; width * height * 3],
    }
}

#[test]
fn strength_takes_its_share_as_each_convention_has_it() {
    let steps = |convention, strength| {
        let pass = sampling(convention).pass(10, Some(strength)).unwrap();
        (pass.table.points.len(), pass.steps())
    };
    assert_eq!(steps(Convention::Diffusers, 0.7), (10, 7), "as written, not 6");
    assert_eq!(steps(Convention::Diffusers, 1.0), (10, 10));
    assert_eq!(steps(Convention::Diffusers, 0.01), (10, 1), "never nothing");
    assert_eq!(steps(Convention::A1111, 0.7), (10, 8));
    assert_eq!(steps(Convention::A1111, 1.0), (10, 10));
    assert_eq!(steps(Convention::ComfyUi, 0.5), (20, 10));
    assert_eq!(steps(Convention::ComfyUi, 1.0), (10, 10));
    assert_eq!(steps(Convention::ComfyUi, 1e-6), (MOST_STEPS, 10));
}

#[test]
fn what_suits_a_model_can_be_made() {
    assert_eq!(settings().check(), Ok(()));
    assert_eq!(settings().total_steps(), Ok(20));
    let high = HighResolution {
        scale: 1.5,
        strength: 0.5,
        steps: Some(10),
    };
    let two = Settings {
        high_resolution: Some(high),
        ..settings()
    };
    assert_eq!(two.total_steps(), Ok(26));
    assert_eq!(
        two.final_size(),
        Size {
            width: 768,
            height: 768
        }
    );
}

#[test]
fn what_cannot_be_made_is_said() {
    let range = |field| Err(SettingsError::Range { field });
    let size = Size { width: 12, height: 8 };
    assert_eq!(
        Settings { size, ..settings() }.check(),
        Err(SettingsError::Size { width: 12, height: 8 })
    );
    assert_eq!(
        Settings {
            guidance: f32::NAN,
            ..settings()
        }
        .check(),
        range("guidance")
    );
    assert_eq!(
        Settings {
            count: 0,
            ..settings()
        }
        .check(),
        range("number of pictures")
    );
    let initial = |edge, strength, mask| Settings {
        initial: Some(Initial {
            picture: picture(edge, edge),
            strength,
            mask,
        }),
        ..settings()
    };
    assert_eq!(initial(512, 0.0, None).check(), range("strength"));
    assert_eq!(initial(512, f32::NAN, None).check(), range("strength"));
    assert_eq!(
        initial(64, 0.5, None).check(),
        Err(SettingsError::Mismatch {
            field: "initial picture"
        })
    );
    let mask = Mask {
        width: 512,
        height: 512,
        levels: vec![0; 3],
    };
    assert_eq!(
        initial(512, 0.5, Some(mask)).check(),
        Err(SettingsError::Mismatch { field: "mask" })
    );
    let many = Settings {
        sampling: Sampling {
            steps: 5000,
            ..settings().sampling
        },
        ..settings()
    };
    assert!(matches!(
        many.check(),
        Err(SettingsError::Schedule(ScheduleError::Steps { .. }))
    ));
}
