//! One panel on its place.

use super::axis::{Axis, Scale, tick_text};
use super::canvas::{Canvas, LEFT, WIDTH, width_of};
use super::colors::COLORS;
use super::names::{self, NameAbove, NameBeside, ROW};
use super::panel::{Panel, Place, Series};
use super::picture::{Anchor, RuleKind, TextKind};
use crate::Error;

const RIGHT: f64 = 24.0;
/// Above the curves and the names over them: the title and what y is.
const TOP: f64 = 58.0;
const CURVES: [f64; 2] = [210.0, 300.0];
/// Below the curves: numbers and what x is.
const BOTTOM: f64 = 46.0;
const LEGEND_LINE: f64 = 20.0;
const END: f64 = 14.0;
/// The most points that get a dot each.
const DOTS: usize = 40;

/// A panel with its axes.
pub(super) struct Frame<'a> {
    panel: &'a Panel,
    x: Axis,
    y: Axis,
    /// Where the curves end.
    right: f64,
    above: Vec<NameAbove>,
    beside: Vec<NameBeside>,
    /// The lines of the legend: in each the series with their places.
    legend: Vec<Vec<(usize, f64)>>,
}

impl<'a> Frame<'a> {
    pub fn new(panel: &'a Panel) -> Result<Self, Error> {
        let nothing = || Error::NothingToPlot { panel: panel.title.clone() };
        let levels = panel.marks.iter().filter_map(|mark| match mark.place {
            Place::AtY(y) => Some(y),
            Place::AtX(_) => None,
        });
        // A line across alone is nothing to look at.
        let x = Axis::over(points(panel).map(|(x, _)| x), Scale::Linear, 0.02).ok_or_else(nothing)?;
        let y = Axis::over_most(points(panel).map(|(_, y)| y).chain(levels), panel.y_scale, 0.06);
        let y = y.ok_or_else(nothing)?;
        let beside = names::beside(panel, &y, height_of_curves(panel));
        let right = WIDTH - RIGHT.max(names::width_beside(&beside));
        let above = names::above(panel, &y, |at| across(&x, right, at));
        Ok(Self { panel, x, y, right, above, beside, legend: legend(&panel.series) })
    }

    pub fn height(&self) -> f64 {
        self.above_curves() + self.curves() + BOTTOM + LEGEND_LINE * self.legend.len() as f64 + END
    }

    fn curves(&self) -> f64 {
        height_of_curves(self.panel)
    }

    fn above_curves(&self) -> f64 {
        TOP + ROW * names::rows(&self.above) as f64
    }

    fn place(&self, top: f64, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        let ([upper, lower], up) = (self.within(top), self.y.share(y)?);
        Some((across(&self.x, self.right, x)?, lower - up * (lower - upper)))
    }

    /// Draws it with its upper edge at `top`.
    pub fn draw(&self, canvas: &mut Canvas, top: f64) {
        let panel = self.panel;
        canvas.title(top + 26.0, &panel.title);
        let y_label = match panel.y_scale {
            Scale::Linear => panel.y_label.clone(),
            Scale::Log => format!("{}, logarithmic", panel.y_label),
        };
        canvas.label(TextKind::What, (16.0, top + 46.0), Anchor::Start, &y_label);
        self.draw_axes(canvas, top);
        for (index, series) in panel.series.iter().enumerate() {
            self.draw_series(canvas, top, index % COLORS, series);
        }
        self.draw_marks(canvas, top);
        self.draw_names(canvas, top);
        self.draw_legend(canvas, top);
    }

    fn draw_axes(&self, canvas: &mut Canvas, top: f64) {
        let (right, [_, bottom]) = (self.right, self.within(top));
        for tick in self.y.ticks(5) {
            let y = bottom - self.y.share(tick).unwrap_or(0.0) * self.curves();
            canvas.line(RuleKind::Grid, (LEFT, y), (right, y));
            canvas.label(TextKind::Tick, (LEFT - 8.0, y + 4.0), Anchor::End, &tick_text(tick));
        }
        for tick in self.x.ticks(7) {
            let x = across(&self.x, right, tick).unwrap_or(LEFT);
            canvas.label(TextKind::Tick, (x, bottom + 18.0), Anchor::Middle, &tick_text(tick));
        }
        canvas.line(RuleKind::Axis, (LEFT, bottom), (right, bottom));
        canvas.label(
            TextKind::What,
            ((LEFT + right) / 2.0, bottom + 38.0),
            Anchor::Middle,
            &self.panel.x_label,
        );
    }

