//! Ranges one below the other.

use super::{COLORS, WIDTH, failed, power};
use crate::Error;
use crate::report::one_line;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// A value with its range.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// What stands beside it.
    pub name: String,
    /// The value, above zero.
    pub middle: f64,
    /// Its least and its greatest.
    pub range: [f64; 2],
    /// Whether it stands out.
    pub marked: bool,
}

const LINE: u32 = 24;
const NAMES: i32 = 300;

/// An SVG with a line an interval, from above in the order given: a dot at its value and a bar over its range, on a
/// logarithmic scale. Values that are not finite or not above zero are left out.
///
/// # Errors
/// [`Error::NothingToPlot`] where there is nothing left, and [`Error::Plot`].
pub fn intervals_svg(label: &str, intervals: &[Interval]) -> Result<String, Error> {
    let drawable =
        |of: &&Interval| [of.middle, of.range[0], of.range[1]].iter().all(|v| v.is_finite() && *v > 0.0);
    let shown: Vec<&Interval> = intervals.iter().filter(drawable).collect();
    let least = shown.iter().map(|of| of.range[0]).reduce(f64::min);
    let greatest = shown.iter().map(|of| of.range[1]).reduce(f64::max);
    let (Some(least), Some(greatest)) = (least, greatest) else {
        return Err(Error::NothingToPlot { panel: label.into() });
    };
    let lines = shown.len();
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, (WIDTH, LINE * lines as u32 + 60)).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let [left, right] = [(least * 0.97).log10(), (greatest * 1.03).log10()];
        let mut chart = ChartBuilder::on(&root)
            .margin(12)
            .x_label_area_size(38)
            .y_label_area_size(NAMES)
            .build_cartesian_2d(left..right, -0.6..lines as f64 - 0.4)
            .map_err(failed)?;
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(TRANSPARENT).x_desc(one_line(label)).x_label_formatter(&power).y_labels(0);
        mesh.label_style(("sans-serif", 12)).axis_desc_style(("sans-serif", 14));
        mesh.draw().map_err(failed)?;
        for (line, of) in shown.iter().enumerate() {
            let place = (lines - 1 - line) as f64;
            let color = COLORS[usize::from(of.marked)];
            let (_, height) = chart.backend_coord(&(left, place));
            let style = ("sans-serif", 13).into_font().into_text_style(&root);
            let style = style.pos(Pos::new(HPos::Right, VPos::Center));
            root.draw(&Text::new(one_line(&of.name), (NAMES, height), style)).map_err(failed)?;
            let bar = PathElement::new(of.range.map(|end| (end.log10(), place)), color.stroke_width(2));
            chart.draw_series([bar]).map_err(failed)?;
            chart
                .draw_series([Circle::new((of.middle.log10(), place), 4, color.filled())])
                .map_err(failed)?;
        }
        root.present().map_err(failed)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(name: &str, middle: f64) -> Interval {
        Interval { name: name.into(), middle, range: [middle - 1.0, middle + 1.0], marked: false }
    }

    #[test]
    fn every_interval_has_its_name_and_its_dot() {
        let shown = [interval("base", 24.0), interval("lambda=1", 30.0), interval("not drawn", f64::NAN)];
        let text = intervals_svg("perplexity", &shown).unwrap();
        assert_eq!(text.matches("<circle").count(), 2, "{text}");
        assert!(text.contains("lambda=1") && text.contains("base") && !text.contains("not drawn"), "{text}");
        assert!(intervals_svg("perplexity", &shown[2..]).unwrap_err().to_string().contains("perplexity"));
    }
}
