//! Layers regularized one at a time with one layer in memory, on one machine and on several.

use crate::{Paths, dress, evaluate, json, model, refusal, text};
use dress_core::burn::tensor::Device;
use dress_models::checkpoint::save;
use dress_models::{AnyModel, SaveConfig};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

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
    assert!(files(&one).iter().any(|(name, _)| name == "model-00001-of-00007.safetensors"));

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
        ("settings", "other settings (settings.lambda 4.0 there and 5.0 here"),
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
fn a_part_of_a_plan_made_by_hand_is_of_one_checkpoint() {
    let paths = Paths::new();
    let (hand, out) = (paths.path("mine.json"), paths.path("low"));
    let selection: Vec<String> = (0..5).map(|layer| format!(r#""ffn.{layer}": [0, 1, 2, 500]"#)).collect();
    fs::write(&hand, format!(r#"{{"selection": {{{}}}}}"#, selection.join(", "))).unwrap();
    let (model, calibration) = (model().display().to_string(), text("calibration.txt"));
    let mut args = vec!["prune", "--model", &model, "--plan", &hand, "--local", "--local-inputs", "dense"];
    args.extend(["--layers", "0..1", "--out", &out, "--calibration", &calibration, "--samples", "4"]);
    args.extend(["--seqlen", "32", "--json"]);
    json(&dress(&args));
    let text = fs::read_to_string(Path::new(&out).join("part.json")).unwrap();
    let part: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expected = dress_models::Checkpoint::at(&model).unwrap().fingerprint().unwrap();
    assert_eq!(part["result"]["plan"]["fingerprint"], expected.as_str());
    assert_eq!(part["key"]["plan"]["fingerprint"], expected.as_str());
}

#[test]
fn streams_of_another_text_are_replaced_by_force_alone() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let streams = paths.path("streams");
    let keep = |calibration: &str, more: &[&str]| -> Vec<String> {
        let fixed = ["stream", "--model", &model, "--out", &streams, "--layers", "0..1", "--samples", "4"];
        let drawn = ["--seqlen", "32", "--calibration", calibration];
        fixed.iter().chain(&drawn).chain(more).map(ToString::to_string).collect()
    };
    let (one, other) = (text("calibration.txt"), text("heldout.txt"));
    run(&keep(&one, &[]));
    let said = refused(&keep(&other, &[]));
    assert!(said.contains("stream-0") && said.contains("--force"), "{said}");
    run(&keep(&other, &["--force"]));
    run(&keep(&other, &[]));
    assert!(refused(&keep(&one, &[])).contains("stream-0"));
}

#[test]
fn a_place_that_has_some_layers_is_not_taken_for_others() {
    let paths = Paths::new();
    run(&prune(&paths, "low", &["--layers", "0..1"]));
    let said = refused(&prune(&paths, "low", &["--layers", "1..2"]));
    assert!(said.contains("the layers 0..1, not 1..2"), "{said}");
    // Earlier versions kept the path of the text.
    let file = paths.path("low/part.json");
    let mut part: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    *part.pointer_mut("/key/plan/calibration/path").unwrap() = "/home/me/calibration.txt".into();
    fs::write(&file, part.to_string()).unwrap();
    run(&prune(&paths, "low", &["--layers", "0..1"]));
}

#[test]
fn a_damaged_file_of_a_part_is_refused_by_name_and_made_again_by_force() {
    let paths = Paths::new();
    let few = ["--samples", "4"];
    for (out, directory, which) in [("one", "one.run", "--stream"), ("low", "low", "--layers=0..1")] {
        let directory = paths.path(directory);
        let damage = || {
            fs::create_dir_all(&directory).unwrap();
            fs::write(Path::new(&directory).join("part.json"), "{\"format_version\":").unwrap();
        };
        let args = |more: &[&str]| prune(&paths, out, &[&few[..], &[which], more].concat());
        damage();
        let said = refused(&args(&[]));
        assert!(said.contains(&directory) && said.contains("give --force"), "{said}");
        damage();
        run(&args(&["--force"]));
    }
    let low = |more: &[&str]| prune(&paths, "low", &[&few[..], &["--layers=0..1"], more].concat());
    let weights = paths.path("low/layer-0/finished.bpk");
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, &whole[..whole.len() - 1]).unwrap();
    let said = refused(&low(&[]));
    assert!(said.contains("finished.bpk") && said.contains("give --force"), "{said}");
    run(&low(&["--force"]));
    run(&low(&[]));
}

#[test]
fn what_needs_more_than_one_layer_is_refused() {
    let paths = Paths::new();
    let said = refused(&prune(&paths, "out", &["--stream", "--rounds", "2"]));
    assert!(said.contains("several rounds needs the whole model"), "{said}");
    let said = refused(&prune(&paths, "out", &["--layers", "3..6"]));
    assert!(said.contains("3..6") && said.contains("has 5"), "{said}");
    let heldout = text("heldout.txt");
    for more in [&["--validate", &heldout][..], &["--hold-back", "2"], &["--dry-run"]] {
        let said = refused(&prune(&paths, "out", &[&["--stream"][..], more].concat()));
        assert!(said.contains(more[0]) && said.contains("one layer at a time is in memory"), "{said}");
    }
    let mut ablate = prune(&paths, "out", &["--stream", "--data", &text("heldout.txt")]);
    ablate[0] = "ablate".into();
    assert!(refused(&ablate).contains("in an ablation"), "{}", refused(&ablate));
    fs::create_dir(paths.path("out")).unwrap();
    fs::write(paths.path("out/thesis.txt"), "precious").unwrap();
    let said = refused(&prune(&paths, "out", &["--layers", "0..1"]));
    assert!(said.contains("already exists"), "{said}");
}

/// Bytes of a layer of the checkpoints of [`random_checkpoint`] as f32.
const LAYER: u64 = 4 * (4 * 256 * 256 + 3 * 256 * 1024 + 2 * 256);

/// A checkpoint of so many layers with random weights.
fn random_checkpoint(place: &Path, layers: usize) {
    let mut config: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(model().join("config.json")).unwrap()).unwrap();
    let keys = [
        ("hidden_size", 256),
        ("intermediate_size", 1024),
        ("num_attention_heads", 4),
        ("num_key_value_heads", 4),
        ("head_dim", 64),
        ("num_hidden_layers", layers),
    ];
    keys.into_iter().for_each(|(key, value)| config[key] = value.into());
    let device = Device::flex();
    let random = AnyModel::from_config(&config.to_string(), Path::new("config.json"), &device).unwrap();
    let saving = SaveConfig { source: Some(model()), ..SaveConfig::default() };
    save(&random, place, &saving).unwrap();
}

/// The most memory that a command had resident.
fn peak_of(args: &[&str]) -> u64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dress"));
    let mut child = command.args(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let (status, mut peak) = (format!("/proc/{}/status", child.id()), 0);
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0) << 10);
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    peak
}

