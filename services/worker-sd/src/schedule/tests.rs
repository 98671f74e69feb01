use proptest::prelude::*;

use super::*;

fn plan(method: Method, schedule: Schedule, convention: Convention, steps: usize) -> Plan {
    Plan {
        method,
        schedule,
        convention,
        spacing: None,
        steps,
    }
}

const SCHEDULES: [Schedule; 6] = [
    Schedule::Normal,
    Schedule::Karras,
    Schedule::Exponential,
    Schedule::SgmUniform,
    Schedule::Simple,
    Schedule::DdimUniform,
];
const CONVENTIONS: [Convention; 3] = [Convention::Diffusers, Convention::A1111, Convention::ComfyUi];

#[test]
fn training_ends_at_the_known_noise_levels() {
    let (low, high) = Training::new().extremes();
    assert!(
        (low - 0.029_167_5).abs() < 1e-6 && (high - 14.614_647).abs() < 1e-4,
        "{low} {high}"
    );
}

#[test]
fn timesteps_and_sigmas_are_each_others_inverse() {
    let training = Training::new();
    for timestep in [0.0, 0.25, 1.0, 17.5, 500.0, 856.285, 998.75, 999.0] {
        let there = training.timestep(training.sigma_by_log(timestep));
        assert!((there - timestep).abs() < 1e-6, "{timestep} became {there}");
        assert_eq!(
            training.nearest_timestep(training.sigma(timestep)),
            timestep.floor()
        );
    }
    assert_eq!(training.timestep(0.0), 0.0);
    assert_eq!(training.timestep(1e9), 999.0);
    assert_eq!(training.nearest_timestep(1e9), 999.0);
    assert_eq!(training.nearest_timestep(0.0), 0.0);
}

#[test]
fn a_table_needs_steps_and_a_schedule_of_its_method() {
    let training = Training::new();
    let table = |plan: Plan| plan.table(&training);
    let euler = |steps| plan(Method::Euler, Schedule::Normal, Convention::A1111, steps);
    assert!(matches!(
        table(euler(0)),
        Err(ScheduleError::Steps { most: 999, .. })
    ));
    assert!(table(euler(1000)).is_err());
    assert!(table(euler(999)).is_ok());
    let distilled = |steps| plan(Method::Lcm, Schedule::Normal, Convention::Diffusers, steps);
    assert!(matches!(
        table(distilled(51)),
        Err(ScheduleError::Steps { most: 50, .. })
    ));
    let ddim = plan(Method::Ddim, Schedule::Karras, Convention::Diffusers, 20);
    assert_eq!(table(ddim), Err(ScheduleError::Schedule { method: Method::Ddim }));
}

proptest! {
    #[test]
    fn noise_levels_fall_from_step_to_step(
        method in prop::sample::select(Method::ALL.to_vec()),
        schedule in prop::sample::select(SCHEDULES.to_vec()),
        convention in prop::sample::select(CONVENTIONS.to_vec()),
        spacing in prop::sample::select(vec![None, Some(Spacing::Linspace), Some(Spacing::Leading), Some(Spacing::Trailing)]),
        steps in 1usize..300,
    ) {
        let plan = Plan { spacing, ..plan(method, schedule, convention, steps) };
        let Ok(table) = plan.table(&Training::new()) else { return Ok(()) };
        prop_assert!(!table.points.is_empty());
        prop_assert!(table.initial_scale > 0.0 && table.initial_scale < 15.0);
        for point in &table.points {
            prop_assert!(point.sigma > 0.0 && (0.0..=999.0).contains(&point.timestep), "{point:?}");
            prop_assert!(point.target <= point.sigma, "{point:?}");
        }
        for pair in table.points.windows(2) {
            prop_assert!(pair[1].sigma <= pair[0].sigma);
        }
    }
}
