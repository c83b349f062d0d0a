//! Gates, rounds, distillation and recovery from the command line.

use crate::{Paths, dress, json, model, refusal, text};
use serde_json::Value;
use std::fs;
use std::io::Write;
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
    let about = result(&out, "dress.json");
    assert_eq!(about["regularize"]["train"]["learning_rate"]["peak"], 3e-4, "neurons are in their own basis");
    assert_eq!((&about["rounds"], &about["settings"]["targets"][0]["ratio"]), (&2.into(), &0.5.into()));
    assert_eq!(about["model"], "llama3-kjv");
    assert!(about["regularize"]["gate"].is_object() && about["settings"]["regularize"].is_null(), "{about}");
    let rounds = about["report"]["rounds"].clone();
    assert_eq!(rounds.as_array().unwrap().len(), 2);
    assert!(rounds[1]["report"]["cut"]["step"].as_u64() == Some(3), "{rounds}");

    let mut args = vec!["recover", "--model", &out, "--out", &better, "--lora-rank", "2"];
    args.extend(["--lora-targets", "q_proj,down_proj", "--distill-from", &model]);
    args.extend(data);
    let report = json(&dress(&args));
    assert_eq!(report["steps"], 8);
    let about = result(&better, "recover.json");
    let train = &about["recover"]["train"];
    assert_eq!(
        (&train["trainable"]["lora"]["rank"], &train["learning_rate"]["peak"]),
        (&2.into(), &1e-4.into())
    );
    let shape = |place: &str| result(place, "config.json")["intermediate_size"].clone();
    assert_eq!(shape(&out), shape(&better));
    assert!(paths.names().iter().all(|name| !name.ends_with(".run")), "{:?}", paths.names());
}

#[test]
fn a_gated_run_of_low_rank_factors_is_recorded_and_slices_exactly() {
    let (paths, model, calibration) = (Paths::new(), model().display().to_string(), text("calibration.txt"));
    let out = paths.path("out");
    let mut args = prune(&model, &calibration, &out);
    args.extend(["--lora-rank", "2", "--lora-targets", "q_proj,down_proj"]);
    assert!(
        String::from_utf8(dress(&args).stderr).unwrap().contains("--gate"),
        "a penalty has nothing to act on"
    );
    args.extend(["--gate", "cosine:0.5", "--json"]);
    let report = json(&dress(&args));
    assert!(report["slicing_error"].as_f64().unwrap() < 1e-4, "{report}");
    let lora = &result(&out, "dress.json")["regularize"]["train"]["trainable"]["lora"];
    assert_eq!(
        (&lora["rank"], &lora["alpha"], &lora["targets"][1]),
        (&2.into(), &4.0.into(), &"down_proj".into())
    );
}

#[test]
fn layers_are_regularized_by_default_and_the_shallower_checkpoint_loads() {
    let (paths, model, calibration) = (Paths::new(), model().display().to_string(), text("calibration.txt"));
    let (out, direct) = (paths.path("out"), paths.path("direct"));
    let data = ["--calibration", &calibration, "--samples", "8", "--seqlen", "32", "--json"];
    let run = |out: &str, more: &[&str]| {
        let args = ["prune", "--model", &model, "--axis", "depth", "--ratio", "0.4", "--out", out];
        json(&dress(&[&args[..], &data, more].concat()))
    };
    let report = run(&out, &[]);
    assert_eq!(report["steps"], 8);
    assert!(report["slicing_error"].as_f64().unwrap() < 1e-5, "{report}");
    assert!(result(&out, "dress.json")["report"]["cut"]["step"].is_u64());
    let layers = |place: &str| result(place, "config.json")["num_hidden_layers"].clone();
    assert_eq!(
        (run(&direct, &["--no-regularize"])["steps"].as_u64(), layers(&direct)),
        (Some(0), layers(&out))
    );
    assert_eq!(layers(&out), 3);
    let inspected = dress(&["inspect", "--model", &out]);
    assert!(String::from_utf8(inspected.stdout).unwrap().contains("depth            1           3"));
}