#[test]
#[cfg(target_os = "linux")]
fn memory_does_not_grow_with_the_number_of_layers() {
    let (paths, calibration) = (Paths::new(), text("calibration.txt"));
    let peak = |layers: usize| {
        let (dense, out) = (paths.path(&format!("dense-{layers}")), paths.path(&format!("out-{layers}")));
        random_checkpoint(Path::new(&dense), layers);
        let mut args = vec!["prune", "--model", &dense, "--out", &out, "--axis", "ffn", "--ratio", "0.25"];
        args.extend(["--criterion", "magnitude-l2", "--local", "--stream", "--calibration", &calibration]);
        args.extend(["--samples", "4", "--seqlen", "32"]);
        peak_of(&args)
    };
    let (few, many) = (peak(2), peak(14));
    assert!(few > 2 * LAYER, "{few} bytes were seen");
    assert!(many < few + 12 * LAYER / 2, "{few} bytes with 2 layers and {many} with 14");
}

#[test]
fn layers_that_learnt_apart_get_better_together() {
    let paths = Paths::new();
    let (model, calibration) = (model().display().to_string(), text("calibration.txt"));
    run(&prune(&paths, "apart", &["--stream"]));
    let (apart, together) = (paths.path("apart"), paths.path("together"));
    let mut args = vec!["recover", "--model", &apart, "--out", &together, "--lora-rank", "4", "--json"];
    args.extend(["--distill-from", &model, "--calibration", &calibration, "--samples", "32"]);
    args.extend(["--seqlen", "64", "--learning-rate", "1e-3"]);
    assert_eq!(json(&dress(&args))["steps"], 32);
    let perplexity = |model: &str| evaluate(model)["perplexity"].as_f64().unwrap();
    assert!(perplexity(&together) < perplexity(&apart));
}
