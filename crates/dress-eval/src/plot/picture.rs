//! What a picture is made of.

/// A place in pixels at full size, from the left and from the top.
pub(super) type Point = (f64, f64);

/// A picture, which [`Picture::svg`] writes and [`Picture::png`] draws.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    pub(super) width: f64,
    pub(super) height: f64,
    /// From the lowest to the uppermost.
    pub(super) elements: Vec<Element>,
}

/// One thing that is drawn. Colours are numbers of [`super::colors::CURVES`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Element {
    Text {
        kind: TextKind,
        /// Pixels of an em.
        size: f64,
        at: Point,
        anchor: Anchor,
        text: String,
    },
    Rule {
        kind: RuleKind,
        from: Point,
        to: Point,
    },
    Bar {
        color: usize,
        from: Point,
        to: Point,
    },
    Curve {
        color: usize,
        points: Vec<Point>,
    },
    /// A dot, which says what it is where the pointer is held over it.
    Dot {
        color: usize,
        at: Point,
        radius: f64,
        says: String,
    },
    /// A triangle below its place.
    Cut {
        color: usize,
        at: Point,
    },
}

/// What a text is, by which it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextKind {
    Title,
    What,
    Tick,
    /// A name that may lie on lines.
    Name,
}

impl TextKind {
    /// Pixels of an em, where there is room.
    pub fn size(self) -> f64 {
        match self {
            TextKind::Title => 15.0,
            TextKind::What | TextKind::Tick | TextKind::Name => 12.0,
        }
    }
}

/// What a straight line is, by which it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RuleKind {
    Grid,
    Axis,
    Mark,
}

/// Which end of a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// The corners of a mark for a value that lies above its place.
pub(super) fn triangle((x, y): Point) -> [Point; 3] {
    [(x - 5.0, y + 8.0), (x + 5.0, y + 8.0), (x, y)]
}
