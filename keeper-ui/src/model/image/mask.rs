//! What a person painted over a picture: strokes in shares of the picture, drawn as SVG while they are painted and
//! rasterised here when the request goes out, so that what is repainted is decided by code that tests reach.

use std::fmt::Write as _;

use super::size::Size;

/// Most strokes; the next one is not taken.
const MAX_STROKES: usize = 2_000;
/// Most points of a stroke.
const MAX_POINTS: usize = 20_000;
/// Points nearer than this to the last one are left out, in shares of the picture's shorter edge.
const NEAR: f32 = 0.001;

/// A point in shares of the picture's width and height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// From the left, 0 to 1.
    pub x: f32,
    /// From above, 0 to 1.
    pub y: f32,
}

/// One movement of the brush.
#[derive(Debug, Clone, PartialEq)]
pub struct Stroke {
    /// Where it went; at least one point.
    pub points: Vec<Point>,
    /// Its radius in shares of the picture's shorter edge.
    pub radius: f32,
    /// Whether it takes away what was painted.
    pub erases: bool,
}

/// What is to be made anew.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mask {
    strokes: Vec<Stroke>,
    undone: Vec<Stroke>,
    /// Whether all but what was painted is made anew.
    pub inverted: bool,
}

impl Mask {
    /// Whether nothing was painted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.strokes.is_empty()
    }

    /// The strokes in their order.
    #[must_use]
    pub fn strokes(&self) -> &[Stroke] {
        &self.strokes
    }

    /// Whether [`Mask::redo`] would do something.
    #[must_use]
    pub fn can_redo(&self) -> bool {
        !self.undone.is_empty()
    }

    /// Puts the brush down. Radius in shares of the shorter edge, 0.001 to 1.
    pub fn begin(&mut self, at: Point, radius: f32, erases: bool) {
        if self.strokes.len() >= MAX_STROKES || !(at.x.is_finite() && at.y.is_finite()) {
            return;
        }
        self.undone.clear();
        let radius = if radius.is_finite() {
            radius.clamp(0.001, 1.0)
        } else {
            0.05
        };
        self.strokes.push(Stroke {
            points: vec![at],
            radius,
            erases,
        });
    }

    /// Moves the brush. What hardly moves it is left out.
    pub fn extend(&mut self, to: Point) {
        let Some(stroke) = self.strokes.last_mut() else {
            return;
        };
        let moved = stroke
            .points
            .last()
            .is_none_or(|last| (last.x - to.x).hypot(last.y - to.y) >= NEAR);
        if moved && to.x.is_finite() && to.y.is_finite() && stroke.points.len() < MAX_POINTS {
            stroke.points.push(to);
        }
    }

    /// Takes the last stroke back.
    pub fn undo(&mut self) {
        self.undone.extend(self.strokes.pop());
    }

    /// Paints again what was taken back last.
    pub fn redo(&mut self) {
        self.strokes.extend(self.undone.pop());
    }

    /// Takes all away.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// A stroke as the path of an SVG whose picture is as large as `size`.
    #[must_use]
    pub fn path(stroke: &Stroke, size: Size) -> String {
        let mut path = String::with_capacity(stroke.points.len() * 12);
        for (index, point) in stroke.points.iter().enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            let (x, y) = (point.x * size.width as f32, point.y * size.height as f32);
            // Writing to a string does not fail.
            let _ = write!(path, "{command}{x:.1} {y:.1}");
        }
        if stroke.points.len() == 1 {
            // A path of one point is drawn only with a line, if of no length.
            path.push_str("l0.01 0");
        }
        path
    }

    /// A stroke's width in pixels of a picture as large as `size`.
    #[must_use]
    pub fn width(stroke: &Stroke, size: Size) -> f32 {
        2.0 * stroke.radius * size.shorter_edge() as f32
    }

    /// A byte for each pixel, row by row: 1 where the picture is made anew.
    #[must_use]
    pub fn rasterised(&self, size: Size) -> Vec<u8> {
        let mut pixels = vec![u8::from(self.inverted); size.width as usize * size.height as usize];
        for stroke in &self.strokes {
            let value = u8::from(stroke.erases == self.inverted);
            let radius = stroke.radius * size.shorter_edge() as f32;
            let at = |point: &Point| (point.x * size.width as f32, point.y * size.height as f32);
            let mut last = None;
            for point in &stroke.points {
                let to = at(point);
                capsule(&mut pixels, size, last.unwrap_or(to), to, radius, value);
                last = Some(to);
            }
        }
        pixels
    }

    /// The share of the picture that is made anew, 0 to 1, measured on a coarse raster.
    #[must_use]
    pub fn share(&self, size: Size) -> f32 {
        let coarse = size.within(128);
        let pixels = self.rasterised(coarse);
        let white: usize = pixels.iter().map(|&pixel| usize::from(pixel)).sum();
        white as f32 / pixels.len().max(1) as f32
    }

    /// The mask as PNG of the given size; `None` if nothing was painted.
    #[must_use]
    pub fn png(&self, size: Size) -> Option<Vec<u8>> {
        if self.is_empty() {
            return None;
        }
        let Size { width, height } = size;
        rbee_pictures::black_and_white(rbee_pictures::Size { width, height }, &self.rasterised(size)).ok()
    }
}

