//! The tree of splits.

use serde::{Deserialize, Serialize};

use crate::model::ids::WorkerId;

/// The least share that a part of a split keeps, so that no pane is lost to the eye.
const LEAST_SHARE: f64 = 0.15;

/// Steps of a share.
const SHARE_STEPS: f64 = 10_000.0;

/// How the two parts of a split stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// Side by side.
    Row,
    /// One above the other.
    Column,
}

/// A side of a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// To the left of it.
    Left,
    /// To the right of it.
    Right,
    /// Above it.
    Top,
    /// Below it.
    Bottom,
}

impl Side {
    fn axis(self) -> Axis {
        match self {
            Self::Left | Self::Right => Axis::Row,
            Self::Top | Self::Bottom => Axis::Column,
        }
    }

    fn is_first(self) -> bool {
        matches!(self, Self::Left | Self::Top)
    }
}

/// One step down the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// To the left or upper part.
    First,
    /// To the right or lower part.
    Second,
}

/// The way from the root to a split.
pub type Path = Vec<Step>;

/// A part of the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Node {
    /// A worker's pane.
    Pane(WorkerId),
    /// Two parts.
    Split {
        /// How they stand.
        axis: Axis,
        /// What the first has, from 0 to 1.
        share: f64,
        /// The left or upper one.
        first: Box<Node>,
        /// The right or lower one.
        second: Box<Node>,
    },
}

impl Node {
    /// Two parts of equal size.
    fn halves(axis: Axis, first: Self, second: Self) -> Self {
        Self::Split {
            axis,
            share: 0.5,
            first: Box::new(first),
            second: Box::new(second),
        }
    }

    /// One fills the window, two stand side by side, three and more fill two columns from left to right and top to
    /// bottom.
    pub(super) fn automatic(workers: &[WorkerId]) -> Option<Self> {
        if workers.len() < 3 {
            return Self::in_line(workers, Axis::Row);
        }
        if let [first, second, third] = workers {
            // The first keeps the height that it had; the two that came later share the other side.
            let right = Self::in_line(&[second.clone(), third.clone()], Axis::Column)?;
            return Some(Self::halves(Axis::Row, Self::Pane(first.clone()), right));
        }
        let every_other = |from: usize| workers.iter().skip(from).step_by(2).cloned().collect::<Vec<_>>();
        let left = Self::in_line(&every_other(0), Axis::Column)?;
        let right = Self::in_line(&every_other(1), Axis::Column)?;
        Some(Self::halves(Axis::Row, left, right))
    }

    /// All of equal size along an axis.
    pub(super) fn in_line(workers: &[WorkerId], axis: Axis) -> Option<Self> {
        let (first, rest) = workers.split_first()?;
        let first = Self::Pane(first.clone());
        let Some(second) = Self::in_line(rest, axis) else {
            return Some(first);
        };
        #[allow(clippy::cast_precision_loss, reason = "there are a handful of panes")]
        let share = bounded(1.0 / workers.len() as f64);
        Some(Self::Split {
            axis,
            share,
            first: Box::new(first),
            second: Box::new(second),
        })
    }

    /// The workers from left to right and top to bottom.
    #[must_use]
    pub fn workers(&self) -> Vec<&WorkerId> {
        match self {
            Self::Pane(worker) => vec![worker],
            Self::Split { first, second, .. } => {
                let mut workers = first.workers();
                workers.extend(second.workers());
                workers
            }
        }
    }

    /// Puts a worker into another's pane.
    pub(super) fn replace(&mut self, old: &WorkerId, new: &WorkerId) {
        match self {
            Self::Pane(worker) if worker == old => *worker = new.clone(),
            Self::Pane(_) => {}
            Self::Split { first, second, .. } => {
                first.replace(old, new);
                second.replace(old, new);
            }
        }
    }

    /// The tree without a worker: its neighbour takes its room.
    pub(super) fn without(self, worker: &WorkerId) -> Option<Self> {
        match self {
            Self::Pane(own) => (&own != worker).then_some(Self::Pane(own)),
            Self::Split {
                axis,
                share,
                first,
                second,
            } => match (first.without(worker), second.without(worker)) {
                (Some(first), Some(second)) => Some(Self::Split {
                    axis,
                    share,
                    first: Box::new(first),
                    second: Box::new(second),
                }),
                (one, other) => one.or(other),
            },
        }
    }

    /// Splits a worker's pane and puts a new one to a side of it.
    pub(super) fn split(&mut self, target: &WorkerId, new: &WorkerId, side: Side) {
        match self {
            Self::Pane(worker) if worker == target => {
                let (old, new) = (Self::Pane(worker.clone()), Self::Pane(new.clone()));
                let (first, second) = if side.is_first() { (new, old) } else { (old, new) };
                *self = Self::halves(side.axis(), first, second);
            }
            Self::Pane(_) => {}
            Self::Split { first, second, .. } => {
                first.split(target, new, side);
                second.split(target, new, side);
            }
        }
    }

    /// Moves the splitter at the end of a path; a path that leads to no split changes nothing.
    pub(super) fn set_share(&mut self, path: &[Step], wanted: f64) {
        let Self::Split {
            share, first, second, ..
        } = self
        else {
            return;
        };
        match path.split_first() {
            None => *share = bounded(wanted),
            Some((Step::First, rest)) => first.set_share(rest, wanted),
            Some((Step::Second, rest)) => second.set_share(rest, wanted),
        }
    }

    /// The outermost split.
    pub(super) fn first_share(&self) -> Option<(Axis, f64)> {
        match self {
            Self::Pane(_) => None,
            Self::Split { axis, share, .. } => Some((*axis, *share)),
        }
    }

    /// Brings shares that a file may have into their bounds.
    pub(super) fn bound_shares(&mut self) {
        if let Self::Split {
            share, first, second, ..
        } = self
        {
            *share = bounded(*share);
            first.bound_shares();
            second.bound_shares();
        }
    }
}

/// A share within its bounds, in steps that are finer than a pixel and come out of a file as they went in.
fn bounded(share: f64) -> f64 {
    if !share.is_finite() {
        return 0.5;
    }
    (share.clamp(LEAST_SHARE, 1.0 - LEAST_SHARE) * SHARE_STEPS).round() / SHARE_STEPS
}
