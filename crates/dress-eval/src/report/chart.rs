//! Curves as inline SVG: colours, fonts and dark mode come from the page's style sheet.

use super::escaped::html_text as escape;
use super::number::short;
use crate::plot::Scale;
use crate::plot::axis::Axis;
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
    /// How y is drawn; a logarithmic scale is called so.
    pub y_scale: Scale,
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

/// What a name takes above the line that it is written on, and below it.
const ASCENT: f64 = 11.0;
const DESCENT: f64 = 3.0;

struct Frame {
    width: f64,
    height: f64,
    x: Axis,
    y: Axis,
}

impl Chart {
    /// Whether there is something to draw.
    pub fn has_points(&self) -> bool {
        self.finite().next().is_some()
    }

    fn finite(&self) -> impl Iterator<Item = (f64, f64)> {
        let points = self.curves.iter().flat_map(|curve| curve.points.iter().copied());
        points.filter(|(x, y)| x.is_finite() && self.y_scale.length(*y).is_some())
    }

    /// The picture, `width` by `height` CSS pixels at full size.
    pub(super) fn svg(&self, class: &str, width: u32, height: u32) -> String {
        let Some(frame) = self.frame(f64::from(width), f64::from(height)) else { return String::new() };
        let y_label = match self.y_scale {
            Scale::Linear => self.y_label.clone(),
            Scale::Log => format!("{}, logarithmic", self.y_label),
        };
        let mut text = String::new();
        let title = escape(&self.title);
        let _ = write!(
            text,
            r#"<svg class="{class}" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">"#
        );
        frame.axes(&mut text, &self.x_label, &y_label);
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

    /// The axes; none where there is nothing to draw.
    fn frame(&self, width: f64, height: f64) -> Option<Frame> {
        let x = Axis::over(self.finite().map(|(x, _)| x), Scale::Linear, 0.06)?;
        let y = Axis::over_most(self.finite().map(|(_, y)| y), self.y_scale, 0.06)?;
        Some(Frame { width, height, x, y })
    }
}

impl Frame {
    /// Where a point lies; none where it is no number.
    fn place(&self, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        let (across, up) = (self.x.share(x)?, self.y.share(y)?);
        let (inner_width, inner_height) = (self.width - LEFT - RIGHT, self.height - TOP - BOTTOM);
        Some((LEFT + across * inner_width, self.height - BOTTOM - up * inner_height))
    }

