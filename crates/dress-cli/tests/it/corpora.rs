//! Corpora as the commands take them: fields, conversations and standard input.

use crate::{Paths, dress, json, model, refusal, text};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

fn verses() -> Vec<String> {
    fs::read_to_string(text("heldout.txt")).unwrap().lines().take(80).map(String::from).collect()
}

fn write_rows(path: &str, row: impl Fn(&str) -> Value) {
    fs::write(path, verses().iter().map(|verse| format!("{}\n", row(verse))).collect::<String>()).unwrap();
}

const CUT: [&str; 5] = ["--seqlen", "64", "--max-blocks", "2", "--json"];

#[test]
fn the_text_field_is_read_and_recorded() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let (plain, named) = (paths.path("plain.jsonl"), paths.path("named.jsonl"));
    write_rows(&plain, |verse| json!({ "text": verse }));
    write_rows(&named, |verse| json!({ "id": 1, "verse": verse }));
    let eval = |data: &str, more: &[&str]| {
        json(&dress(&[&["eval", "--model", &model, "--data", data], more, &CUT].concat()))
    };
    let (of_text, of_verse) = (eval(&plain, &[]), eval(&named, &["--text-field", "verse"]));
    assert_eq!(of_text["perplexity"], of_verse["perplexity"]);
    assert_eq!(of_verse["data"]["text_field"], "verse");
    assert_eq!(of_text["data"].get("text_field"), None);
    let out = paths.path("logits.safetensors");
    let logits = ["logits", "--model", &model, "--data", &named, "--tokens", "16", "--out", &out, "--json"];
    assert!(refusal(&logits[..9]).contains("`verse`"));
    json(&dress(&[&logits[..], &["--text-field", "verse"]].concat()));
}

#[test]
fn conversations_go_through_the_chat_template_of_the_checkpoint() {
    let (paths, source) = (Paths::new(), model());
    let chat = paths.path("chat.jsonl");
    let turns =
        |verse: &str| json!([{"role": "user", "content": "Read."}, {"role": "assistant", "content": verse}]);
    write_rows(&chat, |verse| json!({ "messages": turns(verse) }));
    let eval = |model: &str| -> Vec<String> {
        ["eval", "--model", model, "--data", &chat].into_iter().chain(CUT).map(String::from).collect()
    };
    let base = eval(&source.display().to_string());
    let said = refusal(&base.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(said.contains("row 1") && said.contains("chat template"), "{said}");
    let place = paths.path("chat-model");
    fs::create_dir(&place).unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(source.join(name), format!("{place}/{name}")).unwrap();
    }
    let template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}";
    fs::write(format!("{place}/chat_template.jinja"), template).unwrap();
    let found = json(&dress(&eval(&place).iter().map(String::as_str).collect::<Vec<_>>()));
    write_rows(
        &paths.path("written.jsonl"),
        |verse| json!({ "text": format!("user: Read.\nassistant: {verse}\n") }),
    );
    let written = paths.path("written.jsonl");
    let same = json(&dress(&[&["eval", "--model", &place, "--data", &written], &CUT[..]].concat()));
    assert_eq!(found["perplexity"], same["perplexity"]);
    assert_eq!(found["data"]["chat_template_sha256"].as_str().map(str::len), Some(64));
}

#[test]
fn standard_input_is_a_corpus_once_and_none_where_it_is_read_again() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let piped = |args: &[&str]| {
        let mut run = Command::new(env!("CARGO_BIN_EXE_dress"));
        let run = run.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut run = run.spawn().unwrap();
        // A run that refuses before it reads has closed the pipe.
        _ = run.stdin.take().unwrap().write_all(verses().join("\n").as_bytes());
        run.wait_with_output().unwrap()
    };
    let file = paths.path("verses.txt");
    fs::write(&file, verses().join("\n")).unwrap();
    let eval = |data| [&["eval", "--model", &model, "--data", data], &CUT[..]].concat();
    assert_eq!(json(&piped(&eval("-")))["perplexity"], json(&dress(&eval(&file)))["perplexity"]);
    let said = String::from_utf8(piped(&eval(&format!("{file},-,-"))).stderr).unwrap();
    assert!(said.contains("read already"), "{said}");
    let out = paths.path("out");
    let compare = ["compare", "--model", &model, "--ratios", "0.2", "--presets", "wanda-sp", "--out", &out];
    let texts =
        |data, calibration, unseen| ["--data", data, "--calibration", calibration, "--unseen", unseen];
    for given in [texts("-", &file, &file), texts(&file, "-", &file), texts(&file, &file, "/dev/stdin")] {
        let given = [&compare[..], &given].concat();
        let said = String::from_utf8(piped(&given).stderr).unwrap();
        assert!(said.contains("write it to a file"), "{given:?}: {said}");
    }
}
