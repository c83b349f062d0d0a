//! `dress ablate`, and pruning by a plan made before.

use crate::{Paths, dress, json, model, refusal, text};
use serde_json::Value;
use std::fs;

fn arguments(paths: &Paths, more: &[&str]) -> Vec<String> {
    let (model, out) = (model().display().to_string(), paths.path("out"));
    let (calibration, data) = (text("calibration.txt"), text("heldout.txt"));
    let named = ["ablate", "--model", &model, "--calibration", &calibration, "--data", &data, "--out", &out];
    let small = ["--axis", "residual", "--ratio", "0.25", "--samples", "4", "--seqlen", "32"];
    let evaluation = ["--eval-seqlen", "64", "--max-blocks", "2"];
    [&named[..], &small, &evaluation, more].concat().into_iter().map(String::from).collect()
}

/// What a command prints on standard output, of a run so short that it may say that it hurts.
fn roughly(args: &[&str]) -> Value {
    let done = dress(args);
    let warning = String::from_utf8_lossy(&done.stderr);
    let hurts = |line: &str| {
        line.contains("the loss on the blocks of the first step went from")
            || line.contains(crate::NOT_IN_FULL)
    };
    assert!(done.status.success() && warning.lines().all(hurts), "{warning}");
    serde_json::from_slice(&done.stdout).unwrap()
}

fn run(arguments: &[String]) -> Value {
    let words: Vec<&str> = arguments.iter().map(String::as_str).chain(["--json"]).collect();
    roughly(&words)
}

fn refused(arguments: &[String]) -> String {
    refusal(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

fn names(ablation: &Value) -> Vec<&str> {
    let rows = ablation["rows"].as_array().unwrap();
    rows.iter().map(|row| row["name"].as_str().unwrap()).collect()
}

fn row<'a>(ablation: &'a Value, name: &str) -> &'a Value {
    let rows = ablation["rows"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).unwrap()
}

