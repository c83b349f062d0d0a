//! What a task refuses, and what it does as `lm_eval` does.

use crate::small::{Shipped, rows, task, task_on};
use dress_core::NoProgress;
use dress_eval::scoring::RequestEncoder;
use dress_eval::tasks::{RowResult, Rows, TaskConfig, TaskFile, run_task};
use std::path::Path;

fn refusal(name: &str, content: &str) -> String {
    let kjv = Shipped::load("llama2-kjv");
    let run = task_on(name, "rows.jsonl", content)
        .and_then(|task| run_task(&kjv.model, &kjv.encoder(), &task, &TaskConfig::default(), &NoProgress));
    run.unwrap_err().to_string()
}

const GOOD: &str = r#"{"goal":"g","sol1":"a","sol2":"b","label":0}"#;

#[test]
fn malformed_row_names_its_line() {
    let says = refusal("piqa", &format!("{GOOD}\n\n{{\"goal\": \n"));
    assert!(says.contains("rows.jsonl") && says.contains("row 3"), "{says}");
    let says = refusal("piqa", &format!("{GOOD}\n[1, 2]\n"));
    assert!(says.contains("row 2"), "{says}");
}

#[test]
fn missing_field_names_the_row_and_the_template() {
    let says = refusal("piqa", &format!("{GOOD}\n{{\"goal\":\"g\",\"label\":0}}\n"));
    assert!(says.contains("row 2") && says.contains("choices"), "{says}");
    let says = refusal("piqa", &format!("{GOOD}\n{{\"goal\":\"g\",\"sol1\":\"a\",\"label\":0}}\n"));
    assert!(
        says.contains("rows.jsonl") && says.contains("row 2") && says.contains("the row has no `sol2`"),
        "{says}"
    );
    let says = refusal("piqa", "{\"sol1\":\"a\",\"sol2\":\"b\",\"label\":0}\n");
    assert!(
        says.contains("rows.jsonl") && says.contains("row 1") && says.contains("the row has no `goal`"),
        "{says}"
    );
}

