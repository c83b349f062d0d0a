//! `dress plot`.

use crate::{Error, Output, PlaceLock, ResultFile, check_file_place, read_text, write_result};
use dress_eval::plot::{Panel, Series, svg};
use dress_train::CurvePoint;
use serde_json::json;
use std::path::PathBuf;

/// What `dress plot` does.
#[derive(Debug)]
pub(super) struct Plot {
    /// The directory that `dress prune` wrote, or its `dress.json`.
    pub run: PathBuf,
    /// The file to write.
    pub out: PathBuf,
    /// Whether one that is there is replaced.
    pub force: bool,
    /// How the result is reported.
    pub output: Output,
}

impl Plot {
    pub fn draw(self) -> Result<(), Error> {
        check_file_place(&self.out, self.force)?;
        let _lock = PlaceLock::take(&self.out)?;
        if self.out.extension().is_none_or(|extension| extension != "svg") {
            return Err(Error::NotSvg { path: self.out });
        }
        let path = if self.run.is_file() { self.run.clone() } else { self.run.join("dress.json") };
        let text = read_text(&path, "a directory that dress prune wrote, or its dress.json")?;
        let result: ResultFile =
            serde_json::from_str(&text).map_err(|cause| Error::ResultFile { path: path.clone(), cause })?;
        let curve = &result.report.curve;
        if curve.is_empty() {
            return Err(Error::NoCurve { path: self.run });
        }
        let share = 1.0 - result.parameters as f64 / result.parameters_before as f64;
        let title = format!("Regularizing before {:.0}% of the parameters go", share * 100.0);
        let panels = [
            panel(&title, "loss a token, nats", curve, |point| point.loss),
            panel("What is selected", "L2 norm of its weights", curve, |point| point.selected_norm),
        ];
        write_result(&self.out, svg(&panels)?.as_bytes(), self.force)?;
        let out = self.out.display().to_string();
        let report = json!({ "out": out, "steps": curve.len() });
        self.output.print(&report, || format!("drawn to {out}"))?;
        Ok(())
    }
}

fn panel(title: &str, y_label: &str, curve: &[CurvePoint], value: impl Fn(&CurvePoint) -> f64) -> Panel {
    let points = curve.iter().map(|point| (point.tokens as f64, value(point))).collect();
    let series = vec![Series { name: y_label.into(), points }];
    Panel { title: title.into(), x_label: "tokens seen".into(), y_label: y_label.into(), series }
}
