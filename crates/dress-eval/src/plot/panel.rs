//! What a panel shows.

use super::axis::Scale;

/// One curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What the legend calls it.
    pub name: String,
    /// Its points, by ascending x.
    pub points: Vec<(f64, f64)>,
}

/// A line across a coordinate system, with what stands beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// What it is.
    pub label: String,
    /// Where it is.
    pub place: Place,
}

/// Where a line across a coordinate system is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Place {
    /// Upright, at this x.
    AtX(f64),
    /// Level, at this y.
    AtY(f64),
}

/// One coordinate system with its curves.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Panel {
    /// What is above it.
    pub title: String,
    /// What x is, with its unit.
    pub x_label: String,
    /// What y is, with its unit.
    pub y_label: String,
    /// How y is drawn; a logarithmic scale is called so.
    pub y_scale: Scale,
    /// The curves.
    pub series: Vec<Series>,
    /// Lines across it.
    pub marks: Vec<Mark>,
}
