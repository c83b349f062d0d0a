//! What a file that is to be drawn is, and what is drawn of it.

use crate::{Error, ResultFile, name_of, read_text};
use dress_core::SlicePlan;
use dress_eval::plot::{Mark, Panel, Place, Series, plan_panels};
use dress_eval::report::{Report, report_panels};
use dress_prune::{Candidate, Goal, Measure, SearchReport};
use dress_train::CurvePoint;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What can be drawn.
const DRAWN: &str = "a directory that dress prune, recover or eval wrote, its dress.json, recover.json, search.json or report.json, or a plan";

/// What a report is called.
const REPORT: &str = "report.json of an evaluation";

/// The files of these programs that somebody may give, by the keys that only they have.
const KNOWN: [(&str, &[&str]); 9] = [
    ("dress.json", &["parameters_before", "report", "plan"]),
    ("recover.json", &["recover", "curve"]),
    ("search.json", &["candidates", "sensitivities"]),
    ("plan", &["selection"]),
    (REPORT, &["models"]),
    ("compare.json", &["cells", "by"]),
    ("ablate.json", &["rows", "base"]),
    ("file of costs", &["decode", "prefill", "shapes"]),
    ("checkpoint's config.json", &["model_type"]),
];

/// The panels of a file, or of a directory that `dress prune`, `recover` or `eval` wrote.
///
/// # Errors
/// [`Error::Unreadable`], [`Error::ResultFile`], those of reading a report, and [`Error::NotDrawn`] with what
/// the file is.
pub(super) fn panels(given: &Path) -> Result<Vec<Panel>, Error> {
    let (files, mut panels) = (files_of(given), Vec::new());
    if files.is_empty() {
        return Err(not_drawn(given, "is a directory with nothing in it that is drawn".into()));
    }
    for file in files {
        panels.extend(panels_of(&file)?);
    }
    Ok(panels)
}

/// The file itself, or the files of a directory that say how it was made, the last work first. Of one that
/// nothing made it is what was found out about models, and of any other checkpoint or study the file that
/// says what it is, which is then named.
fn files_of(given: &Path) -> Vec<PathBuf> {
    if !given.is_dir() {
        return vec![given.into()];
    }
    let there = |names: &[&str]| -> Vec<PathBuf> {
        names.iter().map(|name| given.join(name)).filter(|path| path.is_file()).collect()
    };
    let made = there(&["recover.json", "dress.json"]);
    if !made.is_empty() {
        return made;
    }
    there(&["search.json", "report.json", "config.json", "compare.json", "ablate.json"])
        .into_iter()
        .take(1)
        .collect()
}

fn panels_of(path: &Path) -> Result<Vec<Panel>, Error> {
    let text = read_text(path, DRAWN)?;
    let value: Value = serde_json::from_str(&text).map_err(|_| not_drawn(path, "is no JSON".into()))?;
    match kind_of(&value) {
        Some("dress.json") => of_result(path, value),
        Some("recover.json") => of_recovery(path, value),
        Some("search.json") => {
            Ok(vec![frontier(&read::<SearchReport>(path, value)?, path, "the search", "")?])
        }
        Some("plan") if value.get("format").is_none() => {
            Err(not_drawn(path, "is a plan made by hand, which does not say how long the axes are".into()))
        }
        Some("plan") => {
            let plan = SlicePlan::from_json(&text, path)?;
            Ok(plan_panels(&plan, &format!("a plan for {}", plan.architecture)))
        }
        Some(REPORT) => of_report(path, &text),
        Some(study @ ("compare.json" | "ablate.json")) => {
            let picture = study.replace("json", "svg");
            Err(not_drawn(
                path,
                format!("is {study} of a study, whose picture is there already: {picture} beside it"),
            ))
        }
        Some(other) => Err(not_drawn(path, format!("is a {other}"))),
        None => Err(not_drawn(path, "is JSON of something else".into())),
    }
}

fn kind_of(value: &Value) -> Option<&'static str> {
    let has = |keys: &[&str]| keys.iter().all(|key| value.get(key).is_some());
    KNOWN.iter().find(|(_, keys)| has(keys)).map(|(name, _)| *name)
}