#[test]
fn what_reads_the_calibration_data_is_recorded_with_it() {
    let (paths, model, calibration) = (Paths::new(), model().display().to_string(), text("calibration.txt"));
    let data = ["--calibration", &calibration, "--samples", "4", "--seqlen", "32", "--json"];
    let pruned = |name: &str, options: &[&str], data: &[&str]| {
        let out = paths.path(name);
        let mut args = vec!["prune", "--model", &model, "--out", &out, "--no-regularize"];
        args.extend(["--tile", "2", "--target", "dress"]);
        args.extend(options);
        args.extend(data);
        json(&dress(&args));
        result(&out, "dress.json")
    };
    let ridge = pruned(
        "ridge",
        &["--axis", "ffn", "--ratio", "0.5", "--compensate", "ridge", "--criterion", "magnitude-l2"],
        &data,
    );
    assert_eq!(ridge["settings"]["compensation"], "ridge");
    assert_eq!(
        (&ridge["settings"]["targets"][0]["tile"], &ridge["settings"]["stock"]),
        (&2.into(), &"dress".into())
    );
    let turned = pruned("turned", &["--axis", "residual", "--ratio", "0.25", "--basis", "pca"], &data);
    assert_eq!(turned["settings"]["basis"], "pca");
    for about in [ridge, turned] {
        assert_eq!(about["calibration"]["blocks"], 4, "{about}");
    }
    let budget = ["--axis", "ffn", "--params", "0.9", "--per-layer", "--criterion", "magnitude-l2"];
    let blind = pruned("blind", &budget, &["--json"]);
    assert!(blind["calibration"].is_null(), "{blind}");
    assert!(blind["settings"]["allocation"]["per_layer"]["budget"]["left"].is_number(), "{blind}");
}

#[test]
fn a_teacher_of_another_tokenizer_is_refused() {
    let (paths, model, calibration) = (Paths::new(), model().display().to_string(), text("calibration.txt"));
    let (other, out) = (paths.path("other"), paths.path("out"));
    fs::create_dir(&other).unwrap();
    for entry in
        fs::read_dir(&model).unwrap().map(|entry| entry.unwrap()).filter(|entry| entry.path().is_file())
    {
        fs::copy(entry.path(), Path::new(&other).join(entry.file_name())).unwrap();
    }
    let tokenizer = Path::new(&other).join("tokenizer.json");
    let text = fs::read_to_string(&tokenizer).unwrap();
    let begins_otherwise = text.replace("\"add_prefix_space\": false", "\"add_prefix_space\": true");
    assert_ne!(begins_otherwise, text);
    fs::write(&tokenizer, begins_otherwise).unwrap();
    let mut args = vec!["recover", "--model", &model, "--out", &out, "--distill-from", &other];
    args.extend(["--calibration", &calibration, "--samples", "4", "--seqlen", "32"]);
    let says = refusal(&args);
    assert!(says.contains("different tokenizers") && says.contains("made from"), "{says}");
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

fn prune<'a>(model: &'a str, calibration: &'a str, out: &'a str) -> Vec<&'a str> {
    let args = ["prune", "--model", model, "--calibration", calibration, "--out", out, "--axis", "ffn"];
    [&args[..], &["--ratio", "0.25", "--samples", "12", "--seqlen", "32"]].concat()
}

#[test]
fn half_precision_is_trained_with_masters_and_as_it_is() {
    let (paths, model, calibration) = (Paths::new(), model().display().to_string(), text("calibration.txt"));
    let out = paths.path("out");
    let mut args = prune(&model, &calibration, &out);
    args.extend(["--dtype", "bf16", "--json", "--force"]);
    assert_eq!(json(&dress(&args))["steps"], 12);
    let precision = || result(&out, "dress.json")["regularize"]["train"]["precision"].clone();
    assert_eq!(precision(), "master-weights");
    for optimizer in ["adamw", "sgd", "muon", "adafactor"] {
        let as_is = [&args[..], &["--precision", "as-is", "--optimizer", optimizer]].concat();
        // The slice in the middle takes the optimizer's state along.
        assert!(json(&dress(&as_is))["sliced_after_step"].as_u64().unwrap() < 12);
        assert_eq!(precision(), "as-is");
    }
}

/// Whether this process was started with interrupts from the keyboard ignored; those that it starts inherit
/// that.
#[cfg(unix)]
fn interrupts_are_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 2 != 0)
}

