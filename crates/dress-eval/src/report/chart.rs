//! Curves as inline SVG: colours, fonts and dark mode come from the page's style sheet.

use super::escaped::html_text as escape;
use super::number::short;
use std::fmt::Write;

/// One coordinate system with its curves.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// A word for links.
    pub id: String,
    /// What is above it.
    pub title: String,
    /// What x is.
    pub x_label: String,
    /// What y is.
    pub y_label: String,
    /// The curves, at most eight of which are told apart by colour.
    pub curves: Vec<Curve>,
}

/// One curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What the legend calls it.
    pub name: String,
    /// Its points, by ascending x.
    pub points: Vec<(f64, f64)>,
    /// What stands at each point; none for a mere line.
    pub labels: Vec<String>,
}

/// Colours that the style sheet has.
const COLORS: usize = 8;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 44.0;

struct Frame {
    width: f64,
    height: f64,
    x: (f64, f64),
    y: (f64, f64),
}

impl Chart {
    /// Whether there is something to draw.
    pub fn has_points(&self) -> bool {
        self.finite().next().is_some()
    }

    fn finite(&self) -> impl Iterator<Item = (f64, f64)> {
        let points = self.curves.iter().flat_map(|curve| curve.points.iter().copied());
        points.filter(|(x, y)| x.is_finite() && y.is_finite())
    }

    /// The picture, `width` by `height` CSS pixels at full size.
    pub(super) fn svg(&self, class: &str, width: u32, height: u32) -> String {
        let frame = self.frame(f64::from(width), f64::from(height));
        let mut text = String::new();
        let title = escape(&self.title);
        let _ = write!(
            text,
            r#"<svg class="{class}" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">"#
        );
        frame.axes(&mut text, &self.x_label, &self.y_label);
        for (index, curve) in self.curves.iter().enumerate() {
            frame.curve(&mut text, curve, index % COLORS);
        }
        frame.labels(&mut text, &self.curves);
        text.push_str("</svg>");
        text
    }

    /// The curves' names with their colours; nothing for a single one.
    pub(super) fn legend(&self) -> String {
        if self.curves.len() < 2 {
            return String::new();
        }
        let item = |(index, curve): (usize, &Curve)| {
            format!(r#"<li><i class="c{}"></i>{}</li>"#, index % COLORS, escape(&curve.name))
        };
        let items: Vec<String> = self.curves.iter().enumerate().map(item).collect();
        format!(r#"<ul class="legend">{}</ul>"#, items.concat())
    }

    fn frame(&self, width: f64, height: f64) -> Frame {
        let start = (f64::INFINITY, f64::NEG_INFINITY);
        let widen = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
        let x = self.finite().fold(start, |range, (x, _)| widen(range, x));
        let y = self.finite().fold(start, |range, (_, y)| widen(range, y));
        Frame { width, height, x: padded(x), y: padded(y) }
    }
}

/// The range with some room, and never empty.
fn padded((low, high): (f64, f64)) -> (f64, f64) {
    let room = match high > low {
        true => (high - low) * 0.06,
        false => (high.abs() * 0.1).max(1e-9),
    };
    // A quantity that starts at zero is not shown below it.
    let below = if low >= 0.0 { (low - room).max(0.0) } else { low - room };
    (below, high + room)
}

/// Round numbers within a range, about `count` of them.
fn ticks((low, high): (f64, f64), count: usize) -> Vec<f64> {
    let rough = (high - low) / count as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|s| s * power).find(|step| *step >= rough);
    let step = step.unwrap_or(power * 10.0);
    let first = (low / step).ceil() as i64;
    (first..).map(|i| i as f64 * step).take_while(|tick| *tick <= high).take(12).collect()
}

impl Frame {
    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let share = |value: f64, (low, high): (f64, f64)| (value - low) / (high - low);
        let (inner_width, inner_height) = (self.width - LEFT - RIGHT, self.height - TOP - BOTTOM);
        (LEFT + share(x, self.x) * inner_width, self.height - BOTTOM - share(y, self.y) * inner_height)
    }