fn files(paths: &Paths, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(paths.path(folder)).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn one_setting_is_varied_at_a_time_and_the_controls_are_there() {
    let paths = Paths::new();
    // Of lambda's values 5 is the base's own.
    let varied = ["--vary", "lambda=2,5", "--vary", "gate=none,cosine:0.5", "--vary", "basis=identity"];
    let more = ["--also", "penalty=l1,axis=residual+ffn", "--control", "--seeds", "1,2"];
    let ablation = run(&arguments(&paths, &[&varied[..], &more].concat()));
    let expected = [
        "dense",
        "base",
        "lambda=2",
        "gate=cosine:0.5",
        "basis=identity",
        "penalty=l1 axis=residual+ffn",
        "control: sliced directly",
        "control: sliced first, then trained",
        "control: trained without a penalty, then sliced",
    ];
    assert_eq!(names(&ablation), expected);
    assert_eq!(
        ablation["base_of_varied"],
        serde_json::json!(["lambda=5", "gate left out", "basis left out"])
    );
    assert_eq!((&ablation["seeds"], &ablation["reused"]), (&serde_json::json!([1, 2]), &0.into()));

    let dense = row(&ablation, "dense")["cells"][0].clone();
    for name in &expected[1..] {
        let row = row(&ablation, name);
        let cells = row["cells"].as_array().unwrap();
        let seeds: Vec<u64> = cells.iter().map(|cell| cell["seed"].as_u64().unwrap()).collect();
        assert_eq!(seeds, [1, 2], "{name}");
        assert!(cells.iter().all(|cell| cell["parameters"].as_u64() < dense["parameters"].as_u64()));
        // Every control trains for as many steps as the base, but the one that does not train.
        let tokens = if name.ends_with("directly") { 0 } else { 4 * 32 };
        assert!(cells.iter().all(|cell| cell["training_tokens"] == tokens), "{name}");
        let [one, two] = [0, 1].map(|seed| cells[seed]["seen"]["perplexity"].as_f64().unwrap());
        let seen = &row["summary"]["seen"];
        assert_eq!(seen["mean"].as_f64().unwrap(), (one + two) / 2.0);
        assert_eq!((&seen["least"], &seen["greatest"]), (&one.min(two).into(), &one.max(two).into()));
    }
    assert_eq!(row(&ablation, "base")["summary"]["to_base"]["greatest"], 1.0);
    let perplexity =
        |name: &str, seed: usize| row(&ablation, name)["cells"][seed]["seen"]["perplexity"].as_f64().unwrap();
    let ratios = [0, 1].map(|seed| perplexity("lambda=2", seed) / perplexity("base", seed));
    let to_base = &row(&ablation, "lambda=2")["summary"]["to_base"];
    assert_eq!(to_base["greatest"], ratios[0].max(ratios[1]), "what is of one seed is compared");
    let setting = |name: &str, option: &str| row(&ablation, name)["cells"][0]["settings"][option].clone();
    assert_eq!(setting("lambda=2", "lambda"), "2");
    assert_eq!(setting("penalty=l1 axis=residual+ffn", "axis"), "residual,ffn");
    assert_eq!(setting("penalty=l1 axis=residual+ffn", "learning-rate"), "0.0001", "a default is named too");
    assert_eq!(setting("base", "lambda"), "5");
    let best = ablation["best"].as_str().unwrap();
    let mean = |name: &str| row(&ablation, name)["summary"]["seen"]["mean"].as_f64().unwrap();
    assert!(expected[1..].iter().all(|name| mean(best) <= mean(name)));

    let table = fs::read_to_string(paths.path("out/ablate.md")).unwrap();
    assert!(table.contains(&format!("| **{best}** | 2 |")) && table.contains("| dense |"), "{table}");
    assert!(!table.contains("unseen") && table.contains(" to "), "{table}");
    let picture = fs::read_to_string(paths.path("out/ablate.svg")).unwrap();
    assert!(picture.contains("gate=cosine:0.5") && picture.contains("perplexity"));
    assert!(fs::read(paths.path("out/ablate.png")).unwrap().starts_with(b"\x89PNG"));
    assert_eq!(files(&paths, "out"), ["ablate.json", "ablate.md", "ablate.png", "ablate.svg", "cells"]);
    assert_eq!(files(&paths, "out/cells").len(), 1 + 8 * 2, "nothing of the training is left");
}

#[test]
fn a_grid_runs_once_and_only_what_is_missing_runs_again() {
    let paths = Paths::new();
    let unseen = model().display().to_string() + "/../../../docs/architecture.md";
    let grid = ["--grid", "--vary", "lambda=2,5", "--vary", "penalty=group,l1", "--unseen", &unseen];
    let arguments = arguments(&paths, &grid);
    let first = run(&arguments);
    // The base is one of the four.
    let expected = ["dense", "base", "lambda=2 penalty=group", "lambda=2 penalty=l1", "lambda=5 penalty=l1"];
    assert_eq!(names(&first), expected);
    assert!(row(&first, "base")["summary"]["unseen"]["mean"].as_f64().unwrap() > 1.0);

    // Seconds and all: nothing ran again, and it says so.
    let second = run(&arguments);
    assert_eq!((&second["rows"], &second["reused"]), (&first["rows"], &5.into()));
    let said = dress(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(String::from_utf8(said.stdout).unwrap().contains("5 of 5 cells were there already"));

    // Another base, of which some rows were there under another name.
    let other: Vec<String> = arguments.iter().cloned().chain(["--penalty", "l1"].map(String::from)).collect();
    assert_eq!(run(&other)["reused"], 5);

    let key = row(&first, "lambda=2 penalty=l1")["cells"][0]["key"].as_str().unwrap();
    let lost = paths.path("out/cells/seed-42-") + &key[..12] + ".json";
    fs::remove_file(&lost).unwrap();
    // As a run that was killed leaves it.
    fs::create_dir(paths.path("out/cells/") + &key[..12] + ".run").unwrap();
    let third = run(&arguments);
    assert_eq!(third["reused"], 4);
    for name in expected {
        let (before, after) = (row(&first, name), row(&third, name));
        assert_eq!(before["summary"]["seen"], after["summary"]["seen"], "{name}: the same figures");
        let again = name == "lambda=2 penalty=l1";
        assert_eq!(before["cells"][0]["seconds"] != after["cells"][0]["seconds"], again, "{name}");
    }
    assert_eq!(files(&paths, "out/cells").len(), 5);
}

#[test]
fn damaged_cells_are_refused_by_name_and_measured_again_by_force() {
    let paths = Paths::new();
    let arguments = arguments(&paths, &["--vary", "lambda=2"]);
    let first = run(&arguments);
    for file in files(&paths, "out/cells") {
        let path = paths.path("out/cells/") + &file;
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    }
    let said = refused(&arguments);
    assert!(said.contains("out/cells/") && said.contains("damaged"), "{said}");
    let forced: Vec<String> = arguments.iter().cloned().chain(["--force".into()]).collect();
    let again = run(&forced);
    assert_eq!(again["reused"], 0);
    for name in ["dense", "base", "lambda=2"] {
        assert_eq!(row(&first, name)["summary"]["seen"], row(&again, name)["summary"]["seen"], "{name}");
    }
}

#[test]
fn what_cannot_be_is_refused_before_anything_runs() {
    let paths = Paths::new();
    let said = |more: &[&str]| {
        let said = refused(&arguments(&paths, more));
        assert!(!fs::exists(paths.path("out")).unwrap(), "{said}");
        said
    };
    let misspelt = said(&["--vary", "gate=constant", "--vary", "lamda=1,5"]);
    assert!(misspelt.contains("`lamda`") && misspelt.contains("learning-rate-decay"), "{misspelt}");
    let wrong = said(&["--vary", "lambda=1,5", "--vary", "gate=constant,cosinus:0.2"]);
    assert!(wrong.contains("gate=cosinus:0.2") && wrong.contains("--gate"), "{wrong}");
    let negative = said(&["--vary", "lambda=1,-5"]);
    assert!(negative.contains("row `lambda=-5`") && negative.contains("lambda is -5"), "{negative}");
    assert!(said(&["--vary", "kept-only=perhaps"]).contains("on or off"));
    assert!(said(&["--also", "kept-only=on,penalty-in-loss=on"]).contains("not trained"));
    assert!(said(&["--vary", "plan=/nowhere.json"]).contains("/nowhere.json"));
    assert!(said(&["--vary", "ratio=0.25,0.001"]).contains("ratio=0.001"));
}

#[test]
fn a_row_that_fails_leaves_the_others() {
    let paths = Paths::new();
    // A learning rate at which training diverges shows only when that cell runs.
    let arguments = arguments(&paths, &["--vary", "learning-rate=1e3", "--vary", "lambda=2"]);
    let output = dress(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("learning-rate=1e3, seed 42"), "{said}");
    assert!(said.contains("training diverged") && said.contains("lower --learning-rate"), "{said}");
    let kept: Value =
        serde_json::from_str(&fs::read_to_string(paths.path("out/ablate.json")).unwrap()).unwrap();
    assert_eq!(kept["failed"], serde_json::json!(["learning-rate=1e3, seed 42"]));
    assert_eq!(row(&kept, "lambda=2")["cells"].as_array().unwrap().len(), 1);
    assert!(fs::read_to_string(paths.path("out/ablate.md")).unwrap().contains("none finished"));
}

#[test]
fn a_plan_made_before_is_one_of_the_settings() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let (plan, out, calibration) = (paths.path("plan.json"), paths.path("pruned"), text("calibration.txt"));
    let score = ["score", "--model", &model, "--criterion", "magnitude-l2", "--axis", "residual,ffn"];
    json(&dress(&[&score[..], &["--ratio", "0.25", "--out", &plan, "--json"]].concat()));
    let planned: Value = serde_json::from_str(&fs::read_to_string(&plan).unwrap()).unwrap();

    let prune = ["prune", "--model", &model, "--plan", &plan, "--calibration", &calibration];
    let prune = [&prune[..], &["--samples", "4", "--seqlen", "32", "--out", &out, "--json"]].concat();
    let report = roughly(&prune);
    assert_eq!((&report["kept"]["residual"], &report["steps"]), (&serde_json::json!([144, 192]), &4.into()));
    let written: Value =
        serde_json::from_str(&fs::read_to_string(paths.path("pruned/plan.json")).unwrap()).unwrap();
    assert_eq!(written, planned);
    let (first, again) = (paths.path("first"), paths.path("again"));
    let data = ["--calibration", &calibration, "--samples", "4", "--seqlen", "32", "--json"];
    let turned = ["prune", "--model", &model, "--axis", "residual", "--ratio", "0.25", "--no-regularize"];
    json(&dress(&[&turned[..], &data, &["--out", &first]].concat()));
    let as_planned = ["prune", "--model", &model, "--plan", &format!("{first}/plan.json"), "--out", &again];
    roughly(&[&as_planned[..], &data].concat());
    let about = fs::read_to_string(paths.path("again/dress.json")).unwrap();
    let about: Value = serde_json::from_str(&about).unwrap();
    assert_eq!(about["settings"]["basis"], "pca-tied", "the plan's");
    assert_eq!(about["regularize"]["train"]["learning_rate"]["peak"], 1e-4);
    let both = dress(&[&prune[..], &["--force", "--criterion", "wanda"]].concat());
    assert!(String::from_utf8(both.stderr).unwrap().contains("cannot be used with"));
    let other = model.replace("llama3-kjv", "llama2-kjv");
    let stranger: Vec<&str> =
        prune.iter().map(|word| if *word == model { other.as_str() } else { word }).collect();
    let stranger = [&stranger[..], &["--force"]].concat();
    assert!(refusal(&stranger).contains("this plan was made for the model with fingerprint"));

    let vary = format!("plan=none,{plan}");
    let ablation = run(&arguments(&paths, &["--vary", &vary]));
    assert_eq!(names(&ablation).len(), 3);
    let cell = &row(&ablation, "plan=plan.json")["cells"][0];
    assert_eq!(cell["criterion"], "magnitude-l2");
    assert_eq!((&cell["kept"][0]["kind"], &cell["kept"][1]["kind"]), (&"residual".into(), &"ffn".into()));
    fs::create_dir(paths.path("elsewhere")).unwrap();
    let elsewhere = paths.path("elsewhere/plan.json");
    fs::copy(&plan, &elsewhere).unwrap();
    // Another plan in the same file is another cell.
    let half = ["--ratio", "0.5", "--out", &plan, "--force", "--json"];
    json(&dress(&[&score[..], &half].concat()));
    let again = run(&arguments(&paths, &["--vary", &vary]));
    assert_eq!(again["reused"], 2);
    // Two files of one name are two rows, which do not say where the files are.
    let both = run(&arguments(&paths, &["--vary", &format!("{vary},{elsewhere}")]));
    assert_eq!((names(&both).len(), &both["reused"]), (4, &4.into()));
    let measured = |name: &str| row(&both, name)["cells"][0]["key"].clone();
    assert_eq!(measured("plan=plan.json (2)"), cell["key"], "{both}");
    assert_ne!(measured("plan=plan.json"), cell["key"]);
    assert!(!fs::read_to_string(paths.path("out/ablate.json")).unwrap().contains(&elsewhere));
}