/// Stands in for an interrupted run: one that goes on for long enough to be stopped.
#[test]
#[cfg(unix)]
fn an_interrupted_run_says_what_is_kept_and_goes_on_or_begins_anew() {
    use std::process::{Command, Stdio};
    if interrupts_are_ignored() {
        // Past what the harness captures. `.ci/run` fails where they are not ignored.
        let _ = writeln!(std::io::stderr(), "SKIPPED for want of signals: interrupts are ignored here");
        return;
    }
    let (paths, model, calibration) = (Paths::new(), model().display().to_string(), text("calibration.txt"));
    let out = paths.path("out");
    let mut args = prune(&model, &calibration, &out);
    args.extend(["--epochs", "40", "--checkpoint-every", "4"]);
    let interrupted = |args: &[&str], after: usize| {
        let mut run = Command::new(env!("CARGO_BIN_EXE_dress"));
        let child = run.args(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let reached = || {
            (after..480).any(|n| Path::new(&out).with_file_name(format!("out.run/checkpoint-{n}")).exists())
        };
        let began = std::time::Instant::now();
        while !reached() {
            assert!(began.elapsed().as_secs() < 300, "it never came to step {after}");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130));
        String::from_utf8(output.stderr).unwrap()
    };
    let first = interrupted(&args, 4);
    assert!(first.contains("interrupted; repeat the command to go on after step"), "{first}");
    let second = interrupted(&args, 8);
    assert!(second.contains("goes on after step"), "it is said without -v: {second}");
    let other = [&args[..], &["--learning-rate", "2e-4"]].concat();
    let said = refusal(&other);
    assert!(said.contains("train.learning_rate.peak 0.0003 there and 0.0002 here"), "{said}");
    assert!(said.contains("--force"), "{said}");
    let anew = [&other[..], &["--epochs", "1", "--force", "--json"]].concat();
    let at = anew.iter().position(|arg| *arg == "40").unwrap();
    let anew = [&anew[..at - 1], &anew[at + 1..]].concat();
    let anew = dress(&anew);
    let said = String::from_utf8_lossy(&anew.stderr);
    assert!(said.contains("a run with other settings") && said.contains("; begun anew"), "{said}");
    let report: Value = serde_json::from_slice(&anew.stdout).unwrap();
    assert_eq!(report["steps"], 12);
    assert_eq!(paths.names(), ["out"]);
}

#[test]
fn what_is_recovered_keeps_how_it_was_pruned() {
    let (paths, model, calibration) = (Paths::new(), model().display().to_string(), text("calibration.txt"));
    let (out, better, picture) = (paths.path("out"), paths.path("better"), paths.path("run.svg"));
    let mut args = prune(&model, &calibration, &out);
    args.push("--json");
    json(&dress(&args));
    // What is not the run's own stays.
    fs::create_dir(paths.path("better.run")).unwrap();
    fs::write(paths.path("better.run/thesis.txt"), "precious").unwrap();
    let data = ["--calibration", &calibration, "--samples", "4", "--seqlen", "32"];
    let recover = ["recover", "--model", &out, "--out", &better, "--distill-from", &model];
    let recover = [&recover[..], &data].concat();
    json(&dress(&[&recover[..], &["--json"]].concat()));
    assert_eq!(fs::read_to_string(paths.path("better.run/thesis.txt")).unwrap(), "precious");
    assert!(!Path::new(&paths.path("better.run/curve.jsonl")).exists());
    assert_eq!(result(&better, "plan.json"), result(&out, "plan.json"));
    assert!(dress(&["plot", &better, "--out", &picture]).status.success());
    let about = result(&better, "recover.json");
    assert_eq!(about["burn_version"], result(&out, "dress.json")["burn_version"]);
    assert_eq!(about["distilled_from_fingerprint"], result(&out, "plan.json")["fingerprint"]);
    assert_eq!((about["fingerprint"].as_str().unwrap().len(), about["dtype"].as_str()), (64, Some("f32")));
    json(&dress(&[&recover[..], &["--force", "--json"]].concat()));

    let per_layer =
        ["--axis", "ffn", "--ratio", "0.25", "--per-layer", "--target", "dress", "--no-regularize"];
    let uneven = paths.path("uneven");
    let pruned = ["prune", "--model", &model, "--out", &uneven, "--json"];
    json(&dress(&[&pruned[..], &per_layer, &data].concat()));
    let recover = ["recover", "--model", &uneven, "--out", &paths.path("even"), "--lora-rank", "2"];
    let said = refusal(&[&recover[..], &data].concat());
    assert!(said.contains("--target dress"), "{said}");
    json(&dress(&[&recover[..], &data, &["--target", "dress", "--json"]].concat()));
}