fn not_drawn(path: &Path, is: String) -> Error {
    Error::NotDrawn { path: path.into(), is, wanted: DRAWN }
}

fn read<T: DeserializeOwned>(path: &Path, value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|cause| Error::ResultFile { path: path.into(), cause })
}

/// The model that a file says it is of.
fn model_in(value: &Value) -> String {
    value["model"].as_str().map_or_else(|| "a run".into(), |model| name_of(Path::new(model)))
}

/// The name of the text that a file says it was calibrated on.
fn text_of(path: &str) -> String {
    name_of(&PathBuf::from(path))
}

fn of_result(path: &Path, value: Value) -> Result<Vec<Panel>, Error> {
    let model = model_in(&value);
    let result: ResultFile = read(path, value)?;
    let search = path.with_file_name("search.json");
    let mut panels = Vec::new();
    let data = result.calibration.as_ref().map_or(String::new(), |data| format!(", {}", text_of(&data.path)));
    if search.is_file() {
        let text = read_text(&search, "the search.json that dress prune wrote")?;
        let value =
            serde_json::from_str(&text).map_err(|cause| Error::ResultFile { path: search.clone(), cause })?;
        panels.push(frontier(&read(&search, value)?, &search, &model, &data)?);
    }
    let curve = &result.report.curve;
    if !curve.is_empty() {
        let title = format!("{model}: regularizing, by {}{data}", result.plan.criterion);
        panels.push(Panel { marks: marks(&result), ..loss(title, curve) });
        let norm = one_series("norm of what goes", curve, |point| Some(point.selected_norm));
        panels.push(Panel {
            title: format!("{model}: what was selected, while it goes, by {}{data}", result.plan.criterion),
            x_label: "tokens seen".into(),
            y_label: "L2 norm of its weights".into(),
            series: vec![norm],
            marks: slice_of(&result).into_iter().collect(),
            ..Panel::default()
        });
    }
    panels.extend(plan_panels(&result.plan, &model));
    Ok(panels)
}

fn of_report(path: &Path, text: &str) -> Result<Vec<Panel>, Error> {
    let panels = report_panels(&Report::from_json(text, path)?);
    if panels.is_empty() {
        let is = format!("is a {REPORT} without a curve; open report.html beside it for its tables");
        return Err(not_drawn(path, is));
    }
    Ok(panels)
}

/// What is drawn of a fine-tuning.
#[derive(Deserialize)]
struct Recovery {
    curve: Vec<CurvePoint>,
    #[serde(default)]
    quality: Vec<dress::TextQuality>,
}

fn of_recovery(path: &Path, value: Value) -> Result<Vec<Panel>, Error> {
    let model = model_in(&value);
    let data =
        value["calibration"]["path"].as_str().map_or(String::new(), |path| format!(", {}", text_of(path)));
    let Recovery { curve, quality } = read(path, value)?;
    let ends = quality.iter().filter(|text| text.held_back).flat_map(|text| {
        [("before", text.before.loss), ("after", text.after.loss)].map(|(when, loss)| level(loss, when))
    });
    let marks = ends.collect();
    Ok(vec![Panel { marks, ..loss(format!("{model}: fine-tuning{data}"), &curve) }])
}

fn loss(title: String, curve: &[CurvePoint]) -> Panel {
    let training = one_series("of each step's blocks", curve, |point| Some(point.loss));
    let held_out = one_series("of blocks held out", curve, |point| point.held_out);
    let series = [training, held_out].into_iter().filter(|series| !series.points.is_empty()).collect();
    Panel {
        title,
        x_label: "tokens seen".into(),
        y_label: "loss, nats a token".into(),
        series,
        ..Panel::default()
    }
}

fn one_series(name: &str, curve: &[CurvePoint], value: impl Fn(&CurvePoint) -> Option<f64>) -> Series {
    let points = curve.iter().filter_map(|point| Some((point.tokens as f64, value(point)?))).collect();
    Series { name: name.into(), points }
}