    fn draw_series(&self, canvas: &mut Canvas, top: f64, color: usize, series: &Series) {
        let placed = series.points.iter().filter_map(|&point| Some((point, self.place(top, point)?)));
        let placed: Vec<_> = placed.collect();
        if placed.len() > 1 {
            let line: Vec<(f64, f64)> = placed.iter().map(|(_, at)| *at).collect();
            canvas.curve(color, line);
        }
        for &((x, y), at) in &placed {
            if self.y.is_above(y) {
                canvas.cut(color, at);
            } else if placed.len() <= DOTS {
                let says = format!("{}: {} | {}", series.name, tick_text(x), tick_text(y));
                canvas.dot(color, at, 3.0, says);
            }
        }
    }

    fn draw_marks(&self, canvas: &mut Canvas, top: f64) {
        let [upper, lower] = self.within(top);
        for mark in &self.panel.marks {
            match mark.place {
                Place::AtX(x) => {
                    let Some(x) = across(&self.x, self.right, x) else { continue };
                    canvas.line(RuleKind::Mark, (x, upper), (x, lower));
                }
                Place::AtY(y) => {
                    let Some(up) = self.y.share(y) else { continue };
                    let y = lower - up * self.curves();
                    canvas.line(RuleKind::Mark, (LEFT, y), (self.right, y));
                }
            }
        }
    }

    fn draw_names(&self, canvas: &mut Canvas, top: f64) {
        let [upper, _] = self.within(top);
        for NameAbove { middle, row, text } in &self.above {
            let y = upper - 5.0 - ROW * *row as f64;
            canvas.label(TextKind::Name, (*middle, y), Anchor::Middle, text);
        }
        for NameBeside { middle, text } in &self.beside {
            canvas.label(TextKind::Name, (self.right + 6.0, upper + middle + 4.0), Anchor::Start, text);
        }
    }

    fn draw_legend(&self, canvas: &mut Canvas, top: f64) {
        for (line, entries) in self.legend.iter().enumerate() {
            let [_, lower] = self.within(top);
            let y = lower + BOTTOM + LEGEND_LINE * (line as f64 + 0.6);
            for &(index, x) in entries {
                canvas.curve(index % COLORS, vec![(x, y), (x + 18.0, y)]);
                canvas.label(
                    TextKind::What,
                    (x + 24.0, y + 4.0),
                    Anchor::Start,
                    &self.panel.series[index].name,
                );
            }
        }
    }

    /// The upper and the lower edge of the curves.
    fn within(&self, top: f64) -> [f64; 2] {
        let upper = top + self.above_curves();
        [upper, upper + self.curves()]
    }
}

fn height_of_curves(panel: &Panel) -> f64 {
    CURVES[usize::from(panel.y_scale == Scale::Log)]
}

/// Where an x lies among curves that end at `right`.
fn across(axis: &Axis, right: f64, x: f64) -> Option<f64> {
    Some(LEFT + axis.share(x)? * (right - LEFT))
}

/// The points of a panel that have a place.
fn points(panel: &Panel) -> impl Iterator<Item = (f64, f64)> {
    let all = panel.series.iter().flat_map(|series| series.points.iter().copied());
    all.filter(move |&(x, y)| x.is_finite() && panel.y_scale.length(y).is_some())
}

/// The lines of a legend, each as long as the picture is wide; none for a single series.
fn legend(series: &[Series]) -> Vec<Vec<(usize, f64)>> {
    let mut lines: Vec<Vec<(usize, f64)>> = Vec::new();
    if series.len() < 2 {
        return lines;
    }
    let mut x = f64::INFINITY;
    for (index, one) in series.iter().enumerate() {
        let width = 24.0 + width_of(&one.name);
        if x + width > WIDTH - RIGHT {
            lines.push(Vec::new());
            x = LEFT;
        }
        if let Some(line) = lines.last_mut() {
            line.push((index, x));
        }
        x += width + 20.0;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legend_goes_on_in_the_next_line() {
        let series = |name: &str| Series { name: name.into(), points: Vec::new() };
        let long = "a name that is as long as some methods' are";
        assert!(legend(&[series("alone")]).is_empty());
        let lines = legend(&[series(long), series(long), series(long), series("short")]);
        assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
    }
}
