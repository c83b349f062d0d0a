//! The page, opened in a browser.

use crate::small::{Shipped, llama, task};
use dress_core::{
    Axis, AxisKind, AxisSelection, Calibration, CausalLm, Fingerprint, KeptOfKind, NoProgress, Scores,
    Selection, SlicePlan,
};
use dress_data::Windows;
use dress_eval::plot::{Mark, Panel, Place, Series, picture};
use dress_eval::report::{
    CurveSample, ModelReport, Origin, Report, RunInfo, charts, heat_maps, html, markdown, tables,
};
use dress_eval::tasks::{TaskConfig, run_task};
use dress_eval::{
    Alignment, PairedDifference, PerplexityConfig, Size, SpeedConfig, departure, perplexity, speed,
};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A dense model and two that stand in for pruned ones, with everything that a report shows.
fn report() -> Report {
    let (model, kjv) = (llama(), Shipped::load("llama2-kjv"));
    let blocks =
        Calibration::from_blocks((0..3).map(|n| (0..9).map(|i| (i * i + n) % 23).collect()).collect());
    let config = SpeedConfig {
        prefill_tokens: 8,
        prompt_tokens: 4,
        new_tokens: 3,
        batches: vec![1, 2],
        repeats: 2,
        warmup: 0,
    };
    let speed = speed(&[&model], &config, &NoProgress).unwrap().remove(0);
    let tasks: Vec<_> = ["piqa", "hellaswag", "winogrande", "arc_easy", "arc_challenge", "lambada_openai"]
        .iter()
        .map(|name| {
            run_task(&kjv.model, &kjv.encoder(), &task(name), &TaskConfig::default(), &NoProgress).unwrap().0
        })
        .collect();
    let text = perplexity(&model, &blocks, &PerplexityConfig::default(), &NoProgress).unwrap();
    let mut found =
        departure(&model, &model, &Alignment::default(), &Windows::from(&blocks), None, &NoProgress).unwrap();
    found.losses = Some(PairedDifference { difference: 1.1f64.ln(), standard_error: Some(0.01), pairs: 3 });
    let dense = ModelReport {
        name: "dense <&\">".into(),
        series: None,
        path: "models/dense".into(),
        fingerprint: Fingerprint::of(&model),
        architecture: model.architecture().into(),
        tokenizer_sha256: "0123456789abcdef".repeat(4),
        runs: vec![RunInfo::here("0.22.1", "Flex".into(), "f32".into(), 42)],
        size: Size::of(&model),
        origin: None,
        perplexity: vec![text],
        tasks,
        departure: None,
        speed: Some(speed),
    };
    let pruned = |name: &str, share: f64| {
        let mut report = ModelReport { name: name.into(), origin: Some(origin(&model)), ..dense.clone() };
        report.fingerprint = Fingerprint::builder().finish();
        report.size.parameters = (report.size.parameters as f64 * share) as u64;
        report.perplexity[0].perplexity /= share;
        report.departure = Some(found.clone());
        report
    };
    let (most, half) = (pruned("a quarter less, a long name", 0.75), pruned("half", 0.5));
    Report::new(vec![dense, most, half])
}

fn origin(model: &dress_models::AnyModel) -> Origin {
    let mut scores = Scores::new();
    let mut selection = Selection::new();
    for layer in 0..2 {
        let axis = Axis::Ffn { layer };
        scores.insert(axis, (0..10).map(|i| f64::from(i + 3) * (layer + 1) as f64).collect()).unwrap();
        selection = selection.with(axis, AxisSelection::new(10, vec![0, 1]).unwrap());
    }
    let kept = KeptOfKind::of(&selection, &model.coupling());
    let plan = SlicePlan::new(model, "wanda", 42, None, &scores, selection).unwrap();
    let curve = (0..40).map(|i| CurveSample {
        tokens: 512 * i,
        loss: 3.0 + 0.01 * i as f64,
        selected_norm: 100.0 / (1 + i) as f64,
    });
    Origin { curve: curve.collect(), parameters_before: Some(1000), ..Origin::of(&plan, &kept) }
}

#[test]
fn a_report_is_read_as_it_was_written_and_another_format_is_refused() {
    let report = report();
    let text = report.to_json();
    let read = Report::from_json(&text, Path::new("report.json")).unwrap();
    // Not numbers do not survive JSON, everything else does.
    assert_eq!(read.to_json(), text);
    let later = text.replacen("\"format\": 1", "\"format\": 2", 1);
    let says = Report::from_json(&later, Path::new("report.json")).unwrap_err().to_string();
    assert!(says.contains("format 2") && says.contains("reads 1"), "{says}");
}

