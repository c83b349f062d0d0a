//! Pictures: curves and ranges, as SVG without fonts, network or script, light or dark as the reader's system
//! is, and as PNG.

pub(crate) mod axis;
mod canvas;
mod colors;
mod coverage;
mod drawing;
mod frame;
mod intervals;
mod letters;
mod names;
mod panel;
mod picture;
mod plan;
mod png_file;
mod shapes;
mod svg_file;

pub use axis::Scale;
pub use intervals::{Interval, intervals};
pub use panel::{Mark, Panel, Place, Series};
pub use picture::Picture;
pub use plan::plan_panels;

use crate::Error;
use canvas::{Canvas, WIDTH};
use frame::Frame;

/// The panels, one below the other. Points that are no numbers, and on a logarithmic scale those that are not
/// above zero, are left out. Values far above all others are cut off, with a mark; the greatest are said
/// above the curves, where the names of upright lines are too. Those of level lines stand beside the curves.
///
/// # Errors
/// [`Error::NothingToPlot`] where a panel has no point.
///
/// # Examples
/// ```
/// use dress_eval::plot::{Panel, Scale, Series, picture};
///
/// let series = vec![Series { name: "flap".into(), points: vec![(100.0, 60.0), (134.5, 19.9)] }];
/// let panel = Panel {
///     title: "SmolLM2-135M, WikiText-2".into(),
///     x_label: "million parameters".into(),
///     y_label: "perplexity".into(),
///     y_scale: Scale::Log,
///     series,
///     marks: Vec::new(),
/// };
/// let picture = picture(&[panel])?;
/// assert!(picture.svg().contains("perplexity, logarithmic"));
/// assert!(picture.png().starts_with(b"\x89PNG"));
/// # Ok::<(), dress_eval::Error>(())
/// ```
pub fn picture(panels: &[Panel]) -> Result<Picture, Error> {
    let frames = panels.iter().map(Frame::new).collect::<Result<Vec<_>, _>>()?;
    let height: f64 = frames.iter().map(Frame::height).sum();
    let mut canvas = Canvas::new(WIDTH, height.max(1.0));
    let mut top = 0.0;
    for frame in &frames {
        frame.draw(&mut canvas, top);
        top += frame.height();
    }
    Ok(canvas.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn svg(panels: &[Panel]) -> Result<String, Error> {
        Ok(picture(panels)?.svg())
    }

    fn panel(points: Vec<(f64, f64)>) -> Panel {
        let series = vec![Series { name: "loss".into(), points }];
        let [title, x_label, y_label] = ["curve <a>", "tokens", "nats"].map(String::from);
        Panel { title, x_label, y_label, series, ..Panel::default() }
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
        let below = Panel { y_scale: Scale::Log, ..panel(vec![(0.0, -1.0)]) };
        assert!(svg(&[below]).is_err(), "there is no logarithm of it");
    }

    #[test]
    fn what_is_far_above_all_others_is_cut_off_and_said() {
        let mut points: Vec<(f64, f64)> =
            (0..40).map(|i| (f64::from(i), 2.0 + 0.01 * f64::from(i % 5))).collect();
        points[20].1 = 900.0;
        let text = svg(&[panel(points.clone())]).unwrap();
        assert!(text.contains(r#"class="cut"#) && text.contains(">900<"), "{text}");
        points[20].1 = 2.02;
        assert!(!svg(&[panel(points)]).unwrap().contains(r#"class="cut"#));
    }

    fn attribute<'a>(tag: &'a str, name: &str) -> &'a str {
        tag.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap()
    }

    /// The places of the names: left, right, top and bottom, by the width that texts are taken to have.
    fn boxes(text: &str) -> Vec<[f64; 4]> {
        let labels = text.split("<text ").skip(1).filter(|tag| tag.contains("\"name"));
        let place = |tag: &str| {
            let width = canvas::width_of(tag.split('>').nth(1).unwrap().split('<').next().unwrap());
            let [x, y] = ["x", "y"].map(|name| attribute(tag, name).parse::<f64>().unwrap());
            let left = match attribute(tag, "text-anchor") {
                "end" => x - width,
                "middle" => x - width / 2.0,
                _ => x,
            };
            [left, left + width, y - 10.0, y + 3.0]
        };
        labels.map(place).collect()
    }

    /// Places along the curves, no further from each other than a pixel.
    fn along_curves(text: &str) -> Vec<(f64, f64)> {
        let mut found = Vec::new();
        for tag in text.split("<polyline").skip(1) {
            let point =
                |pair: &str| pair.split_once(',').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()));
            let points: Vec<(f64, f64)> = attribute(tag, "points").split(' ').filter_map(point).collect();
            for ends in points.windows(2) {
                let (across, down) = (ends[1].0 - ends[0].0, ends[1].1 - ends[0].1);
                let steps = across.hypot(down).ceil() as usize + 1;
                let at = |step: usize| step as f64 / steps as f64;
                found.extend((0..=steps).map(|s| (ends[0].0 + at(s) * across, ends[0].1 + at(s) * down)));
            }
        }
        found
    }

    #[test]
    fn names_lie_neither_on_each_other_nor_on_a_curve() {
        // A loss that goes up and down all over the panel, as of small steps, and one value far above it.
        let mut points: Vec<(f64, f64)> =
            (0..80).map(|i| (f64::from(i), 10.0 + f64::from(i * 37 % 19))).collect();
        points[41].1 = 5000.0;
        let mut marked = panel(points);
        for (label, place) in [
            ("sliced after 10 steps", Place::AtX(10.0)),
            ("the dense model", Place::AtY(18.0)),
            ("the result", Place::AtY(18.2)),
            ("stopped early", Place::AtX(10.4)),
            ("the last", Place::AtX(79.0)),
        ] {
            marked.marks.push(Mark { label: label.into(), place });
        }
        let text = svg(&[marked]).unwrap();
        let (boxes, curves) = (boxes(&text), along_curves(&text));
        assert_eq!(boxes.len(), 6);
        assert!(curves.len() > 800, "{}", curves.len());
        for (i, a) in boxes.iter().enumerate() {
            let on = |b: &[f64; 4]| a[0] < b[1] && b[0] < a[1] && a[2] < b[3] && b[2] < a[3];
            assert!(!boxes[i + 1..].iter().any(on), "{boxes:?}");
            let inside = |&(x, y): &(f64, f64)| a[0] < x && x < a[1] && a[2] < y && y < a[3];
            assert!(!curves.iter().any(inside), "{a:?}");
            assert!(a[0] > 0.0 && a[1] < WIDTH, "{a:?}");
        }
    }
}
