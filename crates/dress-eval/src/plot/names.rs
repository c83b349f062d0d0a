//! The names of what stands out in a panel, outside of its curves so that they lie neither on these nor on
//! each other: above them what has an x, and beside them what has a y.

use super::axis::{Axis, tick_text};
use super::canvas::{LEFT, WIDTH, shortened, width_of};
use super::panel::{Panel, Place};

/// From one row of names to the next, and from one name to the next of its row, in pixels.
pub(super) const ROW: f64 = 16.0;
const BETWEEN: f64 = 12.0;
/// What is left free at the right of all names.
const MARGIN: f64 = 16.0;
/// The most letters of a name, so that curves have the greater part of the width.
const LETTERS: usize = 40;
/// The most rows that values which are cut off may begin.
const ROWS_OF_CUTS: usize = 2;

/// A name above the curves.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NameAbove {
    /// Where its middle is.
    pub middle: f64,
    /// Its row; the lowest is 0.
    pub row: usize,
    pub text: String,
}

/// A name beside the curves.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NameBeside {
    /// Where its middle is, from the upper edge of the curves.
    pub middle: f64,
    pub text: String,
}

/// The names of upright lines, each as near above its line as there is room, and the values that are cut off,
/// the greatest first; of those that would need too many rows the marks alone are left. `place` says where an
/// x lies.
pub(super) fn above(panel: &Panel, y: &Axis, place: impl Fn(f64) -> Option<f64>) -> Vec<NameAbove> {
    let mut names = Vec::new();
    for mark in &panel.marks {
        if let Place::AtX(x) = mark.place {
            put(&mut names, place(x), &mark.label, usize::MAX);
        }
    }
    let points = panel.series.iter().flat_map(|series| series.points.iter().copied());
    let mut cut: Vec<(f64, f64)> = points.filter(|&(_, value)| y.is_above(value)).collect();
    cut.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (x, value) in cut {
        put(&mut names, place(x), &tick_text(value), ROWS_OF_CUTS);
    }
    names
}

/// How many rows the names above the curves take.
pub(super) fn rows(names: &[NameAbove]) -> usize {
    names.iter().map(|name| name.row + 1).max().unwrap_or(0)
}

/// Puts a name into the lowest row that has room for it over `x`, where one of the first `rows` has.
fn put(names: &mut Vec<NameAbove>, x: Option<f64>, text: &str, rows: usize) {
    let Some(x) = x else { return };
    let text = shortened(text, LETTERS);
    let half = width_of(&text) / 2.0;
    let middle = x.min(WIDTH - MARGIN - half).max(LEFT + half);
    let has_room = |&row: &usize| {
        let in_row = names.iter().filter(|other| other.row == row);
        let mut nearness = in_row.map(|other| (other.middle - middle).abs() - width_of(&other.text) / 2.0);
        nearness.all(|free| free >= half + BETWEEN)
    };
    if let Some(row) = (0..rows).find(has_room) {
        names.push(NameAbove { middle, row, text });
    }
}

/// The names of level lines from above, beside curves of so many pixels' height: each at its line, or as far
/// below as the name above it asks for, but not below the curves. Of more than there is room for, the
/// uppermost are left out.
pub(super) fn beside(panel: &Panel, y: &Axis, height: f64) -> Vec<NameBeside> {
    let levels = panel.marks.iter().filter_map(|mark| match mark.place {
        Place::AtY(level) => Some((y.share(level)?, &mark.label)),
        Place::AtX(_) => None,
    });
    let name = |(up, label): (f64, &String)| NameBeside {
        middle: (1.0 - up) * height,
        text: shortened(label, LETTERS),
    };
    let mut names: Vec<NameBeside> = levels.map(name).collect();
    names.sort_by(|a, b| a.middle.total_cmp(&b.middle));
    let mut highest = f64::NEG_INFINITY;
    for name in &mut names {
        name.middle = name.middle.max(highest);
        highest = name.middle + ROW;
    }
    let mut lowest = height;
    for name in names.iter_mut().rev() {
        name.middle = name.middle.min(lowest);
        lowest = name.middle - ROW;
    }
    names.retain(|name| name.middle >= 0.0);
    names
}

/// What the curves leave free at their right for the names beside them; nothing where there are none.
pub(super) fn width_beside(names: &[NameBeside]) -> f64 {
    names.iter().map(|name| width_of(&name.text) + MARGIN).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::super::{Mark, Scale, Series};
    use super::*;

    /// A panel with marks, its y from 0 to 10.
    fn marked(marks: &[(&str, Place)], points: Vec<(f64, f64)>) -> (Panel, Axis) {
        let mark = |&(label, place): &(&str, Place)| Mark { label: label.into(), place };
        let series = vec![Series { name: "loss".into(), points }];
        let panel = Panel { marks: marks.iter().map(mark).collect(), series, ..Panel::default() };
        (panel, Axis::over([0.0, 10.0].into_iter(), Scale::Linear, 0.0).unwrap())
    }

    #[test]
    fn a_name_above_goes_into_the_next_row_where_there_is_no_room() {
        let marks =
            [("sliced", Place::AtX(400.0)), ("stopped", Place::AtX(410.0)), ("far", Place::AtX(700.0))];
        let (panel, y) = marked(&marks, Vec::new());
        let found = above(&panel, &y, Some);
        let rows_of: Vec<usize> = found.iter().map(|name| name.row).collect();
        assert_eq!((rows_of, rows(&found)), (vec![0, 1, 0], 2));
        // What would go over the edge is moved in.
        let (panel, y) = marked(&[("sliced at the end", Place::AtX(WIDTH))], Vec::new());
        let name = above(&panel, &y, Some).remove(0);
        assert!(name.middle + width_of(&name.text) / 2.0 <= WIDTH - MARGIN + 1e-9);
    }

    #[test]
    fn of_values_that_are_cut_off_the_greatest_are_said() {
        let points = (0..50).map(|i| (100.0 + f64::from(i), 1000.0 + f64::from(i % 25))).collect();
        let (panel, y) = marked(&[], points);
        let found = above(&panel, &y, Some);
        assert_eq!((rows(&found), found[0].text.as_str()), (ROWS_OF_CUTS, "1,024"));
        assert!(found.len() < 10, "{found:?}");
    }

    #[test]
    fn names_beside_keep_the_order_of_their_lines_and_stay_beside_the_curves() {
        let levels = [("low", 0.1), ("lower", 0.0), ("high", 9.0)].map(|(name, y)| (name, Place::AtY(y)));
        let (panel, y) = marked(&levels, Vec::new());
        let found = beside(&panel, &y, 200.0);
        let texts: Vec<&str> = found.iter().map(|name| name.text.as_str()).collect();
        assert_eq!(texts, ["high", "low", "lower"]);
        let middles: Vec<f64> = found.iter().map(|name| name.middle.round()).collect();
        assert_eq!(middles, [20.0, 184.0, 200.0]);
        let many: Vec<String> = (0..30).map(|line| format!("line {line}")).collect();
        let levels: Vec<_> = many.iter().map(|name| (name.as_str(), Place::AtY(5.0))).collect();
        let (panel, y) = marked(&levels, Vec::new());
        let crowded: Vec<f64> = beside(&panel, &y, 200.0).iter().map(|name| name.middle).collect();
        let rows: Vec<f64> = (0..13).rev().map(|row| 200.0 - f64::from(row) * ROW).collect();
        assert_eq!(crowded, rows, "those that have room");
        assert_eq!((width_beside(&[]), width_beside(&found)), (0.0, width_of("lower") + MARGIN));
    }
}