#[test]
fn a_report_of_before_which_says_blocks_for_layers_is_read() {
    let text = report().to_json();
    let before = text.replace("\"layers\":", "\"blocks\":");
    assert_eq!(before.matches("\"blocks\":").count() - text.matches("\"blocks\":").count(), 5);
    assert_eq!(Report::from_json(&before, Path::new("report.json")).unwrap().to_json(), text);
}

#[test]
fn runs_of_the_same_model_become_one_and_others_stay_apart() {
    let report = report();
    let dense = report.models[0].clone();
    let mut tasks_alone = ModelReport { perplexity: Vec::new(), speed: None, ..dense.clone() };
    tasks_alone.runs[0].created += 60;
    let text_alone = ModelReport { tasks: Vec::new(), ..dense.clone() };
    let joined = Report::join(vec![Report::new(vec![text_alone]), Report::new(vec![tasks_alone])]);
    assert_eq!(joined.models.len(), 1);
    let model = &joined.models[0];
    assert_eq!((model.perplexity.len(), model.tasks.len(), model.runs.len()), (1, 6, 2));
    assert!(model.speed.is_some());
    let mut other = report.models[1].clone();
    other.name.clone_from(&dense.name);
    let apart = Report::join(vec![Report::new(vec![dense]), Report::new(vec![other])]);
    assert!(apart.models.iter().all(|model| model.name.contains('(')), "same names are told apart");
}

#[test]
fn markdown_has_every_table_with_the_best_in_bold() {
    let report = report();
    let text = markdown(&report);
    let perplexities = tables(&report).into_iter().find(|table| table.id == "perplexity").unwrap();
    assert_eq!(perplexities.best, [(0, 1)], "the dense model's is the lowest");
    assert!(perplexities.is_numeric(1) && !perplexities.is_numeric(3), "{:?}", perplexities.rows);
    let changed = tables(&report).into_iter().find(|table| table.id == "departure").unwrap();
    assert_eq!(changed.rows[0][2], "+10.0% ± 1.1%", "the error is of the difference");
    let mut uneven = report.clone();
    uneven.models[0].size.ranges = vec![(AxisKind::Ffn, [6, 10])];
    let [sizes, uneven] = [&report, &uneven].map(|report| tables(report).remove(0).rows.remove(0).remove(5));
    assert!(sizes.contains("ffn 10, ") && uneven.contains("ffn 6 to 10, "), "{sizes} {uneven}");
    let best: usize = tables(&report).iter().map(|table| table.best.len()).sum();
    assert_eq!(text.matches("| **").count(), best);
    for table in tables(&report) {
        assert!(text.contains(&format!("## {}", table.title)));
        assert!(table.rows.iter().all(|row| row.len() == table.header.len()), "{}", table.title);
    }
}

#[test]
fn scores_that_no_layer_has_are_no_map() {
    let mut report = report();
    let maps = heat_maps(&report).len();
    for score in &mut report.models[1].origin.as_mut().unwrap().scores {
        score.layer = None;
    }
    assert_eq!(heat_maps(&report).len(), maps - 1);
}

#[test]
fn the_page_needs_no_network_and_no_script() {
    let page = html(&report(), "Evaluation");
    for outside in ["http://", "https://", "<script", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("dense &lt;&amp;&quot;&gt;"));
}

#[test]
fn names_that_users_typed_are_text_wherever_they_stand() {
    let mut report = report();
    let nasty = "a|b `c` <img src=x onerror=alert(1)>\n| x | [y](z) 'q' \u{1b}[0m";
    for model in &mut report.models {
        model.name = nasty.into();
        model.series = Some(nasty.into());
        model.tasks.iter_mut().for_each(|task| (task.task, task.task_sha256) = (nasty.into(), "é".into()));
        model.perplexity.iter_mut().for_each(|text| text.data.path = nasty.into());
        if let Some(origin) = &mut model.origin {
            (origin.criterion, origin.plan_sha256) = (nasty.into(), "é".into());
            origin.scores[0].layer = Some(usize::MAX);
        }
    }
    let text = markdown(&report);
    for table in tables(&report) {
        let title = format!("## {}\n", table.title);
        let lines = text.split(&title).nth(1).unwrap().lines().skip_while(|line| !line.starts_with('|'));
        let lines: Vec<&str> = lines.take_while(|line| line.starts_with('|')).collect();
        assert_eq!(lines.len(), table.rows.len() + 2, "{}: no name ends a line", table.title);
        for line in lines {
            let columns = line.replace("\\|", "").matches('|').count();
            assert_eq!(columns, table.header.len() + 1, "{line}");
        }
    }
    let page = html(&report, nasty);
    for text in [&text, &page] {
        assert!(!text.contains("<img") || text.contains("\\<img"), "no name is a tag");
        assert!(!text.contains('\u{1b}'));
    }
    assert!(!page.contains("<img") && page.contains("&lt;img"));
}