    fn axes(&self, text: &mut String, x_label: &str, y_label: &str) {
        let (right, bottom) = (self.width - RIGHT, self.height - BOTTOM);
        for tick in ticks(self.y, 5) {
            let (_, y) = self.place((self.x.0, tick));
            let _ = write!(text, r#"<path class="grid" d="M{LEFT:.1} {y:.1}H{right:.1}"/>"#);
            let _ = write!(
                text,
                r#"<text class="tick" x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
                LEFT - 6.0,
                y + 4.0,
                short(tick)
            );
        }
        for tick in ticks(self.x, (self.width / 110.0) as usize) {
            let (x, _) = self.place((tick, self.y.0));
            let _ = write!(
                text,
                r#"<text class="tick" x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
                bottom + 16.0,
                short(tick)
            );
        }
        let _ = write!(text, r#"<path class="axis" d="M{LEFT:.1} {bottom:.1}H{right:.1}"/>"#);
        let middle = (LEFT + right) / 2.0;
        let _ = write!(
            text,
            r#"<text class="label" x="{middle:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            self.height - 8.0,
            escape(x_label)
        );
        let label = escape(y_label);
        let _ = write!(text, r#"<text class="label" x="4" y="13">{label}</text>"#);
    }

    fn curve(&self, text: &mut String, curve: &Curve, color: usize) {
        let points = curve.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
        let places: Vec<(f64, f64)> = points.clone().map(|&point| self.place(point)).collect();
        if places.len() > 1 {
            let line: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let _ = write!(text, r#"<polyline class="line s{color}" points="{}"/>"#, line.join(" "));
        }
        if curve.labels.is_empty() && places.len() > 60 {
            return;
        }
        let radius = if curve.labels.is_empty() { 2.5 } else { 5.0 };
        for (index, (&(x, y), point)) in places.iter().zip(points).enumerate() {
            let label = curve.labels.get(index).map_or(curve.name.as_str(), String::as_str);
            let says = format!("{}: {} | {}", escape(label), short(point.0), short(point.1));
            let _ = write!(
                text,
                r#"<circle class="dot c{color}" cx="{x:.1}" cy="{y:.1}" r="{radius}"><title>{says}</title></circle>"#
            );
        }
    }

    /// The names at the points, moved down where they would lie on each other.
    fn labels(&self, text: &mut String, curves: &[Curve]) {
        let mut taken: Vec<(f64, f64, f64)> = Vec::new();
        for curve in curves {
            for (&point, label) in curve.points.iter().zip(&curve.labels) {
                let (x, y) = self.place(point);
                if !(x.is_finite() && y.is_finite()) {
                    continue;
                }
                let width = 6.6 * label.chars().count() as f64;
                let left = x + 9.0 + width > self.width - 4.0;
                let start = if left { (x - 9.0 - width).max(4.0) } else { x + 9.0 };
                let lies_on = |y: f64, taken: &[(f64, f64, f64)]| {
                    taken
                        .iter()
                        .any(|&(from, to, at)| start < to && start + width > from && (y - at).abs() < 13.0)
                };
                let steps = [0.0, 14.0, -14.0, 28.0, -28.0, 42.0, -42.0];
                let low = self.height - BOTTOM - 2.0;
                let tried = steps.iter().map(|step| (y + 4.0 + step).clamp(TOP + 8.0, low));
                let y = tried.clone().find(|&y| !lies_on(y, &taken)).unwrap_or(y + 4.0);
                taken.push((start, start + width, y));
                let (anchor, at) = if left { ("end", start + width) } else { ("start", start) };
                let _ = write!(
                    text,
                    r#"<text class="name" x="{at:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#,
                    escape(label)
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        let found = ticks((19.3, 41.2), 5);
        assert_eq!(found, [20.0, 25.0, 30.0, 35.0, 40.0]);
        assert!(ticks((0.0, 1e-9), 5).len() <= 12);
    }

    #[test]
    fn a_chart_has_its_labels_and_every_point_and_escapes_names() {
        let curve = Curve {
            name: "all".into(),
            points: vec![(1.0, 3.0), (2.0, f64::NAN), (3.0, 1.0)],
            labels: vec!["a<b".into(), "x".into(), "dense".into()],
        };
        let chart = Chart {
            id: "c".into(),
            title: "t".into(),
            x_label: "parameters".into(),
            y_label: "perplexity".into(),
            curves: vec![curve],
        };
        let svg = chart.svg("wide", 900, 320);
        assert!(svg.contains("a&lt;b") && svg.contains("parameters") && svg.contains("perplexity"));
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(!svg.contains("NaN"), "{svg}");
    }
}
