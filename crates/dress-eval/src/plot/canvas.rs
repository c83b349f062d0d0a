//! The elements of a picture.

use crate::report::html_text;
use std::fmt::Write;

/// Pixels that a letter of the pictures' texts takes on average, and the height of a line of them.
const LETTER: f64 = 6.6;
const LINE: f64 = 14.0;

/// Colours of light and dark, and what is drawn with them. A picture stands alone or in a page, so it brings its own.
const STYLE: &str = "svg{--paper:#fff;--ink:#1d1d1b;--soft:#5c5c58;--rule:#e3e2de}\
text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:var(--soft)}\
.paper{fill:var(--paper)}.title{font-size:15px;font-weight:600;fill:var(--ink)}\
.name{fill:var(--ink);paint-order:stroke;stroke:var(--paper);stroke-width:3px}\
.grid{stroke:var(--rule)}.axis{stroke:var(--soft)}.mark{stroke:var(--soft);stroke-dasharray:5 4}\
.line{fill:none;stroke-width:2;stroke-linejoin:round}.dot{stroke:var(--paper);stroke-width:1}\
.k0{--c:#2563eb}.k1{--c:#dc2626}.k2{--c:#059669}.k3{--c:#b45309}.k4{--c:#7c3aed}\
.k5{--c:#db2777}.k6{--c:#0e7490}.k7{--c:#4d7c0f}.k8{--c:#78350f}.k9{--c:#4b5563}\
.line,.bar{stroke:var(--c)}.dot,.cut{fill:var(--c)}\
@media(prefers-color-scheme:dark){svg{--paper:#1f1f1d;--ink:#f0efec;--soft:#aeada6;--rule:#3a3936}\
.k0{--c:#6ea8fe}.k1{--c:#f87171}.k2{--c:#34d399}.k3{--c:#fbbf24}.k4{--c:#b79bf7}\
.k5{--c:#f472b6}.k6{--c:#67c9dc}.k7{--c:#a3e635}.k8{--c:#d6a07c}.k9{--c:#a3a8b3}}";

/// Which end of a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture that is being drawn.
pub(super) struct Canvas {
    text: String,
    taken: Vec<[f64; 4]>,
}

/// How wide a text is taken to be, in pixels.
pub(super) fn width_of(text: &str) -> f64 {
    LETTER * text.chars().count() as f64
}

impl Canvas {
    pub fn new(width: f64, height: f64) -> Self {
        let text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height:.0}\" width=\"{width}\" \
             height=\"{height:.0}\" role=\"img\"><style>{STYLE}</style>\
             <rect class=\"paper\" width=\"{width}\" height=\"{height:.0}\"/>\n"
        );
        Self { text, taken: Vec::new() }
    }

    pub fn finish(self) -> String {
        self.text + "</svg>\n"
    }

    /// A text of one class.
    pub fn label(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, label: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let label = html_text(label);
        let _ = writeln!(
            self.text,
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{label}</text>"#
        );
    }

    /// A name that is moved down, and else up, from where others lie, between `top` and `bottom`.
    pub fn name(&mut self, (x, y): (f64, f64), anchor: Anchor, name: &str, [top, bottom]: [f64; 2]) {
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
        self.label("name", (x, y), anchor, name);
    }

    /// A line between two points.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let _ = writeln!(
            self.text,
            r#"<path class="{class}" d="M{:.1} {:.1}L{:.1} {:.1}"/>"#,
            from.0, from.1, to.0, to.1
        );
    }

    /// A line through points.
    pub fn curve(&mut self, color: usize, points: &[(f64, f64)]) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(self.text, r#"<polyline class="line k{color}" points="{}"/>"#, points.join(" "));
    }

    /// A dot, which says what it is where the pointer is held over it.
    pub fn dot(&mut self, color: usize, (x, y): (f64, f64), radius: f64, says: &str) {
        let says = html_text(says);
        let _ = writeln!(
            self.text,
            r#"<circle class="dot k{color}" cx="{x:.1}" cy="{y:.1}" r="{radius}"><title>{says}</title></circle>"#
        );
    }

    /// A mark at the top for a value that lies above it.
    pub fn cut(&mut self, color: usize, (x, y): (f64, f64)) {
        let _ = writeln!(
            self.text,
            r#"<path class="cut k{color}" d="M{:.1} {:.1}L{:.1} {:.1}L{:.1} {:.1}Z"/>"#,
            x - 5.0,
            y + 8.0,
            x + 5.0,
            y + 8.0,
            x,
            y
        );
    }
}
