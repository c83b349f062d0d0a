//! A picture that is being drawn.

use super::letters;
use super::picture::{Anchor, Element, Picture, Point, RuleKind, TextKind};

/// Width of every picture, in pixels at full size.
pub(super) const WIDTH: f64 = 860.0;
/// Where curves begin, and the names above them.
pub(super) const LEFT: f64 = 72.0;
/// Pixels that a letter of the pictures' texts takes on average in readers' fonts.
const LETTER: f64 = 6.6;
/// How much wider the letters of titles are, which are heavier.
const HEAVIER: f64 = 1.06;
/// What is beside a title, and the size below which it is not made smaller, in pixels.
const MARGIN: f64 = 16.0;
const LEAST_SIZE: f64 = 9.0;

/// The picture as far as it is drawn.
pub(super) struct Canvas {
    picture: Picture,
}

/// How wide a text is taken to be, in pixels: at least as it is in a PNG, whose letters are known.
pub(super) fn width_of(text: &str) -> f64 {
    let average = LETTER * text.chars().count() as f64;
    average.max(TextKind::What.size() * letters::width(text))
}

/// A text of so many letters at most, its end left out where it has more.
pub(super) fn shortened(text: &str, letters: usize) -> String {
    match text.chars().count() {
        count if count <= letters => text.into(),
        _ => text.chars().take(letters.saturating_sub(1)).chain(['…']).collect(),
    }
}

impl Canvas {
    pub fn new(width: f64, height: f64) -> Self {
        let picture = Picture { width, height: height.round(), elements: Vec::new() };
        Self { picture }
    }

    pub fn finish(self) -> Picture {
        self.picture
    }

    fn add(&mut self, element: Element) {
        self.picture.elements.push(element);
    }

    /// A text.
    pub fn label(&mut self, kind: TextKind, at: Point, anchor: Anchor, text: &str) {
        self.add(Element::Text { kind, size: kind.size(), at, anchor, text: text.into() });
    }

    /// What is above a panel: as much smaller as it is too long, and what is too long still has no end.
    pub fn title(&mut self, y: f64, title: &str) {
        let (kind, room) = (TextKind::Title, self.picture.width - 2.0 * MARGIN);
        // Of a size of one pixel.
        let width = |text: &str| HEAVIER * width_of(text) / TextKind::What.size();
        let letters = (room / (HEAVIER * LETTER * LEAST_SIZE / TextKind::What.size())) as usize;
        let text = shortened(title, letters);
        let size = kind.size().min(room / width(&text)).max(LEAST_SIZE);
        self.add(Element::Text { kind, size, at: (MARGIN, y), anchor: Anchor::Start, text });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_ends_in_dots() {
        assert_eq!(shortened("base", 4), "base");
        assert_eq!(shortened("bases", 4), "bas…");
    }

    #[test]
    fn a_title_that_is_too_long_is_smaller_and_at_last_cut() {
        let title = |letters: usize| {
            let mut canvas = Canvas::new(860.0, 100.0);
            canvas.title(26.0, &"x".repeat(letters));
            match canvas.finish().elements.remove(0) {
                Element::Text { size, text, .. } => (size, text),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(title(40), (15.0, "x".repeat(40)));
        let (size, text) = title(130);
        assert!(size < 15.0 && size > LEAST_SIZE && text.len() == 130, "{size}");
        let (size, text) = title(300);
        assert!((LEAST_SIZE..9.5).contains(&size) && text.ends_with('…'), "{size}");
        assert!(size * letters::width(&text) < 860.0 - 2.0 * MARGIN);
    }
}
