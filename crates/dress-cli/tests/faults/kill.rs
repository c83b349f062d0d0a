//! Killed at any moment, every command leaves nothing in the way of its repetition, which ends in the same
//! bits.

use crate::{DRESS, Paths, json, model, said, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How many moments over all commands: one a command, or as many as this says.
fn moments(commands: usize) -> usize {
    let given = std::env::var("DRESS_KILL_MOMENTS").ok().and_then(|text| text.parse().ok());
    given.unwrap_or(commands)
}

/// What differs from one run to the next.
const OF_THE_RUN: [&str; 17] = [
    // It names the place.
    "command",
    "seconds",
    "tokens_per_second",
    "requests_per_second",
    "training_seconds",
    "peak_bytes",
    "peak_bytes_with_evaluation",
    "run",
    "runs",
    "reused",
    "file_sha256",
    "decode",
    "prefill",
    "shapes",
    "run_dir",
    "minutes",
    "peak_mib",
];

fn without_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !OF_THE_RUN.contains(&name.as_str()));
            fields.values_mut().for_each(without_times);
        }
        Value::Array(items) => items.iter_mut().for_each(without_times),
        _ => {}
    }
}

/// What lies below a place by its name, but for times and what is written from it for people.
fn contents(place: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    if place.is_dir() {
        for entry in fs::read_dir(place).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            for (below, bytes) in contents(&entry.path()) {
                found.insert(format!("{name}/{below}"), bytes);
            }
        }
        return found;
    }
    let mut bytes = fs::read(place).unwrap();
    let ending = place.extension().map(|ending| ending.to_string_lossy().into_owned()).unwrap_or_default();
    if ending == "json" {
        let mut value = serde_json::from_slice(&bytes).unwrap();
        without_times(&mut value);
        bytes = serde_json::to_vec(&value).unwrap();
    }
    if ["md", "html", "jsonl"].contains(&ending.as_str()) {
        bytes.clear();
    }
    found.insert(String::new(), bytes);
    found
}

/// Kills a command and its children after some time; whether it had not ended by itself.
fn killed(args: &[&str], after: Duration) -> bool {
    let mut command = Command::new(DRESS);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().unwrap();
    let began = Instant::now();
    while began.elapsed() < after {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).status().unwrap();
    child.wait().unwrap();
    true
}

