//! What is left of a run while it goes on and when it fails.

use crate::{Paths, dress, json, model, text};
use serde_json::Value;
use std::fs;

#[test]
fn errors_and_warnings_are_objects_where_that_is_asked_for() {
    let (paths, model, data) = (Paths::new(), model().display().to_string(), text("calibration.txt"));
    let of = |bytes: &[u8]| -> Vec<Value> {
        String::from_utf8_lossy(bytes).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let failed = dress(&["inspect", "--model", "/nowhere", "--json"]);
    let said = of(&failed.stderr);
    assert_eq!((said.len(), failed.status.code(), failed.stdout.len()), (1, Some(1), 0));
    assert!(said[0]["error"].as_str().unwrap().contains("no such model"), "{said:?}");
    let misspelt = dress(&["inspect", "--model-of", "x", "--json"]);
    assert_eq!(misspelt.status.code(), Some(2));
    assert!(of(&misspelt.stderr)[0]["error"].as_str().unwrap().contains("--model-of"));
    let failed = dress(&["--log-format", "json", "inspect", "--model", "/nowhere"]);
    assert_eq!(of(&failed.stderr)[0]["level"], "error");
    let args = ["eval", "--model", &model, "--data", &data, "--seqlen", "16", "--max-blocks", "1"];
    let prune = ["prune", "--model", &model, "--axis", "ffn", "--ratio", "0.5", "--no-regularize", "--out"];
    let out = paths.path("out");
    let calibrated = ["--calibration", &data, "--samples", "2", "--seqlen", "16", "--log-format", "json"];
    let pruned = dress(&[&prune[..], &[&out], &calibrated, &["--validate", &data]].concat());
    let warned = of(&pruned.stderr);
    let said = |line: &&Value| line["message"].as_str().is_some_and(|text| text.contains("calibrated on"));
    let line = warned.iter().find(said).unwrap();
    assert!(line["level"] == "warn" && line["time"].as_u64().unwrap() > 1_000_000_000, "{line}");
    assert!(dress(&args).status.success());
}

#[test]
fn a_run_is_watched_in_an_event_file() {
    let (paths, model, calibration) = (Paths::new(), model().display().to_string(), text("calibration.txt"));
    let (out, better, events) = (paths.path("out"), paths.path("better"), paths.path("events"));
    let data = ["--calibration", &calibration, "--samples", "6", "--seqlen", "16", "--tensorboard", &events];
    let prune = ["prune", "--model", &model, "--axis", "ffn", "--ratio", "0.5", "--out", &out, "--json"];
    json(&dress(&[&prune[..], &data].concat()));
    let recover = ["recover", "--model", &out, "--full", "--out", &better, "--json"];
    json(&dress(&[&recover[..], &data].concat()));
    let files: Vec<Vec<u8>> =
        fs::read_dir(&events).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert_eq!(files.len(), 2, "each run has its own");
    for bytes in files {
        let text = String::from_utf8_lossy(&bytes);
        for tag in ["training/loss", "training/selected_norm", "training/learning_rate"] {
            assert_eq!(text.matches(tag).count(), 6, "{tag}: one a step");
        }
        assert_eq!(text.matches("quality/held back").count(), 2, "before and after");
    }
}
