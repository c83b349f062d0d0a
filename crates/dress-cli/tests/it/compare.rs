//! `dress compare`, and checkpoints whose layers differ.

use crate::{Paths, dress, evaluate, json, model, refusal, text};
use serde_json::Value;
use std::fs;

fn arguments(paths: &Paths, presets: &str) -> Vec<String> {
    let model = model().display().to_string();
    let unseen = model.clone() + "/../../../docs/architecture.md";
    let (calibration, data, out) = (text("calibration.txt"), text("heldout.txt"), paths.path("out"));
    let fixed =
        ["--samples", "4", "--seqlen", "32", "--eval-seqlen", "64", "--max-blocks", "2", "--ratios", "0.2"];
    let named = [
        ("--model", model.as_str()),
        ("--calibration", &calibration),
        ("--data", &data),
        ("--unseen", &unseen),
        ("--out", &out),
        ("--presets", presets),
    ];
    let named = named.iter().flat_map(|(name, value)| [*name, *value]);
    std::iter::once("compare").chain(named).chain(fixed).map(String::from).collect()
}

/// The same with another value of an option.
fn with(arguments: &[String], option: &str, value: &str) -> Vec<String> {
    let at = arguments.iter().position(|argument| argument == option).unwrap();
    let mut changed = arguments.to_vec();
    changed[at + 1] = value.into();
    changed
}

fn run(arguments: &[String], more: &[&str]) -> Value {
    let all: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
    json(&dress(&[&all[..], &["--json"]].concat()))
}

fn cell<'a>(comparison: &'a Value, preset: &str) -> &'a Value {
    let cells = comparison["cells"].as_array().unwrap();
    cells.iter().find(|cell| cell["preset"].as_str().unwrap_or("dense") == preset).unwrap()
}

#[test]
fn a_cell_that_another_process_has_finished_is_not_measured_again() {
    let paths = Paths::new();
    let arguments = arguments(&paths, "magnitude");
    run(&arguments, &[]);
    let kept = || -> Vec<(String, Vec<u8>)> {
        let entries = fs::read_dir(paths.path("out/cells")).unwrap().map(|entry| entry.unwrap());
        let read =
            |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
        let mut files: Vec<_> = entries.map(read).collect();
        files.sort();
        files
    };
    let before = kept();
    let words: Vec<&str> = arguments.iter().map(String::as_str).chain(["--cell", "dense"]).collect();
    assert!(dress(&words).status.success());
    assert!(kept() == before && before.len() == 2, "it has the seconds of the first");
}

