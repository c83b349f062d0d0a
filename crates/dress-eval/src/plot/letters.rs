//! The letters of pictures as PNG, which are those of DejaVu Sans Condensed on any machine.
//! `letters/make_letters.py` made their file, and `letters/LICENSE` is theirs.

use super::coverage::Polygon;
use super::picture::Point;
use flate2::read::ZlibDecoder;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::OnceLock;

const FILE: &[u8] = include_bytes!("letters/letters.zz");
/// Units of an em in the file, and where a letter's origin lies in it.
const EM: f64 = 192.0;
const ORIGIN: Point = (32.0, 64.0);
/// Straight pieces of a curve.
const PIECES: u8 = 4;
/// What stands for a letter that is not there.
const MISSING: char = '□';

/// A letter at the size of one pixel an em, its origin at zero.
struct Letter {
    advance: f64,
    contours: Vec<Polygon>,
}

/// How wide a text is, in ems.
pub(super) fn width(text: &str) -> f64 {
    text.chars().map(|of| letter(of).advance).sum()
}

/// The outlines of a text whose baseline begins at `at`, `size` pixels an em.
pub(super) fn outlines(text: &str, size: f64, at: Point) -> Vec<Polygon> {
    let mut found = Vec::new();
    let (mut left, baseline) = at;
    for letter in text.chars().map(letter) {
        let placed = |&(x, y): &Point| (left + size * x, baseline + size * y);
        found.extend(letter.contours.iter().map(|contour| contour.iter().map(placed).collect::<Polygon>()));
        left += size * letter.advance;
    }
    found
}

fn letter(of: char) -> &'static Letter {
    static LETTERS: OnceLock<BTreeMap<char, Letter>> = OnceLock::new();
    let letters = LETTERS.get_or_init(|| {
        let mut bytes = Vec::new();
        ZlibDecoder::new(FILE).read_to_end(&mut bytes).expect("the file is compiled in");
        read(&bytes)
    });
    letters.get(&of).or_else(|| letters.get(&MISSING)).expect("the file has it")
}

/// The letters of the file, whose format its script describes.
fn read(mut bytes: &[u8]) -> BTreeMap<char, Letter> {
    let mut letters = BTreeMap::new();
    while let [low, high, advance, count, rest @ ..] = bytes {
        bytes = rest;
        let contours = (0..*count).map(|_| contour(&mut bytes)).collect();
        let of = char::from_u32(u32::from(u16::from_le_bytes([*low, *high])));
        let letter = Letter { advance: f64::from(*advance) / EM, contours };
        letters.extend(of.map(|of| (of, letter)));
    }
    letters
}

/// The first contour of `bytes`, which are then those behind it.
fn contour(bytes: &mut &[u8]) -> Polygon {
    let segments = usize::from(bytes[0]);
    let (points, rest) = bytes[1..].split_at(2 + 4 * segments);
    *bytes = rest;
    let point = |at: &[u8]| ((f64::from(at[0]) - ORIGIN.0) / EM, (ORIGIN.1 - f64::from(at[1])) / EM);
    let mut polygon = vec![point(points)];
    for segment in points[2..].chunks_exact(4) {
        let (control, end) = (point(segment), point(&segment[2..]));
        let start = polygon[polygon.len() - 1];
        match control == end {
            true => polygon.push(end),
            false => polygon.extend(curve(start, control, end)),
        }
    }
    polygon
}

/// Pieces of a quadratic curve, without its start.
fn curve(start: Point, control: Point, end: Point) -> impl Iterator<Item = Point> {
    (1..=PIECES).map(move |piece| {
        let to = f64::from(piece) / f64::from(PIECES);
        let (a, b, c) = ((1.0 - to).powi(2), 2.0 * to * (1.0 - to), to.powi(2));
        (a * start.0 + b * control.0 + c * end.0, a * start.1 + b * control.1 + c * end.1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_of_the_pictures_own_texts_is_there() {
        let own = (' '..='~').chain("±×−·–—…’“”↑→≤≥µäöüßéñçøåłőşЖжλθ".chars());
        for of in own {
            let letter = letter(of);
            assert!(letter.advance > 0.1 && letter.advance < 1.1, "{of}");
            assert_eq!(letter.contours.is_empty(), of == ' ', "{of}");
            let [outlines, missing] = [of, MISSING].map(|of| outlines(&of.to_string(), 12.0, (0.0, 0.0)));
            assert!(outlines != missing, "{of}");
        }
    }

    #[test]
    fn a_letter_that_is_not_there_is_a_box() {
        assert_eq!(width("字"), width("□"));
        assert_eq!(outlines("a字", 12.0, (0.0, 0.0)), outlines("a□", 12.0, (0.0, 0.0)));
    }

    #[test]
    fn letters_stand_one_behind_the_other_on_the_baseline() {
        let bounds = |text: &str| {
            let points: Vec<Point> = outlines(text, 100.0, (10.0, 50.0)).concat();
            let most = |of: fn(&Point) -> f64| points.iter().map(of).fold(f64::MIN, f64::max);
            [-most(|at| -at.0), most(|at| at.0), -most(|at| -at.1), most(|at| at.1)]
        };
        let [left, right, top, bottom] = bounds("H");
        // The height of capitals of that font is 0.729 em.
        assert!((bottom - 50.0).abs() < 1e-9 && (top - (50.0 - 72.9)).abs() < 0.6, "{top} {bottom}");
        assert!(left > 10.0 && right < 10.0 + 100.0 * width("H"), "{left} {right}");
        assert!((bounds("HH")[1] - right - 100.0 * width("H")).abs() < 1e-9);
        assert!(bounds("p")[3] > 60.0, "it goes below");
    }
}
