//! Output that cannot be written, and places that others take.

use crate::{DRESS, Paths, dress, ended, json, model, refusal, said, started, text, until};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// `dress prune` of the neurons without training, to `out`.
fn prune<'a>(model: &'a str, out: &'a str) -> Vec<&'a str> {
    let args =
        ["prune", "--model", model, "--axis", "ffn", "--ratio", "0.25", "--no-regularize", "--out", out];
    [&args[..], &["--criterion", "magnitude-l2"]].concat()
}

/// The same with so much training that another command comes in between.
fn long<'a>(model: &'a str, calibration: &'a str, out: &'a str) -> Vec<&'a str> {
    let args = ["prune", "--model", model, "--calibration", calibration, "--out", out, "--axis", "ffn"];
    let much = ["--ratio", "0.25", "--samples", "12", "--seqlen", "32", "--checkpoint-every", "1"];
    [&args[..], &much].concat()
}

#[test]
fn a_full_disk_under_standard_output_is_an_error_and_a_reader_that_went_away_is_not() {
    let model = model();
    let paths = Paths::new();
    let out = paths.path("out");
    for args in [
        vec!["inspect", "--model", &model],
        vec!["inspect", "--model", &model, "--json"],
        vec!["--help"],
        vec!["--version"],
        vec!["prune", "--help"],
        prune(&model, &out),
    ] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(DRESS).args(&args).stdout(full).output().unwrap();
        let said = said(&output);
        assert!(!output.status.success(), "{args:?}");
        assert!(said.contains("standard output") && said.contains("the disk is full"), "{args:?}: {said}");
    }
    assert!(Path::new(&out).join("config.json").exists(), "what was made is there all the same");
    for args in [["inspect", "--model", &model], ["prune", "--help", "--help"]] {
        let mut child =
            Command::new(DRESS).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {}", said(&output));
    }
}

#[test]
fn a_file_that_may_not_grow_is_a_full_disk_to_every_command_that_writes() {
    let (paths, model, data) = (Paths::new(), model(), text("heldout.txt"));
    let evaluation = paths.path("evaluation");
    let (out, file) = (paths.path("out"), paths.path("plan.json"));
    let eval = ["eval", "--model", &model, "--data", &data, "--seqlen", "16", "--max-blocks", "2"];
    let score =
        ["score", "--model", &model, "--axis", "ffn", "--ratio", "0.25", "--criterion", "magnitude-l2"];
    for (blocks, names, args) in [
        (500, "out", prune(&model, &out)),
        (0, "plan.json", [&score[..], &["--out", &file]].concat()),
        (0, "evaluation", [&eval[..], &["--out", &evaluation]].concat()),
        (8, "logits", vec!["logits", "--model", &model, "--data", &data, "--tokens", "16", "--out", &file]),
    ] {
        let script = format!("ulimit -f {blocks}; exec {DRESS} \"$@\"");
        let output = Command::new("bash").args(["-c", &script, "dress"]).args(&args).output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("the disk is full"), "{args:?}: {said}");
        assert!(names == "logits" || said.contains(names), "{args:?}: {said}");
    }
    let left: Vec<String> = paths.names().into_iter().filter(|name| name != "evaluation").collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn a_second_run_to_one_place_is_refused_and_the_first_ends() {
    let (paths, model, calibration) = (Paths::new(), model(), text("calibration.txt"));
    // In a directory that is not there when the first run begins.
    let out = paths.path("new/er/out");
    let first = [&long(&model, &calibration, &out)[..], &["--epochs", "8", "--json"]].concat();
    let child = started(&first);
    let lock = paths.path("new/er/.out.lock");
    until("the lock", || fs::read_to_string(&lock).is_ok_and(|text| !text.is_empty()));
    let process = child.id().to_string();
    for second in [
        prune(&model, &out),
        [&prune(&model, &out)[..], &["--force"]].concat(),
        vec!["rotate", "--model", &model, "--calibration", &calibration, "--out", &out],
    ] {
        let refused = refusal(&second);
        assert!(refused.contains("another run") && refused.contains(&process), "{refused}");
    }
    let output = ended(child, &first);
    assert!(output.status.success(), "{}", said(&output));
    assert!(Path::new(&out).join("model.safetensors").exists());
    assert_eq!(fs::read_dir(paths.path("new/er")).unwrap().count(), 1, "no lock is left");
    assert!(refusal(&prune(&model, &out)).contains("already exists"));
}

