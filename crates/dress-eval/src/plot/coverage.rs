//! How much of each pixel polygons cover.

use super::picture::Point;
use std::collections::BTreeMap;

/// A closed line through its corners.
pub(super) type Polygon = Vec<Point>;

/// Lines of a pixel's height along which it is measured; across, it is exact.
const LINES: usize = 16;

/// Where edges cross the lines of a row of pixels, and which way they go: 1 down and -1 up.
type Row = [Vec<(f64, i32)>; LINES];

/// Calls `paint` with the column, the row and the covered share of every pixel that the polygons cover,
/// within `size`. Where polygons of one orientation overlap, it is covered once, and one of the other
/// orientation is a hole.
pub(super) fn cover(polygons: &[Polygon], size: [usize; 2], mut paint: impl FnMut(usize, usize, f64)) {
    let [width, height] = size;
    let mut rows: BTreeMap<usize, Row> = BTreeMap::new();
    for polygon in polygons {
        let ends = polygon.iter().cycle().skip(1);
        polygon.iter().zip(ends).for_each(|(from, to)| cross(&mut rows, *from, *to, height));
    }
    for (row, lines) in rows {
        let mut shares = vec![0.0; width];
        lines.into_iter().for_each(|line| cover_line(&mut shares, line));
        for (column, share) in shares.into_iter().enumerate().filter(|(_, share)| *share > 0.0) {
            paint(column, row, share.min(1.0));
        }
    }
}

fn cross(rows: &mut BTreeMap<usize, Row>, from: Point, to: Point, height: usize) {
    let (upper, lower, way) = if from.1 < to.1 { (from, to, 1) } else { (to, from, -1) };
    // A line is where its middle is.
    let first_from = |y: f64| (y * LINES as f64 - 0.5).ceil().max(0.0) as usize;
    for line in first_from(upper.1)..first_from(lower.1).min(height * LINES) {
        let down = ((line as f64 + 0.5) / LINES as f64 - upper.1) / (lower.1 - upper.1);
        let x = upper.0 + down * (lower.0 - upper.0);
        rows.entry(line / LINES).or_default()[line % LINES].push((x, way));
    }
}

fn cover_line(shares: &mut [f64], mut crossings: Vec<(f64, i32)>) {
    crossings.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut turns, mut start) = (0, 0.0);
    for (x, way) in crossings {
        if turns == 0 {
            start = x;
        }
        turns += way;
        if turns == 0 {
            cover_span(shares, start, x);
        }
    }
}

fn cover_span(shares: &mut [f64], from: f64, to: f64) {
    let [from, to] = [from, to].map(|x| x.clamp(0.0, shares.len() as f64));
    let first = from.floor() as usize;
    for (column, share) in shares.iter_mut().enumerate().take(to.ceil() as usize).skip(first) {
        let left = column as f64;
        *share += (to.min(left + 1.0) - from.max(left)) / LINES as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shares of four by four pixels.
    fn shares(polygons: &[Polygon]) -> [[f64; 4]; 4] {
        let mut found = [[0.0; 4]; 4];
        cover(polygons, [4, 4], |column, row, share| found[row][column] = share);
        found
    }

    fn rectangle([left, right]: [f64; 2], [top, bottom]: [f64; 2]) -> Polygon {
        vec![(left, top), (right, top), (right, bottom), (left, bottom)]
    }

    #[test]
    fn a_pixel_is_covered_by_the_share_of_it_that_lies_within() {
        let found = shares(&[rectangle([0.5, 2.25], [1.0, 2.5])]);
        assert_eq!(found[0], [0.0; 4]);
        assert_eq!(found[1], [0.5, 1.0, 0.25, 0.0]);
        assert_eq!(found[2], [0.25, 0.5, 0.125, 0.0]);
        assert_eq!(found[3], [0.0; 4]);
        let slope = shares(&[vec![(0.0, 0.0), (4.0, 4.0), (0.0, 4.0)]]);
        for (row, found) in slope.iter().enumerate() {
            assert!((found[row] - 0.5).abs() < 1e-9, "{slope:?}");
            assert!((found.iter().sum::<f64>() - (row as f64 + 0.5)).abs() < 1e-9, "{slope:?}");
        }
    }

    #[test]
    fn what_overlaps_is_covered_once_and_what_goes_round_the_other_way_is_a_hole() {
        let (one, other) = (rectangle([0.0, 2.5], [0.0, 1.0]), rectangle([1.5, 4.0], [0.0, 1.0]));
        assert_eq!(shares(&[one.clone(), other])[0], [1.0; 4]);
        let hole = rectangle([1.0, 2.0], [0.0, 1.0]).into_iter().rev().collect();
        assert_eq!(shares(&[one, hole])[0], [1.0, 0.0, 0.5, 0.0]);
    }

    #[test]
    fn what_lies_outside_is_left_out() {
        let found = shares(&[rectangle([-9.0, 1.0], [-9.0, 9.0]), rectangle([5.0, 9.0], [1.0, 2.0])]);
        assert_eq!(found, [[1.0, 0.0, 0.0, 0.0]; 4]);
    }
}