/// The moment of the slice, and the losses on blocks held back.
fn marks(result: &ResultFile) -> Vec<Mark> {
    let mut marks: Vec<Mark> = slice_of(result).into_iter().collect();
    for text in result.quality.iter().filter(|text| text.held_back) {
        marks.push(level(text.before.loss, "dense"));
        marks.push(level(text.after.loss, "result"));
    }
    marks
}

/// What blocks that were held back say of the model of this name.
fn level(loss: f64, model: &str) -> Mark {
    Mark { label: format!("{model}, held back: {loss:.3}"), place: Place::AtY(loss) }
}

fn slice_of(result: &ResultFile) -> Option<Mark> {
    let cut = result.report.cut?;
    let at = result.report.curve.get(cut.step)?;
    Some(Mark { label: format!("sliced after step {}", cut.step + 1), place: Place::AtX(at.tokens as f64) })
}

/// What a search found: the frontier of size and loss with the shapes that were measured.
fn frontier(search: &SearchReport, path: &Path, model: &str, data: &str) -> Result<Panel, Error> {
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
    let shapes = if search.search.per_layer { "layers may differ" } else { "layers alike" };
    Ok(Panel {
        title: format!("{model}: what the loss gains as less stays, {shapes}{data}"),
        x_label: format!("percent of the {} that stays", counted(&search.search.goal)),
        y_label: "gained loss, nats a token".into(),
        series: vec![
            Series { name: "expected of the best shapes".into(), points: expected },
            Series { name: "measured on blocks held back".into(), points: measured },
            Series { name: "the result".into(), points: vec![gained(search.found())] },
        ],
        ..Panel::default()
    })
}

/// What a goal counts.
fn counted(goal: &Goal) -> &'static str {
    let measure = match goal {
        Goal::Budget(budget) => budget.measure,
        Goal::Perplexity { measure, .. } => *measure,
    };
    match measure {
        Measure::Parameters => "parameters",
        Measure::Bytes => "bytes",
        Measure::Macs => "multiplications",
        Measure::Latency(_) => "time",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_is_known_by_its_keys() {
        let known = [
            (json!({"parameters_before": 1, "report": {}, "plan": {}, "model": "m"}), Some("dress.json")),
            (json!({"recover": {}, "curve": []}), Some("recover.json")),
            (json!({"selection": {}, "format": 2}), Some("plan")),
            (json!({"model_type": "llama"}), Some("checkpoint's config.json")),
            (json!({"a": 1}), None),
            (json!([1]), None),
        ];
        for (value, expected) in known {
            assert_eq!(kind_of(&value), expected, "{value}");
        }
    }

    #[test]
    fn what_is_not_drawn_is_said_by_its_name() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("report.json");
        for (text, says) in [
            (
                "{\"format\":1,\"models\":[]}",
                "is a report.json of an evaluation without a curve; open report.html",
            ),
            (
                "{\"cells\":[],\"by\":\"\"}",
                "is compare.json of a study, whose picture is there already: compare.svg",
            ),
            ("x", "is no JSON"),
        ] {
            std::fs::write(&path, text).unwrap();
            let said = panels(&path).unwrap_err().to_string();
            assert!(said.contains(says) && said.contains("dress prune"), "{said}");
        }
    }

    #[test]
    fn a_directory_is_drawn_from_what_says_how_it_was_made() {
        let place = tempfile::tempdir().unwrap();
        let names = |place: &Path| -> Vec<String> {
            files_of(place).iter().map(|path| crate::name_of(path)).collect()
        };
        let said = panels(place.path()).unwrap_err().to_string();
        assert!(said.contains("a directory with nothing in it that is drawn; give"), "{said}");
        let written: [(&str, &[&str]); 5] = [
            ("compare.json", &["compare.json"]),
            ("config.json", &["config.json"]),
            ("report.json", &["report.json"]),
            ("dress.json", &["dress.json"]),
            ("recover.json", &["recover.json", "dress.json"]),
        ];
        for (written, expected) in written {
            std::fs::write(place.path().join(written), "{}").unwrap();
            assert_eq!(names(place.path()), expected, "{written}");
        }
    }
}
