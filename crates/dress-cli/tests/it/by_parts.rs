//! Layers regularized one at a time with one layer in memory, on one machine and on several.

use crate::{Paths, dress, json, model, refusal, text};
use std::fs;
use std::path::Path;

/// `dress prune` of the neurons and head groups, one layer at a time on dense inputs, with more options.
fn prune(paths: &Paths, out: &str, more: &[&str]) -> Vec<String> {
    let fixed = ["--axis", "ffn,heads", "--ratio", "0.25,0.5", "--local", "--local-inputs", "dense"];
    let words = ["--calibration", &text("calibration.txt"), "--out", &paths.path(out)].map(String::from);
    let model = ["prune".to_string(), "--model".into(), model().display().to_string()];
    let drawn = ["--compensate", "ridge", "--seqlen", "32"];
    let mut args: Vec<String> = model.into_iter().chain(words).collect();
    args.extend(fixed.iter().chain(&drawn).chain(more).map(ToString::to_string));
    if !more.contains(&"--samples") {
        args.extend(["--samples", "8"].map(String::from));
    }
    args
}

fn run(args: &[String]) -> serde_json::Value {
    let args: Vec<&str> = args.iter().map(String::as_str).chain(["--json"]).collect();
    json(&dress(&args))
}

fn refused(args: &[String]) -> String {
    refusal(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

fn join<'a>(parts: &[&'a str], out: &'a str) -> Vec<String> {
    let model = model().display().to_string();
    let fixed = ["join", "--model", &model, "--out", out].map(String::from);
    fixed.into_iter().chain(parts.iter().map(ToString::to_string)).collect()
}

/// Every file of a checkpoint that does not say when and by which command it was made.
fn files(checkpoint: &str) -> Vec<(String, Vec<u8>)> {
    let mut names: Vec<_> =
        fs::read_dir(checkpoint).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let names = names.into_iter().map(|name| name.into_string().unwrap());
    let same = names.filter(|name| !["dress.json", "README.md"].contains(&name.as_str()));
    same.map(|name| (name.clone(), fs::read(Path::new(checkpoint).join(name)).unwrap())).collect()
}

#[test]
fn parts_of_several_machines_joined_are_the_bits_of_one_run() {
    let paths = Paths::new();
    let (one, joined, streams) = (paths.path("one"), paths.path("joined"), paths.path("streams"));
    let report = run(&prune(&paths, "one", &["--stream"]));
    assert!(report["parameters"].as_u64() < report["parameters_before"].as_u64(), "{report}");

    let model = model().display().to_string();
    let mut keep = vec!["stream", "--model", &model, "--out", &streams, "--layers", "2..5", "--json"];
    let calibration = text("calibration.txt");
    keep.extend(["--calibration", &calibration, "--samples", "8", "--seqlen", "32"]);
    assert_eq!(json(&dress(&keep))["blocks"], 8);
    run(&prune(&paths, "low", &["--layers", "0..2"]));
    run(&prune(&paths, "high", &["--layers", "2..5", "--streams", &streams]));
    let (low, high) = (paths.path("low"), paths.path("high"));
    let said = refused(&join(&[&high], &joined));
    assert!(said.contains("no part has finished layers 0, 1"), "{said}");
    let said = refused(&join(&[&low, &high, &low], &joined));
    assert!(said.contains("layer 0 is in") && said.contains("low"), "{said}");
    let report = run(&join(&[&high, &low], &joined));
    assert_eq!(files(&one), files(&joined));
    assert!(files(&one).iter().any(|(name, _)| name == "model-00001-of-00006.safetensors"));

    let dense = json(&dress(&["inspect", "--model", &joined, "--json"]));
    assert_eq!(dense["parameters"], report["parameters"]);
    let mut names = paths.names();
    names.sort();
    assert_eq!(names, ["high", "joined", "low", "one", "streams"], "nothing else is left");
}

#[test]
fn a_foreign_part_is_refused_by_name() {
    let paths = Paths::new();
    let plan = paths.path("plan.json");
    let (model, calibration) = (model().display().to_string(), text("calibration.txt"));
    let score = ["score", "--model", &model, "--axis", "ffn", "--ratio", "0.25", "--out", &plan];
    let data = ["--calibration", &calibration, "--samples", "8", "--seqlen", "32", "--json"];
    json(&dress(&[&score[..], &data].concat()));
    let planned = |out: &str, layers: &str, more: &[&str]| {
        let mut args =
            vec!["prune", "--model", &model, "--plan", &plan, "--local", "--local-inputs", "dense"];
        let out = paths.path(out);
        args.extend(["--layers", layers, "--out", &out, "--calibration", &calibration, "--seqlen", "32"]);
        args.extend(more);
        json(&dress(&[&args[..], &["--json"]].concat()));
    };
    planned("low", "0..3", &["--samples", "4"]);
    planned("settings", "3..5", &["--samples", "4", "--lambda", "4"]);
    planned("data", "3..5", &["--samples", "5"]);
    run(&prune(&paths, "plan", &["--layers", "3..5", "--samples", "4"]));
    let low = paths.path("low");
    for (name, says) in [
        ("settings", "other settings (settings.lambda 5.0 there and 4.0 here"),
        ("data", "other data"),
        ("plan", "another plan"),
    ] {
        let part = paths.path(name);
        let said = refused(&join(&[&low, &part], &paths.path("out")));
        assert!(said.contains(&part) && said.contains(says), "{name}: {said}");
    }
    let said = refused(&join(&[&low, &model], &paths.path("out")));
    assert!(said.contains("not a part of a run over layers"), "{said}");
    fs::remove_file(paths.path("low/layer-1/finished.json")).unwrap();
    let said = refused(&join(&[&low], &paths.path("out")));
    assert!(said.contains("layers 1, 3, 4"), "{said}");
}

#[test]
fn what_needs_more_than_one_layer_is_refused() {
    let paths = Paths::new();
    let said = refused(&prune(&paths, "out", &["--stream", "--rounds", "2"]));
    assert!(said.contains("several rounds needs the whole model"), "{said}");
    let said = refused(&prune(&paths, "out", &["--layers", "3..6"]));
    assert!(said.contains("3..6") && said.contains("has 5"), "{said}");
    fs::create_dir(paths.path("out")).unwrap();
    fs::write(paths.path("out/thesis.txt"), "precious").unwrap();
    let said = refused(&prune(&paths, "out", &["--layers", "0..1"]));
    assert!(said.contains("already exists"), "{said}");
}
