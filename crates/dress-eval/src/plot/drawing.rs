//! The elements of a picture as pixels, on light paper.

use super::colors::{CURVES, Color, INK, PAPER, RULE, SOFT};
use super::coverage::{Polygon, cover};
use super::letters;
use super::picture::{Anchor, Element, Picture, Point, RuleKind, TextKind, triangle};
use super::shapes::{circle, dashed, spread, stroke};
use crate::report::one_line;

/// How much heavier titles are than other texts, and how far paper lies around names, in pixels.
const HEAVIER: f64 = 0.35;
const AROUND_NAMES: f64 = 1.5;
const CURVE_WIDTH: f64 = 2.0;
const DASHES: [f64; 2] = [5.0, 4.0];

/// The pixels of a picture.
pub(super) struct Pixels {
    /// Width and height.
    pub size: [usize; 2],
    /// Red, green and blue of each pixel, row by row.
    pub rgb: Vec<u8>,
}

/// Polygons that are filled with one colour.
type Filled = (Color, Vec<Polygon>);

impl Pixels {
    /// The picture, `scale` times as large.
    pub fn of(picture: &Picture, scale: f64) -> Self {
        let size = [picture.width, picture.height].map(|length| (length * scale).round() as usize);
        let rgb = PAPER.on_light_paper().repeat(size[0] * size[1]);
        let mut pixels = Self { size, rgb };
        for (color, mut polygons) in picture.elements.iter().flat_map(Element::filled) {
            for point in polygons.iter_mut().flatten() {
                *point = (point.0 * scale, point.1 * scale);
            }
            pixels.fill(color, &polygons);
        }
        pixels
    }

    fn fill(&mut self, color: Color, polygons: &[Polygon]) {
        let (color, width) = (color.on_light_paper(), self.size[0]);
        cover(polygons, self.size, |column, row, share| {
            let at = 3 * (row * width + column);
            for (value, over) in self.rgb[at..at + 3].iter_mut().zip(color) {
                *value = (f64::from(*value) * (1.0 - share) + f64::from(over) * share).round() as u8;
            }
        });
    }
}

impl Element {
    /// What is filled, the lowest first.
    fn filled(&self) -> Vec<Filled> {
        let curve = |color: &usize| CURVES[color % CURVES.len()];
        match self {
            Element::Text { kind, size, at, anchor, text } => text_filled(*kind, *size, *at, *anchor, text),
            Element::Rule { kind: RuleKind::Grid, from, to } => vec![(RULE, stroke(&[*from, *to], 1.0))],
            Element::Rule { kind: RuleKind::Axis, from, to } => vec![(SOFT, stroke(&[*from, *to], 1.0))],
            Element::Rule { kind: RuleKind::Mark, from, to } => vec![(SOFT, dashed(*from, *to, DASHES, 1.0))],
            Element::Bar { color, from, to } => vec![(curve(color), stroke(&[*from, *to], CURVE_WIDTH))],
            Element::Curve { color, points } => vec![(curve(color), stroke(points, CURVE_WIDTH))],
            // Its edge, one pixel wide, is of paper.
            Element::Dot { color, at, radius, .. } => {
                vec![
                    (PAPER, vec![circle(*at, radius + 0.5)]),
                    (curve(color), vec![circle(*at, radius - 0.5)]),
                ]
            }
            Element::Cut { color, at } => vec![(curve(color), vec![triangle(*at).into()])],
        }
    }
}

fn text_filled(kind: TextKind, size: f64, (x, y): Point, anchor: Anchor, text: &str) -> Vec<Filled> {
    let text = one_line(text);
    let width = size * letters::width(&text);
    let left = match anchor {
        Anchor::Start => x,
        Anchor::Middle => x - width / 2.0,
        Anchor::End => x - width,
    };
    let outlines = letters::outlines(&text, size, (left, y));
    match kind {
        TextKind::Title => vec![(INK, spread(&outlines, HEAVIER))],
        TextKind::What | TextKind::Tick => vec![(SOFT, outlines)],
        TextKind::Name => vec![(PAPER, spread(&outlines, AROUND_NAMES)), (INK, outlines)],
    }
}
