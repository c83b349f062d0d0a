//! Where `dress generate` stops, and how it asks a chat model.

use crate::{Paths, dress, json, model, refusal};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// A copy of the small model, with files of its own.
fn copy(paths: &Paths, files: &[(&str, Value)]) -> String {
    let place = paths.path("model");
    fs::create_dir_all(&place).unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(model().join(name), Path::new(&place).join(name)).unwrap();
    }
    for (name, content) in files {
        let text = content.as_str().map_or_else(|| content.to_string(), String::from);
        fs::write(Path::new(&place).join(name), text).unwrap();
    }
    place
}

fn generated(model: &str, more: &[&str]) -> Value {
    json(&dress(&[&["generate", "--model", model, "--max-new-tokens", "24", "--json"], more].concat()))
}

fn tokens(report: &Value) -> Vec<u64> {
    report["tokens"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect()
}

const PROMPT: [&str; 2] = ["--prompt", "And the LORD said unto Moses"];

#[test]
fn a_text_ends_at_every_token_that_either_configuration_ends_it_with() {
    let paths = Paths::new();
    let plain = copy(&paths, &[]);
    let all = tokens(&generated(&plain, &[&PROMPT[..], &["--ignore-eos"]].concat()));
    assert_eq!(all.len(), 24);
    let end = all[5];
    let ended = &all[..=all.iter().position(|id| *id == end).unwrap()];
    let mut config: Value =
        serde_json::from_str(&fs::read_to_string(model().join("config.json")).unwrap()).unwrap();
    config["eos_token_id"] = json!([1999, end]);
    for (name, content) in
        [("generation_config.json", json!({"eos_token_id": [1998, end]})), ("config.json", config)]
    {
        let model = copy(&paths, &[(name, content)]);
        let report = generated(&model, &PROMPT);
        assert_eq!(tokens(&report), ended, "{name}");
        assert_eq!(report["ended_by"]["id"], end, "{name}");
        let on = generated(&model, &[&PROMPT[..], &["--ignore-eos"]].concat());
        assert_eq!((tokens(&on), &on["ended_by"]), (all.clone(), &Value::Null), "{name}");
        fs::remove_file(Path::new(&model).join(name)).unwrap();
    }
}

#[test]
fn a_chat_is_written_by_the_template_of_the_checkpoint() {
    let paths = Paths::new();
    let template = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}\
                    {% if add_generation_prompt %}[assistant]{% endif %}";
    let model = copy(&paths, &[("tokenizer_config.json", json!({"chat_template": template}))]);
    let chat = ["--chat", "--system", "Be just.", "--prompt", "Who is this?", "--ignore-eos"];
    let written = ["--ignore-eos", "--prompt", "[system] Be just.\n[user] Who is this?\n[assistant]"];
    assert_eq!(tokens(&generated(&model, &chat)), tokens(&generated(&model, &written)));
    let file = "{{ raise_exception('only questions') }}";
    let refusing = copy(&paths, &[("chat_template.jinja", file.into())]);
    let said = refusal(&[&["generate", "--model", &refusing][..], &chat].concat());
    assert!(said.contains("only questions"), "{said}");
    let base = Paths::new();
    let base = copy(&base, &[]);
    let said = refusal(&[&["generate", "--model", &base][..], &chat].concat());
    assert!(said.contains("no chat template"), "{said}");
}

#[test]
fn a_model_writes_a_corpus_that_it_can_be_pruned_on() {
    let paths = Paths::new();
    let (model, out) = (copy(&paths, &[]), paths.path("own.jsonl"));
    let write = |more: &[&str]| {
        let args = ["generate", "--model", &model, "--texts", "5", "--max-new-tokens", "40", "--out", &out];
        [&args[..], &["--seed", "3", "--json"], more]
            .concat()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let run = |more: &[&str]| json(&dress(&write(more).iter().map(String::as_str).collect::<Vec<_>>()));
    let report = run(&[]);
    assert_eq!((report["texts"].as_u64(), report["found"].as_u64()), (Some(5), Some(0)));
    let texts = |path: &str| -> Vec<String> {
        let text =
            |line: &str| serde_json::from_str::<Value>(line).unwrap()["text"].as_str().unwrap().to_string();
        fs::read_to_string(path).unwrap().lines().map(text).collect()
    };
    let written = texts(&out);
    assert_eq!(written.len(), 5);
    assert!(written.iter().collect::<std::collections::BTreeSet<_>>().len() > 1, "{written:?}");
    assert!(!Path::new(&format!("{out}.run")).exists());
    // The same seed writes the same, another one does not, and nothing is replaced unasked.
    let said = refusal(&write(&[]).iter().map(String::as_str).collect::<Vec<_>>());
    assert!(said.contains("--force"), "{said}");
    run(&["--force"]);
    assert_eq!(texts(&out), written);
    run(&["--force", "--prompt", "And"]);
    assert!(texts(&out).iter().all(|text| text.starts_with("And")));
    let pruned = paths.path("pruned");
    let prune = ["prune", "--model", &model, "--calibration", &out, "--axis", "ffn", "--ratio", "0.25"];
    let few = ["--samples", "4", "--seqlen", "16", "--no-regularize", "--out", &pruned];
    dress(&[&prune[..], &few].concat());
    assert!(Path::new(&pruned).join("config.json").exists());
}
