//! A picture that is being drawn.

use super::letters;
use super::picture::{Anchor, Element, Picture, Point, RuleKind, TextKind};

/// Pixels that a letter of the pictures' texts takes on average in readers' fonts, and the height of a line of them.
const LETTER: f64 = 6.6;
const LINE: f64 = 14.0;
/// The size of all texts but titles, in pixels.
pub(super) const FONT_SIZE: f64 = 12.0;
/// The size of titles.
pub(super) const TITLE_SIZE: f64 = 15.0;

/// A picture with the places that names have taken.
pub(super) struct Canvas {
    picture: Picture,
    taken: Vec<[f64; 4]>,
}

/// How wide a text is taken to be, in pixels: at least as it is in a PNG, whose letters are known.
pub(super) fn width_of(text: &str) -> f64 {
    let average = LETTER * text.chars().count() as f64;
    average.max(FONT_SIZE * letters::width(text))
}

impl Canvas {
    pub fn new(width: f64, height: f64) -> Self {
        let picture = Picture { width, height: height.round(), elements: Vec::new() };
        Self { picture, taken: Vec::new() }
    }

    pub fn finish(self) -> Picture {
        self.picture
    }

    fn add(&mut self, element: Element) {
        self.picture.elements.push(element);
    }

    /// A text.
    pub fn label(&mut self, kind: TextKind, at: Point, anchor: Anchor, text: &str) {
        self.add(Element::Text { kind, at, anchor, text: text.into() });
    }

    /// A name that is moved down, and else up, from where others lie, between `top` and `bottom`.
    pub fn name(&mut self, (x, y): Point, anchor: Anchor, name: &str, [top, bottom]: [f64; 2]) {
        let width = width_of(name);
        let left = if anchor == Anchor::End { x - width } else { x };
        let is_free = |y: f64| {
            let lies_on = |[from, to, over, under]: &[f64; 4]| {
                left < *to && *from < left + width && y - LINE < *under && *over < y
            };
            !self.taken.iter().any(lies_on)
        };
        let mut tried = (0..20).flat_map(|step| [f64::from(step) * LINE, -f64::from(step) * LINE]);
        let free = tried
            .find_map(|step| Some(y + step).filter(|y| (top + LINE..=bottom).contains(y) && is_free(*y)));
        let y = free.unwrap_or(y);
        self.taken.push([left, left + width, y - LINE, y]);
        self.label(TextKind::Name, (x, y), anchor, name);
    }

    /// A line between two points.
    pub fn line(&mut self, kind: RuleKind, from: Point, to: Point) {
        self.add(Element::Rule { kind, from, to });
    }

    /// A range of a value.
    pub fn bar(&mut self, color: usize, from: Point, to: Point) {
        self.add(Element::Bar { color, from, to });
    }

    /// A line through points.
    pub fn curve(&mut self, color: usize, points: Vec<Point>) {
        self.add(Element::Curve { color, points });
    }

    /// A dot, which says what it is where the pointer is held over it.
    pub fn dot(&mut self, color: usize, at: Point, radius: f64, says: String) {
        self.add(Element::Dot { color, at, radius, says });
    }

    /// A mark at the top for a value that lies above it.
    pub fn cut(&mut self, color: usize, at: Point) {
        self.add(Element::Cut { color, at });
    }
}
