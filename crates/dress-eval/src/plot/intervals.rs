//! Ranges one below the other.

use super::axis::{Axis, Scale, tick_text};
use super::canvas::{Canvas, WIDTH, shortened};
use super::picture::{Anchor, Picture, RuleKind, TextKind};
use crate::Error;

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

const LINE: f64 = 24.0;
const LEFT: f64 = 312.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 42.0;
const BOTTOM: f64 = 50.0;
/// The most letters of a name that there is room for.
const LETTERS: usize = 43;

/// A picture with a line an interval, from above in the order given: a dot at its value and a bar over its
/// range, on a logarithmic scale that `label` names. Values that are not finite or not above zero are left
/// out.
///
/// # Errors
/// [`Error::NothingToPlot`] where there is nothing left.
pub fn intervals(title: &str, label: &str, intervals: &[Interval]) -> Result<Picture, Error> {
    let drawable =
        |of: &&Interval| [of.middle, of.range[0], of.range[1]].iter().all(|v| v.is_finite() && *v > 0.0);
    let shown: Vec<&Interval> = intervals.iter().filter(drawable).collect();
    let axis = Axis::over(shown.iter().flat_map(|of| of.range), Scale::Log, 0.04);
    let axis = axis.ok_or_else(|| Error::NothingToPlot { panel: title.into() })?;
    let bottom = TOP + LINE * shown.len() as f64;
    let mut canvas = Canvas::new(WIDTH, bottom + BOTTOM);
    canvas.title(26.0, title);
    let place = |value: f64| LEFT + axis.share(value).unwrap_or(0.0) * (WIDTH - LEFT - RIGHT);
    for tick in axis.ticks(5) {
        canvas.line(RuleKind::Grid, (place(tick), TOP), (place(tick), bottom));
        canvas.label(TextKind::Tick, (place(tick), bottom + 18.0), Anchor::Middle, &tick_text(tick));
    }
    canvas.line(RuleKind::Axis, (LEFT, bottom), (WIDTH - RIGHT, bottom));
    let what = format!("{label}, logarithmic");
    canvas.label(TextKind::What, ((LEFT + WIDTH - RIGHT) / 2.0, bottom + 38.0), Anchor::Middle, &what);
    for (line, of) in shown.iter().enumerate() {
        let (y, color) = (TOP + LINE * (line as f64 + 0.5), usize::from(of.marked));
        canvas.label(TextKind::Name, (LEFT - 12.0, y + 4.0), Anchor::End, &shortened(&of.name, LETTERS));
        let [from, to] = of.range.map(place);
        canvas.bar(color, (from, y), (to, y));
        let says = format!("{}: {}", of.name, tick_text(of.middle));
        canvas.dot(color, (place(of.middle), y), 4.0, says);
    }
    Ok(canvas.finish())
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
        let text = super::intervals("a model", "perplexity", &shown).unwrap().svg();
        assert_eq!(text.matches("<circle").count(), 2, "{text}");
        assert!(text.contains("lambda=1") && text.contains("base") && !text.contains("not drawn"), "{text}");
        assert!(text.contains("perplexity, logarithmic"), "{text}");
        let nothing = super::intervals("a model", "perplexity", &shown[2..]).unwrap_err().to_string();
        assert!(nothing.contains("a model"), "{nothing}");
    }
}