#[test]
fn methods_are_compared_at_equal_parameters_and_finished_cells_are_used_again() {
    let paths = Paths::new();
    let arguments = arguments(&paths, "magnitude,flap,dress");
    let first = run(&arguments, &[]);
    assert_eq!((first["schema"].as_u64(), first["cells"].as_array().unwrap().len()), (Some(2), 4));
    let dense = cell(&first, "dense")["parameters"].as_f64().unwrap();
    for preset in ["magnitude", "flap", "dress"] {
        let cell = cell(&first, preset);
        let left = cell["parameters"].as_f64().unwrap() / dense;
        // Where flap cuts its ranking at one of this small model's heads, it is up to half of one off.
        let off = if preset == "flap" { 0.014 } else { 0.005 };
        assert!((left / 0.8 - 1.0).abs() <= off, "{preset}: {left}");
        assert!(cell["seen"]["perplexity"].as_f64().unwrap() > 1.0);
        assert_ne!(cell["seen"]["data"]["sha256"], cell["unseen"]["data"]["sha256"]);
        assert_eq!(cell["training_tokens"], if preset == "dress" { 4 * 32 } else { 0 });
        #[cfg(target_os = "linux")]
        assert!(cell["peak_bytes"].as_u64().unwrap() > 10 << 20);
    }
    let table = fs::read_to_string(paths.path("out/compare.md")).unwrap();
    assert!(table.lines().count() > 6 && table.contains("| flap | 0.2 |"), "{table}");
    let drawn = fs::read_to_string(paths.path("out/compare.svg")).unwrap();
    assert!(drawn.contains("million parameters") && drawn.contains("flap"));
    assert!(fs::read(paths.path("out/compare.png")).unwrap().starts_with(b"\x89PNG"));
    let mut left: Vec<_> = fs::read_dir(paths.path("out"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    let reports = ["report.html", "report.json", "report.md"];
    let own = ["cells", "compare.json", "compare.md", "compare.png", "compare.svg"];
    assert_eq!(left, [&own[..], &reports[..]].concat());
    let page = fs::read_to_string(paths.path("out/report.html")).unwrap();
    assert!(
        page.contains("dress@0.2") && page.contains("plot-perplexity") && page.contains("<svg"),
        "{page}"
    );
    let joined = json(&dress(&["report", &paths.path("out"), "--json"]));
    assert_eq!(joined["models"].as_array().unwrap().len(), 4);
    assert_eq!(joined["models"][3]["series"], "dress");

    // Seconds and all: nothing ran again.
    assert_eq!(run(&arguments, &[]), first);
    let said = dress(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(String::from_utf8(said.stdout).unwrap().contains("4 of 4 cells were there already"));
    let other = run(&arguments, &["--lambda", "3"]);
    for preset in ["dense", "magnitude", "flap"] {
        assert_eq!(cell(&other, preset), cell(&first, preset));
    }
    assert_ne!(cell(&other, "dress")["key"], cell(&first, "dress")["key"]);
    let again = run(&with(&arguments, "--max-blocks", "1"), &[]);
    assert_ne!(cell(&again, "dense")["key"], cell(&first, "dense")["key"]);
}

#[test]
fn a_damaged_cell_is_refused_and_a_failed_one_leaves_the_others() {
    let paths = Paths::new();
    let whole = arguments(&paths, "magnitude");
    let first = run(&whole, &[]);
    for entry in fs::read_dir(paths.path("out/cells")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() / 2]).unwrap();
    }
    let said = refusal(&whole.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(said.contains("damaged") && said.contains("remove that file"), "{said}");
    fs::remove_dir_all(paths.path("out/cells")).unwrap();
    let again = run(&whole, &[]);
    assert_eq!(
        cell(&again, "magnitude")["seen"]["perplexity"],
        cell(&first, "magnitude")["seen"]["perplexity"]
    );

    // A penalty without a proximal step shows only when that cell runs.
    let mut failing: Vec<String> = arguments(&paths, "dress,magnitude");
    failing.extend(["--penalty", "l2"].map(String::from));
    let output = dress(&failing.iter().map(String::as_str).collect::<Vec<_>>());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("dress@0.2") && said.contains("no proximal step"),
        "{said}"
    );
    let kept: Value =
        serde_json::from_str(&fs::read_to_string(paths.path("out/compare.json")).unwrap()).unwrap();
    assert_eq!(kept["failed"], serde_json::json!(["dress@0.2"]));
    assert_eq!(cell(&kept, "magnitude"), cell(&again, "magnitude"));
}

#[test]
fn what_cannot_be_compared_is_refused_before_any_work() {
    let paths = Paths::new();
    let whole = arguments(&paths, "flap");
    let refused = |arguments: &[String]| refusal(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let stock: Vec<String> = whole.iter().cloned().chain(["--target", "any"].map(String::from)).collect();
    assert!(refused(&stock).contains("--target dress"));
    assert!(refused(&with(&whole, "--eval-seqlen", "2048")).contains("1024 positions"));
    assert!(refused(&with(&whole, "--seqlen", "2048")).contains("1024 positions"));
    assert!(refused(&with(&whole, "--unseen", "/nowhere.txt")).contains("/nowhere.txt: cannot be read"));
    let ignored: Vec<String> = arguments(&paths, "dress")
        .into_iter()
        .chain(["--no-penalty", "--lambda", "3"].map(String::from))
        .collect();
    assert!(refused(&ignored).contains("--lambda has no effect with --no-penalty"));
    let at = whole.iter().position(|argument| argument == "--calibration").unwrap();
    let without: Vec<String> = whole[..at].iter().chain(&whole[at + 2..]).cloned().collect();
    assert!(refused(&without).contains("--calibration"));
}

#[test]
fn layers_that_differ_go_through_every_command() {
    let (paths, model, calibration) = (Paths::new(), model().display().to_string(), text("calibration.txt"));
    let out = paths.path("out");
    let common = ["--model", &model, "--calibration", &calibration, "--samples", "4", "--seqlen", "32"];
    let what = ["--axis", "ffn", "--params", "0.8", "--per-layer", "--criterion", "flap"];
    let prune = ["prune", "--no-regularize", "--compensate", "bias", "--out", &out];
    let prune = [&prune[..], &common, &what].concat();
    assert!(refusal(&prune).contains("--target dress"));
    let report = json(&dress(&[&prune[..], &["--target", "dress", "--json"]].concat()));
    let share = report["parameters"].as_f64().unwrap() / report["parameters_before"].as_f64().unwrap();
    assert!((share / 0.8 - 1.0).abs() <= 0.005, "{share}");
    let shape = json(&dress(&["inspect", "--model", &out, "--json"]));
    let each = shape["axes"].as_array().unwrap().iter().find(|axis| axis["kind"] == "ffn").unwrap();
    let each = each["structures_of_each"].as_array().unwrap();
    assert_eq!(each.len(), 5);
    let config: Value =
        serde_json::from_str(&fs::read_to_string(paths.path("out/config.json")).unwrap()).unwrap();
    assert_eq!(config["dress"]["ffn"].as_array(), Some(each));
    assert_eq!(config["mlp_bias"], true);
    assert_eq!(evaluate(&out)["parameters"], report["parameters"]);

    let (plan, sliced) = (paths.path("plan.json"), paths.path("sliced"));
    let score =
        [&["score", "--stream", "--target", "dress", "--out", &plan, "--json"][..], &common, &what].concat();
    json(&dress(&score));
    let slice = ["slice", "--plan", &plan, &model, &sliced];
    assert!(refusal(&slice).contains("--target dress"));
    json(&dress(&[&slice[..], &["--target", "dress", "--json"]].concat()));
    assert!(evaluate(&sliced)["perplexity"].as_f64().unwrap() > 1.0);
    let generate = ["generate", "--model", &sliced, "--prompt", "And", "--max-new-tokens", "4", "--json"];
    assert_eq!(json(&dress(&generate))["tokens"].as_array().unwrap().len(), 4);
    let depth =
        ["score", "--model", &model, "--axis", "depth", "--ratio", "0.2", "--per-layer", "--out", "x"];
    assert!(refusal(&depth).contains("--axis depth in a run of its own"));
}

#[test]
fn two_ratios_of_one_shape_and_a_text_that_was_calibrated_on_are_said() {
    let paths = Paths::new();
    let whole = with(
        &with(&arguments(&paths, "shortgpt"), "--ratios", "0.2,0.21"),
        "--unseen",
        &text("calibration.txt"),
    );
    let output = dress(&whole.iter().map(String::as_str).collect::<Vec<_>>());
    let (said, warned) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(said.contains("`shortgpt@0.2` and `shortgpt@0.21` are one shape"), "{said}");
    assert!(
        warned.contains("--unseen is the text of --calibration") && !warned.contains("--data"),
        "{warned}"
    );
}