#[test]
fn two_comparisons_in_one_place_share_out_their_cells() {
    let (paths, model, data, calibration) =
        (Paths::new(), model(), text("heldout.txt"), text("calibration.txt"));
    let out = paths.path("out");
    let mut args = vec!["compare", "--model", &model, "--data", &data, "--unseen", &data];
    args.extend(["--calibration", &calibration]);
    args.extend([
        "--presets",
        "magnitude,wanda-sp,flap",
        "--ratios",
        "0.2",
        "--samples",
        "8",
        "--seqlen",
        "32",
    ]);
    args.extend(["--eval-seqlen", "64", "--max-blocks", "2", "--out", &out, "--json"]);
    let children = [started(&args), started(&args)];
    let cells = children.map(|child| {
        let output = ended(child, &args);
        assert!(output.status.success(), "{}", said(&output));
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        found["cells"].clone()
    });
    assert!(cells[0].as_array().is_some_and(|cells| cells.len() >= 3), "{}", cells[0]);
    assert_eq!(cells[0], cells[1], "each was measured once, seconds and all");
    assert_eq!(paths.names(), ["out"]);
}

#[test]
fn two_runs_never_share_a_journal() {
    let (paths, model, data) = (Paths::new(), model(), text("heldout.txt"));
    let cache = paths.path("cache");
    let eval = ["eval", "--model", &model, "--data", &data, "--seqlen", "512", "--cache", &cache, "--json"];
    let child = started(&eval);
    until("a kept result", || fs::read_dir(&cache).is_ok_and(|entries| entries.count() > 0));
    let second = dress(&eval);
    let first = ended(child, &eval);
    assert!(first.status.success(), "{}", said(&first));
    assert!(
        second.status.success() || said(&second).contains("another run is writing there"),
        "{}",
        said(&second)
    );
    let again = json(&eval[..eval.len() - 1]);
    assert_eq!(again["reused"], again["data"]["blocks"], "{again}");
}

#[test]
fn a_place_that_is_taken_during_the_run_does_not_cost_the_result() {
    let (paths, model, calibration) = (Paths::new(), model(), text("calibration.txt"));
    let out = paths.path("out");
    let args = [&long(&model, &calibration, &out)[..], &["--epochs", "4"]].concat();
    let child = started(&args);
    until("the first checkpoint", || Path::new(&paths.path("out.run")).exists());
    fs::create_dir(&out).unwrap();
    fs::write(paths.path("out/thesis.txt"), "precious").unwrap();
    let output = ended(child, &args);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let kept = paths.path("out.kept-1");
    assert!(said.contains(&kept) && said.contains("complete result"), "{said}");
    let of = ["inspect", "--model", &kept];
    assert!(json(&of)["parameters"].as_u64() < json(&["inspect", "--model", &model])["parameters"].as_u64());
    assert_eq!(fs::read_to_string(paths.path("out/thesis.txt")).unwrap(), "precious");

    let plan = paths.path("plan.json");
    let score =
        ["score", "--model", &model, "--axis", "ffn", "--ratio", "0.25", "--calibration", &calibration];
    let score = [&score[..], &["--samples", "256", "--seqlen", "64", "--out", &plan]].concat();
    let child = started(&score);
    until("the lock", || Path::new(&paths.path(".plan.json.lock")).exists());
    fs::write(&plan, "precious").unwrap();
    let output = ended(child, &score);
    assert_eq!(output.status.code(), Some(1));
    assert!(crate::said(&output).contains("plan.json.kept-1"), "{}", crate::said(&output));
    assert_eq!(fs::read_to_string(&plan).unwrap(), "precious");
    let sliced = paths.path("sliced");
    json(&["slice", "--plan", &paths.path("plan.json.kept-1"), &model, &sliced]);
}

#[test]
fn what_dead_runs_left_is_named_and_cleared() {
    let (paths, model) = (Paths::new(), model());
    let out = paths.path("dress");
    for left in [".dress.partial-1", ".dress.replaced-1"] {
        fs::create_dir(paths.path(left)).unwrap();
        fs::write(paths.path(left) + "/model.safetensors", "half").unwrap();
    }
    fs::create_dir(&out).unwrap();
    let output = dress(&prune(&model, &out));
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains(".dress.partial-1") && said(&output).contains("a run that died"));
    assert_eq!(paths.names(), ["dress"]);
}