/// Counts, at one width, what can be seen; opened from the file as a reader would.
const MEASURE: &str = r#"<script>
addEventListener('load', () => {
  const seen = e => { const b = e.getBoundingClientRect(); return b.width > 40 && b.height > 20; };
  const all = s => [...document.querySelectorAll(s)];
  const overlap = all('figure svg').filter(seen).flatMap(svg => {
    const boxes = [...svg.querySelectorAll('text.name')].map(t => t.getBoundingClientRect());
    return boxes.filter((a, i) => boxes.some((b, j) => i < j && a.left < b.right && b.left < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom));
  });
  const under = all('figure svg').filter(seen).flatMap(svg => {
    const boxes = [...svg.querySelectorAll('text.name')].map(t => t.getBoundingClientRect());
    const places = [...svg.querySelectorAll('polyline')].flatMap(curve =>
      Array.from({ length: Math.ceil(curve.getTotalLength()) }, (_, at) => curve.getPointAtLength(at).matrixTransform(curve.getScreenCTM())));
    return places.filter(p => boxes.some(b => b.left < p.x && p.x < b.right && b.top + 1 < p.y && p.y < b.bottom - 1));
  });
  const small = all('figure svg text').filter(t => { const b = t.getBoundingClientRect(); return b.width > 0 && parseFloat(getComputedStyle(t).fontSize) * t.ownerSVGElement.getBoundingClientRect().width / t.ownerSVGElement.viewBox.baseVal.width < 9.5; });
  const result = { width: innerWidth, sideways: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    tables: all('table').filter(seen).map(t => t.id), plots: all('figure').filter(f => [...f.querySelectorAll('svg')].filter(seen).length == 1).map(f => f.id),
    overlap: overlap.length, under: under.length, small: small.length,
    perplexity: Math.max(...all('#table-perplexity tr > :nth-child(2)').map(c => c.getBoundingClientRect().right)),
    hidden: all('.scroll').filter(s => s.scrollWidth > s.clientWidth && !getComputedStyle(s).backgroundImage.includes('gradient')).length };
  parent.postMessage(JSON.stringify(result), '*');
});
</script>"#;

/// A window that is narrower than browsers make theirs.
fn frame(width: u32) -> String {
    format!(
        "<!doctype html><link rel=icon href=data:,><script>addEventListener('message', e => document.title = 'measured ' + \
         e.data)</script><iframe src=report.html style='border:0;width:{width}px;height:2000px'></iframe>"
    )
}

/// Says where it is missed what is skipped.
fn chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths)
        .flat_map(|path| names.map(|name| path.join(name)))
        .find(|path| path.is_file());
    if found.is_none() {
        // Past what the harness captures. `.ci/run` fails where it is there.
        let why = "SKIPPED for want of chromium: none on PATH; apt-get install chromium";
        let _ = writeln!(std::io::stderr(), "{why}");
    }
    found
}

/// What a script on `report.html` of a directory says, opened in a window of so many pixels.
fn measured(browser: &Path, directory: &Path, width: u32) -> serde_json::Value {
    let framed = directory.join("frame.html");
    std::fs::write(&framed, frame(width)).unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=4000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", directory.join("profile").display()))
        .arg("--window-size=1400,2400")
        .arg(format!("file://{}", framed.display()))
        .output()
        .unwrap();
    let (dom, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!log.contains("CONSOLE"), "{log}");
    let said = dom.split("<title>measured ").nth(1).and_then(|rest| rest.split("</title>").next());
    let said = said.unwrap_or_else(|| panic!("the page was not measured: {log}"));
    serde_json::from_str(said).unwrap()
}