    fn axes(&self, text: &mut String, x_label: &str, y_label: &str) {
        let (right, bottom) = (self.width - RIGHT, self.height - BOTTOM);
        for tick in self.y.ticks(5) {
            let y = bottom - self.y.share(tick).unwrap_or(0.0) * (bottom - TOP);
            let _ = write!(text, r#"<path class="grid" d="M{LEFT:.1} {y:.1}H{right:.1}"/>"#);
            let _ = write!(
                text,
                r#"<text class="tick" x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
                LEFT - 6.0,
                y + 4.0,
                short(tick)
            );
        }
        for tick in self.x.ticks((self.width / 110.0) as usize) {
            let x = LEFT + self.x.share(tick).unwrap_or(0.0) * (right - LEFT);
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
        let placed: Vec<(usize, (f64, f64))> =
            curve.points.iter().enumerate().filter_map(|(i, &point)| Some((i, self.place(point)?))).collect();
        if placed.len() > 1 {
            let line: Vec<String> = placed.iter().map(|(_, (x, y))| format!("{x:.1},{y:.1}")).collect();
            let _ = write!(text, r#"<polyline class="line s{color}" points="{}"/>"#, line.join(" "));
        }
        if curve.labels.is_empty() && placed.len() > 60 {
            return;
        }
        let radius = if curve.labels.is_empty() { 2.5 } else { 5.0 };
        for (index, (x, y)) in placed {
            let point = curve.points[index];
            let label = curve.labels.get(index).map_or(curve.name.as_str(), String::as_str);
            let says = format!("{}: {} | {}", escape(label), short(point.0), short(point.1));
            let _ = write!(
                text,
                r#"<circle class="dot c{color}" cx="{x:.1}" cy="{y:.1}" r="{radius}"><title>{says}</title></circle>"#
            );
        }
    }

    /// The lines of a curve, from each point to the next; the last point is a line without length.
    fn lines(&self, curve: &Curve) -> Vec<[(f64, f64); 2]> {
        let placed: Vec<(f64, f64)> = curve.points.iter().filter_map(|&point| self.place(point)).collect();
        let next = placed.iter().skip(1).chain(placed.last());
        placed.iter().zip(next).map(|(&from, &to)| [from, to]).collect()
    }

    /// The names at the points, at the other side of these, or moved up or down, where they would lie on each
    /// other or on a curve.
    fn labels(&self, text: &mut String, curves: &[Curve]) {
        let lines: Vec<[(f64, f64); 2]> = curves.iter().flat_map(|curve| self.lines(curve)).collect();
        let mut taken: Vec<(f64, f64, f64)> = Vec::new();
        for curve in curves {
            for (&point, label) in curve.points.iter().zip(&curve.labels) {
                let Some((x, y)) = self.place(point) else { continue };
                // What is cut off says where it would be.
                let label = match self.y.is_above(point.1) {
                    true => format!("↑ {label}, {}", short(point.1)),
                    false => label.clone(),
                };
                let width = 6.6 * label.chars().count() as f64;
                let fits = |start: &f64| *start >= LEFT && start + width <= self.width - 4.0;
                let mut sides: Vec<f64> = [x + 9.0, x - 9.0 - width].into_iter().filter(fits).collect();
                if sides.is_empty() {
                    sides.push((x - 9.0 - width).max(4.0));
                }
                let low = self.height - BOTTOM - 2.0;
                let mut tried = Vec::new();
                for step in [0.0, 14.0, -14.0, 28.0, -28.0, 42.0, -42.0] {
                    let y = (y + 4.0 + step).clamp(TOP + 8.0, low);
                    tried.extend(sides.iter().map(|&start| (start, y)));
                }
                let is_free = |&&(start, y): &&(f64, f64)| {
                    let end = start + width;
                    taken.iter().all(|&(from, to, at)| start >= to || end <= from || (y - at).abs() >= 13.0)
                };
                let off_curves = |&(start, y): &(f64, f64)| {
                    let (across, down) = ([start, start + width], [y - ASCENT, y + DESCENT]);
                    !lines.iter().any(|&line| crosses(line, across, down))
                };
                let best = tried.iter().find(|place| is_free(place) && off_curves(place));
                let &(start, y) = best.or_else(|| tried.iter().find(is_free)).unwrap_or(&tried[0]);
                taken.push((start, start + width, y));
                let (anchor, at) = if start < x { ("end", start + width) } else { ("start", start) };
                let _ = write!(
                    text,
                    r#"<text class="name" x="{at:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#,
                    escape(&label)
                );
            }
        }
    }
}

/// Whether a straight line goes through a box, of which is said from where to where it is across and down.
fn crosses([from, to]: [(f64, f64); 2], across: [f64; 2], down: [f64; 2]) -> bool {
    let (left, right) = if from.0 <= to.0 { (from, to) } else { (to, from) };
    let (start, end) = (left.0.max(across[0]), right.0.min(across[1]));
    if start > end {
        return false;
    }
    let at = |x: f64| left.1 + (right.1 - left.1) * (x - left.0) / (right.0 - left.0);
    let [a, b] = if right.0 > left.0 { [at(start), at(end)] } else { [left.1, right.1] };
    a.min(b) < down[1] && a.max(b) > down[0]
}

#[cfg(test)]
mod tests {
    use super::*;

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
            y_scale: Scale::Log,
            curves: vec![curve],
        };
        let svg = chart.svg("wide", 900, 320);
        assert!(svg.contains("perplexity, logarithmic"), "{svg}");
        assert!(svg.contains("a&lt;b") && svg.contains("parameters") && svg.contains("perplexity"));
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(!svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn a_line_crosses_a_box_where_a_part_of_it_is_inside() {
        let line = [(0.0, 0.0), (10.0, 10.0)];
        assert!(crosses(line, [4.0, 6.0], [4.0, 6.0]) && crosses([line[1], line[0]], [4.0, 6.0], [4.0, 6.0]));
        assert!(!crosses(line, [4.0, 6.0], [7.0, 9.0]) && !crosses(line, [11.0, 12.0], [4.0, 20.0]));
        // Upright, and a mere point.
        assert!(crosses([(5.0, 0.0), (5.0, 9.0)], [4.0, 6.0], [4.0, 6.0]));
        assert!(crosses([(5.0, 5.0); 2], [4.0, 6.0], [4.0, 6.0]));
        assert!(!crosses([(5.0, 7.0); 2], [4.0, 6.0], [4.0, 6.0]));
    }

    #[test]
    fn a_name_lies_beside_its_curve() {
        let (points, labels) =
            (vec![(1.77, 33.44), (2.36, 33.24)], vec!["width".into(), "llama3-kjv".into()]);
        let curve = Curve { name: "width".into(), points, labels };
        let (id, title, x_label, y_label) = Default::default();
        let chart = Chart { id, title, x_label, y_label, y_scale: Scale::Linear, curves: vec![curve] };
        let frame = chart.frame(940.0, 330.0).unwrap();
        let mut text = String::new();
        frame.labels(&mut text, &chart.curves);
        let [line, _] = frame.lines(&chart.curves[0])[..] else { panic!("two points") };
        let number = |name: &str, key: &str| {
            let rest = name.split(&format!(" {key}=\"")).nth(1).unwrap();
            rest.split('"').next().unwrap().parse::<f64>().unwrap()
        };
        let names: Vec<&str> = text.split("<text").skip(1).collect();
        assert_eq!(names.len(), 2);
        for (name, letters) in names.into_iter().zip([5.0, 10.0]) {
            let (at, y) = (number(name, "x"), number(name, "y"));
            let across =
                if name.contains("end") { [at - 6.6 * letters, at] } else { [at, at + 6.6 * letters] };
            assert!(!crosses(line, across, [y - ASCENT, y + DESCENT]), "{name}");
        }
    }
}