#[test]
fn a_search_says_where_the_tile_leaves_another_share() {
    let (paths, model, calibration) = (Paths::new(), model().display().to_string(), text("calibration.txt"));
    let data = ["--calibration", &calibration, "--samples", "12", "--seqlen", "128", "--hold-back", "0"];
    let shape = ["--params", "0.8", "--target", "dress", "--per-layer", "--tile", "256"];
    let out = ["prune", "--model", &model, "--out", &paths.path("out"), "--json"];
    let pruned = dress(&[&out[..], &data, &shape].concat());
    let said = String::from_utf8(pruned.stderr).unwrap();
    let report: Value = serde_json::from_slice(&pruned.stdout).expect(&said);
    let [before, after] = ["parameters_before", "parameters"].map(|key| report[key].as_f64().unwrap());
    // 256 neurons of a layer are 6.2% of the parameters, and no multiple of that is a fifth.
    let left = format!("{:.1}% of the parameters is left, and 80.0% was asked for: ", 100.0 * after / before);
    assert!(said.contains(&left), "{left}: {said}");
}

#[test]
fn without_an_axis_the_shape_is_searched_for() {
    let (paths, model, calibration) = (Paths::new(), model().display().to_string(), text("calibration.txt"));
    let (even, free) = (paths.path("even"), paths.path("free"));
    let prune = ["prune", "--model", &model, "--calibration", &calibration, "--params", "0.8"];
    let prune = [&prune[..], &["--samples", "24", "--seqlen", "128", "--json"]].concat();
    for (out, more) in [(&even, &[][..]), (&free, &["--target", "dress", "--per-layer"][..])] {
        let report = json(&dress(&[&prune[..], &["--out", out], more].concat()));
        let (before, after) =
            (report["parameters_before"].as_f64().unwrap(), report["parameters"].as_f64().unwrap());
        assert!(after / before <= 0.8 && after / before > 0.78, "{report}");
        assert_eq!((&report["criterion"], &report["steps"]), (&"search".into(), &0.into()));
        let search = result(out, "search.json");
        assert_eq!(search["search"]["order"], "expected", "nothing was scored");
        let shapes = search["candidates"].as_array().unwrap();
        let divergence = |shape: &Value| shape["divergence"].as_f64().unwrap();
        let best = &shapes[search["best"].as_u64().unwrap() as usize];
        assert!(shapes.iter().all(|shape| divergence(best) <= divergence(shape)), "{out}");
        assert_eq!(result(out, "dress.json")["settings"]["compensation"], "ridge");
        assert_eq!(crate::evaluate(out)["parameters"], report["parameters"]);
    }
    let within = paths.path("within");
    let prune = ["prune", "--model", &model, "--calibration", &calibration, "--max-perplexity", "1.2x"];
    json(&dress(&[&prune[..], &["--samples", "24", "--seqlen", "128", "--json", "--out", &within]].concat()));
    let search = result(&within, "search.json");
    let best = &search["candidates"][search["best"].as_u64().unwrap() as usize];
    let over = best["loss"].as_f64().unwrap() - search["dense_loss"].as_f64().unwrap();
    assert!(over <= 1.2f64.ln() && over > 0.0, "{over}");
    let picture = paths.path("search.svg");
    json(&dress(&["plot", &within, "--out", &picture, "--json"]));
    let drawn = std::fs::read_to_string(&picture).unwrap();
    for says in ["measured on blocks held back", "percent of the parameters that stays"] {
        assert!(drawn.contains(says), "{says}");
    }
    // A head of every layer is felt, where a few neurons are made up for in full.
    let too_near = ["--axis", "heads", "--max-perplexity", "1.0001", "--samples", "12", "--seqlen", "128"];
    let too_near = [&prune[..5], &too_near].concat();
    assert!(refusal(&[&too_near[..], &["--out", &paths.path("near")]].concat()).contains("allow more"));
    let less = dress(&["prune", "--model", &model, "--max-perplexity", "0.9", "--out", "x"]);
    assert!(!less.status.success() && String::from_utf8_lossy(&less.stderr).contains("above 1"));
    assert!(
        refusal(&["prune", "--model", &model, "--params", "0.8", "--out", &paths.path("no")])
            .contains("calibration")
    );
    let score = ["score", "--model", &model, "--params", "0.8", "--out", &paths.path("plan.json")];
    assert!(refusal(&score).contains("give --axis"));
}
