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
    let tasks = format!("piqa={},winogrande={}", rows("piqa_val.jsonl"), rows("winogrande_xl_val.jsonl"));
    let mut args =
        vec!["eval", "--model", &model, "--data", &data, "--seqlen", "64", "--max-blocks", "2", "--tasks"];
    args.extend([&tasks, "--requests", &requests, "--out", &out, "--json"]);
    let first = json(&dress(&args));
    assert_eq!((&first["reused"], &first["tasks"][0]["reused"]), (&0.into(), &0.into()));
    assert_eq!(fs::read_to_string(&requests).unwrap().lines().count(), 2 * 6 + 2 * 5);
    let second = json(&dress(&args));
    assert_eq!((&second["reused"], &second["tasks"][0]["reused"]), (&2.into(), &6.into()));
    assert_eq!(second["tasks"][1]["metrics"], first["tasks"][1]["metrics"]);
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
    args.extend(["--batches", "1,2", "--rounds", "1", "--warmup", "0", "--out", &other, "--json"]);
    let against = json(&dress(&args));
    assert!(against["departure"]["kl"].as_f64().unwrap() > 0.0);
    assert!(against["against"]["speed"]["prefill_ms"]["median"].as_f64().unwrap() > 0.0);
    assert_eq!(against["against"]["perplexity"][0]["perplexity"], first["perplexity"]);

    let joined = json(&dress(&["report", &out, &other, "--out", &all, "--json"]));
    assert_eq!(joined["models"], 2, "the dense model of both runs is one");
    let page = fs::read_to_string(Path::new(&all).join("report.html")).unwrap();
    assert!(
        page.contains("table-speed") && page.contains("plot-perplexity-0") && page.contains("table-tasks")
    );
}

#[test]
fn what_a_task_refuses_is_one_line() {
    let model = model().display().to_string();
    let eval = |arguments: &[&str]| refusal(&[&["eval", "--model", &model], arguments].concat());
    assert!(eval(&["--tasks", "mmlu"]).contains("there is no task `mmlu`"));
    assert!(eval(&["--tasks", "piqa", "--task-data", "/nowhere"]).contains("piqa_val.jsonl"));
    assert!(eval(&["--tasks", "piqa=/nowhere.jsonl"]).contains("/nowhere.jsonl"));
    assert!(refusal(&["report", "/nowhere"]).contains("/nowhere"));
}
