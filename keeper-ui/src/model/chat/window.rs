//! Which messages of a long conversation are drawn: those in view and some around them. The room of the others is kept by
//! their heights, measured where they were drawn once, estimated where not.

use std::collections::HashMap;
use std::hash::Hash;

/// Pixels that are drawn beyond each edge of the view, so that scrolling finds them there.
const OVERSCAN: f64 = 1200.0;

/// Messages to draw, and the room to leave for the others.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct VisibleRange {
    /// Index of the first that is drawn.
    pub first: usize,
    /// Index after the last that is drawn.
    pub end: usize,
    /// Pixels before the first.
    pub before: f64,
    /// Pixels after the last.
    pub after: f64,
}

/// Heights of messages, by whatever names them.
#[derive(Debug, Clone, PartialEq)]
pub struct Window<K: Eq + Hash> {
    measured: HashMap<K, f64>,
    sum: f64,
}

/// Where nothing was measured yet. The height of a message of a few lines.
const FIRST_ESTIMATE: f64 = 120.0;

impl<K: Eq + Hash> Default for Window<K> {
    fn default() -> Self {
        Self {
            measured: HashMap::new(),
            sum: 0.0,
        }
    }
}

impl<K: Eq + Hash + Copy> Window<K> {
    /// Notes a message's height in pixels.
    pub fn measure(&mut self, key: K, height: f64) {
        if height.is_finite() && height > 0.0 {
            let before = self.measured.insert(key, height).unwrap_or(0.0);
            self.sum += height - before;
        }
    }

    /// Forgets all heights, as after a change of width.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// A message's height in pixels: as measured, or the mean of those that were.
    #[must_use]
    pub fn height(&self, key: K) -> f64 {
        self.measured
            .get(&key)
            .copied()
            .unwrap_or_else(|| self.estimate())
    }

    /// What to draw of `keys` when the view of `view_height` begins at `scroll_top`, both in pixels.
    #[must_use]
    pub fn visible(&self, keys: &[K], scroll_top: f64, view_height: f64) -> VisibleRange {
        let from = scroll_top - OVERSCAN;
        let to = scroll_top + view_height.max(0.0) + OVERSCAN;
        let mut range = VisibleRange::default();
        let mut bottom = 0.0;
        let mut begun = false;
        for (index, key) in keys.iter().enumerate() {
            let top = bottom;
            bottom += self.height(*key);
            if !begun && (bottom > from || index + 1 == keys.len()) {
                begun = true;
                range.first = index;
                range.before = top;
            }
            if begun && (top < to || index == range.first) {
                range.end = index + 1;
            } else if begun {
                range.after += bottom - top;
            }
        }
        range
    }

    /// What to draw when the view stands at the end.
    #[must_use]
    pub fn visible_at_end(&self, keys: &[K], view_height: f64) -> VisibleRange {
        let total: f64 = keys.iter().map(|key| self.height(*key)).sum();
        self.visible(keys, total - view_height, view_height)
    }

    /// Where a message begins, in pixels from the top.
    #[must_use]
    pub fn top_of(&self, keys: &[K], key: K) -> Option<f64> {
        let index = keys.iter().position(|other| *other == key)?;
        Some(keys[..index].iter().map(|key| self.height(*key)).sum())
    }

    fn estimate(&self) -> f64 {
        if self.measured.is_empty() {
            FIRST_ESTIMATE
        } else {
            self.sum / self.measured.len() as f64
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_two_thousand_only_those_in_view_are_drawn() {
        let keys: Vec<u32> = (0..2000).collect();
        let mut window = Window::default();
        for key in &keys {
            window.measure(*key, 100.0);
        }
        let range = window.visible_at_end(&keys, 800.0);
        assert_eq!(
            range,
            VisibleRange {
                first: 1980,
                end: 2000,
                before: 198_000.0,
                after: 0.0
            }
        );
        let range = window.visible(&keys, 50_000.0, 800.0);
        assert_eq!((range.first, range.end), (488, 520));
    }

    #[test]
    fn nothing_to_draw_is_nothing() {
        assert_eq!(
            Window::<u32>::default().visible(&[], 0.0, 500.0),
            VisibleRange::default()
        );
    }

    #[test]
    fn what_was_not_measured_is_taken_for_the_mean() {
        let mut window = Window::default();
        window.measure(1, 50.0);
        window.measure(2, 150.0);
        window.measure(2, f64::NAN);
        assert_eq!(window.height(3), 100.0);
        window.measure(2, 250.0);
        assert_eq!(window.height(3), 150.0);
    }

    proptest! {
        #[test]
        fn what_is_in_view_is_drawn_and_the_room_adds_up(
            heights in prop::collection::vec(1.0f64..2000.0, 1..200),
            at in 0.0f64..1.0,
            view in 0.0f64..2000.0,
        ) {
            let keys: Vec<usize> = (0..heights.len()).collect();
            let mut window = Window::default();
            for (key, height) in heights.iter().enumerate() {
                window.measure(key, *height);
            }
            let total: f64 = heights.iter().sum();
            let scroll_top = at * total;
            let range = window.visible(&keys, scroll_top, view);
            prop_assert!(range.first < range.end && range.end <= keys.len());
            let drawn: f64 = heights[range.first..range.end].iter().sum();
            prop_assert!((range.before + drawn + range.after - total).abs() < 0.001);
            prop_assert!(range.before <= scroll_top);
            prop_assert!(range.before + drawn >= (scroll_top + view).min(total) - 0.001);
        }
    }
}
