//! `--dry-run` of every long command.

use crate::{Paths, dress, json, model, text};
use serde_json::Value;

/// What a dry run says, which leaves nothing in the directory.
fn dry(paths: &Paths, args: &[&str]) -> Value {
    let report = json(&dress(&[args, &["--dry-run", "--json"]].concat()));
    assert_eq!(paths.names(), [""; 0], "nothing is written by {args:?}");
    assert_eq!(report["dry_run"], true);
    report
}

fn seconds(report: &Value) -> f64 {
    report["estimate"]["seconds"].as_f64().unwrap()
}

#[test]
fn a_dry_run_of_prune_says_what_then_comes() {
    let (paths, model, calibration) = (Paths::new(), model().display().to_string(), text("calibration.txt"));
    let out = paths.path("out");
    let args =
        ["prune", "--model", &model, "--axis", "ffn", "--ratio", "0.25", "--calibration", &calibration];
    let args = [&args[..], &["--samples", "16", "--seqlen", "64", "--out", &out]].concat();
    let said = dry(&paths, &args);
    let told = String::from_utf8(dress(&[&args[..], &["--dry-run"]].concat()).stdout).unwrap();
    for says in
        ["nothing is written", "of layers", "bytes as stored", "at the peak", "5 of 16 blocks", "training"]
    {
        assert!(told.contains(says), "{says}: {told}");
    }
    for engine in ["vllm", "llama.cpp:q4_k_m", "ctranslate2"] {
        assert!(told.contains(engine), "{engine}: {told}");
    }
    let report = json(&dress(&[&args[..], &["--json"]].concat()));
    assert_eq!(said["parameters"], serde_json::json!([report["parameters_before"], report["parameters"]]));
    let stages: Vec<&str> =
        said["estimate"]["stages"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert!(stages.contains(&"training") && stages.contains(&"perplexity"), "{stages:?}");
    // Times on a machine that does other work are not compared closely here.
    let took = report["seconds"].as_f64().unwrap();
    assert!(seconds(&said) < 20.0 * took && seconds(&said) > took / 20.0, "{said} {took}");
}

#[test]
fn every_long_command_has_a_dry_run() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let (calibration, held_out, out) = (text("calibration.txt"), text("heldout.txt"), paths.path("out"));
    let data = ["--model", &model, "--calibration", &calibration, "--samples", "8", "--seqlen", "32"];
    let with = |command: &str, more: &[&str]| {
        let args = [&[command][..], &data, more, &["--out", &out]].concat();
        dry(&paths, &args)
    };
    let score = with("score", &["--axis", "ffn", "--ratio", "0.25"]);
    assert!(score["parameters"][1].as_u64() < score["parameters"][0].as_u64(), "{score}");
    assert!(seconds(&with("recover", &["--full"])) > 0.0);
    let rotated = with("rotate", &["--basis", "pca"]);
    assert!(
        rotated["parameters"][1].as_u64() > rotated["parameters"][0].as_u64(),
        "a head of its own: {rotated}"
    );
    assert!(seconds(&with("rotate", &["--stream"])) > 0.0);
    let eval = ["eval", "--model", &model, "--data", &held_out, "--seqlen", "32", "--max-blocks", "9"];
    let alone = dry(&paths, &eval);
    assert!(seconds(&alone) > 0.0 && alone["parameters"].is_null(), "an evaluation makes no model: {alone}");
    dry(&paths, &[&eval[..], &["--against", &model]].concat());
    let texts = ["--data", &held_out, "--eval-seqlen", "32", "--max-blocks", "2"];
    let rows = with(
        "compare",
        &[&texts[..], &["--unseen", &held_out, "--presets", "flap,dress", "--ratios", "0.2,0.3"]].concat(),
    );
    let cells = |row: usize| (rows["rows"][row]["name"].clone(), rows["rows"][row]["cells"].clone());
    assert_eq!(
        [cells(0), cells(1), cells(2)],
        [("dense", 1), ("flap", 2), ("dress", 2)].map(|(n, c)| (n.into(), c.into()))
    );
    let rows = with(
        "ablate",
        &[&texts[..], &["--axis", "ffn", "--ratio", "0.25", "--vary", "lambda=3", "--seeds", "1,2"]].concat(),
    );
    assert_eq!(rows["rows"].as_array().unwrap().len(), 3, "{rows}");
}

#[test]
fn a_dry_run_of_slice_says_what_a_plan_made_by_hand_comes_to() {
    let (paths, plans, model) = (Paths::new(), Paths::new(), model().display().to_string());
    let plan = plans.path("plan.json");
    let selection: serde_json::Map<String, Value> =
        (0..5).map(|layer| (format!("ffn.{layer}"), serde_json::json!([0, 1]))).collect();
    std::fs::write(&plan, serde_json::json!({ "selection": selection }).to_string()).unwrap();
    let out = paths.path("out");
    let args = ["slice", "--plan", &plan, &model, &out];
    let said = dry(&paths, &args);
    assert!(said["estimate"].is_null(), "nothing is computed: {said}");
    let told = String::from_utf8(dress(&[&args[..], &["--dry-run"]].concat()).stdout).unwrap();
    for says in ["510", "from file to file", "vllm"] {
        assert!(told.contains(says), "{says}: {told}");
    }
    let report = json(&dress(&[&args[..], &["--json"]].concat()));
    assert_eq!(said["parameters"], serde_json::json!([report["parameters_before"], report["parameters"]]));
}