/// Sets every pixel whose middle is within `radius` of the line from `from` to `to`.
fn capsule(pixels: &mut [u8], size: Size, from: (f32, f32), to: (f32, f32), radius: f32, value: u8) {
    let bounds = |one: f32, other: f32, most: u32| {
        let low = (one.min(other) - radius).floor().max(0.0) as u32;
        let high = ((one.max(other) + radius).ceil().max(0.0) as u32).min(most);
        low.min(most)..high
    };
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let squared = dx * dx + dy * dy;
    for y in bounds(from.1, to.1, size.height) {
        let row = y as usize * size.width as usize;
        for x in bounds(from.0, to.0, size.width) {
            let (px, py) = (x as f32 + 0.5 - from.0, y as f32 + 0.5 - from.1);
            let along = if squared > 0.0 {
                ((px * dx + py * dy) / squared).clamp(0.0, 1.0)
            } else {
                0.0
            };
            let (ex, ey) = (px - along * dx, py - along * dy);
            if ex * ex + ey * ey <= radius * radius {
                pixels[row + x as usize] = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: Size = Size {
        width: 20,
        height: 10,
    };

    fn at(x: f32, y: f32) -> Point {
        Point { x, y }
    }

    #[test]
    fn a_line_is_as_long_and_wide_as_it_was_painted() {
        let mut mask = Mask::default();
        mask.begin(at(0.25, 0.5), 0.1, false);
        mask.extend(at(0.75, 0.5));
        let pixels = mask.rasterised(SIZE);
        // One pixel of radius: the rows 4 and 5, from 5 to 15 with a half more at the ends.
        let row = |y: usize| pixels[y * 20..][..20].iter().map(|&p| u32::from(p)).sum::<u32>();
        assert_eq!((row(3), row(4), row(5), row(6)), (0, 12, 12, 0));
    }

    #[test]
    fn what_is_erased_is_kept_and_an_inverted_mask_is_its_opposite() {
        let mut mask = Mask::default();
        mask.begin(at(0.5, 0.5), 1.0, false);
        mask.begin(at(0.0, 0.0), 0.3, true);
        let painted = mask.rasterised(SIZE);
        assert_eq!((painted[0], painted[4 * 20 + 10]), (0, 1));
        mask.inverted = true;
        let opposite = mask.rasterised(SIZE);
        assert!(painted.iter().zip(&opposite).all(|(one, other)| one + other == 1));
    }

    #[test]
    fn strokes_are_taken_back_and_painted_again() {
        let mut mask = Mask::default();
        mask.begin(at(0.5, 0.5), 0.1, false);
        mask.begin(at(0.2, 0.2), 0.1, false);
        mask.undo();
        assert_eq!((mask.strokes().len(), mask.can_redo()), (1, true));
        mask.redo();
        assert_eq!((mask.strokes().len(), mask.can_redo()), (2, false));
        mask.undo();
        mask.begin(at(0.1, 0.1), 0.1, false);
        assert!(
            !mask.can_redo(),
            "what was painted anew replaces what was taken back"
        );
        mask.clear();
        assert!(mask.is_empty() && mask.png(SIZE).is_none());
    }

    #[test]
    fn the_path_is_what_svg_draws() {
        let mut mask = Mask::default();
        mask.begin(at(0.5, 0.5), 0.1, false);
        assert_eq!(Mask::path(&mask.strokes()[0], SIZE), "M10.0 5.0l0.01 0");
        mask.extend(at(1.0, 0.0));
        assert_eq!(Mask::path(&mask.strokes()[0], SIZE), "M10.0 5.0L20.0 0.0");
        assert!((Mask::width(&mask.strokes()[0], SIZE) - 2.0).abs() < 1e-6);
    }

    #[test]
    fn the_file_is_as_large_as_the_picture() {
        let mut mask = Mask::default();
        mask.begin(at(0.5, 0.5), 0.1, false);
        let size = rbee_pictures::size(&mask.png(SIZE).unwrap()).unwrap();
        assert_eq!((size.width, size.height), (20, 10));
    }

    proptest! {
        #[test]
        fn whatever_is_painted_is_a_mask(
            strokes in proptest::collection::vec((
                proptest::collection::vec((-2f32..3.0, -2f32..3.0), 1..6), 0f32..2.0, any::<bool>()
            ), 0..6),
            inverted: bool,
            width in 1u32..40,
            height in 1u32..40,
        ) {
            let size = Size { width, height };
            let mut mask = Mask { inverted, ..Mask::default() };
            for (points, radius, erases) in strokes {
                mask.begin(at(points[0].0, points[0].1), radius, erases);
                for (x, y) in &points[1..] {
                    mask.extend(at(*x, *y));
                }
            }
            let pixels = mask.rasterised(size);
            prop_assert_eq!(pixels.len(), (width * height) as usize);
            prop_assert!(pixels.iter().all(|&pixel| pixel <= 1));
            prop_assert!((0.0..=1.0).contains(&mask.share(size)));
            prop_assert_eq!(mask.png(size).is_none(), mask.is_empty());
        }
    }
}
