//! `dress eval` beyond perplexity, and `dress report`.

use crate::{Paths, dress, json, model, refusal, text};
use std::fs;
use std::path::Path;

fn rows(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dress-eval/tests/tasks");
    folder.join(name).display().to_string()
}

#[test]
fn a_run_leaves_reports_goes_on_where_it_was_and_joins_with_others() {
    let (paths, model, data) = (Paths::new(), model().display().to_string(), text("heldout.txt"));
    let small = model.replace("llama3-kjv", "llama2-kjv");
    let (out, other, all) = (paths.path("run"), paths.path("other"), paths.path("all"));
    let requests = paths.path("requests.jsonl");
    let tasks = [("piqa", "piqa_val"), ("winogrande", "winogrande_xl_val"), ("triviaqa", "triviaqa_val")]
        .map(|(name, file)| format!("{name}={}", rows(&format!("{file}.jsonl"))))
        .join(",");
    let mut args =
        vec!["eval", "--model", &model, "--data", &data, "--seqlen", "64", "--max-blocks", "2", "--tasks"];
    args.extend([&tasks, "--requests", &requests, "--out", &out, "--json"]);
    let first = json(&dress(&args));
    assert_eq!((&first["reused"], &first["tasks"][0]["reused"]), (&0.into(), &0.into()));
    let said = fs::read_to_string(&requests).unwrap();
    assert_eq!(said.lines().count(), 2 * 6 + 2 * 5 + 5);
    assert_eq!(said.lines().filter(|line| line.contains("\"log_likelihood\":")).count(), 2 * 6 + 2 * 5);
    assert_eq!(said.lines().filter(|line| line.contains("\"generated\":")).count(), 5);
    assert!(refusal(&args).contains("requests.jsonl: already exists"));
    args.push("--force");
    let second = json(&dress(&args));
    assert_eq!((&second["reused"], &second["tasks"][0]["reused"]), (&2.into(), &6.into()));
    assert_eq!(second["tasks"][1]["metrics"], first["tasks"][1]["metrics"]);
    assert_eq!(
        (&second["tasks"][2]["reused"], &second["tasks"][2]["headline"]),
        (&5.into(), &"exact_match".into())
    );
    assert_eq!(second["perplexity"], first["perplexity"]);

    let mut args = vec!["eval", "--model", &small, "--against", &model, "--data", &data, "--seqlen", "64"];
    args.extend([
        "--max-blocks",
        "2",
        "--speed",
        "--prefill-tokens",
        "16",
        "--prompt-tokens",
        "4",
        "--new-tokens",
        "2",
    ]);
    args.extend(["--batches", "1,2", "--rounds", "1", "--warmup", "1", "--out", &other, "--json"]);
    let against = json(&dress(&args));
    #[cfg(target_os = "linux")]
    {
        let speed = &against["against"]["speed"];
        let weights = against["against"]["size"]["bytes"].as_u64().unwrap();
        assert!(speed["peak_memory"].as_u64().unwrap() > weights, "{speed}");
    }
    assert!(against["departure"]["kl"].as_f64().unwrap() > 0.0);
    assert_eq!(against["departure"]["losses"], against["paired"][0]["difference"], "of the text");
    assert!(against["against"]["speed"]["prefill_ms"]["median"].as_f64().unwrap() > 0.0);
    assert_eq!(against["against"]["perplexity"][0]["perplexity"], first["perplexity"]);

    let joined = json(&dress(&["report", &out, &other, "--out", &all, "--json"]));
    assert_eq!(joined["models"], 2, "the dense model of both runs is one");
    let page = fs::read_to_string(Path::new(&all).join("report.html")).unwrap();
    assert!(
        page.contains("table-speed") && page.contains("plot-perplexity-0") && page.contains("table-tasks")
    );
    let picture = paths.path("all.svg");
    assert!(dress(&["plot", &all, "--out", &picture]).status.success());
    let drawn = fs::read_to_string(&picture).unwrap();
    for says in ["Perplexity, heldout.txt", "Decode latency", "llama2-kjv", "llama3-kjv"] {
        assert!(drawn.contains(says), "{says}");
    }
}

#[test]
fn what_a_task_refuses_is_one_line() {
    let model = model().display().to_string();
    let eval = |arguments: &[&str]| refusal(&[&["eval", "--model", &model], arguments].concat());
    assert!(eval(&["--tasks", "mmlus"]).contains("there is no task `mmlus`"));
    assert!(eval(&["--tasks", "piqa", "--task-data", "/nowhere"]).contains("piqa_val.jsonl"));
    assert!(eval(&["--tasks", "piqa=/nowhere.jsonl"]).contains("/nowhere.jsonl"));
    let report = refusal(&["report", "/nowhere"]);
    assert!(report.contains("/nowhere") && report.contains("dress eval --out"), "{report}");
}

