//! Whole tasks on a shipped model.

use crate::small::{Shipped, rows, shipped, task};
use dress_core::NoProgress;
use dress_eval::journal::ResultCache;
use dress_eval::tasks::{Metric, Rows, Said, Task, TaskConfig, TaskFile, paper_average, run_task};
use std::io::Write;

#[test]
fn every_built_in_task_runs_on_rows_of_its_published_schema() {
    let kjv = Shipped::load("llama2-kjv");
    let mut results = Vec::new();
    for file in TaskFile::built_in() {
        let task = task(&file.name);
        let (result, said) =
            run_task(&kjv.model, &kjv.encoder(), &task, &TaskConfig::default(), &NoProgress).unwrap();
        assert_eq!((result.rows, said.len()), (task.rows.rows.len(), task.rows.rows.len()));
        let answers = |said: &Said| said.likelihoods().len() + usize::from(said.text().is_some());
        assert_eq!(result.requests, said.iter().map(|row| answers(&row.said)).sum::<usize>());
        assert!(said.iter().flat_map(|row| row.said.likelihoods()).all(|l| l.log_likelihood < 0.0));
        for metric in &result.metrics {
            let range = if metric.metric == Metric::Perplexity { 1.0..=f64::MAX } else { 0.0..=1.0 };
            assert!(range.contains(&metric.value), "{}: {metric:?}", file.name);
        }
        results.push(result);
    }
    let headline = |name: &str| results.iter().find(|r| r.task == name).unwrap().headline().unwrap().value;
    let names = ["piqa", "hellaswag", "winogrande", "arc_easy", "arc_challenge"];
    let mean = names.iter().map(|name| headline(name)).sum::<f64>() / 5.0;
    assert!((paper_average(&results).unwrap() - mean).abs() < 1e-12);
    assert_eq!(paper_average(&results[1..]), None);
}

#[test]
fn parquet_rows_are_the_rows_of_the_same_jsonl() {
    let lines = Rows::read(&rows("arc_easy_test.jsonl")).unwrap();
    let parquet = Rows::read(&rows("arc_easy_test.parquet")).unwrap();
    let ask = |rows: Rows| {
        let task = Task { file: TaskFile::named("arc_easy").unwrap(), rows, fewshot_rows: None };
        task.questions(&TaskConfig::default()).unwrap()
    };
    assert_eq!(ask(parquet), ask(lines));
}

#[test]
fn labels_that_are_distributed_apart_are_put_to_their_rows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("valid.jsonl");
    std::fs::write(
        &path,
        "{\"goal\":\"g\",\"sol1\":\"a\",\"sol2\":\"b\"}\n{\"goal\":\"h\",\"sol1\":\"a\",\"sol2\":\"b\"}\n",
    )
    .unwrap();
    std::fs::write(directory.path().join("valid-labels.lst"), "1\n0\n").unwrap();
    let read = Rows::read(&path).unwrap();
    assert_eq!([&read.rows[0]["label"], &read.rows[1]["label"]], ["1", "0"]);
    std::fs::write(directory.path().join("valid-labels.lst"), "1\n").unwrap();
    assert!(Rows::read(&path).unwrap_err().to_string().contains("1 labels for 2 rows"));
}

#[test]
fn what_was_kept_is_reused_and_a_run_that_broke_off_goes_on() {
    let (kjv, directory) = (Shipped::load("llama2-kjv"), tempfile::tempdir().unwrap());
    let cache = Some(ResultCache::new(directory.path()));
    let run = |limit, fewshot| {
        let config = TaskConfig { limit, fewshot, cache: cache.clone(), ..TaskConfig::default() };
        run_task(&kjv.model, &kjv.encoder(), &task("piqa"), &config, &NoProgress).unwrap()
    };
    let (first, _) = run(Some(2), 0);
    assert_eq!((first.reused, first.rows), (0, 2));
    let (second, said) = run(None, 0);
    assert_eq!((second.reused, second.rows), (2, 6));
    let (third, again) = run(None, 0);
    assert_eq!((third.reused, third.requests_per_second), (6, None));
    assert_eq!(again, said);
    assert_eq!(run(None, 1).0.reused, 0, "other settings are another result");
}

#[test]
fn examples_come_before_the_question_and_never_are_the_question() {
    let task = task("piqa");
    let config = TaskConfig { fewshot: 2, ..TaskConfig::default() };
    let question = &task.questions(&config).unwrap()[0];
    let context = &question.requests[0].0;
    assert_eq!(context.matches("Question: ").count(), 3);
    assert!(context.ends_with("\n\nQuestion: To draw water from a well\nAnswer:"), "{context}");
    // Drawn from what is evaluated.
    let alone = Task { fewshot_rows: None, ..task };
    let every = TaskConfig { fewshot: 5, ..TaskConfig::default() };
    for question in alone.questions(&every).unwrap() {
        let context = &question.requests[0].0;
        let last = context.rsplit("Question: ").next().unwrap().trim_end_matches("\nAnswer:");
        assert_eq!(context.matches(last).count(), 1, "{context}");
    }
}

/// The sets as they were published, where they lie beside the workspace.
#[test]
fn every_row_of_the_published_sets_is_understood() {
    let folder = shipped("../../../shared/data/tasks");
    if !folder.is_dir() {
        // Past what the harness captures. `.ci/run` fails where it is there.
        let _ = writeln!(std::io::stderr(), "SKIPPED for want of shared: {} is not there", folder.display());
        return;
    }
    let expected = [("piqa", 1838), ("hellaswag", 10_042), ("winogrande", 1267), ("arc_easy", 2376)];
    let expected =
        expected.into_iter().chain([("arc_challenge", 1172), ("boolq", 3270), ("lambada_openai", 5153)]);
    for (name, count) in expected {
        let file = TaskFile::named(name).unwrap();
        let rows = Rows::read(&file.find_data(&folder).unwrap()).unwrap();
        let task = Task { file, rows, fewshot_rows: None };
        assert_eq!(task.questions(&TaskConfig::default()).unwrap().len(), count, "{name}");
    }
}
