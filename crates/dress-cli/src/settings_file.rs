//! Options from a TOML file, put behind those of the command line before anything is parsed.

use crate::Error;
use crate::option_groups::conflict;
use crate::option_names::names;
use clap::{Arg, Command};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The option that names the file.
const OPTION: &str = "config";

/// The words of a command line, with the options that its `--config` file adds. What the command line says
/// stands, and so what conflicts with it is left out.
///
/// # Errors
/// [`Error::SettingsFile`] where the file cannot be read, names no option of the subcommand, or holds what no
/// option takes.
pub fn with_settings_file(words: Vec<OsString>, command: &Command) -> Result<Vec<OsString>, Error> {
    let texts: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let named = texts.iter().skip(1).find_map(|word| command.find_subcommand(word));
    let Some(subcommand) = named.filter(|found| found.get_arguments().any(|arg| arg.get_id() == OPTION))
    else {
        return Ok(words);
    };
    let Some(path) = file_in(&texts) else { return Ok(words) };
    let table = read(&path)?;
    let refused = |reason: String| Error::SettingsFile { path: path.clone(), reason };
    let given: Vec<&Arg> = subcommand.get_arguments().filter(|arg| is_given(&texts, arg)).collect();
    let mut built = subcommand.clone();
    // Only then does clap know what its groups hold.
    built.build();
    let mut all = words;
    for (key, value) in &table {
        let arg = option(subcommand, key).ok_or_else(|| {
            refused(format!("`{key}` is no option of dress {}; its help lists them", subcommand.get_name()))
        })?;
        let said = |other: &&Arg| other.get_id() == arg.get_id() || conflict(&built, arg, other);
        if given.iter().any(said) {
            continue;
        }
        let long = arg.get_long().unwrap_or_default();
        match written(value).map_err(|what| refused(format!("`{key}` is {what}")))? {
            Written::Flag(false) => {}
            Written::Flag(true) if !arg.get_action().takes_values() => all.push(format!("--{long}").into()),
            Written::Flag(true) => all.push(format!("--{long}=true").into()),
            Written::Value(text) => all.push(format!("--{long}={text}").into()),
        }
    }
    Ok(all)
}

fn file_in(words: &[String]) -> Option<PathBuf> {
    let option = format!("--{OPTION}");
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if *word == option {
            return words.next().map(PathBuf::from);
        }
        if let Some(path) = word.strip_prefix(&format!("{option}=")) {
            return Some(path.into());
        }
    }
    None
}

fn read(path: &Path) -> Result<Table, Error> {
    let refused = |reason: String| Error::SettingsFile { path: path.into(), reason };
    let text = std::fs::read_to_string(path).map_err(|cause| refused(cause.to_string()))?;
    text.parse().map_err(|cause: toml::de::Error| refused(cause.to_string().trim_end().replace('\n', " ")))
}

/// The option that a key means; `_` and `-` are the same.
fn option<'a>(subcommand: &'a Command, key: &str) -> Option<&'a Arg> {
    let long = key.replace('_', "-");
    let mut options =
        subcommand.get_arguments().filter(|arg| ![OPTION, "help"].contains(&arg.get_id().as_str()));
    options.find(|arg| names(arg).contains(&long.as_str()))
}

fn is_given(words: &[String], arg: &Arg) -> bool {
    let given = names(arg);
    let is_one = |word: &String| {
        word.strip_prefix("--").is_some_and(|word| given.contains(&word.split('=').next().unwrap_or(word)))
    };
    words.iter().any(is_one)
}

enum Written {
    Flag(bool),
    Value(String),
}

/// A value as it would stand on the command line, the parts of a list with commas; or what it is that no
/// option takes.
fn written(value: &Value) -> Result<Written, &'static str> {
    Ok(match value {
        Value::Boolean(flag) => Written::Flag(*flag),
        Value::Array(parts) => {
            let parts = parts.iter().map(|part| match written(part)? {
                Written::Value(text) => Ok(text),
                Written::Flag(_) => Err("a list of true and false, which no option takes"),
            });
            Written::Value(parts.collect::<Result<Vec<_>, _>>()?.join(","))
        }
        Value::String(text) => Written::Value(text.clone()),
        Value::Integer(number) => Written::Value(number.to_string()),
        Value::Float(number) => Written::Value(number.to_string()),
        Value::Datetime(_) => return Err("a date, which no option takes"),
        Value::Table(_) => return Err("a table; write all options at the top, without a heading"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn expanded(settings: &str, more: &[&str]) -> Result<Vec<String>, String> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("run.toml");
        std::fs::write(&path, settings).unwrap();
        let file = path.display().to_string();
        let words = [&["dress", "prune", "--config", &file][..], more].concat();
        let words = words.iter().map(OsString::from).collect();
        let all = with_settings_file(words, &crate::commands::Cli::command());
        let added = |all: Vec<OsString>| {
            all[4 + more.len()..].iter().map(|word| word.to_string_lossy().into_owned()).collect()
        };
        all.map(added).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_are_options_and_the_command_line_stands_above_them() {
        let settings =
            "axis = [\"ffn\", \"heads\"]\nratio = 0.25\nno_slice_early = true\nforce = false\nlambda = 2\n";
        let all = expanded(settings, &[]).unwrap();
        let sorted = |mut words: Vec<String>| {
            words.sort();
            words
        };
        assert_eq!(sorted(all), ["--axis=ffn,heads", "--lambda=2", "--no-slice-early", "--ratio=0.25"]);
        let less = expanded(settings, &["--params", "0.5", "--axis=ffn", "--lambda", "1"]).unwrap();
        assert_eq!(less, ["--no-slice-early"], "a ratio conflicts with --params");
    }

    #[test]
    fn an_option_is_known_by_its_other_names_too() {
        assert_eq!(expanded("distill_alpha = 0.5\n", &[]).unwrap(), ["--distill=0.5"]);
        for given in ["--distill-alpha=0.9", "--distill=0.9"] {
            assert_eq!(expanded("distill = 0.5\n", &[given]).unwrap(), [""; 0], "{given}");
        }
    }

    #[test]
    fn what_is_no_option_is_named_with_its_file() {
        for (settings, says) in [
            ("ratoi = 0.25", "`ratoi` is no option of dress prune"),
            ("[training]\nepochs = 2", "`training` is no option"),
            ("[lambda]\nx = 2", "a table"),
            ("lambda = ", "run.toml"),
            ("config = \"other.toml\"", "`config` is no option"),
        ] {
            let said = expanded(settings, &[]).unwrap_err();
            assert!(said.contains(says) && said.contains("run.toml"), "{said}");
        }
    }

    #[test]
    fn other_subcommands_are_left_as_they_are() {
        let words: Vec<OsString> = ["dress", "inspect", "--config", "nowhere.toml"].map(Into::into).into();
        assert_eq!(with_settings_file(words.clone(), &crate::commands::Cli::command()).unwrap(), words);
    }
}