#[test]
fn a_report_replaces_only_its_own() {
    let (paths, model, data) = (Paths::new(), model().display().to_string(), text("heldout.txt"));
    let (small, out) = (model.replace("llama3-kjv", "llama2-kjv"), paths.path("run"));
    let args = |model: &str, blocks: &str| -> Vec<String> {
        let args = [
            "eval",
            "--model",
            model,
            "--data",
            &data,
            "--seqlen",
            "64",
            "--max-blocks",
            blocks,
            "--out",
            &out,
        ];
        args.map(String::from).to_vec()
    };
    let run = |args: Vec<String>, more: &[&str]| {
        let all: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
        json(&dress(&[&all[..], &["--json"]].concat()))
    };
    let refused = |args: Vec<String>, more: &[&str]| {
        let all: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
        refusal(&all)
    };
    run(args(&model, "1"), &[]);
    run(args(&model, "2"), &[]);
    assert!(
        refused(args(&model, "1"), &[]).contains("llama3-kjv with other settings"),
        "it would lose a block"
    );
    assert!(refused(args(&model, "2"), &["--against", &small]).contains("--force"));
    assert!(refused(args(&small, "2"), &[]).contains("another model, llama3-kjv"));
    assert_eq!(run(args(&small, "1"), &["--force"])["data"]["blocks"], 1);

    let into = |out: &str, more: &[&str]| {
        refusal(&[&["eval", "--model", &model, "--data", &data, "--out", out], more].concat())
    };
    assert!(into(&model, &["--force"]).contains("a checkpoint, and no place for a report"));
    let tasks = format!("piqa={}", rows("piqa_val.jsonl"));
    let requests = rows("piqa_val.jsonl");
    let says = refusal(&["eval", "--model", &model, "--tasks", &tasks, "--requests", &requests, "--force"]);
    assert!(says.contains("not a file of requests"), "{says}");
}

#[test]
fn what_cannot_be_measured_is_refused_before_the_models_are_loaded() {
    let (paths, model, data) = (Paths::new(), model().display().to_string(), text("heldout.txt"));
    let eval = |arguments: &[&str]| refusal(&[&["eval", "--model", &model], arguments].concat());
    assert!(eval(&[]).contains("--data") && eval(&[]).contains("--tasks") && eval(&[]).contains("--speed"));
    let says = eval(&["--speed", "--prefill-tokens", "4000"]);
    assert!(says.contains("1024 positions; lower --prefill-tokens"), "{says}");
    let says = eval(&["--speed", "--prompt-tokens", "1000"]);
    assert!(says.contains("--prompt-tokens or --new-tokens"), "{says}");
    let other = paths.path("other");
    fs::create_dir(&other).unwrap();
    for entry in fs::read_dir(&model).unwrap().flatten() {
        fs::copy(entry.path(), Path::new(&other).join(entry.file_name())).unwrap();
    }
    // The weights are not looked at: they are not even there.
    fs::write(paths.path("other/model.safetensors"), "none").unwrap();
    let tokenizer = fs::read_to_string(paths.path("other/tokenizer.json")).unwrap();
    // One more line makes no other tokenizer, another way to begin a text does.
    let begins_otherwise = tokenizer.replace("\"add_prefix_space\": false", "\"add_prefix_space\": true");
    assert_ne!(begins_otherwise, tokenizer);
    fs::write(paths.path("other/tokenizer.json"), tokenizer + "\n").unwrap();
    assert!(!eval(&["--data", &data, "--against", &other]).contains("different tokenizers"));
    fs::write(paths.path("other/tokenizer.json"), begins_otherwise).unwrap();
    assert!(eval(&["--data", &data, "--against", &other]).contains("different tokenizers"));
}

#[test]
fn both_models_are_in_one_table_and_a_text_that_was_calibrated_on_is_said() {
    let (paths, model, calibration) = (Paths::new(), model().display().to_string(), text("calibration.txt"));
    let out = paths.path("out");
    let prune =
        ["prune", "--model", &model, "--calibration", &calibration, "--samples", "4", "--seqlen", "32"];
    let what = ["--axis", "ffn", "--ratio", "0.25", "--no-regularize", "--out", &out, "--json"];
    json(&dress(&[&prune[..], &what].concat()));
    let tasks = format!("piqa={}", rows("piqa_val.jsonl"));
    let eval = [
        "eval",
        "--model",
        &out,
        "--against",
        &model,
        "--data",
        &calibration,
        "--seqlen",
        "32",
        "--max-blocks",
        "2",
    ];
    let output = dress(&[&eval[..], &["--tasks", &tasks, "--limit", "2"]].concat());
    let (said, warned) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(warned.contains("out was calibrated on") && warned.lines().count() == 1, "{warned}");
    let row = |name: &str| {
        let line =
            said.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {said}"));
        line.split_whitespace().map(String::from).collect::<Vec<_>>()
    };
    let header = ["llama3-kjv", "out", "difference", "error", "percent"];
    assert!(said.lines().any(|line| line.split_whitespace().eq(header)), "{said}");
    assert_eq!((row("parameters").len(), row("bytes as stored").len()), (5, 10), "{said}");
    let perplexity = row("perplexity  ");
    assert_eq!(perplexity.len(), 8, "both, the difference, its error, and percent with theirs: {said}");
    assert!(
        perplexity[1].ends_with('*') && perplexity[3].starts_with('+'),
        "the dense model's is better: {said}"
    );
    assert!(row("piqa acc ").len() >= 6, "{said}");
    let output = dress(&[&eval[..], &["--json"]].concat());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let paired = &report["paired"][0];
    assert_eq!((&paired["metric"], &paired["difference"]["pairs"]), (&"perplexity".into(), &2.into()));
}
