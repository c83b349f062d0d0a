//! What `dress prune` and `dress recover` say of the quality of their results.

use crate::{NOT_IN_FULL, Paths, dress, json, model, text};
use serde_json::Value;

fn near(found: &Value, expected: &Value) -> bool {
    let [found, expected] = [found, expected].map(|value| value.as_f64().unwrap());
    (found / expected - 1.0).abs() < 1e-3
}

#[test]
fn a_run_ends_on_what_it_did_to_the_loss_and_evaluation_agrees() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let (calibration, held_out, out) = (text("calibration.txt"), text("heldout.txt"), paths.path("smaller"));
    let args = ["prune", "--model", &model, "--axis", "ffn", "--ratio", "0.5", "--calibration", &calibration];
    let args = [&args[..], &["--samples", "8", "--seqlen", "64", "--no-regularize", "--out", &out]].concat();
    let validate = ["--validate", &held_out, "--validate-blocks", "4", "--hold-back", "5", "--json"];
    let report = json(&dress(&[&args[..], &validate].concat()));
    let [held_back, validated] = [&report["quality"][0], &report["quality"][1]];
    assert_eq!((&held_back["held_back"], &held_back["before"]["data"]["blocks"]), (&true.into(), &5.into()));
    assert_eq!((&validated["text"], &validated["held_back"]), (&"heldout.txt".into(), &false.into()));
    assert!(held_back["difference"]["difference"].as_f64().unwrap() > 0.0, "{held_back}");
    let error = held_back["difference"]["standard_error"].as_f64().unwrap();
    assert!(error > 0.0 && error < held_back["before"]["loss_standard_error"].as_f64().unwrap());

    let data = ["--data", &held_out, "--seqlen", "64", "--max-blocks", "4", "--json"];
    for (checkpoint, found) in [(&model, &validated["before"]), (&out, &validated["after"])] {
        let evaluated = json(&dress(&[&["eval", "--model", checkpoint], &data[..]].concat()));
        assert!(near(&found["perplexity"], &evaluated["perplexity"]), "{found} {evaluated}");
    }
    let kept: Value =
        serde_json::from_str(&std::fs::read_to_string(paths.path("smaller/dress.json")).unwrap()).unwrap();
    assert_eq!(kept["quality"], report["quality"]);
    let card = std::fs::read_to_string(paths.path("smaller/README.md")).unwrap();
    assert!(card.contains("held back of `calibration.txt` went from"), "{card}");

    let told = String::from_utf8(dress(&[&args[..], &["--force"]].concat()).stdout).unwrap();
    let last = told.lines().last().unwrap();
    assert!(last.starts_with("next: dress recover --model ") && last.contains("--distill-from"), "{told}");
    // The same dense model has other figures where other blocks are held back.
    assert!(
        told.contains("drawn behind the 8 blocks that the run saw;\nanother --samples, --seqlen,"),
        "{told}"
    );
    for says in ["llama3-kjv", "smaller", "perplexity, held back", "bytes, llama.cpp:q4_k_m", "parameters"] {
        assert!(told.contains(says), "{says}: {told}");
    }
    assert!(!told.contains("moved the logits"), "that number says nothing of quality: {told}");
}

#[test]
fn recovery_says_whether_it_helped() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let (calibration, sliced, better) = (text("calibration.txt"), paths.path("sliced"), paths.path("better"));
    let args = ["prune", "--model", &model, "--axis", "ffn", "--ratio", "0.5", "--no-regularize"];
    let output = dress(&[&args[..], &["--criterion", "magnitude-l2", "--out", &sliced]].concat());
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("was not measured, as there was no text"), "{told}");
    assert!(told.trim_end().ends_with("--data ANOTHER_TEXT"), "{told}");
    let args = ["recover", "--model", &sliced, "--full", "--learning-rate", "1e-3", "--out", &better];
    let data = ["--calibration", &calibration, "--samples", "24", "--seqlen", "64", "--hold-back", "6"];
    let output = dress(&[&args[..], &data].concat());
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("training helped"), "{told} {}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("loss, held back") && told.contains("\nnext: dress eval --model "), "{told}");
    assert!(!told.contains("the dense model's"), "none is known: {told}");
    // With a dense model it is said of the predictions as well whether they are nearer to its.
    let taught = [&args[..], &data, &["--distill-from", &model, "--force"]].concat();
    let told = String::from_utf8(dress(&taught).stdout).unwrap();
    let line = told.lines().find(|line| line.contains("training helped")).expect(&told);
    assert!(line.contains(" the predictions are ") && line.contains(" the dense model's "), "{told}");
    assert!(line.contains("(KL ") && line.contains(" nats)"), "{told}");
    let report = json(&dress(&[&taught[..], &["--json"]].concat()));
    let found = &report["quality"][0]["divergences"];
    assert_eq!(found["difference"]["pairs"], 6, "{report}");
    let evaluate =
        ["eval", "--model", &better, "--against", &model, "--data", &text("heldout.txt"), "--json"];
    let elsewhere = json(&dress(&[&evaluate[..], &["--seqlen", "64", "--max-blocks", "6"]].concat()));
    let [after, elsewhere] = [&found["after"], &elsewhere["departure"]["kl"]].map(|kl| kl.as_f64().unwrap());
    assert!(
        after > 0.0 && (0.2..5.0).contains(&(after / elsewhere)),
        "both are of one model: {after} {elsewhere}"
    );
}

#[test]
fn texts_to_measure_on_are_no_settings_of_a_run() {
    let model = model().display().to_string();
    let args = ["ablate", "--model", &model, "--axis", "ffn", "--ratio", "0.5", "--out", "o", "--data", "d"];
    let said = dress(&[&args[..], &["--validate", "t"]].concat());
    assert!(String::from_utf8_lossy(&said.stderr).contains("--validate"), "ablate has texts of its own");
    let (paths, calibration) = (Paths::new(), text("calibration.txt"));
    let args = ["prune", "--model", &model, "--axis", "ffn", "--ratio", "0.5", "--no-regularize"];
    let more = ["--calibration", &calibration, "--samples", "2", "--seqlen", "32"];
    let same = ["--validate", &calibration, "--out", &paths.path("out")];
    let output = dress(&[&args[..], &more, &same].concat());
    let warned = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = warned.lines().filter(|line| !line.contains(NOT_IN_FULL)).collect();
    assert!(lines.len() == 1 && lines[0].contains("is calibrated on"), "{warned}");
}