#[test]
fn killed_at_any_moment_a_command_that_is_repeated_ends_in_the_same_bits() {
    let (given, model, calibration) = (Paths::new(), model(), text("calibration.txt"));
    let data = text("heldout.txt");
    let (plan, pruned, run) = (given.path("plan.json"), given.path("pruned"), given.path("run"));
    let ffn = ["--axis", "ffn", "--ratio", "0.25"];
    let few = ["--calibration", &calibration, "--samples", "8", "--seqlen", "32"];
    let searched = ["--calibration", &calibration, "--samples", "12", "--seqlen", "128"];
    let eval = ["eval", "--model", &model, "--data", &data, "--seqlen", "64", "--max-blocks", "8"];
    let every = ["--checkpoint-every", "2"];
    json(&[&["score", "--model", &model, "--out", &plan, "--criterion", "magnitude-l2"], &ffn[..]].concat());
    json(&[&["prune", "--model", &model, "--out", &pruned], &ffn[..], &few].concat());
    json(&[&eval[..], &["--out", &run]].concat());
    let tables = [&["--data", &data, "--eval-seqlen", "64", "--max-blocks", "2"], &few[..]].concat();
    // Each with the name of its place, which comes last.
    let commands: Vec<(&str, Vec<&str>)> = vec![
        ("plan.json", [&["score", "--model", &model], &ffn[..], &few].concat()),
        ("out", [&["prune", "--model", &model], &ffn[..], &few, &every, &["--epochs", "2"]].concat()),
        ("out", [&["prune", "--model", &model], &ffn[..], &few, &every, &["--rounds", "2"]].concat()),
        (
            "out",
            [
                &[
                    "prune",
                    "--model",
                    &model,
                    "--stream",
                    "--local",
                    "--epochs",
                    "2",
                    "--compensate",
                    "ridge",
                ],
                &ffn[..],
                &few,
                &every,
            ]
            .concat(),
        ),
        ("out", [&["stream", "--model", &model], &few[..]].concat()),
        ("out", [&["prune", "--model", &model, "--params", "0.8"], &searched[..]].concat()),
        (
            "out",
            [
                &["prune", "--model", &model, "--no-regularize", "--axis", "residual", "--ratio", "0.25"],
                &few[..],
            ]
            .concat(),
        ),
        (
            "out",
            [&["recover", "--model", &pruned, "--distill-from", &model, "--distill-cache"], &few[..], &every]
                .concat(),
        ),
        ("out", [&["rotate", "--model", &model], &few[..]].concat()),
        ("out", [&["rotate", "--model", &model, "--stream"], &few[..]].concat()),
        ("sliced", vec!["slice", "--plan", &plan, &model]),
        ("out", [&eval[..], &["--against", &pruned]].concat()),
        (
            "out",
            [
                &[
                    "compare",
                    "--model",
                    &model,
                    "--unseen",
                    &data,
                    "--presets",
                    "magnitude,dress",
                    "--ratios",
                    "0.2",
                ],
                &tables[..],
            ]
            .concat(),
        ),
        ("out", [&["ablate", "--model", &model, "--vary", "lambda=3"], &ffn[..], &tables].concat()),
        ("logits.safetensors", vec!["logits", "--model", &model, "--data", &data, "--tokens", "32"]),
        (
            "costs.json",
            vec!["costs", "--model", &model, "--rounds", "1", "--prefill-tokens", "16", "--new-tokens", "2"],
        ),
        ("curve.svg", vec!["plot", &pruned]),
        ("out", vec!["report", &run]),
    ];
    let moments = moments(commands.len());
    let mut draw: u64 = 20;
    let mut random = || {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (draw >> 40) as f64 / (1u64 << 24) as f64
    };
    let mut hit = 0;
    for (index, (name, command)) in commands.iter().enumerate() {
        let at = |paths: &Paths| {
            let place = paths.path(name);
            let mut args: Vec<String> = command.iter().map(ToString::to_string).collect();
            args.extend((*name != "sliced").then(|| "--out".to_string()));
            (args.into_iter().chain([place.clone()]).collect::<Vec<_>>(), place)
        };
        let whole = Paths::new();
        let (args, place) = at(&whole);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let began = Instant::now();
        json(&args);
        let (took, expected) = (began.elapsed(), contents(Path::new(&place)));
        for _ in 0..moments / commands.len() + usize::from(index < moments % commands.len()) {
            let paths = Paths::new();
            let (args, place) = at(&paths);
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            hit += usize::from(killed(&args, took.mul_f64(random())));
            if expected_is_there(&place, &expected) {
                continue;
            }
            let output = crate::dress(&args);
            assert!(output.status.success(), "{args:?}: {}", said(&output));
            let found = contents(Path::new(&place));
            let names = found.keys().chain(expected.keys());
            let other: Vec<_> = names.filter(|name| found.get(*name) != expected.get(*name)).collect();
            assert!(other.is_empty(), "{args:?}: other bits in {other:?}");
            let left: Vec<String> = paths.names().into_iter().filter(|left| left != name).collect();
            assert_eq!(left, [""; 0], "{args:?}");
        }
    }
    eprintln!("{hit} of {moments} moments came before the command's end");
    assert!(hit * 2 > moments);
}

#[test]
fn a_part_that_was_killed_and_is_repeated_joins_to_the_same_bits() {
    let (paths, model, calibration) = (Paths::new(), model(), text("calibration.txt"));
    let part = |out: &str, layers: &str| {
        let mut args = vec!["prune", "--model", &model, "--axis", "ffn", "--ratio", "0.25", "--epochs", "2"];
        args.extend([
            "--local",
            "--local-inputs",
            "dense",
            "--compensate",
            "ridge",
            "--checkpoint-every",
            "2",
        ]);
        args.extend(["--calibration", &calibration, "--samples", "8", "--seqlen", "32"]);
        args.extend(["--layers", layers, "--out", out]);
        args.into_iter().map(String::from).collect::<Vec<_>>()
    };
    let ends = |args: &[String]| {
        json(&args.iter().map(String::as_str).collect::<Vec<_>>());
    };
    let joined = |low: &str, high: &str, out: &str| {
        json(&["join", low, high, "--model", &model, "--out", out]);
        contents(Path::new(out))
    };
    let (low, high) = (paths.path("low"), paths.path("high"));
    let began = Instant::now();
    ends(&part(&low, "0..2"));
    let took = began.elapsed();
    ends(&part(&high, "2..5"));
    let expected = joined(&low, &high, &paths.path("out"));
    for (index, share) in [0.3, 0.6, 0.9].into_iter().enumerate() {
        let again = paths.path(&format!("again-{index}"));
        let args = part(&again, "0..2");
        killed(&args.iter().map(String::as_str).collect::<Vec<_>>(), took.mul_f64(share));
        ends(&args);
        let found = joined(&again, &high, &paths.path(&format!("out-{index}")));
        let other: Vec<_> = found.keys().filter(|name| found.get(*name) != expected.get(*name)).collect();
        assert!(other.is_empty() && found.len() == expected.len(), "other bits in {other:?}");
    }
}

fn expected_is_there(place: &str, expected: &BTreeMap<String, Vec<u8>>) -> bool {
    let place = Path::new(place);
    place.exists() && &contents(place) == expected
}
