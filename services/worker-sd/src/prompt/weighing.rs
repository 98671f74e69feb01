//! What weights do to the states of tokens.

use crate::schedule::Convention;

/// Applies `weights`, one for each token of one chunk, to its `states`.
///
/// ComfyUI moves each state along the line from `empty`, the states of a chunk without words. The others multiply, and
/// scale the chunk so that the mean of all its numbers is what it was.
pub fn weigh(convention: Convention, states: &mut [f32], weights: &[f32], empty: &[f32]) {
    if weights.is_empty() || weights.iter().all(|&weight| weight == 1.0) {
        return;
    }
    let width = states.len() / weights.len();
    if width == 0 {
        return;
    }
    match convention {
        Convention::ComfyUi => {
            let pairs = states.chunks_mut(width).zip(empty.chunks(width));
            for ((states, empty), &weight) in pairs.zip(weights) {
                for (state, &empty) in states.iter_mut().zip(empty) {
                    *state = (*state - empty) * weight + empty;
                }
            }
        }
        Convention::A1111 | Convention::Diffusers => {
            let before = mean(states);
            for (states, &weight) in states.chunks_mut(width).zip(weights) {
                for state in states {
                    *state *= weight;
                }
            }
            let ratio = before / mean(states);
            if ratio.is_finite() {
                for state in states {
                    *state = (f64::from(*state) * ratio) as f32;
                }
            }
        }
    }
}

fn mean(numbers: &[f32]) -> f64 {
    numbers.iter().map(|&number| f64::from(number)).sum::<f64>() / numbers.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEIGHTS: [f32; 2] = [1.0, 2.0];
    const EMPTY: [f32; 4] = [1.0, 1.0, 1.0, 1.0];

    #[test]
    fn a1111_keeps_the_mean_and_comfyui_goes_away_from_empty() {
        let states = [1.0, 3.0, 2.0, 4.0];
        let mut multiplied = states;
        weigh(Convention::A1111, &mut multiplied, &WEIGHTS, &EMPTY);
        assert_eq!(multiplied, [0.625, 1.875, 2.5, 5.0]);
        let mut moved = states;
        weigh(Convention::ComfyUi, &mut moved, &WEIGHTS, &EMPTY);
        assert_eq!(moved, [1.0, 3.0, 3.0, 7.0]);
    }

    #[test]
    fn weights_of_one_change_nothing_and_a_mean_of_zero_does_no_harm() {
        let mut states = [0.1, 0.2, 0.3, 0.4];
        weigh(Convention::A1111, &mut states, &[1.0, 1.0], &EMPTY);
        assert_eq!(states, [0.1, 0.2, 0.3, 0.4]);
        let mut balanced = [1.0, 1.0, -0.5, -0.5];
        weigh(Convention::A1111, &mut balanced, &WEIGHTS, &EMPTY);
        assert!(balanced.iter().all(|state| state.is_finite()));
    }
}
