//! `dress plot`.

use crate::{Error, Output, PlaceLock, ResultFile, check_file_place, read_text, write_result};
use dress_core::AxisKind;
use dress_eval::plot::{Panel, Series, svg};
use dress_prune::{Candidate, SearchReport};
use dress_train::CurvePoint;
use serde_json::json;
use std::path::{Path, PathBuf};

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
        let search = path.with_file_name("search.json");
        let mut panels = if search.is_file() { of_search(&search)? } else { Vec::new() };
        let curve = &result.report.curve;
        if !curve.is_empty() {
            let share = 1.0 - result.parameters as f64 / result.parameters_before as f64;
            let title = format!("Regularizing before {:.0}% of the parameters go", share * 100.0);
            panels.push(panel(&title, "loss a token, nats", curve, |point| point.loss));
            panels.push(panel("What is selected", "L2 norm of its weights", curve, |point| {
                point.selected_norm
            }));
        }
        if panels.is_empty() {
            return Err(Error::NoCurve { path: self.run });
        }
        write_result(&self.out, svg(&panels)?.as_bytes(), self.force)?;
        let out = self.out.display().to_string();
        let report = json!({ "out": out, "steps": curve.len() });
        self.output.print(&report, || format!("drawn to {out}"))?;
        Ok(())
    }
}

/// What a search found: the frontier of size and loss with the shapes that were measured, and what stays of each layer.
fn of_search(path: &Path) -> Result<Vec<Panel>, Error> {
    let text = read_text(path, "the search.json that dress prune wrote")?;
    let search: SearchReport =
        serde_json::from_str(&text).map_err(|cause| Error::ResultFile { path: path.into(), cause })?;
    if search.best >= search.candidates.len() {
        let cause = serde::de::Error::custom("no candidate is the result");
        return Err(Error::ResultFile { path: path.into(), cause });
    }
    let gained = |candidate: &Candidate| (100.0 * candidate.left, candidate.loss - search.dense_loss);
    let mut measured: Vec<(f64, f64)> = search.candidates.iter().map(gained).collect();
    measured.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut expected: Vec<(f64, f64)> =
        search.frontier.iter().map(|point| (100.0 * point.left, point.expected)).collect();
    expected.reverse();
    let frontier = Panel {
        title: "What the loss gains as less stays".into(),
        x_label: "percent that stays".into(),
        y_label: "nats a token".into(),
        series: vec![
            Series { name: "expected of the best shapes".into(), points: expected },
            Series { name: "measured on blocks held back".into(), points: measured },
            Series { name: "the result".into(), points: vec![gained(search.found())] },
        ],
    };
    let mut panels = vec![frontier];
    for (kind, y_label) in [(AxisKind::Ffn, "neurons that stay"), (AxisKind::Heads, "head groups that stay")]
    {
        let of_kind = search.found().kept.iter().filter(|(axis, _)| axis.kind() == kind);
        let points: Vec<(f64, f64)> =
            of_kind.filter_map(|(axis, &kept)| Some((axis.layer()? as f64, kept as f64))).collect();
        if !points.is_empty() {
            let series = vec![Series { name: y_label.into(), points }];
            panels.push(Panel {
                title: y_label.into(),
                x_label: "layer".into(),
                y_label: y_label.into(),
                series,
            });
        }
    }
    Ok(panels)
}

fn panel(title: &str, y_label: &str, curve: &[CurvePoint], value: impl Fn(&CurvePoint) -> f64) -> Panel {
    let points = curve.iter().map(|point| (point.tokens as f64, value(point))).collect();
    let series = vec![Series { name: y_label.into(), points }];
    Panel { title: title.into(), x_label: "tokens seen".into(), y_label: y_label.into(), series }
}
