//! Rotating a checkpoint from the command line.

use crate::{Paths, dress, evaluate, json, model, refusal, text};
use serde_json::Value;
use std::fs;

fn rotate<'a>(model: &'a str, out: &'a str, calibration: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["rotate", "--model", model, "--out", out, "--calibration", calibration];
    args.extend(["--samples", "4", "--seqlen", "64", "--json"]);
    args.extend(more);
    args
}

#[test]
fn a_checkpoint_rotated_from_file_to_file_is_scored_and_sliced() {
    let (paths, model, calibration) = (Paths::new(), model().display().to_string(), text("calibration.txt"));
    let [turned, plan, sliced] = ["turned", "plan.json", "sliced"].map(|name| paths.path(name));
    let report = json(&dress(&rotate(&model, &turned, &calibration, &["--stream"])));
    assert_eq!(report["basis"], "pca-tied");
    assert_eq!(report["parameters"], report["parameters_before"]);
    assert_eq!(report["energy"].as_array().unwrap().len(), 192);

    let mut score = vec!["score", "--model", &turned, "--axis", "residual", "--ratio", "0.25", "--json"];
    score.extend([
        "--calibration",
        &calibration,
        "--samples",
        "4",
        "--seqlen",
        "64",
        "--stream",
        "--out",
        &plan,
    ]);
    json(&dress(&score));
    json(&dress(&["slice", "--plan", &plan, &turned, &sliced, "--json"]));
    let (whole, less) = (evaluate(&turned), evaluate(&sliced));
    assert_eq!(whole["parameters"], report["parameters"]);
    assert!(less["parameters"].as_u64() < whole["parameters"].as_u64());
    // The dense checkpoint sliced likewise, in its own channels.
    let [plain, worse] = ["plain.json", "worse"].map(|name| paths.path(name));
    (score[2], *score.last_mut().unwrap()) = (&model, &plain);
    json(&dress(&score));
    json(&dress(&["slice", "--plan", &plain, &model, &worse, "--json"]));
    let perplexity = |evaluated: &Value| evaluated["perplexity"].as_f64().unwrap();
    assert!(perplexity(&less) < perplexity(&evaluate(&worse)), "{less}");
}

#[test]
fn principal_components_leave_the_perplexity_however_they_are_computed() {
    let (paths, model, calibration) = (Paths::new(), model().display().to_string(), text("calibration.txt"));
    let dense = evaluate(&model);
    for (name, more) in [("resident", &["--basis", "pca"][..]), ("stream", &["--basis", "pca", "--stream"])] {
        let out = paths.path(name);
        let report = json(&dress(&rotate(&model, &out, &calibration, more)));
        assert!(report["parameters"].as_u64() > report["parameters_before"].as_u64(), "a head of its own");
        let config = fs::read_to_string(paths.path(&format!("{name}/config.json"))).unwrap();
        assert!(config.contains("\"tie_word_embeddings\": false"), "{config}");
        let turned = evaluate(&out);
        let [before, after] = [&dense, &turned].map(|found| found["perplexity"].as_f64().unwrap());
        // The files are in half precision, in either coordinates.
        assert!((after / before - 1.0).abs() < 1e-3, "{name}: {before} {after}");
    }
}

#[test]
fn what_cannot_be_rotated_is_refused_and_nothing_is_left() {
    let (paths, model, calibration) = (Paths::new(), model().display().to_string(), text("calibration.txt"));
    let out = paths.path("out");
    for stream in [&[][..], &["--stream"]] {
        let without = [&["rotate", "--model", &model, "--out", &out][..], stream].concat();
        assert!(refusal(&without).contains("`pca-tied` needs calibration data and got none"));
        let identity = rotate(&model, &out, &calibration, &[&["--basis", "identity"], stream].concat());
        assert!(refusal(&identity).contains("give pca or pca-tied"));
        let opt = format!("{model}/../opt-kjv");
        assert!(refusal(&rotate(&opt, &out, &calibration, stream)).contains("give --basis pca"));
    }
    assert_eq!(paths.names(), [""; 0]);
    fs::create_dir(&out).unwrap();
    fs::write(paths.path("out/config.json"), "{}").unwrap();
    let there = refusal(&rotate(&model, &out, &calibration, &["--stream"]));
    assert!(there.contains("already exists") && there.contains("--force"), "{there}");
    assert_eq!(fs::read_to_string(paths.path("out/config.json")).unwrap(), "{}");
}

#[test]
fn a_checkpoint_that_is_not_in_safetensors_is_not_rotated_from_file_to_file() {
    let (paths, calibration) = (Paths::new(), text("calibration.txt"));
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../dress-models/tests/fixtures");
    let (from, out) = (format!("{fixtures}/llama2.gguf"), paths.path("out"));
    let refused = refusal(&rotate(&from, &out, &calibration, &["--stream", "--basis", "pca"]));
    assert!(refused.contains("only safetensors are rewritten file to file"), "{refused}");
}