#[test]
fn every_table_and_plot_is_seen_at_the_width_of_a_desk_and_of_a_phone() {
    let Some(browser) = chromium() else { return };
    let report = report();
    let expected_tables: Vec<String> =
        tables(&report).iter().map(|table| format!("table-{}", table.id)).collect();
    let plots = charts(&report)
        .into_iter()
        .map(|chart| chart.id)
        .chain(heat_maps(&report).into_iter().map(|map| map.id));
    let mut expected_plots: Vec<String> = plots.map(|id| format!("plot-{id}")).collect();
    expected_plots.sort();
    assert_eq!(expected_tables.len(), 8, "{expected_tables:?}");
    assert_eq!(expected_plots.len(), 8, "{expected_plots:?}");
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("report.html");
    std::fs::write(&page, html(&report, "Evaluation").replace("</body>", &format!("{MEASURE}</body>")))
        .unwrap();
    // To look at.
    if let Some(kept) = std::env::var_os("DRESS_PAGE") {
        std::fs::write(kept, html(&report, "Evaluation")).unwrap();
    }
    for width in [1280, 375] {
        let measured = measured(&browser, directory.path(), width);
        let ids = |name: &str| {
            let found = measured[name].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_string());
            let mut found: Vec<String> = found.collect();
            found.sort();
            found
        };
        let mut tables = expected_tables.clone();
        tables.sort();
        assert_eq!(measured["width"], width, "{measured}");
        assert_eq!(ids("tables"), tables);
        assert_eq!(ids("plots"), expected_plots);
        assert_eq!(measured["sideways"], 0, "the page itself does not scroll sideways");
        for nothing in ["overlap", "under", "small"] {
            assert_eq!(measured[nothing], 0, "{nothing}: {measured}");
        }
        assert!(
            measured["perplexity"].as_f64().unwrap() <= f64::from(width),
            "the column is on the screen: {measured}"
        );
        assert_eq!(measured["hidden"], 0, "a table that goes on beside the screen shows that it does");
    }
}

/// Counts the names in a picture, those that lie on each other, and the places of curves that lie under one.
const MEASURE_NAMES: &str = r#"<script>
addEventListener('load', () => {
  const boxes = [...document.querySelectorAll('text.name')].map(t => t.getBoundingClientRect());
  const overlap = boxes.filter((a, i) => boxes.some((b, j) => i < j && a.left < b.right && b.left < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom));
  let under = 0;
  for (const curve of document.querySelectorAll('polyline')) {
    for (let at = 0; at < curve.getTotalLength(); at++) {
      const p = curve.getPointAtLength(at).matrixTransform(curve.getScreenCTM());
      under += boxes.some(b => b.left < p.x && p.x < b.right && b.top + 1 < p.y && p.y < b.bottom - 1);
    }
  }
  const outside = boxes.filter(b => b.left < 0 || b.right > document.querySelector('svg').getBoundingClientRect().right);
  parent.postMessage(JSON.stringify({ names: boxes.length, overlap: overlap.length, under, outside: outside.length }), '*');
});
</script>"#;

#[test]
fn names_in_the_picture_of_a_run_are_seen_beside_its_curve_and_each_other() {
    let Some(browser) = chromium() else { return };
    // A loss of small steps, which is all over the panel.
    let points = (0..80).map(|i| (128.0 * f64::from(i), 3.0 + 0.1 * f64::from(i * 37 % 19)));
    let series = vec![Series { name: "of each step's blocks".into(), points: points.collect() }];
    let mark = |label: &str, place| Mark { label: label.into(), place };
    let marks = vec![
        mark("sliced after step 79", Place::AtX(10_000.0)),
        mark("dense, held back: 3.900", Place::AtY(3.9)),
        mark("result, held back: 3.931", Place::AtY(3.931)),
    ];
    let (title, x_label, y_label) = ("a run".into(), "tokens seen".into(), "loss, nats a token".into());
    let picture = picture(&[Panel { title, x_label, y_label, series, marks, ..Panel::default() }]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let page = format!("<!doctype html><meta charset=utf-8><body>{}{MEASURE_NAMES}</body>", picture.svg());
    std::fs::write(directory.path().join("report.html"), page).unwrap();
    let found = measured(&browser, directory.path(), 1280);
    assert_eq!(found, serde_json::json!({ "names": 3, "overlap": 0, "under": 0, "outside": 0 }));
}
