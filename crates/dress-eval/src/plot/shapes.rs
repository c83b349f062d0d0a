//! Lines and circles as polygons of one orientation.

use super::coverage::Polygon;
use super::picture::Point;
use std::f64::consts::TAU;

/// Corners of a circle: at the radii of pictures nobody sees them.
const CORNERS: usize = 16;

/// A circle.
pub(super) fn circle((x, y): Point, radius: f64) -> Polygon {
    around(CORNERS).map(|(across, down)| (x + radius * across, y + radius * down)).collect()
}

/// The places of a circle of radius 1.
fn around(count: usize) -> impl Iterator<Item = Point> {
    (0..count).map(move |corner| {
        let (sine, cosine) = (TAU * corner as f64 / count as f64).sin_cos();
        (cosine, -sine)
    })
}

/// A line through points: its sides end straight, and its joints are round.
pub(super) fn stroke(points: &[Point], width: f64) -> Vec<Polygon> {
    let sides = points.windows(2).filter_map(|ends| side(ends[0], ends[1], width / 2.0));
    let joints = points.iter().skip(1).take(points.len().saturating_sub(2));
    sides.chain(joints.map(|at| circle(*at, width / 2.0))).collect()
}

fn side(from: Point, to: Point, half: f64) -> Option<Polygon> {
    let (along, down) = (to.0 - from.0, to.1 - from.1);
    let length = along.hypot(down);
    let (x, y) = (-down * half / length, along * half / length);
    let corners =
        [(from.0 + x, from.1 + y), (to.0 + x, to.1 + y), (to.0 - x, to.1 - y), (from.0 - x, from.1 - y)];
    (length > 0.0).then(|| corners.into())
}

/// A straight line that is drawn for one length and left out for another, in turn.
pub(super) fn dashed(from: Point, to: Point, [drawn, left_out]: [f64; 2], width: f64) -> Vec<Polygon> {
    let length = (to.0 - from.0).hypot(to.1 - from.1);
    let at = |share: f64| (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
    let starts = (0..).map(|dash| f64::from(dash) * (drawn + left_out)).take_while(|start| *start < length);
    let dash = |start: f64| stroke(&[at(start / length), at((start + drawn).min(length) / length)], width);
    starts.flat_map(dash).collect()
}

/// The polygons with an edge of this width around them.
pub(super) fn spread(polygons: &[Polygon], width: f64) -> Vec<Polygon> {
    let moved = |(across, down): Point| {
        let corner = move |&(x, y): &Point| (x + width * across, y + width * down);
        polygons.iter().map(move |polygon| polygon.iter().map(corner).collect())
    };
    around(CORNERS).flat_map(moved).collect()
}

#[cfg(test)]
mod tests {
    use super::super::coverage::cover;
    use super::*;

    /// How many pixels polygons cover.
    fn area(polygons: &[Polygon]) -> f64 {
        let mut found = 0.0;
        cover(polygons, [40, 40], |_, _, share| found += share);
        found
    }

    #[test]
    fn joints_are_round_and_cover_nothing_twice() {
        let corner = [(5.0, 5.0), (25.0, 5.0), (25.0, 25.0)];
        // Each side 20 by 4; within they overlap on 2 by 2, and outside is a quarter of a circle.
        let expected = 160.0 - 4.0 + std::f64::consts::PI;
        assert!((area(&stroke(&corner, 4.0)) - expected).abs() < 0.15, "{}", area(&stroke(&corner, 4.0)));
        assert!((area(&stroke(&corner[..2], 4.0)) - 80.0).abs() < 1e-6);
        assert!(stroke(&[corner[0], corner[0]], 4.0).is_empty() && stroke(&[], 4.0).is_empty());
    }

    #[test]
    fn dashes_leave_out_what_lies_between_them() {
        // From 5: 5 to 10, 14 to 19, 23 to 25.
        let dashes = dashed((5.0, 9.0), (25.0, 9.0), [5.0, 4.0], 1.0);
        assert_eq!(dashes.len(), 3);
        assert!((area(&dashes) - 12.0).abs() < 1e-6);
    }

    #[test]
    fn an_edge_makes_a_circle_greater_by_its_width() {
        let grown = spread(&[circle((20.0, 20.0), 6.0)], 3.0);
        assert!((area(&grown) / area(&[circle((20.0, 20.0), 9.0)]) - 1.0).abs() < 0.02);
    }
}
