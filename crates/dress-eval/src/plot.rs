//! Pictures: curves and ranges as SVG, without fonts or network.

mod intervals;

pub use intervals::{Interval, intervals_svg};

use crate::Error;
use crate::report::one_line;
use plotters::prelude::*;

/// One curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What the legend calls it.
    pub name: String,
    /// Its points, by ascending x.
    pub points: Vec<(f64, f64)>,
}

/// One coordinate system with its curves.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// What is above it.
    pub title: String,
    /// What x is.
    pub x_label: String,
    /// What y is.
    pub y_label: String,
    /// The curves.
    pub series: Vec<Series>,
}

const COLORS: [RGBColor; 10] = [
    RGBColor(37, 99, 235),
    RGBColor(220, 38, 38),
    RGBColor(5, 150, 105),
    RGBColor(217, 119, 6),
    RGBColor(124, 58, 237),
    RGBColor(219, 39, 119),
    RGBColor(8, 145, 178),
    RGBColor(101, 163, 13),
    RGBColor(120, 53, 15),
    RGBColor(75, 85, 99),
];
const WIDTH: u32 = 860;
const HEIGHT: u32 = 280;
const TALL: u32 = 400;

/// An SVG of the panels, one below the other.
///
/// # Errors
/// [`Error::NothingToPlot`] where a panel has no finite point, and [`Error::Plot`].
pub fn svg(panels: &[Panel]) -> Result<String, Error> {
    drawn(panels, HEIGHT, None)
}

/// As [`svg`] with y on a logarithmic scale; points whose y is not above zero are left out.
///
/// # Errors
/// As [`svg`].
pub fn log_svg(panels: &[Panel]) -> Result<String, Error> {
    let logarithmic = |series: &Series| {
        let points = series.points.iter().filter(|(_, y)| *y > 0.0).map(|(x, y)| (*x, y.log10()));
        Series { name: series.name.clone(), points: points.collect() }
    };
    let logarithmic =
        |panel: &Panel| Panel { series: panel.series.iter().map(logarithmic).collect(), ..panel.clone() };
    let panels: Vec<Panel> = panels.iter().map(logarithmic).collect();
    drawn(&panels, TALL, Some(&power))
}

/// What stands at a place on a logarithmic scale.
fn power(place: &f64) -> String {
    match 10f64.powf(*place) {
        small if small < 100.0 => format!("{small:.1}"),
        large => format!("{large:.0}"),
    }
}

/// What stands beside a height, where it is not the number.
type YLabel<'a> = Option<&'a dyn Fn(&f64) -> String>;

fn drawn(panels: &[Panel], height: u32, y_label: YLabel<'_>) -> Result<String, Error> {
    let mut text = String::new();
    {
        let size = (WIDTH, height * panels.len() as u32);
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        for (panel, area) in panels.iter().zip(root.split_evenly((panels.len(), 1))) {
            draw(panel, &area, y_label)?;
        }
        root.present().map_err(failed)?;
    }
    Ok(text)
}

fn draw(
    panel: &Panel,
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    y_label: YLabel<'_>,
) -> Result<(), Error> {
    let points = panel.series.iter().flat_map(|series| &series.points).copied();
    let finite = points.filter(|(x, y)| x.is_finite() && y.is_finite());
    let range = finite.fold(None, |range: Option<[f64; 4]>, (x, y)| {
        let [left, right, low, high] = range.unwrap_or([x, x, y, y]);
        Some([left.min(x), right.max(x), low.min(y), high.max(y)])
    });
    let [left, right, low, high] =
        range.ok_or_else(|| Error::NothingToPlot { panel: panel.title.clone() })?;
    let margin = ((high - low) * 0.06).max(f64::MIN_POSITIVE);
    let right = if right > left { right } else { left + 1.0 };
    let mut chart = ChartBuilder::on(area)
        .caption(one_line(&panel.title), ("sans-serif", 17))
        .margin(12)
        .x_label_area_size(38)
        .y_label_area_size(64)
        .build_cartesian_2d(left..right, low - margin..high + margin)
        .map_err(failed)?;
    let mesh = &mut chart.configure_mesh();
    mesh.light_line_style(TRANSPARENT).x_desc(one_line(&panel.x_label)).y_desc(one_line(&panel.y_label));
    if let Some(label) = &y_label {
        mesh.y_label_formatter(label);
    }
    mesh.draw().map_err(failed)?;
    for (series, color) in panel.series.iter().zip(COLORS.iter().cycle()) {
        let line = LineSeries::new(series.points.iter().copied(), color.stroke_width(2));
        let drawn = chart.draw_series(line).map_err(failed)?;
        drawn
            .label(one_line(&series.name))
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
        let dots = series.points.iter().map(|&point| Circle::new(point, 2, color.filled()));
        chart.draw_series(dots.take(if series.points.len() > 24 { 0 } else { 24 })).map_err(failed)?;
    }
    if panel.series.len() > 1 {
        let mut legend = chart.configure_series_labels();
        legend.position(SeriesLabelPosition::UpperRight);
        legend.border_style(BLACK.mix(0.2)).background_style(WHITE.mix(0.8)).draw().map_err(failed)?;
    }
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Plot { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(points: Vec<(f64, f64)>) -> Panel {
        let series = vec![Series { name: "loss".into(), points }];
        Panel { title: "curve <a>".into(), x_label: "tokens".into(), y_label: "nats".into(), series }
    }

    #[test]
    fn a_picture_has_its_labels_and_a_line_through_every_point() {
        let text = svg(&[panel(vec![(0.0, 3.0), (1.0, 2.0), (2.0, 1.5)]), panel(vec![(0.0, 1.0)])]).unwrap();
        assert!(text.contains("tokens") && text.contains("nats") && text.contains("curve &lt;a&gt;"));
        assert!(text.contains("<polyline"), "{text}");
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn names_with_control_characters_and_marks_leave_it_a_picture() {
        let mut named = panel(vec![(0.0, 3.0), (1.0, 2.0)]);
        named.series.push(Series { name: "a\u{1}<b>\nc".into(), points: vec![(0.0, 1.0)] });
        let text = svg(&[named]).unwrap();
        assert!(text.contains("a\u{fffd}&lt;b&gt; c"), "{text}");
        assert!(!text.contains(|letter: char| letter.is_control() && letter != '\n'), "{text}");
    }

    #[test]
    fn a_panel_without_a_finite_point_is_an_error() {
        for points in [vec![], vec![(0.0, f64::NAN)]] {
            assert!(svg(&[panel(points)]).unwrap_err().to_string().contains("curve <a>"));
        }
    }
}
