//! A picture as SVG.

use super::colors::style_sheet;
use super::picture::{Anchor, Element, Picture, Point, RuleKind, TextKind, triangle};
use crate::report::html_text;

impl Picture {
    /// The picture as SVG without fonts, network or script, light or dark as the reader's system is.
    pub fn svg(&self) -> String {
        let Self { width, height, elements } = self;
        let style = style_sheet();
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"img\"><style>{style}</style><rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n"
        );
        for element in elements {
            text += &element.svg();
            text.push('\n');
        }
        text + "</svg>\n"
    }
}

impl Element {
    fn svg(&self) -> String {
        match self {
            Element::Text { kind, size, at, anchor, text } => text_element(*kind, *size, *at, *anchor, text),
            Element::Rule { kind, from, to } => line(kind.class(), *from, *to),
            Element::Bar { color, from, to } => line(&format!("line bar k{color}"), *from, *to),
            Element::Curve { color, points } => {
                let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
                format!(r#"<polyline class="line k{color}" points="{}"/>"#, points.join(" "))
            }
            Element::Dot { color, at: (x, y), radius, says } => {
                let says = html_text(says);
                format!(
                    r#"<circle class="dot k{color}" cx="{x:.1}" cy="{y:.1}" r="{radius}"><title>{says}</title></circle>"#
                )
            }
            Element::Cut { color, at } => {
                let [a, b, c] = triangle(*at).map(|(x, y): Point| format!("{x:.1} {y:.1}"));
                format!(r#"<path class="cut k{color}" d="M{a}L{b}L{c}Z"/>"#)
            }
        }
    }
}

fn text_element(kind: TextKind, size: f64, (x, y): Point, anchor: Anchor, text: &str) -> String {
    let (class, anchor, text) = (kind.class(), anchor.word(), html_text(text));
    let size = if size == kind.size() { String::new() } else { format!(r#" style="font-size:{size:.1}px""#) };
    format!(r#"<text class="{class}"{size} x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#)
}

fn line(class: &str, from: Point, to: Point) -> String {
    format!(r#"<path class="{class}" d="M{:.1} {:.1}L{:.1} {:.1}"/>"#, from.0, from.1, to.0, to.1)
}

impl TextKind {
    fn class(self) -> &'static str {
        match self {
            TextKind::Title => "title",
            TextKind::What => "what",
            TextKind::Tick => "tick",
            TextKind::Name => "name",
        }
    }
}

impl RuleKind {
    fn class(self) -> &'static str {
        match self {
            RuleKind::Grid => "grid",
            RuleKind::Axis => "axis",
            RuleKind::Mark => "mark",
        }
    }
}

impl Anchor {
    fn word(self) -> &'static str {
        match self {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        }
    }
}
