//! A small picture of the last measurements.

/// What stands for nothing, and for nothing else.
pub(super) const NOTHING: char = '▁';

const LEVELS: [char; 8] = [NOTHING, '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The last measurements, the newest at the right, scaled to the largest of those shown; a blank where nothing was
/// measured.
pub(super) fn sparkline(samples: impl DoubleEndedIterator<Item = Option<f64>>, width: usize) -> String {
    let mut shown: Vec<Option<f64>> = samples.rev().take(width).collect();
    shown.reverse();
    let largest = shown.iter().flatten().copied().fold(0.0_f64, f64::max);
    let line: String = shown.into_iter().map(|sample| level(sample, largest)).collect();
    format!("{line:>width$}")
}

fn level(sample: Option<f64>, largest: f64) -> char {
    let Some(sample) = sample else { return ' ' };
    if largest <= 0.0 {
        return LEVELS[0];
    }
    let top = LEVELS.len() - 1;
    let index = (sample / largest * top as f64).ceil();
    // What is not zero is seen to be not zero. A cast from a float saturates: NaN and what is negative are 0.
    LEVELS[(index as usize).min(top)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_the_newest_at_the_right_and_is_scaled_to_the_largest() {
        let samples = [Some(9.0), None, Some(0.0), Some(0.1), Some(20.0), Some(40.0)];
        assert_eq!(sparkline(samples.into_iter(), 5), " ▁▂▅█");
        assert_eq!(sparkline(samples.into_iter(), 8), "  ▃ ▁▂▅█");
    }

    #[test]
    fn nothing_and_nonsense_are_drawn_too() {
        assert_eq!(sparkline([].into_iter(), 3), "   ");
        assert_eq!(sparkline([Some(0.0), Some(-1.0)].into_iter(), 2), "▁▁");
        assert_eq!(sparkline([Some(f64::NAN), Some(1.0)].into_iter(), 2), "▁█");
        assert_eq!(sparkline([Some(f64::INFINITY)].into_iter(), 1), "▁");
    }
}
