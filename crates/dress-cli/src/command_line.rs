//! The command as it was given, for whoever wants to give it again.
//!
//! It stands in a result's model card and in its `dress.json`, which are published together.

use crate::commands::Cli;
use crate::with_settings_file;
use clap::CommandFactory;
use dress_core::published_paths;
use std::ffi::OsString;

/// The command of this process as a shell takes it. What it has from a settings file is written out, and
/// paths are as [`published_paths`] says them.
pub fn command_line() -> String {
    let given: Vec<OsString> = std::env::args_os().collect();
    let words = with_settings_file(given.clone(), &Cli::command()).unwrap_or(given);
    let words = words.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    published(&without_settings_file(words))
}

fn published(words: &[String]) -> String {
    let words = words.iter().map(|word| quoted(&published_paths(word)));
    std::iter::once("dress".into()).chain(words).collect::<Vec<_>>().join(" ")
}

fn without_settings_file(words: Vec<String>) -> Vec<String> {
    let (mut kept, mut words) = (Vec::new(), words.into_iter());
    while let Some(word) = words.next() {
        match word.as_str() {
            "--config" => _ = words.next(),
            word if word.starts_with("--config=") => {}
            _ => kept.push(word),
        }
    }
    kept
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@%+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_a_shell_would_change_are_quoted() {
        for (word, expected) in [
            ("--ratio=0.25", "--ratio=0.25"),
            ("models/a b", "'models/a b'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn where_somebody_keeps_things_is_not_said() {
        let words = ["prune", "--model", "/home/me/my models/dense", "--calibration=../a.txt:0.5,b.txt:0.5"];
        let more = ["--distill-from", "org/dense", "--out", "smaller/it's"];
        let words: Vec<String> = words.into_iter().chain(more).map(String::from).collect();
        let expected =
            "dress prune --model dense --calibration=a.txt:0.5,b.txt:0.5 --distill-from org/dense --out";
        assert_eq!(published(&words), format!(r"{expected} 'smaller/it'\''s'"));
    }

    #[test]
    fn a_settings_file_is_written_out_and_not_named() {
        let words =
            ["prune", "--config", "run.toml", "--config=other.toml", "--axis=ffn"].map(String::from).into();
        assert_eq!(without_settings_file(words), ["prune", "--axis=ffn"]);
    }
}
