//! Gates, rounds, distillation and recovery from the command line.

use crate::{Paths, dress, json, model, refusal, text};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn result(out: &str, file: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(Path::new(out).join(file)).unwrap()).unwrap()
}

#[test]
fn a_gated_distilled_run_in_two_rounds_is_recorded_and_recovered() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let (out, better, calibration) = (paths.path("out"), paths.path("better"), text("calibration.txt"));
    let data = ["--calibration", &calibration, "--samples", "8", "--seqlen", "32", "--json"];
    let mut args = vec!["prune", "--model", &model, "--out", &out, "--axis", "ffn", "--ratio", "0.5"];
    args.extend(["--rounds", "2", "--gate", "cosine:0.5", "--distill", "0.5", "--optimizer", "muon"]);
    args.extend(data);
    let report = json(&dress(&args));
    assert_eq!(report["steps"], 16);
    assert!(report["slicing_error"].as_f64().unwrap() < 1e-4, "{report}");
    let rounds = result(&out, "dress.json")["report"]["rounds"].clone();
    assert_eq!(rounds.as_array().unwrap().len(), 2);
    assert!(rounds[1]["report"]["cut"]["step"].as_u64() == Some(3), "{rounds}");

    let mut args = vec!["recover", "--model", &out, "--out", &better, "--lora-rank", "2"];
    args.extend(["--lora-targets", "q_proj,down_proj", "--distill-from", &model]);
    args.extend(data);
    let report = json(&dress(&args));
    assert_eq!(report["steps"], 8);
    let about = result(&better, "recover.json");
    assert_eq!(about["recover"]["train"]["trainable"]["lora"]["rank"], 2);
    let shape = |place: &str| result(place, "config.json")["intermediate_size"].clone();
    assert_eq!(shape(&out), shape(&better));
    assert!(paths.names().iter().all(|name| !name.ends_with(".run")), "{:?}", paths.names());
}

#[test]
fn settings_that_contradict_each_other_are_refused_in_one_line() {
    let (paths, model, calibration) = (Paths::new(), model().display().to_string(), text("calibration.txt"));
    let out = paths.path("out");
    let data = ["--calibration", &calibration, "--samples", "4", "--seqlen", "32", "--out", &out];
    let mut args = vec!["prune", "--model", &model, "--axis", "ffn", "--ratio", "0.5"];
    args.extend(["--kept-only", "--penalty-in-loss"]);
    args.extend(data);
    assert!(refusal(&args).contains("cannot shrink weights that are not trained"));
    let mut args = vec!["recover", "--model", &model, "--lora-targets", "query"];
    args.extend(data);
    assert!(refusal(&args).contains("no projection `query`"));
}
