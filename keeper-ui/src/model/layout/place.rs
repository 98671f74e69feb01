//! Where panes and splitters are, and what is under a pointer that drags a tab.

use super::node::{Axis, Node, Path, Side, Step};
use crate::model::ids::WorkerId;

/// A rectangle in shares of the whole area, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// From the left.
    pub left: f64,
    /// From the top.
    pub top: f64,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

impl Area {
    /// All of it.
    pub const WHOLE: Self = Self {
        left: 0.0,
        top: 0.0,
        width: 1.0,
        height: 1.0,
    };

    /// Whether a point is in it.
    #[must_use]
    pub fn contains(self, (x, y): (f64, f64)) -> bool {
        (self.left..self.left + self.width).contains(&x) && (self.top..self.top + self.height).contains(&y)
    }

    /// Its two parts.
    fn parts(self, axis: Axis, share: f64) -> (Self, Self) {
        match axis {
            Axis::Row => {
                let width = self.width * share;
                let second = Self {
                    left: self.left + width,
                    width: self.width - width,
                    ..self
                };
                (Self { width, ..self }, second)
            }
            Axis::Column => {
                let height = self.height * share;
                let second = Self {
                    top: self.top + height,
                    height: self.height - height,
                    ..self
                };
                (Self { height, ..self }, second)
            }
        }
    }

    /// The half of it at a side.
    #[must_use]
    pub fn half(self, side: Side) -> Self {
        match side {
            Side::Left => self.parts(Axis::Row, 0.5).0,
            Side::Right => self.parts(Axis::Row, 0.5).1,
            Side::Top => self.parts(Axis::Column, 0.5).0,
            Side::Bottom => self.parts(Axis::Column, 0.5).1,
        }
    }

    /// The declarations that put an element there.
    #[must_use]
    pub fn style(self) -> String {
        let percent = |share: f64| format!("{:.3}%", share * 100.0);
        format!(
            "left:{};top:{};width:{};height:{}",
            percent(self.left),
            percent(self.top),
            percent(self.width),
            percent(self.height)
        )
    }
}

/// A line between two parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The way to its split.
    pub path: Path,
    /// How the parts stand.
    pub axis: Axis,
    /// What the first part has.
    pub share: f64,
    /// The area of both parts together.
    pub area: Area,
}

impl Line {
    /// Where it is drawn: the second part's beginning.
    #[must_use]
    pub fn place(&self) -> Area {
        let (_, second) = self.area.parts(self.axis, self.share);
        match self.axis {
            Axis::Row => Area { width: 0.0, ..second },
            Axis::Column => Area {
                height: 0.0,
                ..second
            },
        }
    }

    /// The share of the first part if the line were at a point.
    #[must_use]
    pub fn share_at(&self, (x, y): (f64, f64)) -> f64 {
        match self.axis {
            Axis::Row => (x - self.area.left) / self.area.width,
            Axis::Column => (y - self.area.top) / self.area.height,
        }
    }
}

/// Panes with their places, and the lines between them.
#[must_use]
pub fn places(root: &Node) -> (Vec<(WorkerId, Area)>, Vec<Line>) {
    let (mut panes, mut lines) = (Vec::new(), Vec::new());
    walk(root, Area::WHOLE, &mut Path::new(), &mut panes, &mut lines);
    (panes, lines)
}

fn walk(node: &Node, area: Area, path: &mut Path, panes: &mut Vec<(WorkerId, Area)>, lines: &mut Vec<Line>) {
    match node {
        Node::Pane(worker) => panes.push((worker.clone(), area)),
        Node::Split {
            axis,
            share,
            first,
            second,
        } => {
            lines.push(Line {
                path: path.clone(),
                axis: *axis,
                share: *share,
                area,
            });
            let (one, other) = area.parts(*axis, *share);
            path.push(Step::First);
            walk(first, one, path, panes, lines);
            path.pop();
            path.push(Step::Second);
            walk(second, other, path, panes, lines);
            path.pop();
        }
    }
}

/// How near to an edge of a pane a tab goes beside it; further inwards it goes into it.
const EDGE: f64 = 0.28;

/// What a tab that is let go at a point would do: to which pane, and to which side of it (`None`: into it).
#[must_use]
pub fn target(panes: &[(WorkerId, Area)], point: (f64, f64)) -> Option<(WorkerId, Option<Side>)> {
    let (worker, area) = panes.iter().find(|(_, area)| area.contains(point))?;
    let x = (point.0 - area.left) / area.width;
    let y = (point.1 - area.top) / area.height;
    let sides = [
        (x, Side::Left),
        (1.0 - x, Side::Right),
        (y, Side::Top),
        (1.0 - y, Side::Bottom),
    ];
    let nearest = sides.into_iter().min_by(|one, other| one.0.total_cmp(&other.0))?;
    Some((worker.clone(), (nearest.0 < EDGE).then_some(nearest.1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::layout::Layout;

    fn layout() -> Layout {
        let mut layout = Layout::default();
        for name in ["a", "b", "c"] {
            layout.appeared(&name.into());
        }
        layout
    }

    #[test]
    fn panes_fill_the_area() {
        let layout = layout();
        let (panes, lines) = places(layout.root().unwrap());
        let area: f64 = panes.iter().map(|(_, area)| area.width * area.height).sum();
        assert!((area - 1.0).abs() < 1e-9);
        assert_eq!(
            panes[2].1,
            Area {
                left: 0.5,
                top: 0.5,
                width: 0.5,
                height: 0.5
            }
        );
        assert_eq!(lines.len(), 2);
        assert_eq!(
            lines[1].place(),
            Area {
                left: 0.5,
                top: 0.5,
                width: 0.5,
                height: 0.0
            }
        );
        assert!((lines[1].share_at((0.7, 0.25)) - 0.25).abs() < 1e-9);
        assert_eq!(
            panes[2].1.style(),
            "left:50.000%;top:50.000%;width:50.000%;height:50.000%"
        );
    }

    #[test]
    fn a_tab_goes_beside_a_pane_near_its_edges_and_into_it_in_its_middle() {
        let layout = layout();
        let (panes, _) = places(layout.root().unwrap());
        assert_eq!(target(&panes, (0.02, 0.5)), Some(("a".into(), Some(Side::Left))));
        assert_eq!(target(&panes, (0.25, 0.5)), Some(("a".into(), None)));
        assert_eq!(
            target(&panes, (0.75, 0.98)),
            Some(("c".into(), Some(Side::Bottom)))
        );
        assert_eq!(target(&panes, (1.5, 0.5)), None);
    }
}
