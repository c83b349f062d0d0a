//! What a result has for whoever publishes or serves it.

use crate::{Paths, dress, json, model, text};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A copy of the model with a licence and a card of its own.
fn licensed(paths: &Paths) -> String {
    let copy = paths.path("licensed");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(model()).unwrap().flatten() {
        fs::copy(entry.path(), Path::new(&copy).join(entry.file_name())).unwrap();
    }
    let card =
        "---\nlicense: other\nlicense_name: kjv\nlicense_link: LICENSE.txt\n---\n\n# The dense model\n";
    for (name, text) in
        [("LICENSE.txt", "terms"), ("NOTICE", "notice"), ("README.md", card), ("notes.txt", "mine")]
    {
        fs::write(Path::new(&copy).join(name), text).unwrap();
    }
    copy
}

fn read(directory: &str, name: &str) -> String {
    fs::read_to_string(Path::new(directory).join(name)).unwrap_or_else(|_| panic!("{directory}/{name}"))
}

fn parsed(directory: &str, name: &str) -> Value {
    serde_json::from_str(&read(directory, name)).unwrap()
}

/// Checks that nothing in a directory says where the test keeps its files.
fn says_no_place(paths: &Paths, directory: &str) {
    let places = [paths.path(""), env!("CARGO_MANIFEST_DIR").into()];
    for entry in fs::read_dir(directory).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        let said = String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned();
        for place in places.iter().map(|place| place.trim_end_matches('/')) {
            assert!(!said.contains(place), "{} says {place}", entry.path().display());
        }
    }
}

#[test]
fn a_result_has_licence_card_and_tokens_and_so_has_what_is_made_of_it() {
    let (paths, calibration) = (Paths::new(), text("calibration.txt"));
    let (source, [sliced, tuned, turned]) =
        (licensed(&paths), ["it's sliced", "tuned", "turned"].map(|name| paths.path(name)));
    let draw = ["--calibration", &calibration, "--samples", "4", "--seqlen", "64", "--json"];
    let prune = ["prune", "--model", &source, "--axis", "ffn", "--ratio", "0.25", "--out", &sliced];
    json(&dress(&[&prune[..], &["--no-regularize", "--compensate", "ridge"], &draw].concat()));

    assert_eq!([read(&sliced, "LICENSE.txt"), read(&sliced, "NOTICE")], ["terms", "notice"]);
    assert_eq!(read(&sliced, "README.source.md"), read(&source, "README.md"));
    assert!(!Path::new(&sliced).join("notes.txt").exists());
    let card = read(&sliced, "README.md");
    let front = "---\nlicense: other\nlicense_name: kjv\nlicense_link: LICENSE.txt\npipeline_tag: text-generation\n\
                 library_name: transformers\ntags:\n- dress\n- pruned\n---\n\n# it's sliced\n";
    assert!(card.starts_with(front), "{card}");
    for part in [
        "Made from `licensed`.",
        "| parameters | 2,361,408 | 1,992,768 (84.4%) |",
        "| neurons of a layer | 512 | 384 |",
        "chosen by the criterion `activation-norm`",
        "refitted to make up for it",
        "4 blocks of 64 tokens of `calibration.txt`",
        "```sh\ndress prune --model licensed --axis ",
        r"it'\''s sliced' --no-regularize --compensate ridge",
    ] {
        assert!(card.contains(part), "{part} is not in\n{card}");
    }
    let config = parsed(&sliced, "tokenizer_config.json");
    assert_eq!([&config["bos_token"], &config["eos_token"]], ["<|endoftext|>"; 2]);
    let result = parsed(&sliced, "dress.json");
    assert_eq!(result["format_version"], 1);
    assert!(result["command"].as_str().unwrap().starts_with("dress prune"));

    json(&dress(&[&["recover", "--model", &sliced, "--out", &tuned], &draw[..]].concat()));
    assert_eq!(read(&tuned, "README.source.md"), card);
    assert_eq!(read(&tuned, "README.source.source.md"), read(&source, "README.md"));
    let card = read(&tuned, "README.md");
    for part in ["license: other", "84.4%", "It was fine-tuned for 4 steps", "```sh\ndress recover"] {
        assert!(card.contains(part), "{part} is not in\n{card}");
    }
    assert_eq!(
        (read(&tuned, "LICENSE.txt").as_str(), &parsed(&tuned, "recover.json")["format_version"]),
        ("terms", &1.into())
    );

    json(&dress(&[&["rotate", "--model", &source, "--stream", "--out", &turned], &draw[..]].concat()));
    let card = read(&turned, "README.md");
    assert!(card.contains("principal components (`pca-tied`)") && !card.contains("- pruned"), "{card}");
    assert_eq!(read(&turned, "LICENSE.txt"), "terms");
    let (evaluated, other) = (paths.path("evaluated"), text("heldout.txt"));
    let eval = ["eval", "--model", &tuned, "--against", &source, "--data", &other, "--seqlen", "64"];
    json(&dress(&[&eval[..], &["--max-blocks", "1", "--out", &evaluated, "--json"]].concat()));
    assert_eq!(parsed(&tuned, "recover.json")["model"], "it's sliced");
    assert_eq!(result["calibration"]["path"], "calibration.txt");
    for directory in [&sliced, &tuned, &turned, &evaluated] {
        says_no_place(&paths, directory);
    }
    // A result with all of this is replaced like any other.
    json(&dress(&[&prune[..], &["--no-regularize", "--force"], &draw].concat()));
}