#[test]
fn missing_label_is_an_error() {
    let says = refusal("piqa", &format!("{GOOD}\n{{\"goal\":\"g\",\"sol1\":\"a\",\"sol2\":\"b\"}}\n"));
    assert!(says.contains("row 2") && says.contains("gold"), "{says}");
    let says = refusal("piqa", r#"{"goal":"g","sol1":"a","sol2":"b","label":-1}"#);
    assert!(says.contains("the label of row 1 is -1") && says.contains("split with labels"), "{says}");
    let says =
        refusal("arc_easy", r#"{"question":"q","choices":{"text":["a"],"label":["A"]},"answerKey":""}"#);
    assert!(says.contains("row 1"), "{says}");
}

#[test]
fn missing_answers_name_the_file_and_the_row() {
    let good = r#"{"question":"q","answer":{"aliases":["a"]}}"#;
    let with = |row: &str| refusal("triviaqa", &format!("{good}\n{row}\n"));
    for (row, part) in [
        (r#"{"question":"q","answer":{"aliases":[]}}"#, "no accepted answer"),
        (r#"{"question":"q","answer":{"aliases":"a"}}"#, "expected a list of texts"),
        (r#"{"question":"q","answer":"a"}"#, "answers"),
        (r#"{"question":"q"}"#, "the row has no `answer`"),
        (r#"{"answer":{"aliases":["a"]}}"#, "the row has no `question`"),
        ("{\"question\": ", "not a JSON object"),
    ] {
        let says = with(row);
        assert!(
            says.contains("rows.jsonl") && says.contains("row 2") && says.contains(part),
            "{row}: {says}"
        );
    }
}

#[test]
fn empty_split_is_an_error() {
    for content in ["", "\n \n"] {
        assert!(refusal("piqa", content).contains("there is no row"));
    }
}

#[test]
fn a_file_that_is_not_parquet_is_an_error() {
    let says = task_on("piqa", "rows.parquet", "PAR1 no").unwrap_err().to_string();
    assert!(says.contains("rows.parquet") && says.contains("JSONL"), "{says}");
}

#[test]
fn missing_data_names_the_files_that_were_looked_for() {
    let says = TaskFile::named("piqa").unwrap().find_data(Path::new("/nowhere")).unwrap_err().to_string();
    assert!(says.contains("piqa_val.jsonl") && says.contains("piqa=FILE"), "{says}");
    let says = TaskFile::named("triviaqa").unwrap().find_data(Path::new("/nowhere")).unwrap_err().to_string();
    assert!(says.contains("rc.nocontext/validation") && says.contains("triviaqa=FILE"), "{says}");
}

/// `lm_eval` fails an assertion there.
#[test]
fn a_choice_that_tokenizes_to_nothing_is_an_error() {
    let kjv = Shipped::load("llama2-kjv");
    let says = kjv.encoder().encode("In the beginning", "").unwrap_err().to_string();
    assert!(says.contains("no token of its own"), "{says}");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.toml");
    let text = "name = 'mine'\nkind = 'loglikelihood'\ncontext = '{{ a }}'\ntarget = '{{ b }}'\nmetrics = ['acc']\n\
                headline = 'acc'\n";
    std::fs::write(&path, text).unwrap();
    let rows = directory.path().join("rows.jsonl");
    std::fs::write(&rows, "{\"a\":\"x\",\"b\":\"y\"}\n{\"a\":\"x\",\"b\":\"\"}\n").unwrap();
    let task = dress_eval::tasks::Task {
        file: TaskFile::read(&path).unwrap(),
        rows: Rows::read(&rows).unwrap(),
        fewshot_rows: None,
    };
    let says = run_task(&kjv.model, &kjv.encoder(), &task, &TaskConfig::default(), &NoProgress).unwrap_err();
    assert!(says.to_string().contains("mine, row 2"), "{says}");
}

/// As `lm_eval`: the context's trailing spaces are scored with the continuation.
#[test]
fn trailing_spaces_of_a_context_move_to_the_continuation() {
    let kjv = Shipped::load("llama2-kjv");
    let encode = |context: &str, continuation: &str| kjv.encoder().encode(context, continuation).unwrap();
    assert_eq!(encode("In the beginning ", "God"), encode("In the beginning", " God"));
}

/// As `lm_eval`: the token that begins a text stands in for an empty context.
#[test]
fn an_empty_context_is_the_token_that_begins_a_text() {
    let kjv = Shipped::load("llama2-kjv");
    assert_eq!(kjv.encoder().encode("", " God").unwrap().context, [kjv.prefix.id]);
    assert_eq!(kjv.encoder().encode_prompt("").unwrap(), [kjv.prefix.id]);
    let without = RequestEncoder { tokenizer: &kjv.tokenizer, prefix: None };
    assert!(without.encode_prompt("").unwrap_err().to_string().contains("bos_token"));
    assert!(without.encode("", " God").unwrap_err().to_string().contains("bos_token"));
}

/// As `lm_eval`: what is too long is cut from the left, and the continuation is scored whole.
#[test]
fn a_context_longer_than_the_model_is_cut_from_the_left() {
    let kjv = Shipped::load("llama2-kjv");
    let long = "and the word of the LORD came unto me, ".repeat(200);
    let row = |context: &str| serde_json::json!({"text": format!("{context}saying")}).to_string();
    let run = |rows: &str| {
        let task = task_on("lambada_openai", "rows.jsonl", rows).unwrap();
        run_task(&kjv.model, &kjv.encoder(), &task, &TaskConfig::default(), &NoProgress).unwrap().1
    };
    let (once, longer) = (run(&row(&long)), run(&row(&format!("Unto Noah {long}"))));
    let first = |said: &[RowResult]| said[0].said.likelihoods()[0].log_likelihood;
    let difference = first(&once) - first(&longer);
    assert!(difference.abs() < 1e-5, "what was cut cannot matter: {difference}");
}

#[test]
fn too_few_rows_for_the_examples_are_an_error() {
    let mut task = task("piqa");
    task.fewshot_rows = Some(Rows::read(&rows("piqa_train.jsonl")).unwrap());
    let config = TaskConfig { fewshot: 8, ..TaskConfig::default() };
    let says = task.questions(&config).unwrap_err().to_string();
    assert!(says.contains("8 rows, 9 are needed") && says.contains("`fewshot`"), "{says}");
}
